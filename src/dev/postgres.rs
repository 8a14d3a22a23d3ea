//! The embedded Postgres: a private cluster in a folder, created at the first start and reused at the next.
//!
//! It listens on a Unix socket in its own folder and on no port, so a port scan does not find it and no port can be
//! taken already. A folder whose path is too long for a socket gets a free port on 127.0.0.1 instead. Either way
//! clients need a random password, which is kept beside the data with mode 0600. It syncs to disk as usual.

mod binaries;
mod folder;
mod postmaster;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use backon::{BlockingRetryable, ConstantBuilder};
use rustix::fs::FlockOperation;
use rustix::process::Signal;

use self::binaries::{Binaries, ensure_success, last_lines};
use self::folder::{USER, create_data, lock, major_of, password, prepare, private};
use self::postmaster::{Endpoint, Postmaster, SOCKET_PORT, remove_foreign_locks};

/// How often, and for how long, the state of a server that starts or stops is polled: half a minute in all.
const POLL: ConstantBuilder =
    ConstantBuilder::new().with_delay(Duration::from_millis(50)).with_max_times(600);

/// A private Postgres. Dropping the last one on a folder stops the server, unless [`Cluster::leave_running`].
///
/// Starting, stopping and dropping block for as long as Postgres needs: some 0.1 s, at the first start 1 s, and
/// at most 30 s. Any number of processes may open the same folder; they share one server.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    folder: PathBuf,
    password: String,
    endpoint: Endpoint,
    /// Locked as shared while the server is in use, so that the last user knows that it is the last.
    users: File,
    leave_running: bool,
}

impl Cluster {
    /// Starts the cluster in `data_dir`, or joins the one that already runs there.
    ///
    /// As root the cluster runs as `postgres` or `nobody`. If that account cannot reach `data_dir`, the data is kept
    /// in `/var/lib/aspora/<hash of the path>`, and `data_dir/cluster` links to it.
    ///
    /// # Errors
    /// When the server programs are missing or have another major version than the data, the folder cannot be
    /// written, or the server does not start within 30 s (with the last lines of its log).
    pub fn start(data_dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(data_dir).with_context(|| format!("create the folder {}", data_dir.display()))?;
        let data_dir = fs::canonicalize(data_dir).context("resolve the data folder")?;
        let binaries = Binaries::find(None)?;
        let folder = prepare(&data_dir, binaries.account())?;
        let starting = lock(&folder.join("start.lock"), FlockOperation::LockExclusive)?;
        let binaries = match major_of(&folder.join("data"))? {
            Some(major) => Binaries::find(Some(major))?,
            None => binaries,
        };
        let password = password(&folder, binaries.account())?;
        create_data(&folder, &binaries)?;
        remove_foreign_locks(&folder)?;
        let users = lock(&folder.join("users.lock"), FlockOperation::LockShared)?;
        let endpoint = Endpoint::preferred(&folder)?;
        let mut cluster = Self { binaries, folder, password, endpoint, users, leave_running: false };
        let joined = cluster.join_or_spawn(&cluster.endpoint);
        // If this failed, dropping the cluster takes this lock.
        drop(starting);
        cluster.endpoint = joined?;
        Ok(cluster)
    }

    /// Keeps the server running after the drop; the next `start` on the folder joins it.
    #[must_use]
    pub fn leave_running(mut self) -> Self {
        self.leave_running = true;
        self
    }

    /// The URL of a database of this cluster. It contains the password: do not log it.
    pub fn url(&self, database: &str) -> String {
        let (host, port) = self.endpoint.host_and_port();
        let (host, database) = (percent_encoded(&host), percent_encoded(database));
        format!("postgres://{USER}:{}@{host}:{port}/{database}", self.password)
    }

    /// Creates an empty database, unless it exists.
    ///
    /// # Errors
    /// When the server is down, or Postgres refuses the name.
    pub fn create_database(&self, name: &str) -> anyhow::Result<()> {
        let mut createdb = self.client("createdb", &self.endpoint);
        let output = createdb.arg("--").arg(name).output().context("run createdb")?;
        if String::from_utf8_lossy(&output.stderr).contains("already exists") {
            return Ok(());
        }
        ensure_success(&output).with_context(|| format!("create the database `{name}`"))
    }

    /// The process id of the running postmaster; `None` when it is down.
    pub fn pid(&self) -> Option<u32> {
        Postmaster::of(&self.folder).map(|postmaster| postmaster.pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Stops the server for all its users: open transactions are rolled back, nothing committed is lost.
    ///
    /// # Errors
    /// When the server still runs after 30 s.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.end_with(Signal::INT).context("stop Postgres")
    }

    /// Kills the postmaster like a crash, for tests.
    ///
    /// # Errors
    /// When the postmaster still runs after 30 s.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.end_with(Signal::KILL).context("kill Postgres")
    }

    /// Starts the server again at the same address, stopping it first if it runs.
    ///
    /// # Errors
    /// As [`Cluster::stop`] and [`Cluster::start`].
    pub fn restart(&self) -> anyhow::Result<()> {
        let _starting = lock(&self.folder.join("start.lock"), FlockOperation::LockExclusive)?;
        self.stop()?;
        self.join_or_spawn(&self.endpoint).map(drop)
    }

    /// Joins the running postmaster, or starts one at this endpoint. Retries while an earlier one still exits.
    fn join_or_spawn(&self, endpoint: &Endpoint) -> anyhow::Result<Endpoint> {
        let attempt = || self.ready().map_or_else(|| self.spawn(endpoint), |running| Ok(Ok(running)));
        let retried = || match attempt() {
            Ok(Ok(endpoint)) => Ok(Ok(endpoint)),
            Ok(Err(transient)) => Err(transient),
            Err(permanent) => Ok(Err(permanent)),
        };
        retried.retry(POLL).sleep(thread::sleep).call().unwrap_or_else(Err)
    }

    /// The endpoint of a postmaster that accepts connections.
    fn ready(&self) -> Option<Endpoint> {
        let endpoint = Postmaster::of(&self.folder)?.endpoint?;
        let answers = self.client("pg_isready", &endpoint).stdout(Stdio::null()).status();
        answers.is_ok_and(|status| status.success()).then_some(endpoint)
    }

    /// One attempt to start the server: its endpoint, or inside of `Ok` a failure that may go away.
    fn spawn(&self, endpoint: &Endpoint) -> anyhow::Result<Result<Endpoint, anyhow::Error>> {
        let path = self.folder.join("log");
        let log = private().append(true).open(&path).context("open the log of Postgres")?;
        let began = log.metadata().context("measure the log of Postgres")?.len();
        let mut child = self.server(endpoint, log)?.spawn().context("run postgres")?;
        let started = || match (child.try_wait(), self.ready()) {
            (Ok(None), None) => Err(()),
            (Ok(None), Some(endpoint)) => Ok(Some(endpoint)),
            (Ok(Some(_)) | Err(_), _) => Ok(None),
        };
        let outcome = started.retry(POLL).sleep(thread::sleep).call();
        if let Ok(Some(endpoint)) = outcome {
            // A child that has exited looks alive until it is waited for.
            thread::spawn(move || child.wait());
            return Ok(Ok(endpoint));
        }
        // A server that is neither ready nor gone by now must not keep running.
        let _ = child.kill();
        let _ = child.wait();
        let log = fs::read(&path).unwrap_or_default();
        let log =
            String::from_utf8_lossy(log.get(usize::try_from(began)?..).unwrap_or_default()).into_owned();
        let failure =
            anyhow::anyhow!("Postgres did not start; {} ends with:\n{}", path.display(), last_lines(&log));
        if is_transient(&log) { Ok(Err(failure)) } else { Err(failure) }
    }

    /// The command line of the server. It gets a process group of its own, so that an interrupt from the keyboard does
    /// not stop it before its users are done.
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
        let (host, port) = endpoint.host_and_port();
        // The password is passed in the environment: arguments are visible in the process list.
        command.env("PGPASSWORD", &self.password).args(["--username", USER, "--port"]).arg(port.to_string());
        command.arg("--host").arg(host);
        command
    }

    fn end_with(&self, signal: Signal) -> anyhow::Result<()> {
        let Some(Postmaster { pid, .. }) = Postmaster::of(&self.folder) else { return Ok(()) };
        rustix::process::kill_process(pid, signal)
            .with_context(|| format!("signal the postmaster {pid:?}"))?;
        let gone = || if Postmaster::of(&self.folder).is_none() { Ok(()) } else { Err(()) };
        let gone = gone.retry(POLL).sleep(thread::sleep).call().is_ok();
        ensure!(
            gone,
            "the postmaster {pid:?} still runs after 30 s; its log is {}/log",
            self.folder.display()
        );
        Ok(())
    }

    /// Stops the server if no other user has the folder open.
    fn stop_if_last(&self) -> anyhow::Result<()> {
        let _starting = lock(&self.folder.join("start.lock"), FlockOperation::LockExclusive)?;
        match rustix::fs::flock(&self.users, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => self.stop(),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(()),
            Err(error) => Err(error).context("check whether Postgres has other users"),
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

/// Whether the log names a cause that goes away: an earlier server that still exits, or a port that was taken.
fn is_transient(log: &str) -> bool {
    ["pre-existing shared memory", "\" already exists", "Address already in use", "is being shut down"]
        .iter()
        .any(|sign| log.contains(sign))
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
