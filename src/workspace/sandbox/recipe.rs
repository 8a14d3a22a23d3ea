//! How a product is set up and tested: plain values, which the caller takes from the product's file.

use std::{path::PathBuf, time::Duration};

use super::super::git_folder::GitFolder;
use super::limits::Limits;
use crate::core::product_file::{self, Build, Service, Toolchain};

/// How a product is set up and tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The product's folder in the repository; empty for the whole repository.
    pub root: String,
    /// Lines of `sh -e` that install what the tests need, with a way to the package registries and to nothing else.
    pub setup: Vec<String>,
    /// The files that set-up sees, of the repository: manifests, lock files, and what the product adds.
    pub inputs: Vec<String>,
    /// What runs beside the tests.
    pub services: Vec<Service>,
    /// Folders of tools of this machine.
    pub toolchains: Vec<Toolchain>,
    /// A container image in the place of this machine's programs and libraries.
    pub image: Option<String>,
    /// A folder with the `.git` of which tests get a copy; without it they see none.
    pub git_folder: Option<PathBuf>,
    /// The limits of one run of tests.
    pub limits: Limits,
    /// The limits of set-up.
    pub setup_limits: Limits,
}

impl Default for Recipe {
    /// No set-up and nothing beside; the default limits, and for set-up ten minutes, 2 GiB of memory, 8 GiB and a million
    /// files on disk.
    fn default() -> Self {
        let setup_limits = Limits {
            wall: Duration::from_secs(600),
            memory: 2 << 30,
            disk: 8 << 30,
            files: 1_000_000,
            file_size: 4 << 30,
            ..Limits::default()
        };
        Self {
            root: String::new(),
            setup: Vec::new(),
            inputs: Vec::new(),
            services: Vec::new(),
            toolchains: Vec::new(),
            image: None,
            git_folder: None,
            limits: Limits::default(),
            setup_limits,
        }
    }
}

/// What is run in the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands<'a> {
    /// One program with its arguments.
    Words(&'a [String]),
    /// Lines of `sh -e`, one after the other; the first that fails ends them.
    Lines(&'a [String]),
}

/// What plugins that take a version from the history (setuptools-scm, hatch-vcs, pbr, pdm) read in its place.
const VERSIONS: [&str; 3] = ["SETUPTOOLS_SCM_PRETEND_VERSION", "PBR_VERSION", "PDM_BUILD_SCM_VERSION"];

/// Runs each line by a shell of its own; `$` and the line are printed before it.
const LINES: &str = r#"for line; do printf '$ %s\n' "$line"; sh -e -c "$line" || exit $?; done"#;

impl Commands<'_> {
    pub(super) fn argv(self) -> Vec<String> {
        match self {
            Self::Words(words) => words.to_vec(),
            Self::Lines(lines) => {
                let shell = ["sh", "-c", LINES, "sh"].map(str::to_owned);
                shell.into_iter().chain(lines.iter().cloned()).collect()
            }
        }
    }
}

impl Recipe {
    /// As a product file has it, for a commit with these paths. A `.git` is not among it.
    #[must_use]
    pub fn of<'a>(build: &Build, paths: impl IntoIterator<Item = &'a str>) -> Self {
        let usual = Self::default();
        Self {
            root: build.root.clone(),
            setup: build.setup.clone(),
            inputs: build.setup_files(paths).into_iter().map(str::to_owned).collect(),
            services: build.services.clone(),
            toolchains: build.toolchains.clone(),
            image: build.image.clone(),
            git_folder: None,
            limits: limits(&build.limits),
            setup_limits: Limits {
                wall: usual.setup_limits.wall.max(Duration::from_secs(build.limits.seconds.into())),
                memory: usual.setup_limits.memory.max(u64::from(build.limits.memory_mib) << 20),
                ..usual.setup_limits
            },
        }
    }

    /// The same, with a `.git` for tests.
    #[must_use]
    pub fn with_git_folder(self, git_folder: Option<&GitFolder>) -> Self {
        Self { git_folder: git_folder.map(|it| it.path().to_owned()), ..self }
    }

    /// The product's folder in the sandbox.
    ///
    /// # Errors
    /// When it would leave `/product`.
    pub(super) fn folder(&self) -> Result<String, String> {
        let root = self.root.trim_matches('/');
        if root.split('/').any(|part| part == ".." || part.contains('\0')) {
            return Err("the product's folder must be inside of the repository".to_owned());
        }
        Ok(if root.is_empty() { "/product".to_owned() } else { format!("/product/{root}") })
    }

    /// Variables of set-up and of tests. `tools` are the folders of the toolchains, and commands are searched in `last` after them.
    pub(super) fn environment(tools: &[String], last: &str) -> Vec<(String, String)> {
        let mut path = vec!["/deps/venv/bin", "/deps/bin", "/deps/cargo/bin", "/deps/go/bin"];
        path.extend(tools.iter().map(String::as_str));
        path.push(last);
        let path = path.join(":");
        let variables = [
            ("PATH", path.as_str()),
            ("CARGO_HOME", "/deps/cargo"),
            ("CARGO_TARGET_DIR", "/tmp/target"),
            ("GOPATH", "/deps/go"),
            ("GOCACHE", "/tmp/go-build"),
            ("GOTOOLCHAIN", "local"),
            ("npm_config_cache", "/tmp/npm"),
            ("npm_config_update_notifier", "false"),
            ("PIP_NO_CACHE_DIR", "1"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// Variables where no `.git` is.
    pub(super) fn without_history() -> Vec<(String, String)> {
        VERSIONS.map(|name| (name.to_owned(), "0.0.0".to_owned())).to_vec()
    }

    /// Variables that keep clients of registries from asking for them in vain.
    pub(super) fn offline() -> Vec<(String, String)> {
        let variables = [
            ("CARGO_NET_OFFLINE", "true"),
            ("GOPROXY", "off"),
            ("PIP_NO_INDEX", "1"),
            ("npm_config_offline", "true"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }
}

/// What a run writes is in memory too, and may be as much as its processes use.
fn limits(limits: &product_file::Limits) -> Limits {
    let memory = u64::from(limits.memory_mib) << 20;
    Limits {
        wall: Duration::from_secs(limits.seconds.into()),
        memory,
        disk: memory,
        processes: limits.processes,
        file_size: u64::from(limits.file_mib) << 20,
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_file_becomes_a_recipe_and_its_folder_stays_inside() {
        let build = Build {
            root: "web".to_owned(),
            setup: vec!["npm ci".to_owned()],
            inputs: vec!["scripts/*.js".to_owned()],
            ..Build::default()
        };
        let paths = ["web/package.json", "web/src/a.js", "web/scripts/b.js", "other/package.json"];
        let recipe = Recipe::of(&build, paths);
        assert_eq!(recipe.inputs, ["web/package.json", "web/scripts/b.js"]);
        assert_eq!((recipe.limits.memory, recipe.limits.wall.as_secs()), (2 << 30, 600));
        assert_eq!(recipe.folder().unwrap(), "/product/web");
        for root in ["../x", "a/../../b", "a\0b"] {
            assert!(Recipe { root: root.to_owned(), ..Recipe::default() }.folder().is_err(), "{root}");
        }
    }
}
