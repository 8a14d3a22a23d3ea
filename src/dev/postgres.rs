//! The embedded Postgres: a private cluster in a folder, made at the first start and found again at the next.
//!
//! It listens on a Unix socket in its own folder and on no port, so nobody can meet it by scanning and no port
//! can be taken; a folder too deep for a socket's name gets a free port on 127.0.0.1 instead. Either way a random
//! password, kept beside the data with mode 0600, is asked for. It syncs to disk like any other Postgres.

mod binaries;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use backon::{BlockingRetryable, ConstantBuilder};
use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal};
use sha2::{Digest, Sha256};

use binaries::{Account, Binaries};

const USER: &str = "aspora";
/// The port in a socket's name; it names the socket's file and is not opened.
const SOCKET_PORT: u16 = 5432;
/// `sun_path` holds 108 bytes with its closing zero.
const SOCKET_PATH_LIMIT: usize = 107;
/// How often we look, and how many times, while a server starts, stops or lingers: half a minute together.
const LOOK: ConstantBuilder =
    ConstantBuilder::new().with_delay(Duration::from_millis(50)).with_max_times(600);
const LOG_LINES_IN_ERRORS: usize = 12;

/// A private Postgres. Dropping the last one on a folder stops the server, unless it was told to stay.
///
/// Starting, stopping and dropping block for as long as Postgres needs: some 0.1 s, at the first start 1 s, and
/// at most 30 s. Any number of processes may hold the same folder; they share one server.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    folder: PathBuf,
    password: String,
    endpoint: Endpoint,
    /// Held shared while we use the server, so that the last user can tell that it is the last.
    users: File,
    leave_running: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Endpoint {
    Socket(PathBuf),
    Port(u16),
}

impl Cluster {
    /// Starts the cluster in `data_dir`, or joins it if it already runs there.
    ///
    /// As root the cluster runs as `postgres` or `nobody`; where that account cannot reach `data_dir`, the data
    /// lies in `/var/lib/aspora/<hash of the path>` and `data_dir/cluster` points to it.
    ///
    /// # Errors
    /// No server programs, or those of another major version than wrote the data; a folder that cannot be written;
    /// a server that does not come up within 30 s, with the last lines of its log.
    pub fn start(data_dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(data_dir).with_context(|| format!("make the folder {}", data_dir.display()))?;
        let data_dir = fs::canonicalize(data_dir).context("resolve the data folder")?;
        let binaries = Binaries::find(None)?;
        let folder = place(&data_dir, binaries.account())?;
        let starting = lock(&folder.join("start.lock"), FlockOperation::LockExclusive)?;
        let binaries = match major_of(&folder.join("data"))? {
            Some(major) => Binaries::find(Some(major))?,
            None => binaries,
        };
        let password = password(&folder, binaries.account())?;
        make_data(&folder, &binaries)?;
        forget_another_server(&folder)?;
        let users = lock(&folder.join("users.lock"), FlockOperation::LockShared)?;
        let endpoint = first_choice(&folder)?;
        let mut cluster = Self { binaries, folder, password, endpoint, users, leave_running: false };
        let joined = cluster.join_or_spawn(&cluster.endpoint);
        // A cluster that failed is dropped, and its drop takes this lock.
        drop(starting);
        cluster.endpoint = joined?;
        Ok(cluster)
    }

    /// Keeps the server running when this is dropped; the next `start` on the folder joins it.
    #[must_use]
    pub fn leave_running(mut self) -> Self {
        self.leave_running = true;
        self
    }

    /// The URL of a database of this cluster, with its password: never log it.
    pub fn url(&self, database: &str) -> String {
        let (host, port) = match &self.endpoint {
            Endpoint::Socket(folder) => (percent_encoded(&folder.to_string_lossy()), SOCKET_PORT),
            Endpoint::Port(port) => ("127.0.0.1".to_owned(), *port),
        };
        format!("postgres://{USER}:{}@{host}:{port}/{}", self.password, percent_encoded(database))
    }

    /// Makes an empty database; one that is already there is left as it is.
    ///
    /// # Errors
    /// A server that is down, or a name that Postgres refuses.
    pub fn create_database(&self, name: &str) -> anyhow::Result<()> {
        let mut createdb = self.client("createdb", &self.endpoint);
        let output = createdb.arg("--").arg(name).output().context("run createdb")?;
        if String::from_utf8_lossy(&output.stderr).contains("already exists") {
            return Ok(());
        }
        succeeded(&output).with_context(|| format!("create the database `{name}`"))
    }

    /// The process id of the running postmaster, or none when it is down.
    pub fn pid(&self) -> Option<u32> {
        self.postmaster().map(|postmaster| postmaster.pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Stops the server for all its users: open transactions are rolled back, nothing committed is lost.
    ///
    /// # Errors
    /// A server that is still there after 30 s.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.end_with(Signal::INT).context("stop Postgres")
    }

    /// Kills the postmaster without warning, as a crash would. It is for tests.
    ///
    /// # Errors
    /// A postmaster that is still there after 30 s.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.end_with(Signal::KILL).context("kill Postgres")
    }

    /// Starts the server again at the same address, stopping it first if it runs.
    ///
    /// # Errors
    /// As `stop` and `start`.
    pub fn restart(&self) -> anyhow::Result<()> {
        let _starting = lock(&self.folder.join("start.lock"), FlockOperation::LockExclusive)?;
        self.stop()?;
        self.join_or_spawn(&self.endpoint).map(drop)
    }

    /// Joins the living postmaster or starts one, again and again while a dying one's children linger.
    fn join_or_spawn(&self, wish: &Endpoint) -> anyhow::Result<Endpoint> {
        let attempt = || self.living().map_or_else(|| self.spawn(wish), |endpoint| Ok(Ok(endpoint)));
        let settled = || match attempt() {
            Ok(Ok(endpoint)) => Ok(Ok(endpoint)),
            Ok(Err(lingering)) => Err(lingering),
            Err(hopeless) => Ok(Err(hopeless)),
        };
        settled.retry(LOOK).sleep(thread::sleep).call().unwrap_or_else(Err)
    }

    /// The address of a postmaster that takes connections now.
    fn living(&self) -> Option<Endpoint> {
        let endpoint = self.postmaster()?.endpoint?;
        let answers = self.client("pg_isready", &endpoint).stdout(Stdio::null()).status();
        answers.is_ok_and(|status| status.success()).then_some(endpoint)
    }

    /// One try at starting the server: its address, or (inside) a failure that another try may not meet.
    fn spawn(&self, wish: &Endpoint) -> anyhow::Result<Result<Endpoint, anyhow::Error>> {
        let path = self.folder.join("log");
        let log = private().append(true).open(&path).context("open the log of Postgres")?;
        let began = log.metadata().context("measure the log of Postgres")?.len();
        let mut child = self.server(wish, log)?.spawn().context("run postgres")?;
        let ready = || match (child.try_wait(), self.living()) {
            (Ok(None), None) => Err(()),
            (Ok(None), Some(endpoint)) => Ok(Some(endpoint)),
            (Ok(Some(_)) | Err(_), _) => Ok(None),
        };
        let outcome = ready.retry(LOOK).sleep(thread::sleep).call();
        if let Ok(Some(endpoint)) = outcome {
            // A dead child looks alive to everyone until it is waited for.
            thread::spawn(move || child.wait());
            return Ok(Ok(endpoint));
        }
        // A server that is neither ready nor gone by now must not be left behind.
        let _ = child.kill();
        let _ = child.wait();
        let said = fs::read(&path).unwrap_or_default();
        let said =
            String::from_utf8_lossy(said.get(usize::try_from(began)?..).unwrap_or_default()).into_owned();
        let failure =
            anyhow::anyhow!("Postgres did not start; {} ends with:\n{}", path.display(), last_lines(&said));
        if lingers(&said) { Ok(Err(failure)) } else { Err(failure) }
    }

    /// The server's command line. It gets its own process group: an interrupt from the keyboard is for us alone,
    /// and we stop the server when we are done with it.
    fn server(&self, endpoint: &Endpoint, log: File) -> anyhow::Result<Command> {
        let mut command = self.binaries.command("postgres");
        command.arg("-D").arg(self.folder.join("data"));
        let settings = match endpoint {
            Endpoint::Socket(folder) => [
                "listen_addresses=".to_owned(),
                format!("unix_socket_directories=\"{}\"", folder.display().to_string().replace('"', "\"\"")),
                format!("port={SOCKET_PORT}"),
            ],
            Endpoint::Port(port) => [
                "listen_addresses=127.0.0.1".to_owned(),
                "unix_socket_directories=".to_owned(),
                format!("port={port}"),
            ],
        };
        let small =
            ["shared_buffers=32MB", "max_connections=100", "fsync=on", "timezone=UTC", "log_timezone=UTC"];
        for setting in
            settings.iter().map(String::as_str).chain(small).chain(["unix_socket_permissions=0700"])
        {
            command.arg("-c").arg(setting);
        }
        let errors = log.try_clone().context("share the log of Postgres")?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        Ok(command)
    }

    fn client(&self, program: &str, endpoint: &Endpoint) -> Command {
        let mut command = self.binaries.command(program);
        let (host, port) = match endpoint {
            Endpoint::Socket(folder) => (folder.clone(), SOCKET_PORT),
            Endpoint::Port(port) => (PathBuf::from("127.0.0.1"), *port),
        };
        // The password goes by the environment: an argument could be read in the process list.
        command.env("PGPASSWORD", &self.password).args(["--username", USER, "--port"]).arg(port.to_string());
        command.arg("--host").arg(host);
        command
    }

    /// What `postmaster.pid` says, if it is of this folder and the process it names is alive.
    fn postmaster(&self) -> Option<Postmaster> {
        let text = fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        let postmaster = Postmaster::parse(&text)?;
        // The file of a folder that was copied names the server of the folder it was copied from.
        let ours = postmaster.data.canonicalize().ok()? == self.folder.join("data").canonicalize().ok()?;
        (ours && alive(postmaster.pid)).then_some(postmaster)
    }

    fn end_with(&self, signal: Signal) -> anyhow::Result<()> {
        let Some(Postmaster { pid, .. }) = self.postmaster() else { return Ok(()) };
        rustix::process::kill_process(pid, signal)
            .with_context(|| format!("signal the postmaster {pid:?}"))?;
        let gone = || if self.postmaster().is_none() { Ok(()) } else { Err(()) };
        let gone = gone.retry(LOOK).sleep(thread::sleep).call().is_ok();
        ensure!(
            gone,
            "the postmaster {pid:?} is still there after 30 s; its log is {}/log",
            self.folder.display()
        );
        Ok(())
    }

    /// Stops the server if nobody else holds the folder.
    fn stop_if_last(&self) -> anyhow::Result<()> {
        let _starting = lock(&self.folder.join("start.lock"), FlockOperation::LockExclusive)?;
        match rustix::fs::flock(&self.users, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => self.stop(),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(()),
            Err(error) => Err(error).context("look whether others use Postgres"),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.leave_running {
            return;
        }
        if let Err(error) = self.stop_if_last() {
            tracing::warn!("Postgres in {} was not stopped: {error:#}", self.folder.display());
        }
    }
}

/// What we use of `postmaster.pid`: pid, data folder, start, port, socket folder, listen address, memory, status.
struct Postmaster {
    pid: Pid,
    data: PathBuf,
    /// Where it listens, once it is ready: before, the lines are half written and an address read from them could
    /// be another server's.
    endpoint: Option<Endpoint>,
}

impl Postmaster {
    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let pid = Pid::from_raw(lines.first()?.parse().ok()?)?;
        let endpoint = match lines[..] {
            [_, _, _, port, "", "127.0.0.1", _, "ready", ..] => port.parse().ok().map(Endpoint::Port),
            [_, _, _, _, folder, "", _, "ready", ..] => Some(Endpoint::Socket(PathBuf::from(folder))),
            _ => None,
        };
        Some(Self { pid, data: PathBuf::from(lines.get(1)?), endpoint })
    }
}

fn alive(pid: Pid) -> bool {
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// The folder that the server's account can reach, closed to everyone else.
fn place(data_dir: &Path, account: Option<Account>) -> anyhow::Result<PathBuf> {
    let Some(account) = account else {
        close(data_dir)?;
        return Ok(data_dir.to_owned());
    };
    let open = data_dir.parent().is_none_or(|parent| account.reaches(parent));
    let folder = if open { data_dir.to_owned() } else { elsewhere(data_dir)? };
    close(&folder)?;
    std::os::unix::fs::chown(&folder, Some(account.uid), Some(account.gid))
        .with_context(|| format!("give {} to the account of Postgres", folder.display()))?;
    Ok(folder)
}

/// A folder outside of root's closed ones; the path's hash tells the clusters of one machine apart.
fn elsewhere(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let hash = hex::encode(Sha256::digest(data_dir.as_os_str().as_encoded_bytes()));
    let folder = Path::new("/var/lib/aspora").join(&hash[..16]);
    fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
    match std::os::unix::fs::symlink(&folder, data_dir.join("cluster")) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).context("point to the cluster's folder")
        }
        _ => Ok(folder),
    }
}

fn close(folder: &Path) -> anyhow::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("close {} to other users", folder.display()))
}

fn first_choice(folder: &Path) -> anyhow::Result<Endpoint> {
    let socket = folder.join(format!(".s.PGSQL.{SOCKET_PORT}"));
    if socket.as_os_str().len() <= SOCKET_PATH_LIMIT {
        return Ok(Endpoint::Socket(folder.to_owned()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port for Postgres")?;
    Ok(Endpoint::Port(listener.local_addr().context("read the free port")?.port()))
}

fn lock(path: &Path, operation: FlockOperation) -> anyhow::Result<File> {
    let file = private().write(true).open(path).with_context(|| format!("open {}", path.display()))?;
    rustix::fs::flock(&file, operation).with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// The cluster's password, made at the first start.
fn password(folder: &Path, account: Option<Account>) -> anyhow::Result<String> {
    let path = folder.join("password");
    if let Ok(known) = fs::read_to_string(&path)
        && !known.is_empty()
    {
        return Ok(known);
    }
    ensure!(!folder.join("data").exists(), "{} is gone, but the data it opens is there", path.display());
    let password = uuid::Uuid::new_v4().simple().to_string();
    let mut file = private().write(true).truncate(true).open(&path).context("open the password's file")?;
    file.write_all(password.as_bytes()).context("write the password")?;
    if let Some(Account { uid, gid }) = account {
        std::os::unix::fs::chown(&path, Some(uid), Some(gid)).context("give the password to Postgres")?;
    }
    Ok(password)
}

/// Makes the data folder under another name first: an interrupted `initdb` leaves nothing that looks whole.
fn make_data(folder: &Path, binaries: &Binaries) -> anyhow::Result<()> {
    let (data, unfinished) = (folder.join("data"), folder.join("data.unfinished"));
    if data.exists() {
        return Ok(());
    }
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).context("remove an interrupted initdb's folder")?;
    }
    fs::DirBuilder::new().mode(0o700).create(&unfinished).context("make the data folder")?;
    if let Some(Account { uid, gid }) = binaries.account() {
        std::os::unix::fs::chown(&unfinished, Some(uid), Some(gid))
            .context("give the data folder to Postgres")?;
    }
    let mut initdb = binaries.command("initdb");
    initdb.args(["--username", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
    initdb.arg("--pwfile").arg(folder.join("password")).arg("--pgdata").arg(&unfinished);
    succeeded(&initdb.output().context("run initdb")?).context("make a Postgres cluster")?;
    fs::rename(&unfinished, &data).context("put the data folder in its place")
}

/// The file of a folder that was copied while its server ran would keep this folder's own from starting. Where the
/// folder that it names is gone, this one may have been moved under its server, which then still runs here.
fn forget_another_server(folder: &Path) -> anyhow::Result<()> {
    let ours = folder.join("data");
    for note in [ours.join("postmaster.pid"), folder.join(format!(".s.PGSQL.{SOCKET_PORT}.lock"))] {
        let told = fs::read_to_string(&note).ok();
        let other =
            told.as_deref().and_then(Postmaster::parse).and_then(|told| told.data.canonicalize().ok());
        if other.is_some_and(|other| Some(other) != ours.canonicalize().ok()) {
            let what = || format!("remove another server's {}", note.display());
            fs::remove_file(&note).with_context(what)?;
        }
    }
    Ok(())
}

fn major_of(data: &Path) -> anyhow::Result<Option<u32>> {
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => Ok(Some(text.trim().parse().context("read the version of the data folder")?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read the version of the data folder"),
    }
}

/// Whether the log tells of a predecessor that is not quite gone, or of a port taken since we chose it.
fn lingers(log: &str) -> bool {
    ["pre-existing shared memory", "\" already exists", "Address already in use", "is being shut down"]
        .iter()
        .any(|sign| log.contains(sign))
}

fn succeeded(output: &Output) -> anyhow::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    bail!("{}: {}", output.status, last_lines(&String::from_utf8_lossy(&output.stderr)))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_IN_ERRORS)..].join("\n")
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
