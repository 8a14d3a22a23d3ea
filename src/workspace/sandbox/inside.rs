//! The machine that a test sees: its files, its variables, its limits, as arguments of bubblewrap.

use std::path::{Path, PathBuf};

use super::{layers::CACHES, limits::Limits};

/// Where commands are searched.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The user and group in the sandbox.
const USER: &str = "65534";
/// Bytes of shared memory.
const SHARED: &str = "67108864";

/// Files of `/etc` that all tests see: no name, user or address of this machine is in them.
const ETC: [(&str, &str); 5] = [
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

/// Runs inside: unpacks the files, closes the pipe, starts the services, becomes the test. Only the test is limited:
/// what it brings along may be larger than what it may write.
const UNPACK_AND_RUN: &str = r#"
if [ -n "$1" ]; then eval "$1" || exit 125; fi
if [ -n "$2" ]; then eval "$2" || exit 125; fi
shift 2; exec "$@" </dev/null"#;

/// Puts the product's files in place.
pub(super) const UNPACK: &str = "tar -xf -";

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

/// What a run is given.
#[derive(Debug, Clone, Default)]
pub(super) struct Inside {
    /// Variables besides those that every run has; the last of one name counts.
    pub(super) environment: Vec<(String, String)>,
    /// Folders besides those that every run has.
    pub(super) mounts: Vec<Mount>,
    /// Folders of modules, in the sandbox, in which tools may keep their caches.
    pub(super) modules: Vec<String>,
    /// Shell lines that put the files in place.
    pub(super) unpack: String,
    /// Shell lines that start what the run needs.
    pub(super) services: String,
    /// Where it starts.
    pub(super) folder: String,
}

/// Writes the files of `/etc` that all runs see.
pub(super) fn write_etc(folder: &Path) -> std::io::Result<()> {
    ETC.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}

impl Inside {
    /// The arguments of bubblewrap and, after them, what sets the limits and runs `argv`. `disk` is the file system that
    /// the run writes to, `etc` the folder with its files of `/etc`, `bound` finds its mounts.
    pub(super) fn arguments(
        &self,
        (disk, etc): (&Path, &Path),
        bound: &dyn Fn(usize, &Path) -> PathBuf,
        limits: &Limits,
    ) -> Vec<String> {
        let mut words = Words::default();
        words.add([
            "--seccomp",
            "3",
            "--unshare-all",
            "--unshare-user",
            "--disable-userns",
            "--cap-drop",
            "ALL",
        ]);
        words.add([
            "--new-session",
            "--die-with-parent",
            "--uid",
            USER,
            "--gid",
            USER,
            "--hostname",
            "sandbox",
        ]);
        words.add(["--clearenv"]);
        for (name, value) in self.variables() {
            words.add(["--setenv", &name, &value]);
        }
        words.system(etc);
        words.add([
            "--proc", "/proc", "--dev", "/dev", "--size", SHARED, "--perms", "1777", "--tmpfs", "/dev/shm",
        ]);
        // Names of keys are no secret of ours, but nothing in a test needs them.
        for file in ["/proc/keys", "/proc/key-users"] {
            if Path::new(file).exists() {
                words.add(["--ro-bind", "/dev/null", file]);
            }
        }
        words.add(["--bind", &shown(&disk.join("tmp")), "/tmp"]);
        words.add(["--bind", &shown(&disk.join("product")), "/product"]);
        for (number, mount) in self.mounts.iter().enumerate() {
            let how = if mount.writable { "--bind" } else { "--ro-bind" };
            words.add([how, &shown(&bound(number, &mount.source)), &mount.target]);
        }
        for (folder, name) in self.modules.iter().flat_map(|folder| CACHES.map(|name| (folder, name))) {
            words.add(["--bind", &shown(&disk.join("caches").join(name)), &format!("{folder}/{name}")]);
        }
        words.add(["--chdir", "/product", "--remount-ro", "/dev", "--remount-ro", "/", "--"]);
        words.add(["sh", "-c", UNPACK_AND_RUN, "sh", &self.unpack, &self.services]);
        words.add(["prlimit", "--core=0", &format!("--nofile={}", limits.open_files)]);
        words.add([&format!("--nproc={}", limits.processes), &format!("--fsize={}", limits.file_size)]);
        let seconds = limits.wall.as_secs().max(1).saturating_mul(u64::from(limits.cores.max(1)));
        words.add([&format!("--cpu={seconds}"), "--"]);
        if !self.folder.is_empty() {
            words.add(["sh", "-c", r#"cd "$1" && shift && exec "$@""#, "sh", &self.folder]);
        }
        words.0
    }

    fn variables(&self) -> Vec<(String, String)> {
        let always = [
            ("PATH", PATH),
            ("HOME", "/tmp"),
            ("TMPDIR", "/tmp"),
            ("LANG", "C.UTF-8"),
            ("USER", "sandbox"),
            ("CI", "true"),
            ("NO_COLOR", "1"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ];
        let always = always.map(|(name, value)| (name.to_owned(), value.to_owned()));
        always.into_iter().chain(self.environment.iter().cloned()).collect()
    }
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn add<const N: usize>(&mut self, some: [&str; N]) {
        self.0.extend(some.map(str::to_owned));
    }

    /// Programs and libraries of this machine, and `/etc`.
    fn system(&mut self, etc: &Path) {
        self.add(["--ro-bind", "/usr", "/usr"]);
        for name in ["bin", "sbin", "lib", "lib64"] {
            let path = format!("/{name}");
            match std::fs::symlink_metadata(&path) {
                Ok(data) if data.is_symlink() => self.add(["--symlink", &format!("usr/{name}"), &path]),
                Ok(_) => self.add(["--ro-bind", &path, &path]),
                Err(_) => {}
            }
        }
        for (name, _) in ETC {
            self.add(["--ro-bind", &shown(&etc.join(name)), &format!("/etc/{name}")]);
        }
        for path in HOST {
            self.add(["--ro-bind-try", path, path]);
        }
        for entry in std::fs::read_dir("/etc").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("java-") {
                self.add(["--ro-bind", &shown(&entry.path()), &shown(&entry.path())]);
            }
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
