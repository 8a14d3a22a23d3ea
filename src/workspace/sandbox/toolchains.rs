//! Folders of tools of this machine that a product may name: found at documented places, mounted read-only where they are.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use super::system::Mount;
use crate::core::product_file::Toolchain;

/// Programs of `/usr` whose version is part of what set-up depends on.
const PROGRAMS: [&str; 6] = ["python3", "node", "npm", "go", "cargo", "rustc"];

/// What the toolchains of a product need.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) mounts: Vec<Mount>,
    /// Folders of programs, for `PATH`.
    pub(super) path: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

/// Where to search: the worker's variables, and its user's home.
#[derive(Debug, Clone)]
pub(super) struct Places {
    variables: BTreeMap<String, String>,
    home: PathBuf,
}

impl Places {
    pub(super) fn of_this_process() -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/nonexistent"));
        Self { variables: variables.collect(), home }
    }

    fn folder(&self, variable: &str, usual: &str) -> Option<PathBuf> {
        let named = self.variables.get(variable).map(PathBuf::from);
        let folder = named.unwrap_or_else(|| self.home.join(usual));
        folder.canonicalize().ok().filter(|folder| folder.is_dir())
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.variables.get("PATH")?;
        std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    /// The folder above `bin`, in which a program of `PATH` really lies.
    fn above_program(&self, name: &str) -> Option<PathBuf> {
        Some(self.program(name)?.canonicalize().ok()?.parent()?.parent()?.to_owned())
    }

    /// The root that Go names itself: what is on `PATH` may be a script that starts it, as with goenv, asdf and PyPI.
    fn go_says(&self) -> Option<PathBuf> {
        let mut go = Command::new(self.program("go")?);
        let said = go.args(["env", "GOROOT"]).env("GOTOOLCHAIN", "local").current_dir("/").output().ok()?;
        let root = String::from_utf8(said.stdout).ok()?;
        (said.status.success() && !root.trim().is_empty()).then(|| PathBuf::from(root.trim()))
    }
}

impl Tools {
    /// Finds the toolchains.
    ///
    /// # Errors
    /// Names the places that were searched for the first that is missing.
    pub(super) fn find(toolchains: &[Toolchain], places: &Places) -> Result<Self, String> {
        let mut tools = Self::default();
        for toolchain in toolchains {
            match toolchain {
                Toolchain::Rust => tools.rust(places)?,
                Toolchain::Python => tools.python(places)?,
                Toolchain::Node => tools.node(places)?,
                Toolchain::Go => tools.go(places)?,
            }
        }
        Ok(tools)
    }

    /// `CARGO_HOME/bin` and `RUSTUP_HOME`; not `CARGO_HOME` itself, which may hold credentials.
    fn rust(&mut self, places: &Places) -> Result<(), String> {
        let bin = places.folder("CARGO_HOME", ".cargo").map(|home| home.join("bin"));
        let rustup = places.folder("RUSTUP_HOME", ".rustup");
        match (bin.filter(|bin| bin.join("cargo").exists()), rustup) {
            (Some(bin), Some(rustup)) => {
                self.environment.push(("RUSTUP_HOME".to_owned(), rustup.display().to_string()));
                self.environment.push(("RUSTUP_AUTO_INSTALL".to_owned(), "0".to_owned()));
                self.mount(&rustup);
                self.add(&bin, "");
                Ok(())
            }
            _ if Path::new("/usr/bin/cargo").exists() => Ok(()),
            _ => Err(missing("rust", "CARGO_HOME and RUSTUP_HOME, ~/.cargo and ~/.rustup, /usr/bin/cargo")),
        }
    }

    /// `PYENV_ROOT`: the version in its file `version`, else the newest.
    fn python(&mut self, places: &Places) -> Result<(), String> {
        let pyenv = places.folder("PYENV_ROOT", ".pyenv");
        let chosen = pyenv.and_then(|root| {
            let chosen = std::fs::read_to_string(root.join("version")).unwrap_or_default();
            version_in(&root.join("versions"), chosen.lines().next().unwrap_or_default())
        });
        match chosen {
            Some(version) => {
                self.add(&version, "bin");
                Ok(())
            }
            None if Path::new("/usr/bin/python3").exists() => Ok(()),
            None => Err(missing("python", "PYENV_ROOT, ~/.pyenv, /usr/bin/python3")),
        }
    }

    /// `NVM_DIR`: the version in its file `alias/default`, else the newest.
    fn node(&mut self, places: &Places) -> Result<(), String> {
        let chosen = places.folder("NVM_DIR", ".nvm").and_then(|root| {
            let chosen = std::fs::read_to_string(root.join("alias/default")).unwrap_or_default();
            version_in(&root.join("versions/node"), chosen.trim())
        });
        match chosen {
            Some(version) => {
                self.add(&version, "bin");
                Ok(())
            }
            None if ["/usr/bin/node", "/usr/local/bin/node"].iter().any(|node| Path::new(node).exists()) => {
                Ok(())
            }
            None => Err(missing("node", "NVM_DIR, ~/.nvm, /usr/bin/node, /usr/local/bin/node")),
        }
    }

    /// `GOROOT`, what `go` on `PATH` belongs to or names, `/usr/local/go`, `/usr/lib/go`.
    fn go(&mut self, places: &Places) -> Result<(), String> {
        let named = places.variables.get("GOROOT").map(PathBuf::from);
        let usual = ["/usr/local/go", "/usr/lib/go"].map(PathBuf::from);
        let is_root = |root: &PathBuf| root.join("bin/go").is_file() && root.join("pkg").is_dir();
        let found = named.into_iter().chain(places.above_program("go")).find(is_root);
        let found = found.or_else(|| places.go_says().filter(is_root));
        let root =
            found.or_else(|| usual.into_iter().find(is_root)).and_then(|root| root.canonicalize().ok());
        let searched = "GOROOT, `go` on the worker's PATH and what it names, /usr/local/go, /usr/lib/go";
        self.add(&root.ok_or_else(|| missing("go", searched))?, "bin");
        Ok(())
    }

    fn add(&mut self, folder: &Path, bin: &str) {
        let path = if bin.is_empty() { folder.to_owned() } else { folder.join(bin) };
        self.path.push(path.display().to_string());
        self.mount(folder);
    }

    fn mount(&mut self, folder: &Path) {
        if !folder.starts_with("/usr") {
            let (source, target) = (folder.to_owned(), folder.display().to_string());
            self.mounts.push(Mount { source, target, writable: false });
        }
    }

    /// Which programs there are, so that a layer is made anew when one is replaced.
    pub(super) fn identity(&self) -> Vec<String> {
        use std::os::unix::fs::MetadataExt as _;
        let usual = super::system::PATH.split(':').map(str::to_owned);
        let folders: Vec<String> = self.path.iter().cloned().chain(usual).collect();
        let found = |program: &str| {
            let mut files = folders.iter().map(|folder| Path::new(folder).join(program));
            let file = files.find_map(|file| file.canonicalize().ok())?;
            let data = file.metadata().ok()?;
            Some(format!("{} {} {}", file.display(), data.len(), data.mtime()))
        };
        PROGRAMS.into_iter().filter_map(found).collect()
    }
}

/// The folder of a version, or of the newest; `lts/iron` and the like name none here.
fn version_in(versions: &Path, chosen: &str) -> Option<PathBuf> {
    let numbers = |name: &str| -> Vec<u64> {
        let parts = name.trim_start_matches('v').split('.');
        parts.map(|part| part.parse().unwrap_or(0)).collect()
    };
    let entries = std::fs::read_dir(versions).ok()?.flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| versions.join(name).join("bin").is_dir());
    names.sort_by_key(|name| numbers(name));
    let exact = names.iter().find(|name| name.trim_start_matches('v') == chosen.trim_start_matches('v'));
    let name = exact.or(names.last())?;
    versions.join(name).canonicalize().ok()
}

fn missing(name: &str, searched: &str) -> String {
    format!("this machine has no toolchain `{name}`; searched were {searched}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn toolchains_are_found_at_their_usual_places_and_without_credentials() {
        let home = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let file = home.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        };
        make(".cargo/bin/cargo");
        make(".cargo/credentials.toml");
        make(".rustup/settings.toml");
        for version in ["v9.1.0", "v20.2.0", "v20.10.0"] {
            make(&format!(".nvm/versions/node/{version}/bin/node"));
        }
        make("go/bin/go");
        std::fs::create_dir(home.path().join("go/pkg")).unwrap();
        let root = home.path().canonicalize().unwrap();
        let variables = BTreeMap::from([("GOROOT".to_owned(), root.join("go").display().to_string())]);
        let places = Places { variables, home: root.clone() };
        let tools = Tools::find(&[Toolchain::Rust, Toolchain::Node, Toolchain::Go], &places).unwrap();
        let shown = |path: &str| root.join(path).display().to_string();
        assert_eq!(
            tools.path,
            [shown(".cargo/bin"), shown(".nvm/versions/node/v20.10.0/bin"), shown("go/bin")]
        );
        let targets: Vec<_> = tools.mounts.iter().map(|mount| mount.target.clone()).collect();
        assert_eq!(
            targets,
            [shown(".rustup"), shown(".cargo/bin"), shown(".nvm/versions/node/v20.10.0"), shown("go")]
        );
        // A script on the path, as goenv has it.
        make("shims/go");
        let script = format!("#!/bin/sh\n[ \"$*\" = 'env GOROOT' ] && echo {}\n", shown("go"));
        std::fs::write(root.join("shims/go"), script).unwrap();
        std::fs::set_permissions(root.join("shims/go"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let variables = BTreeMap::from([("PATH".to_owned(), shown("shims"))]);
        let shims = Places { variables, home: root.clone() };
        assert_eq!(Tools::find(&[Toolchain::Go], &shims).unwrap().path, [shown("go/bin")]);
        let none = Places { variables: BTreeMap::new(), home: root.join("none") };
        let error = Tools::find(&[Toolchain::Go], &none).map(|tools| tools.path);
        assert!(error.is_ok_and(|path| path[0].starts_with("/usr")) || !Path::new("/usr/local/go").exists());
    }
}
