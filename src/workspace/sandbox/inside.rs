//! The machine that a test sees: its files, its variables, its limits, as arguments of bubblewrap.

use std::path::{Path, PathBuf};

use super::{
    layers::CACHES,
    limits::Limits,
    system::{Mount, PATH, System},
};

/// The user and group in the sandbox.
const USER: &str = "65534";
/// Bytes of shared memory.
const SHARED: &str = "67108864";

/// Runs inside: unpacks the files, closes the pipe, starts the services, becomes the test. Only the test is limited:
/// what it brings along may be larger than what it may write.
const UNPACK_AND_RUN: &str = r#"
if [ -n "$1" ]; then eval "$1" || exit 125; fi
if [ -n "$2" ]; then eval "$2" || exit 125; fi
shift 2; exec "$@" </dev/null"#;

/// Puts the product's files in place.
pub(super) const UNPACK: &str = "tar -xf -";
/// After it, where a `.git` is among the files: their times become known to its index, so that git need not read them to
/// see that they are unchanged. Without git on the machine or in the image nothing reads the index either.
pub(super) const REFRESH: &str = " && { git update-index -q --refresh >/dev/null 2>&1 </dev/null || :; }";

/// What a run is given.
#[derive(Debug, Clone, Default)]
pub(super) struct Inside {
    /// Variables besides those that every run has; the last of one name counts.
    pub(super) environment: Vec<(String, String)>,
    /// Programs and libraries.
    pub(super) system: System,
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

impl Inside {
    /// All folders of this machine that are mounted, in order.
    pub(super) fn sources(&self) -> Vec<PathBuf> {
        self.system.mounts().iter().chain(&self.mounts).map(|mount| mount.source.clone()).collect()
    }

    /// The arguments of bubblewrap and, after them, what sets the limits and runs `argv`. `disk` is the file system that
    /// the run writes to, `etc` the folder with its files of `/etc`, `bound` finds the nth of its sources.
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
        words.0.extend(self.system.arguments(etc, bound));
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
        let before = self.system.mounts().len();
        for (number, mount) in (before..).zip(&self.mounts) {
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
        let system = self.system.environment().iter().cloned();
        system.chain(always).chain(self.environment.iter().cloned()).collect()
    }
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn add<const N: usize>(&mut self, some: [&str; N]) {
        self.0.extend(some.map(str::to_owned));
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
