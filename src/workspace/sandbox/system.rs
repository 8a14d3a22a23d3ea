//! Programs and libraries that a run sees, and its `/etc`: of this machine, or of a container image.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::layers::Layer;

/// Where commands are searched.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Files of `/etc` that all runs see: no name, user or address of this machine is in them.
pub(super) const ETC: [(&str, &str); 5] = [
    (
        "passwd",
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nsandbox:x:65534:65534:sandbox:/tmp:/bin/sh\n",
    ),
    ("group", "root:x:0:\nsandbox:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost ip6-loopback\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"),
    ("hostname", "sandbox\n"),
];

/// What is bound from this machine, read-only, where it is there: certificates, tables of names, settings of Java.
const HOST: [&str; 11] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates",
    "/etc/services",
    "/etc/protocols",
    "/etc/mime.types",
    "/etc/fonts",
];

/// Top-level names that the sandbox makes itself, whatever an image has there.
pub(super) const MADE: [&str; 8] = ["dev", "proc", "sys", "tmp", "run", "product", "deps", "report"];

/// A folder that is bound into the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is on this machine.
    pub(super) source: PathBuf,
    /// Where it is in the sandbox.
    pub(super) target: String,
    /// Whether the run writes to it.
    pub(super) writable: bool,
}

/// Programs and libraries that a run sees.
#[derive(Debug, Clone, Default)]
pub(super) enum System {
    /// Those of this machine.
    #[default]
    Machine,
    /// Those of a container image.
    Image(Root),
}

/// The unpacked files of a container image.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// Its layer, held as long as this exists.
    layer: Layer,
    /// Its id, which no other image has.
    pub(super) id: String,
    /// The variables that it sets.
    pub(super) environment: Vec<(String, String)>,
    top: Top,
}

/// What is at the top of an image.
#[derive(Debug, Clone, Default)]
struct Top {
    mounts: Vec<Mount>,
    /// What links beside its folders point to, and where they are.
    links: Vec<(String, String)>,
}

impl Root {
    /// The image in a layer.
    ///
    /// # Errors
    /// When the layer cannot be read.
    pub(super) fn of(layer: Layer, id: String, environment: Vec<(String, String)>) -> io::Result<Self> {
        let top = Top::of(&layer.deps())?;
        Ok(Self { layer, id, environment, top })
    }

    /// Where its files are on this machine.
    pub(super) fn folder(&self) -> PathBuf {
        self.layer.deps()
    }

    /// Where it searches commands.
    fn path(&self) -> Option<&str> {
        self.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_str())
    }
}

impl System {
    /// Where commands are searched.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Machine => PATH,
            Self::Image(root) => root.path().unwrap_or(PATH),
        }
    }

    /// Folders that are mounted for it, besides those of this machine that every user may enter.
    pub(super) fn mounts(&self) -> &[Mount] {
        match self {
            Self::Machine => &[],
            Self::Image(root) => &root.top.mounts,
        }
    }

    /// Variables that it sets.
    pub(super) fn environment(&self) -> &[(String, String)] {
        match self {
            Self::Machine => &[],
            Self::Image(root) => &root.environment,
        }
    }

    /// The arguments of bubblewrap for it; `etc` is the folder with our files of `/etc`, `bound` finds its mounts.
    pub(super) fn arguments(&self, etc: &Path, bound: &dyn Fn(usize, &Path) -> PathBuf) -> Vec<String> {
        let mut words = match self {
            Self::Machine => machine(),
            Self::Image(root) => root.top.arguments(bound),
        };
        for (name, _) in ETC {
            words.extend(["--ro-bind".to_owned(), shown(&etc.join(name)), format!("/etc/{name}")]);
        }
        words
    }
}

impl Top {
    /// A link is made anew in the sandbox and never followed here, where it may lead to a file of this machine.
    fn of(root: &Path) -> io::Result<Self> {
        let mut top = Self::default();
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let (kind, source) = (entry.file_type()?, entry.path());
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let target = format!("/{name}");
            if MADE.contains(&name.as_str()) || name.contains('\n') {
                continue;
            }
            if kind.is_dir() {
                top.mounts.push(Mount { source, target, writable: false });
            } else if kind.is_symlink()
                && let Some(to) = fs::read_link(&source)?.to_str()
            {
                top.links.push((to.to_owned(), target));
            }
        }
        top.mounts.sort_by(|one, other| one.target.cmp(&other.target));
        top.links.sort();
        Ok(top)
    }

    fn arguments(&self, bound: &dyn Fn(usize, &Path) -> PathBuf) -> Vec<String> {
        let mounts = self.mounts.iter().enumerate().flat_map(|(number, mount)| {
            ["--ro-bind".to_owned(), shown(&bound(number, &mount.source)), mount.target.clone()]
        });
        let links = self.links.iter();
        let links = links.flat_map(|(to, at)| ["--symlink".to_owned(), to.clone(), at.clone()]);
        mounts.chain(links).collect()
    }
}

/// Writes our files of `/etc`.
pub(super) fn write_etc(folder: &Path) -> io::Result<()> {
    ETC.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

/// Programs and libraries of this machine, and of its `/etc` what holds no name of it.
fn machine() -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |some: [&str; 3]| words.extend(some.map(str::to_owned));
    add(["--ro-bind", "/usr", "/usr"]);
    for name in ["bin", "sbin", "lib", "lib64"] {
        let path = format!("/{name}");
        match fs::symlink_metadata(&path) {
            Ok(data) if data.is_symlink() => add(["--symlink", &format!("usr/{name}"), &path]),
            Ok(_) => add(["--ro-bind", &path, &path]),
            Err(_) => {}
        }
    }
    for path in HOST {
        add(["--ro-bind-try", path, path]);
    }
    for entry in fs::read_dir("/etc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("java-") {
            add(["--ro-bind", &shown(&entry.path()), &shown(&entry.path())]);
        }
    }
    words
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_top_of_an_image_is_bound_and_its_links_are_never_followed() {
        let image = tempfile::tempdir().unwrap();
        for folder in ["usr/bin", "etc", "opt", "proc", "dev", "product", "deps", "tmp", "run", "sys"] {
            fs::create_dir_all(image.path().join(folder)).unwrap();
        }
        symlink("usr/bin", image.path().join("bin")).unwrap();
        symlink("/etc", image.path().join("home")).unwrap();
        fs::write(image.path().join("entrypoint.sh"), "").unwrap();
        let Top { mounts, links } = Top::of(image.path()).unwrap();
        let targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/etc", "/opt", "/usr"]);
        let links: Vec<(&str, &str)> = links.iter().map(|(to, at)| (to.as_str(), at.as_str())).collect();
        assert_eq!(links, [("/etc", "/home"), ("usr/bin", "/bin")]);
    }
}
