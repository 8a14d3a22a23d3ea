//! Where the server listens, and what `postmaster.pid` says about the running one.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::process::Pid;

/// The port in the name of a socket's file; no port is opened.
pub(super) const SOCKET_PORT: u16 = 5432;
/// `sun_path` holds 108 bytes with its closing zero.
const SOCKET_PATH_LIMIT: usize = 107;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A Unix socket in this folder.
    Socket(PathBuf),
    /// A port on 127.0.0.1.
    Port(u16),
}

impl Endpoint {
    /// The socket in the cluster's folder; a free port if the name of the socket would be too long.
    pub(super) fn preferred(folder: &Path) -> anyhow::Result<Self> {
        let socket = folder.join(format!(".s.PGSQL.{SOCKET_PORT}"));
        if socket.as_os_str().len() <= SOCKET_PATH_LIMIT {
            return Ok(Self::Socket(folder.to_owned()));
        }
        let listener = TcpListener::bind("127.0.0.1:0").context("find a free port for Postgres")?;
        Ok(Self::Port(listener.local_addr().context("read the free port")?.port()))
    }

    /// The host and port for clients.
    pub(super) fn host_and_port(&self) -> (String, u16) {
        match self {
            Self::Socket(folder) => (folder.to_string_lossy().into_owned(), SOCKET_PORT),
            Self::Port(port) => ("127.0.0.1".to_owned(), *port),
        }
    }
}

/// A running server, read from `postmaster.pid`, whose lines are: pid, data folder, start, port, socket folder,
/// listen address, memory, status.
pub(super) struct Postmaster {
    pub(super) pid: Pid,
    data: PathBuf,
    /// Where it listens, once it is ready: before that the lines are incomplete, and an address read from them could
    /// be that of another server.
    pub(super) endpoint: Option<Endpoint>,
}

impl Postmaster {
    /// The running server of a cluster's folder, if there is one.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let data = folder.join("data");
        let postmaster = Self::parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)?;
        // In a folder that was copied, the file names the server of the original folder.
        let ours = postmaster.data.canonicalize().ok()? == data.canonicalize().ok()?;
        (ours && is_alive(postmaster.pid)).then_some(postmaster)
    }

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

fn is_alive(pid: Pid) -> bool {
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Removes the lock files of another folder's server: in a folder that was copied while its server ran, they would
/// keep this one from starting. If the folder that they name no longer exists, this one may have been moved while its
/// server ran, and that server still runs here, so they are kept.
pub(super) fn remove_foreign_locks(folder: &Path) -> anyhow::Result<()> {
    let ours = folder.join("data");
    for file in [ours.join("postmaster.pid"), folder.join(format!(".s.PGSQL.{SOCKET_PORT}.lock"))] {
        let text = fs::read_to_string(&file).ok();
        let other =
            text.as_deref().and_then(Postmaster::parse).and_then(|other| other.data.canonicalize().ok());
        if other.is_some_and(|other| Some(other) != ours.canonicalize().ok()) {
            let what = || format!("remove another server's {}", file.display());
            fs::remove_file(&file).with_context(what)?;
        }
    }
    Ok(())
}
