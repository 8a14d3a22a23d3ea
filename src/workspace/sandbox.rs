//! Runs a product's tests in bubblewrap: no network, no environment, no host files, hard limits.
//!
//! The files go in as a tar on standard input and are kept in memory; only text comes out. Tests never run outside
//! of the sandbox: where its start-up probe fails, they do not run at all.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    process::{Child, Command},
};

use super::error::Error;

const INNER_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const TOOLS: [(&str, &str); 5] = [
    ("bwrap", "bubblewrap"),
    ("prlimit", "util-linux"),
    ("setpriv", "util-linux"),
    ("tar", "tar"),
    ("bash", "bash"),
];

/// As root, each run gets a user id of its own from here on, so that runs cannot signal each other or use up each
/// other's processes.
const FIRST_USER: u32 = 0x3000_0000;
const USERS: u32 = 1 << 20;

/// Closes all inherited files first: bubblewrap passes open files on.
const CLOSE_AND_RUN: &str =
    r#"for f in /proc/self/fd/*; do n=${f##*/}; if ((n > 2)); then eval "exec $n>&-"; fi; done; exec "$@""#;

/// Runs inside: unpacks the files, closes the pipe, becomes the test.
const UNPACK_AND_RUN: &str = r#"tar -xf - || exit 125; exec "$@" </dev/null"#;

/// Runs inside at start-up. Every line is an attack that must fail.
const PROBE: &str = r#"
fail() { echo "the probe could $1"; exit 1; }
for p in /root /home /etc/shadow /etc/passwd /etc/hostname /var /run /srv /mnt /opt /sys/class; do
    [ -e "$p" ] && fail "see the host's $p"
done
env | grep -qvE '^(PATH|HOME|LANG|TMPDIR|PWD|OLDPWD|SHLVL|_|PYTHONDONTWRITEBYTECODE)=' && fail "see a foreign variable"
tr '\0' '\n' 2>/dev/null </proc/1/environ | grep -qvE '^(PWD|OLDPWD|SHLVL|_)=' && fail "see the environment of the caller"
grep -vE '^ *lo:' /proc/net/dev | grep -q : && fail "see a network"
for f in /proc/$$/fd/*; do [ -e "$f" ] && [ "${f##*/}" -gt 2 ] && fail "see the open file $f"; done
( : >/usr/probe ) 2>/dev/null && fail "write to /usr"
( : >/probe ) 2>/dev/null && fail "write to /"
unshare -U true 2>/dev/null && fail "make a namespace"
mount -t tmpfs none /tmp 2>/dev/null && fail "mount"
limit() { grep -q "^Max $1  *$2 " /proc/self/limits; }
limit processes 24 || fail "start any number of processes"
limit "file size" 1048576 || fail "write a file of any size"
limit "core file size" 0 || fail "dump core"
[ -f here ] || fail "not see its work"
( : >there ) 2>/dev/null || fail "not write to its work"
exit 0
"#;

/// Why this machine has no sandbox, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tests cannot run here: {reason}")]
pub struct Unavailable {
    /// What is missing, with the package to install.
    pub reason: String,
}

/// A sandbox that has passed its start-up probe.
#[derive(Debug, Clone)]
pub struct Sandbox {
    tools: Tools,
}

/// The limits of one test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time, after which everything is killed.
    pub wall: Duration,
    /// Bytes of address space of each process, and of each of `/product` and `/tmp`.
    pub memory: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Bytes of one file.
    pub file_size: u64,
    /// How many bytes of output are kept, from its end.
    pub output: usize,
}

impl Default for Limits {
    /// Two minutes, 1 GiB, 128 processes, files of 64 MiB, 1 MiB of output.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(120),
            memory: 1 << 30,
            processes: 128,
            file_size: 64 << 20,
            output: 1 << 20,
        }
    }
}

/// The result of one run. The output is written by the tests themselves and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    /// Whether it ended by itself, in time, with exit code 0.
    pub passed: bool,
    /// Its exit code, 128 and more for a signal; `None` when it was killed.
    pub exit: Option<i32>,
    /// Whether it was killed at the time limit.
    pub timed_out: bool,
    /// The tail of standard output and error in the order written, with control characters escaped.
    pub output: String,
    /// How long it took.
    pub duration_ms: u64,
}

#[derive(Debug, Clone)]
struct Tools {
    bwrap: PathBuf,
    setpriv: PathBuf,
    tar: PathBuf,
    bash: PathBuf,
}

impl Sandbox {
    /// Finds the tools, and runs the start-up probe, which attacks the sandbox.
    ///
    /// # Errors
    /// [`Unavailable`] names what is missing, or which attack of the probe succeeded.
    pub async fn find() -> Result<Self, Unavailable> {
        Self::find_in(&std::env::var_os("PATH").unwrap_or_default()).await
    }

    /// As [`Sandbox::find`], with this search path for the tools.
    ///
    /// # Errors
    /// As [`Sandbox::find`].
    pub async fn find_in(path: &std::ffi::OsStr) -> Result<Self, Unavailable> {
        let find =
            |tool: &str| std::env::split_paths(path).map(|dir| dir.join(tool)).find(|tool| tool.is_file());
        for (tool, package) in TOOLS {
            if find(tool).is_none() {
                let reason = format!("{package} is not installed (install the package `{package}`)");
                return Err(Unavailable { reason });
            }
        }
        let found = |tool| find(tool).unwrap_or_default();
        let tools = Tools {
            bwrap: found("bwrap"),
            setpriv: found("setpriv"),
            tar: found("tar"),
            bash: found("bash"),
        };
        let sandbox = Self { tools };
        sandbox.probe().await?;
        Ok(sandbox)
    }

    /// Runs `argv` in a copy of `directory`. `argv[0]` is searched inside the sandbox, in `/usr/local/bin`, `/usr/bin`
    /// and `/bin`. Standard output and error are read as one stream.
    ///
    /// # Errors
    /// When this machine cannot start the sandbox. A failure of the test is a [`TestRun`].
    pub async fn run(&self, directory: &Path, argv: &[&str], limits: Limits) -> Result<TestRun, Error> {
        let began = Instant::now();
        let (mut sandbox, mut tar, output) = self.start(directory, argv, limits)?;
        let mut tail = Tail { bytes: Vec::new(), limit: limits.output, cut: false };
        let ended = tokio::time::timeout(limits.wall, async {
            tail.read(output).await?;
            sandbox.wait().await
        })
        .await;
        // The init process of the sandbox dies with bubblewrap, and everything else with that.
        for child in [&mut sandbox, &mut tar] {
            child.kill().await.or_else(ended_already).map_err(Error::io("end the sandbox"))?;
        }
        let (status, timed_out) = match ended {
            Ok(status) => (Some(status.map_err(Error::io("wait for the sandbox"))?), false),
            Err(_) => (None, true),
        };
        let exit = status.and_then(|status| status.code());
        Ok(TestRun {
            passed: exit == Some(0),
            exit,
            timed_out,
            output: tail.shown(),
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn start(
        &self,
        directory: &Path,
        argv: &[&str],
        limits: Limits,
    ) -> Result<(Child, Child, pipe::Receiver), Error> {
        let mut tar = Command::new(&self.tools.tar);
        tar.env_clear().arg("-C").arg(directory).args(["-cf", "-", "."]);
        tar.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut tar = tar.spawn().map_err(Error::io("start tar"))?;
        let work = tar.stdout.take().map(tokio::process::ChildStdout::into_owned_fd);
        let work: OwnedFd = work
            .unwrap_or_else(|| Err(std::io::ErrorKind::BrokenPipe.into()))
            .map_err(Error::io("take tar's output"))?;
        // The tar inside the sandbox expects a blocking pipe.
        rustix::io::ioctl_fionbio(work.as_fd(), false)
            .map_err(|error| Error::io("prepare tar's output")(error.into()))?;
        let (output, ours) = std::io::pipe().map_err(Error::io("create a pipe"))?;
        let both = ours.try_clone().map_err(Error::io("create a pipe"))?;
        let mut command = Command::new(&self.tools.bash);
        command.env_clear().current_dir("/").args(["--noprofile", "--norc", "-c", CLOSE_AND_RUN, "bash"]);
        command.args(self.outer()).args(inner(limits)).args(argv);
        command.stdin(work).stdout(ours).stderr(both).kill_on_drop(true);
        let sandbox = command.spawn().map_err(Error::io("start the sandbox"))?;
        let output =
            pipe::Receiver::from_owned_fd(output.into()).map_err(Error::io("read from the sandbox"))?;
        Ok((sandbox, tar, output))
    }

    /// The command line outside of the sandbox; as root, with a user id that no other run has.
    fn outer(&self) -> Vec<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut arguments = Vec::new();
        if rustix::process::geteuid().is_root() {
            let number =
                std::process::id().wrapping_mul(251).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let user = FIRST_USER + number % USERS;
            arguments.push(self.tools.setpriv.display().to_string());
            arguments.extend([
                "--reuid".to_owned(),
                user.to_string(),
                "--regid".to_owned(),
                user.to_string(),
            ]);
            arguments.extend(["--clear-groups", "--no-new-privs"].map(str::to_owned));
        }
        arguments.push(self.tools.bwrap.display().to_string());
        arguments
    }

    async fn probe(&self) -> Result<(), Unavailable> {
        let unavailable = |reason: String| Unavailable { reason };
        let work =
            tempfile::tempdir().map_err(|error| unavailable(format!("no temporary directory: {error}")))?;
        std::fs::write(work.path().join("here"), "").map_err(|error| unavailable(error.to_string()))?;
        let limits = Limits {
            wall: Duration::from_secs(20),
            memory: 512 << 20,
            processes: 24,
            file_size: 1 << 20,
            output: 4_096,
        };
        let run = self.run(work.path(), &["sh", "-c", PROBE], limits).await;
        let run = run.map_err(|error| unavailable(error.to_string()))?;
        if run.passed {
            return Ok(());
        }
        let why = if run.timed_out { "it took too long" } else { run.output.trim() };
        Err(unavailable(format!("the sandbox failed its own probe: {why}")))
    }
}

/// The arguments of bubblewrap, then the limits, which are set inside so that they apply to the sandbox alone.
fn inner(limits: Limits) -> Vec<String> {
    let memory = limits.memory.to_string();
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |some: &[&str]| arguments.extend(some.iter().map(|&argument| argument.to_owned()));
    add(&["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]);
    add(&["--new-session", "--die-with-parent", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]);
    add(&[
        "--clearenv",
        "--setenv",
        "PATH",
        INNER_PATH,
        "--setenv",
        "HOME",
        "/tmp",
        "--setenv",
        "TMPDIR",
        "/tmp",
    ]);
    add(&["--setenv", "LANG", "C.UTF-8", "--setenv", "PYTHONDONTWRITEBYTECODE", "1"]);
    add(&["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/alternatives", "/etc/alternatives"]);
    add(&["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]);
    for name in ["bin", "sbin", "lib", "lib64"] {
        let path = format!("/{name}");
        match std::fs::symlink_metadata(&path) {
            Ok(data) if data.is_symlink() => add(&["--symlink", &format!("usr/{name}"), &path]),
            Ok(_) => add(&["--ro-bind", &path, &path]),
            Err(_) => {}
        }
    }
    add(&["--proc", "/proc", "--dev", "/dev", "--size", "16777216", "--tmpfs", "/dev/shm"]);
    add(&[
        "--size", &memory, "--tmpfs", "/tmp", "--size", &memory, "--tmpfs", "/product", "--chdir", "/product",
    ]);
    add(&["--remount-ro", "/dev", "--remount-ro", "/", "--", "prlimit", "--core=0", "--nofile=256"]);
    add(&[&format!("--as={memory}"), &format!("--nproc={}", limits.processes)]);
    add(&[&format!("--fsize={}", limits.file_size), &format!("--cpu={}", limits.wall.as_secs().max(1))]);
    add(&["--", "sh", "-c", UNPACK_AND_RUN, "sh"]);
    arguments
}

/// The last bytes of a stream of any length.
struct Tail {
    bytes: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Tail {
    async fn read(&mut self, mut from: pipe::Receiver) -> std::io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            match from.read(&mut chunk).await? {
                0 => return Ok(()),
                some => self.push(&chunk[..some]),
            }
        }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        // Up to twice the limit is kept, so that not every read moves the whole tail.
        if self.bytes.len() > self.limit.saturating_mul(2) {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let over = self.bytes.len().saturating_sub(self.limit);
        self.cut |= over > 0;
        self.bytes.drain(..over);
    }

    fn shown(mut self) -> String {
        self.trim();
        let begin = if self.cut { "[the beginning was cut]\n" } else { "" };
        let mut shown = begin.to_owned();
        for c in String::from_utf8_lossy(&self.bytes).chars() {
            match c {
                '\n' | '\t' => shown.push(c),
                _ if c.is_control() || is_invisible(c) => shown.extend(c.escape_unicode()),
                _ => shown.push(c),
            }
        }
        shown
    }
}

/// Characters that reorder or hide the text around them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn ended_already(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::InvalidInput { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[&str], limit: usize, shown: &str) {
        let mut tail = Tail { bytes: Vec::new(), limit, cut: false };
        chunks.iter().for_each(|chunk| tail.push(chunk.as_bytes()));
        assert_eq!(tail.shown(), shown);
    }

    #[test]
    fn the_tail_is_kept_and_control_characters_are_escaped() {
        check(&["ab", "c\n"], 10, "abc\n");
        check(&["abcdefgh"], 3, "[the beginning was cut]\nfgh");
        check(&["abcdef", "gh", "ij"], 4, "[the beginning was cut]\nghij");
        check(&["\u{1b}[31mred\r\u{202e}"], 100, "\\u{1b}[31mred\\u{d}\\u{202e}");
    }
}
