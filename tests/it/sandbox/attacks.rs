//! Attacks from tests and from set-up, one row each: what they reach, they print as `REACHED`.

use std::{
    fs,
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use aspora::workspace::{Commands, Layer, Layers, Limits, Over, Prepared, Recipe, Sandbox, TestRun};

/// When an attack is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    Tests,
    SetUp,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    ByItself,
    AtTheTimeLimit,
    Over(Over),
    /// As it happens: which of its own processes cannot be started is chance.
    Somehow,
}

use Ends::{AtTheTimeLimit, ByItself, Somehow};
use In::{SetUp, Tests};

/// `@SECRET`, `@FOLDER`, `@PORT`, `@SOCKET`, `@ABSTRACT`, `@PID` and `@MARK` stand for the canaries of the host.
const ATTACKS: &[(&str, In, Ends, &str)] = &[
    ("a fork bomb of the shell", Tests, Somehow, "import subprocess; subprocess.run(['sh', '-c', 'f() { f | f & }; f; sleep 60'])"),
    ("processes without end", Tests, ByItself, "
import os, time
born = 0
try:
    while born < 1000:
        if os.fork() == 0: time.sleep(60); os._exit(0)
        born += 1
    print('REACHED', born)
except OSError: print('held')
os.kill(-1, 9)"),
    ("memory in one process", Tests, Ends::Over(Over::Memory), "x = b'x' * (1 << 30); print('REACHED')"),
    ("memory in many processes", Tests, Ends::Over(Over::Memory), "
import os, time
for _ in range(8):
    if os.fork() == 0: x = b'x' * (100 << 20); time.sleep(60)
time.sleep(60); print('REACHED')"),
    ("files without end", Tests, ByItself, "
try:
    for n in range(10**6): open(f'/tmp/{n}', 'w').close()
    print('REACHED')
except OSError: print('held')"),
    ("bytes without end", Tests, ByItself, "
try:
    for n in range(10**6): open(f'/tmp/{n}', 'wb').write(b'x' * (1 << 20))
    print('REACHED')
except OSError: print('held')"),
    ("output without end", Tests, AtTheTimeLimit, "
while True: print('y' * 100000)"),
    ("sleep for ever", Tests, AtTheTimeLimit, "import time; time.sleep(1e6)"),
    ("processor for ever", Tests, AtTheTimeLimit, "
import os
for _ in range(4): os.fork()
while True: pass"),
    ("a daemon left behind", Tests, ByItself, "
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execvp('sleep', ['sleep', '@MARK'])
    os._exit(0)
time.sleep(0.3); print('held')"),
    ("signals to all", Tests, ByItself, "
import os
for pid in range(2, 70000):
    if pid != os.getpid():
        try: os.kill(pid, 0); print('REACHED', pid, open(f'/proc/{pid}/cmdline').read()) if 'sh' not in open(f'/proc/{pid}/comm').read() else None
        except OSError: pass
try: os.kill(@PID, 9)
except OSError: pass
print('held')"),
    ("another process's memory", Tests, ByItself, "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, @PID, 0, 0) == 0: print('REACHED ptrace')
for path in ('/proc/@PID/mem', '/proc/@PID/root', '/proc/@PID/cwd'):
    try: open(path, 'rb').read(1); print('REACHED', path)
    except OSError: pass
print('held')"),
    // X6: no rights are gained, and the time limit ends it.
    ("attaching to the first process of the sandbox", Tests, AtTheTimeLimit, "
import ctypes, os, time
libc = ctypes.CDLL(None)
print(libc.ptrace(16, 1, 0, 0), flush=True)
try:
    if os.getuid() == 0 or 'canary' in open('/proc/1/environ').read(): print('REACHED')
except OSError: pass
time.sleep(60)"),
    ("a socket of the host without a path", Tests, ByItself, "
import socket
try: socket.socket(socket.AF_UNIX).connect(b'\\0@ABSTRACT'.replace(b'\\\\0', b'\\0')); print('REACHED')
except OSError: print('held')"),
    ("a socket of the host with a path", Tests, ByItself, "
import socket
for path in ('@SOCKET', '/proc/1/root@SOCKET', '/run/docker.sock', '/var/run/docker.sock', '/run/systemd/private'):
    try: socket.socket(socket.AF_UNIX).connect(path); print('REACHED', path)
    except OSError: pass
print('held')"),
    ("services of the host and of the network", Tests, ByItself, "
import socket
for where in (('127.0.0.1', @PORT), ('localhost', @PORT), ('::1', @PORT), ('169.254.169.254', 80), ('10.0.0.1', 80), ('1.1.1.1', 53)):
    try: socket.create_connection(where, timeout=1); print('REACHED', where)
    except OSError: pass
try: print('REACHED', socket.getaddrinfo('pypi.org', 443))
except OSError: print('held')"),
    ("secrets of the host", Tests, ByItself, "
import os
for path in ('@SECRET', '/proc/1/root@SECRET', '/proc/self/root/../..@SECRET', '/product/link', '/etc/shadow', '/root', '/home', '/var/lib', '/proc/@PID/environ', '/proc/kcore', '/dev/mem', '/dev/kmsg'):
    try: print('REACHED', path, os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(10))
    except OSError: pass
print('held')"),
    ("settings of the kernel", Tests, ByItself, "
for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper', '/sys/fs/cgroup/cgroup.procs', '/proc/sys/vm/drop_caches'):
    try: open(path, 'w').write('0'); print('REACHED', path)
    except OSError: pass
print('held')"),
    ("mounts and namespaces", Tests, ByItself, "
import subprocess
for words in (['mount', '-t', 'tmpfs', 'none', '/tmp'], ['umount', '/product'], ['unshare', '-U', 'true'], ['unshare', '-m', 'true'], ['bwrap', '--bind', '/', '/', 'true'], ['chroot', '/usr', 'true'], ['nsenter', '-t', '1', '-m', 'true']):
    try:
        if subprocess.run(words, capture_output=True).returncode == 0: print('REACHED', words)
    except OSError: pass
print('held')"),
    ("devices", Tests, ByItself, "
import os, stat
for name, kind in (('disk', stat.S_IFBLK), ('memory', stat.S_IFCHR)):
    try: os.mknod('/tmp/' + name, kind | 0o600, os.makedev(8, 0)); print('REACHED', name)
    except OSError: pass
print('REACHED' if {'sda', 'vda', 'kvm', 'fuse', 'mem'} & set(os.listdir('/dev')) else 'held')"),
    ("programs that give rights", Tests, ByItself, "
import os, subprocess
for words in (['su', '-c', 'id'], ['sudo', '-n', 'id'], ['newgrp'], ['mount', '--bind', '/', '/tmp'], ['passwd', '-d', 'root']):
    try:
        if b'uid=0' in subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL).stdout: print('REACHED', words)
    except OSError: pass
for call in (os.setuid, os.setgid):
    try: call(0); print('REACHED', call)
    except OSError: pass
print('held')"),
    ("keys of the kernel", Tests, ByItself, "
import ctypes, platform
number = 250 if platform.machine() == 'x86_64' else 219
libc = ctypes.CDLL(None)
print('REACHED' if any(libc.syscall(number, 6, ring, 0, 0) >= 0 for ring in (-1, -2, -3, -4, -5)) else 'held')"),
    ("typing into the terminal", Tests, ByItself, "
import fcntl, os
for end in (0, 1, 2):
    try: fcntl.ioctl(end, 0x5412, b'x'); print('REACHED', end)
    except OSError: pass
try: os.open('/dev/tty', os.O_RDWR); print('REACHED tty')
except OSError: print('held')"),
    ("writing to the layer", Tests, ByItself, "
import os, subprocess
for change in (lambda: open('/deps/poison', 'w'), lambda: open('/deps/bin/tool', 'a'), lambda: os.chmod('/deps/bin/tool', 0o777), lambda: os.unlink('/deps/bin/tool'), lambda: os.rename('/deps/bin', '/deps/b'), lambda: os.symlink('/', '/deps/l'), lambda: os.utime('/deps/bin/tool'), lambda: os.link('/deps/bin/tool', '/tmp/t'), lambda: open('/product/node_modules/x', 'w')):
    try: change(); print('REACHED')
    except OSError: pass
subprocess.run(['mount', '-o', 'remount,rw', '/deps'], capture_output=True)
try: open('/deps/poison', 'w'); print('REACHED')
except OSError: print('held')"),
    ("layers and files of others", Tests, ByItself, "
import os
for root, folders, files in os.walk('/', onerror=None):
    folders[:] = [f for f in folders if os.path.join(root, f) not in ('/proc', '/usr', '/dev', '/lib', '/lib64', '/bin')]
    for name in files:
        path = os.path.join(root, name)
        if path == '/product/attack.py': continue
        try:
            if b'canary-of-' + b'another' in open(path, 'rb').read(1 << 16): print('REACHED', path)
        except OSError: pass
print('held')"),
    ("links that set-up left in the layer", Tests, ByItself, "
import os
for path in ('/deps/secret', '/deps/folder/secret', '/deps/up'):
    try: print('REACHED', path, open(path).read() if not os.path.isdir(path) else [n for n in os.listdir(path) if n == 'host'])
    except OSError: pass
print('held')"),
    ("services of the host", SetUp, ByItself, "
import socket
for where in (('127.0.0.1', @PORT), ('::1', @PORT), ('169.254.169.254', 80), ('pypi.org', 443)):
    try: socket.create_connection(where, timeout=1); print('REACHED', where)
    except OSError: pass
print('held')"),
    ("services of the host by the way to the registries", SetUp, ByItself, "
import socket
for name in ('127.0.0.1:@PORT', 'localhost:@PORT', '[::1]:@PORT', '0.0.0.0:@PORT', '2130706433:@PORT', '127.1:@PORT', '[::ffff:127.0.0.1]:@PORT', '169.254.169.254:80', '10.0.0.1:443', 'pypi.org:22', 'pypi.org.:443', 'example.com:443', 'pypi.org@127.0.0.1:@PORT'):
    for request in (f'CONNECT {name} HTTP/1.1\\r\\n\\r\\n', f'GET http://{name}/ HTTP/1.1\\r\\nHost: pypi.org\\r\\n\\r\\n'):
        proxy = socket.create_connection(('127.0.0.1', 3128)); proxy.sendall(request.encode())
        answer = proxy.recv(100)
        if b' 403 ' not in answer and b' 400 ' not in answer: print('REACHED', name, answer)
print('held')"),
    ("files of the product that are no inputs", SetUp, ByItself, "
import os
found = [os.path.join(root, name) for root, _, names in os.walk('/product') for name in names]
print('held' if found == ['/product/attack.py'] else f'REACHED {found}')"),
    ("the worker's variables", SetUp, ByItself, "
import glob, os
seen = str(dict(os.environ)) + ''.join(open(path, 'rb').read().decode(errors='replace') for path in glob.glob('/proc/[0-9]*/environ') if os.access(path, os.R_OK))
print('REACHED' if 'CARGO_MANIFEST_DIR' in seen or 'canary' in seen else 'held')"),
    ("the worker's disk", SetUp, Ends::Over(Over::Disk), "
while True:
    for n in range(64): open(f'/deps/{n}', 'ab').write(b'x' * (1 << 20))"),
    ("files without end in the layer", SetUp, Ends::Over(Over::Disk), "
for n in range(10**7): open(f'/deps/{n}', 'w').close()"),
    ("memory of set-up", SetUp, Ends::Over(Over::Memory), "x = b'x' * (1 << 30); print('REACHED')"),
    ("other layers, and a layer of another key", SetUp, ByItself, "
import os
for path in ('/deps/../other', '@FOLDER', '/proc/1/root@FOLDER', '/proc/self/root@FOLDER'):
    try: open(path + '/poison', 'w'); print('REACHED', path)
    except OSError: pass
print('held')"),
    ("links to the host in the layer", SetUp, ByItself, "
import os
os.makedirs('/deps/bin', exist_ok=True); open('/deps/bin/tool', 'w').close()
os.symlink('@SECRET', '/deps/secret'); os.symlink('@FOLDER', '/deps/folder'); os.symlink('../../../../..@FOLDER', '/deps/up')
os.makedirs('/product/node_modules'); os.makedirs('/product/a'); os.symlink('@FOLDER', '/product/a/node_modules')
os.makedirs('/product/a/b/..c/node_modules')
for path in ('/deps/suid',):
    os.link('/deps/bin/tool', path); os.chmod(path, 0o6777)
try: os.link('/usr/bin/id', '/deps/id'); print('REACHED')
except OSError: print('held')"),
    ("a daemon that changes the layer later", SetUp, ByItself, "
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(2); open('/deps/late', 'w').write('poison'); os._exit(0)
    os._exit(0)
print('held')"),
];

struct Host {
    folder: tempfile::TempDir,
    listener: TcpListener,
    socket: UnixListener,
    nameless: UnixListener,
    mark: String,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mark = format!("86{:06}", std::process::id());
        fs::write(folder.path().join("secret"), "canary-of-the-host").unwrap();
        fs::create_dir(folder.path().join("host")).unwrap();
        let nameless = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&mark).unwrap()).unwrap();
        let socket = UnixListener::bind(folder.path().join("socket")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for (set, socket) in [(&socket, "socket"), (&nameless, "nameless")] {
            set.set_nonblocking(true).unwrap_or_else(|error| panic!("{socket}: {error}"));
        }
        listener.set_nonblocking(true).unwrap();
        Self { folder, listener, socket, nameless, mark }
    }

    fn script(&self, script: &str) -> String {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        script
            .replace("@SECRET", &path("secret"))
            .replace("@FOLDER", &self.folder.path().display().to_string())
            .replace("@SOCKET", &path("socket"))
            .replace("@PORT", &self.listener.local_addr().unwrap().port().to_string())
            .replace("@ABSTRACT", &self.mark)
            .replace("@MARK", &self.mark)
            .replace("@PID", &std::process::id().to_string())
    }

    /// Nothing here was reached, changed, or left behind.
    fn check(&self, name: &str) {
        assert_eq!(
            fs::read_to_string(self.folder.path().join("secret")).unwrap(),
            "canary-of-the-host",
            "{name}"
        );
        let mut found: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        found.sort();
        assert_eq!(found, ["host", "secret", "socket"], "{name}");
        assert!(self.listener.accept().is_err(), "{name}: a service of the host was reached");
        assert!(
            self.socket.accept().is_err() && self.nameless.accept().is_err(),
            "{name}: a socket was reached"
        );
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let alive = processes.filter(|process| {
            fs::read_to_string(process.path().join("cmdline"))
                .is_ok_and(|line| line == format!("sleep\0{}\0", self.mark))
        });
        assert_eq!(alive.count(), 0, "{name}: a process was left behind");
    }
}

fn small() -> Limits {
    Limits {
        wall: Duration::from_secs(5),
        memory: 256 << 20,
        disk: 64 << 20,
        files: 2_000,
        processes: 40,
        output: 1 << 14,
        ..Limits::default()
    }
}

fn ended(name: &str, ends: Ends, run: &TestRun) {
    assert!(!run.output.contains("REACHED"), "{name}: {}", run.output);
    let is = match (run.timed_out, run.over) {
        (true, _) => AtTheTimeLimit,
        (false, Some(over)) => Ends::Over(over),
        (false, None) => ByItself,
    };
    assert!(is == ends || ends == Somehow, "{name}: {run:?}");
    let says = run.output.contains("held") || ends != ByItself;
    assert!(says, "{name}: {run:?}");
}

/// What is in a folder, with contents, to compare.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let content = if kind.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
            found.push((entry.path(), content));
            if kind.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn t13_attacks_from_tests_and_set_up_reach_nothing() {
    let (host, layers) = (Host::new(), tempfile::tempdir().unwrap());
    let sandbox = Sandbox::find().await.unwrap().with_layers(Layers::at(layers.path().to_owned()));
    // Another product with a layer, and another run of tests that lives meanwhile.
    let recipe = |script: &str| {
        let setup = vec![format!("{script} || exit 1")];
        // A disk may be slow, so few files are enough.
        let setup_limits = Limits { files: 200, wall: Duration::from_secs(20), ..small() };
        Recipe {
            setup,
            inputs: vec!["attack.py".to_owned()],
            limits: small(),
            setup_limits,
            ..Recipe::default()
        }
    };
    let other = tempfile::tempdir().unwrap();
    let made = sandbox.prepare(other.path(), &recipe("echo canary-of-another >/deps/file")).await.unwrap();
    let Prepared::Ready(Some(_other)) = made else { panic!("{made:?}") };
    let neighbour = sandbox.clone();
    let neighbour = tokio::spawn(async move {
        let words = ["sh", "-c", "echo canary-of-another >/tmp/file; sleep 30"].map(str::to_owned);
        let limits = Limits { wall: Duration::from_secs(240), ..small() };
        let recipe = Recipe { limits, ..Recipe::default() };
        let tree = tempfile::tempdir().unwrap();
        neighbour.test(tree.path(), &recipe, None, Commands::Words(&words)).await.unwrap()
    });
    let before = contents(layers.path());
    let mut left: Option<Layer> = None;
    for in_set_up in [true, false] {
        for (name, when, ends, script) in ATTACKS.iter().filter(|(_, when, ..)| (*when == SetUp) == in_set_up)
        {
            let tree = tempfile::tempdir().unwrap();
            fs::write(tree.path().join("attack.py"), host.script(script)).unwrap();
            fs::write(tree.path().join("secret.py"), "of the product").unwrap();
            std::os::unix::fs::symlink(host.folder.path().join("secret"), tree.path().join("link")).unwrap();
            let recipe = recipe("python3 attack.py >/deps/said 2>&1; s=$?; cat /deps/said; (exit $s)");
            let run = match when {
                SetUp => match sandbox.prepare(tree.path(), &recipe).await.unwrap() {
                    Prepared::Failed(run) => run,
                    Prepared::Ready(Some(layer)) => {
                        let words = ["cat", "/deps/said"].map(str::to_owned);
                        let said =
                            sandbox.test(tree.path(), &recipe, Some(&layer), Commands::Words(&words)).await;
                        if name.starts_with("links to") {
                            left = Some(layer);
                        }
                        said.unwrap()
                    }
                    Prepared::Ready(None) => panic!("{name}: there is set-up"),
                },
                Tests => {
                    let words = ["python3", "attack.py"].map(str::to_owned);
                    sandbox.test(tree.path(), &recipe, left.as_ref(), Commands::Words(&words)).await.unwrap()
                }
            };
            ended(name, *ends, &run);
            host.check(name);
            let next = sandbox.run(other.path(), &["true"], small()).await.unwrap();
            assert!(next.passed, "{name}: the next run: {next:?}");
        }
    }
    for (path, content) in before {
        let is_lock = path.components().any(|part| part.as_os_str() == "locks");
        assert!(
            is_lock || path.is_dir() || fs::read(&path).unwrap() == content,
            "{} was changed",
            path.display()
        );
    }
    assert!(
        !contents(layers.path()).iter().any(|(path, _)| path.ends_with("late") || path.ends_with("poison"))
    );
    drop(left);
    let removed = sandbox.layers().remove_old(std::time::SystemTime::now(), Duration::ZERO, 0);
    assert!(removed.layers >= 5, "{removed:?}");
    host.check("the removal of all layers");
    let neighbour = neighbour.await.unwrap();
    assert!(neighbour.passed, "another run was disturbed: {neighbour:?}");
    assert!(ATTACKS.len() >= 25, "{}", ATTACKS.len());
}
