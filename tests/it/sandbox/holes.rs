//! Holes that were found in the sandbox, each named after its row, and what real test suites need.

use std::{fs, time::Duration};

use aspora::workspace::{Limits, Over, Sandbox, TestRun};

use super::{attack, limits};

/// Six processes of 100 MiB each, which are held for so many seconds once all of them have it.
fn six(seconds: u32) -> String {
    let script = r"
import os, time
have, has = os.pipe()
for _ in range(6):
    if os.fork() == 0:
        block = b'x' * (100 << 20); os.write(has, b'.'); time.sleep(60); os._exit(0)
for _ in range(6): os.read(have, 1)
time.sleep(SECONDS)
print('ALL HELD')
";
    script.replace("SECONDS", &seconds.to_string())
}

async fn python(sandbox: &Sandbox, script: &str, limits: Limits) -> TestRun {
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("attack.py"), script).unwrap();
    sandbox.run(work.path(), &["python3", "attack.py"], limits).await.unwrap()
}

fn is_killed_for_memory(run: &TestRun) {
    assert_eq!((run.passed, run.exit, run.over), (false, Some(137), Some(Over::Memory)), "{}", run.output);
    assert!(run.output.ends_with("[killed: over its memory limit of 256 MiB]\n"), "{}", run.output);
    assert!(!run.output.contains("ALL HELD"), "{run:?}");
}

#[tokio::test]
async fn x1_memory_is_limited_for_all_processes_together() {
    let small = Limits { memory: 256 << 20, disk: 16 << 20, ..limits() };
    let sandbox = Sandbox::find().await.unwrap();
    is_killed_for_memory(&python(&sandbox, &six(20), small).await);
    let watched = Sandbox::find_without_groups().await.unwrap();
    assert_eq!(watched.limited_by(), "watching their processes");
    is_killed_for_memory(&python(&watched, &six(20), small).await);
    // What the limit allows is left alone.
    let enough = python(&sandbox, &six(0), Limits { memory: 1 << 30, ..small }).await;
    assert!(enough.passed && enough.over.is_none() && enough.output == "ALL HELD\n", "{enough:?}");
}

#[tokio::test]
async fn x1_no_group_is_left_behind_and_the_run_is_the_first_to_be_killed() {
    let run = attack("print(open('/proc/self/oom_score_adj').read().strip())", limits()).await;
    assert_eq!(run.output, "1000\n");
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let path = own.lines().find_map(|line| line.split_once(":pids:")).map(|(_, path)| path.to_owned());
    let Some(path) = path else { return };
    let folder = format!("/sys/fs/cgroup/pids{path}");
    let prefix = format!("aspora-run-{}-", std::process::id());
    let groups = || {
        let entries = fs::read_dir(&folder).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count()
    };
    // Other tests of this process make groups too, so the number must come to what they need.
    for _ in 0..600 {
        if groups() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} groups are left", groups());
}

#[tokio::test]
async fn x1_processes_are_limited_for_the_run_together() {
    // Each process counts by itself for RLIMIT_NPROC of its user; the group counts threads as well.
    let script = r"
import threading, time
born = 0
try:
    while born < 500:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); born += 1
except RuntimeError: print('stopped', born < 40, flush=True)
import os; os._exit(0)
";
    let run = attack(script, limits()).await;
    assert_eq!(run.output, "stopped True\n");
}

#[tokio::test]
async fn x2_the_number_of_files_is_limited() {
    let script = r"
made = 0
try:
    while made < 100_000:
        open(f'/tmp/{made}', 'w').close(); made += 1
except OSError as error: print('stopped', made < 5_000, error.errno)
try: open('/product/one', 'w').close(); print('REACHED')
except OSError as error: print('product', error.errno)
";
    let run = attack(script, Limits { files: 5_000, ..limits() }).await;
    assert_eq!(run.output, "stopped True 28\nproduct 28\n");
}

#[tokio::test]
async fn x3_x4_x5_calls_that_reach_the_kernel_are_refused() {
    let script = r"
import ctypes, errno, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == 'x86_64'
def call(name, number, *arguments):
    answer = libc.syscall(number, *arguments)
    print(name, 'REACHED' if answer >= 0 else errno.errorcode[ctypes.get_errno()])
call('keyctl', 250 if x86 else 219, 0, -3, 0)
call('add_key', 248 if x86 else 217, b'user', b'name', b'x', 1, -3)
call('request_key', 249 if x86 else 218, b'user', b'name', 0, 0)
call('userfaultfd', 323 if x86 else 282, 1)
call('io_uring_setup', 425, 1, ctypes.create_string_buffer(120))
call('fanotify_init', 300 if x86 else 262, 0x200, 0)
call('process_vm_readv', 310 if x86 else 270, 1, 0, 0, 0, 0, 0)
call('bpf', 321 if x86 else 280, 0, 0, 0)
call('perf_event_open', 298 if x86 else 241, 0, 0, -1, -1, 0)
call('personality', 135 if x86 else 92, 0x400000)
call('unshare', 272 if x86 else 97, 0x10000000)
call('mount', 165 if x86 else 40, 0, b'/tmp', b'tmpfs', 0, 0)
call('fsopen', 430, b'tmpfs', 0)
if x86: call('getpid of x32', 0x40000000 + 39)
for name, family in (('vsock', 40), ('alg', 38), ('packet', 17), ('bluetooth', 31), ('can', 29), ('rds', 21), ('tipc', 30)):
    try: socket.socket(family, socket.SOCK_STREAM); print(name, 'REACHED')
    except OSError as error: print(name, errno.errorcode[error.errno])
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6): socket.socket(family).close()
try: print('REACHED' if open('/proc/keys').read() else 'no keys')
except OSError: print('no keys')
";
    let run = attack(script, limits()).await;
    assert!(run.passed, "{}", run.output);
    assert!(!run.output.contains("REACHED"), "{}", run.output);
    let answered = |name: &str| run.output.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    for name in
        ["keyctl", "add_key", "request_key", "userfaultfd", "bpf", "unshare", "mount", "process_vm_readv"]
    {
        assert_eq!(answered(name), "EPERM", "{name}");
    }
    assert_eq!((answered("io_uring_setup"), answered("vsock")), ("ENOSYS", "EAFNOSUPPORT"));
}

#[tokio::test]
async fn what_real_test_suites_need_is_there() {
    let script = r"
import getpass, os, pwd, resource, socket, ssl, zoneinfo
print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir, os.path.expanduser('~'))
print(socket.gethostbyname('localhost'), socket.gethostbyname(socket.gethostname()), socket.getservbyname('https'))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrlimit(resource.RLIMIT_AS)[0])
print(len(ssl.create_default_context().get_ca_certs()) > 10, zoneinfo.ZoneInfo('Europe/Berlin').key)
print(os.environ['CI'], os.environ['NO_COLOR'], os.environ['TMPDIR'], os.environ['USER'])
";
    let run = attack(script, limits()).await;
    assert_eq!(
        run.output,
        "sandbox /tmp /tmp\n127.0.0.1 127.0.0.1 443\n4096 -1\nTrue Europe/Berlin\ntrue 1 /tmp sandbox\n"
    );
}

#[tokio::test]
async fn node_runs_webassembly_and_worker_threads() {
    let sandbox = Sandbox::find().await.unwrap();
    let work = tempfile::tempdir().unwrap();
    let script = r"
const { Worker } = require('worker_threads');
const wasm = new Uint8Array([0,97,115,109,1,0,0,0,5,3,1,0,1,7,5,1,1,109,2,0]);
const memory = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports.m;
console.log('wasm', memory.grow(100));
let left = 4;
for (let i = 0; i < 4; i++) {
  const worker = new Worker('require(`worker_threads`).parentPort.postMessage(1)', { eval: true });
  worker.on('message', () => { if (--left === 0) console.log('workers'); });
}
";
    fs::write(work.path().join("test.js"), script).unwrap();
    let run = sandbox.run(work.path(), &["node", "test.js"], Limits::default()).await.unwrap();
    assert!(run.passed && run.output == "wasm 1\nworkers\n", "{}", run.output);
}

#[tokio::test]
async fn a_large_tree_is_no_fault_of_its_tests() {
    let work = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let file = fs::File::create(work.path().join(format!("film-{number}.bin"))).unwrap();
        std::io::copy(&mut std::io::Read::take(std::io::repeat(7), 100 << 20), &mut &file).unwrap();
    }
    let sandbox = Sandbox::find().await.unwrap();
    let small = Limits { memory: 128 << 20, disk: 16 << 20, file_size: 1 << 20, ..Limits::default() };
    let run = sandbox.run(work.path(), &["sh", "-c", "du -sm . | cut -f1; : >own"], small).await.unwrap();
    assert!(run.passed, "{run:?}");
    assert_eq!(run.output.trim(), "300");
}
