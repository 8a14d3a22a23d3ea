//! Attacks on the sandbox: each runs like a product's test, and must reach nothing outside.

mod attacks;
mod holes;
mod images;
mod layers;

use std::{fs, net::TcpListener, time::Duration};

use aspora::workspace::{Limits, Sandbox, TestRun};

fn limits() -> Limits {
    Limits {
        wall: Duration::from_secs(30),
        memory: 512 << 20,
        disk: 128 << 20,
        processes: 32,
        file_size: 4 << 20,
        output: 1 << 16,
        ..Limits::default()
    }
}

async fn attack(script: &str, limits: Limits) -> TestRun {
    let sandbox = Sandbox::find().await.expect("bubblewrap works on the machine that tests it");
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("attack.py"), script).unwrap();
    sandbox.run(work.path(), &["python3", "attack.py"], limits).await.unwrap()
}

#[tokio::test]
async fn a_test_passes_and_fails_by_its_exit_code() {
    let good = attack("print('hello')", limits()).await;
    assert_eq!((good.passed, good.exit, good.output.as_str()), (true, Some(0), "hello\n"));
    let bad = attack("import sys; print('\\x1b[2Jbye', file=sys.stderr); sys.exit(3)", limits()).await;
    assert_eq!((bad.passed, bad.exit, bad.output.as_str()), (false, Some(3), "\\u{1b}[2Jbye\n"));
}

#[tokio::test]
async fn no_environment_variable_is_visible_inside() {
    // Cargo sets this variable for every test, so it serves as the canary.
    let canary = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let run = attack(
        r#"
import os, pathlib
print(dict(os.environ))
for place in pathlib.Path("/proc").glob("[0-9]*"):
    for name in ("environ", "cmdline"):
        try: print(place, (place / name).read_bytes())
        except OSError as error: print(place, error)
for fd in os.listdir("/proc/self/fd"):
    try: print(fd, os.readlink("/proc/self/fd/" + fd))
    except OSError: pass
"#,
        limits(),
    )
    .await;
    assert!(run.passed, "{}", run.output);
    assert!(run.output.contains("LANG") && run.output.contains("/proc/1 "), "{}", run.output);
    assert!(!run.output.contains(&canary) && !run.output.contains("CARGO"), "{}", run.output);
}

#[tokio::test]
async fn only_its_own_loopback_is_reachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        r#"
import socket
for where in (("127.0.0.1", {port}), ("169.254.169.254", 80), ("192.0.2.1", 443)):
    try: socket.create_connection(where, timeout=2); print("REACHED", where)
    except OSError as error: print(where, error)
try: print("REACHED", socket.getaddrinfo("example.com", 80))
except OSError as error: print(error)
own = socket.create_server(("127.0.0.1", 0))
socket.create_connection(own.getsockname(), timeout=2)
print("own loopback works")
"#
    );
    let run = attack(&script, limits()).await;
    assert!(run.passed && run.output.contains("own loopback works"), "{}", run.output);
    assert!(!run.output.contains("REACHED"), "{}", run.output);
}

#[tokio::test]
async fn files_of_the_host_are_neither_read_nor_written() {
    let host = tempfile::tempdir().unwrap();
    let secret = host.path().join("secret");
    fs::write(&secret, "canary-41c0").unwrap();
    let sandbox = Sandbox::find().await.unwrap();
    let work = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&secret, work.path().join("link")).unwrap();
    let script = format!(
        r#"
import os, pathlib
assert len(open("/etc/passwd").readlines()) == 2, "users of the host"
for path in ("{secret}", "link", "/etc/shadow", "/root", "/proc/1/root{secret}", "/proc/1/cwd/{secret}"):
    try: print("REACHED", path, pathlib.Path(path).read_text() if not os.path.isdir(path) else os.listdir(path))
    except OSError as error: print(error)
for path in ("/usr/owned", "/owned", "/dev/owned", "/proc/sys/kernel/core_pattern"):
    try: pathlib.Path(path).write_text("x"); print("REACHED", path)
    except OSError as error: print(error)
pathlib.Path("attack.py").write_text("changed")
"#,
        secret = secret.display()
    );
    fs::write(work.path().join("attack.py"), &script).unwrap();
    let run = sandbox.run(work.path(), &["python3", "attack.py"], limits()).await.unwrap();
    assert!(run.passed, "{}", run.output);
    assert!(!run.output.contains("REACHED") && !run.output.contains("canary-41c0"), "{}", run.output);
    assert_eq!(
        fs::read_to_string(work.path().join("attack.py")).unwrap(),
        script,
        "the directory itself is not written"
    );
}

#[tokio::test]
async fn a_fork_bomb_stops_at_the_limit() {
    let script = r#"
import os, time
born = 0
try:
    while born < 1000:
        if os.fork() == 0: time.sleep(1000)
        born += 1
except OSError as error: print("stopped", born < 40, error)
"#;
    let run = attack(script, limits()).await;
    assert!(run.output.contains("stopped True"), "{}", run.output);
}

#[tokio::test]
async fn disk_is_limited() {
    let script = r#"
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for place in ("/tmp", "/product", "/dev/shm"):
    try:
        for n in range(1000):
            with open(f"{place}/{n}", "wb") as file: file.write(b"x" * (3 << 20))
        print("REACHED disk", place)
    except OSError as error: print(place, error)
try:
    with open("/tmp/0", "wb") as file: file.write(b"x" * (5 << 20)); file.flush(); print("REACHED size")
except OSError as error: print(error)
"#;
    let run = attack(script, limits()).await;
    assert!(run.passed, "{}", run.output);
    assert!(run.output.contains("/dev/shm [Errno 28]") && !run.output.contains("REACHED"), "{}", run.output);
}

#[tokio::test]
async fn endless_output_and_endless_sleep_are_killed_at_the_time_limit() {
    let short = Limits { wall: Duration::from_secs(2), ..limits() };
    let loud = attack("while True: print('y' * 10000)", short).await;
    assert!(loud.timed_out && !loud.passed && loud.exit.is_none());
    assert!(loud.output.len() < (1 << 16) + 100 && loud.output.starts_with("[the beginning was cut]"));
    let quiet = attack("import time; print('here', flush=True); time.sleep(1e6)", short).await;
    assert_eq!((quiet.timed_out, quiet.passed, quiet.output.as_str()), (true, false, "here\n"));
    assert!(quiet.duration_ms < 10_000, "{}", quiet.duration_ms);
}

#[tokio::test]
async fn a_daemon_is_killed_with_its_test() {
    let name = format!("left-behind-{}", std::process::id());
    let script = format!(
        r#"
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("python3", ["python3", "-c", "import time; time.sleep(1e6)", "{name}"])
    os._exit(0)
import pathlib
while not any(b"{name}" in p.read_bytes() for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")): pass
print("it lives")
"#
    );
    let run = attack(&script, limits()).await;
    assert!(run.passed && run.output == "it lives\n", "{run:?}");
    assert!(run.duration_ms < 20_000, "the daemon held the run up for {} ms", run.duration_ms);
    let alive = fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let line = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        line.ends_with(&format!("{name}\0")) && line.starts_with("python3")
    });
    assert!(!alive, "a process outlived its sandbox");
}

#[tokio::test]
async fn a_machine_without_bubblewrap_says_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let reason = Sandbox::find_in(empty.path().as_os_str()).await.unwrap_err().to_string();
    assert_eq!(
        reason,
        "tests cannot run here: bubblewrap is not installed (install the package `bubblewrap`)"
    );
}

#[tokio::test]
async fn a_bubblewrap_that_does_not_isolate_fails_the_probe() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let tools = tempfile::tempdir().unwrap();
    for tool in ["prlimit", "setpriv", "unshare", "mount", "tar", "bash"] {
        symlink(format!("/usr/bin/{tool}"), tools.path().join(tool)).unwrap();
    }
    let fake = tools.path().join("bwrap");
    let script =
        "#!/bin/bash\nwhile [ \"$1\" != -- ]; do shift; done; shift; cd \"$(mktemp -d)\"; exec \"$@\"\n";
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let reason = Sandbox::find_in(tools.path().as_os_str()).await.unwrap_err().to_string();
    assert!(reason.contains("failed its own probe"), "{reason}");
    // Another user needs bubblewrap itself to mount anything, so that it fails before it sees the host.
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|data| std::os::unix::fs::MetadataExt::uid(&data) == 0);
    assert!(!is_root || reason.contains("the probe could see the host's"), "{reason}");
}
