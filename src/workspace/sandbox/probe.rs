//! The start-up probe: attacks that must fail, and limits that must hold, on this machine.

use std::time::Duration;

use super::{
    inside::Inside,
    limits::{Limits, Over},
    runner::{Files, Job, Runner},
    unavailable::Unavailable,
};

/// Runs inside. Every line is an attack that must fail.
const ATTACKS: &str = r#"
fail() { echo "the probe could $1"; exit 1; }
for p in /root /home /etc/shadow /var /run /srv /mnt /opt /sys/class; do
    [ -e "$p" ] && fail "see the host's $p"
done
[ "$(wc -l </etc/passwd)" -le 2 ] || fail "see the host's users"
env | grep -qvE '^(PATH|HOME|USER|LANG|TMPDIR|CI|NO_COLOR|PWD|OLDPWD|SHLVL|_|PYTHONDONTWRITEBYTECODE)=' && fail "see a foreign variable"
tr '\0' '\n' 2>/dev/null </proc/1/environ | grep -qvE '^(PWD|OLDPWD|SHLVL|_)=' && fail "see the environment of the caller"
grep -vE '^ *lo:' /proc/net/dev | grep -q : && fail "see a network"
for f in /proc/$$/fd/*; do [ -e "$f" ] && [ "${f##*/}" -gt 2 ] && fail "see the open file $f"; done
( : >/usr/probe ) 2>/dev/null && fail "write to /usr"
( : >/probe ) 2>/dev/null && fail "write to /"
unshare -U true 2>/dev/null && fail "make a namespace"
mount -t tmpfs none /tmp 2>/dev/null && fail "mount"
for p in self 1; do grep -q '^Seccomp:.*2' /proc/$p/status || fail "call the kernel without a filter"; done
[ -s /proc/keys ] && fail "see a keyring"
[ "$(cat /proc/self/oom_score_adj)" = 1000 ] || fail "outlive the worker when memory is short"
limit() { grep -q "^Max $1  *$2 " /proc/self/limits; }
limit processes 24 || fail "start any number of processes"
limit "file size" 1048576 || fail "write a file of any size"
limit "core file size" 0 || fail "dump core"
[ -f here ] || fail "not see its work"
( : >there ) 2>/dev/null || fail "not write to its work"
i=0; while [ $i -lt 300 ]; do ( : >/tmp/$i ) 2>/dev/null || break; i=$((i + 1)); done
[ $i -lt 300 ] || fail "make any number of files"
exit 0
"#;

/// Runs inside, and needs more memory than it has: `tail` keeps what nothing reads. It keeps it long enough to be seen on a
/// busy machine too, where no kernel counts.
const GLUTTON: &str = "head -c 200000000 /dev/zero | tail -c 200000000 | sleep 15; echo alive";

const LIMITS: Limits = Limits {
    wall: Duration::from_secs(20),
    memory: 64 << 20,
    disk: 16 << 20,
    files: 100,
    processes: 24,
    file_size: 1 << 20,
    open_files: 256,
    cores: 1,
    output: 4_096,
};

/// Attacks the sandbox.
///
/// # Errors
/// What succeeded that must not, or what failed.
pub(super) async fn probe(runner: &Runner) -> Result<(), Unavailable> {
    let cannot = |reason: String| Unavailable { reason };
    let work = tempfile::tempdir().map_err(|error| cannot(format!("no temporary directory: {error}")))?;
    std::fs::write(work.path().join("here"), "").map_err(|error| cannot(error.to_string()))?;
    let run = async |script: &str| {
        let inside = Inside { unpack: super::inside::UNPACK.to_owned(), ..Inside::default() };
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let job = Job { files: Files::Tree(work.path(), None), inside, argv, user: None, limits: LIMITS };
        runner.run(job).await.map_err(|error| cannot(error.to_string()))
    };
    let attacks = run(ATTACKS).await?;
    if !attacks.passed {
        let why = if attacks.timed_out { "it took too long" } else { attacks.output.trim() };
        return Err(Unavailable::from_output(why));
    }
    let glutton = run(GLUTTON).await?;
    if glutton.over != Some(Over::Memory) || glutton.output.contains("alive") {
        let reason = "the sandbox failed its own probe: the probe could use more memory than its limit";
        return Err(cannot(reason.to_owned()));
    }
    Ok(())
}
