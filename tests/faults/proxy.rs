//! A wire between workers and Postgres that can be cut, that can fall silent, and that can lose answers.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// They pass.
    Open,
    /// None pass in either direction, and nobody is told: a half-open connection.
    Silent,
    /// What is asked passes, what is answered does not: whoever commits never hears of it.
    Deaf,
}

/// A proxy before a Postgres. Dropping it leaves its connections to their end.
pub(crate) struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    /// Counts the cuts; a connection ends when it changes.
    cuts: watch::Sender<u64>,
    /// Counts the strandings; a connection falls silent for good when it changes.
    strands: watch::Sender<u64>,
    open: Arc<AtomicUsize>,
}

/// Where Postgres listens.
#[derive(Clone)]
enum Server {
    Socket(PathBuf),
    Port(u16),
}

impl Server {
    fn of(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let socket = |folder: &PathBuf| folder.join(format!(".s.PGSQL.{}", options.get_port()));
        let folder = options
            .get_socket()
            .cloned()
            .or_else(|| Some(PathBuf::from(options.get_host())).filter(|host| host.is_absolute()));
        folder.as_ref().map_or(Self::Port(options.get_port()), |folder| Self::Socket(socket(folder)))
    }
}

impl Proxy {
    /// Starts one before the server of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let server = Server::of(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, cuts, strands) =
            (watch::Sender::new(Line::Open), watch::Sender::new(0), watch::Sender::new(0));
        let proxy = Self { port, line, cuts, strands, open: Arc::default() };
        let (lines, ends, open) = (proxy.line.clone(), proxy.cuts.clone(), Arc::clone(&proxy.open));
        let strands = proxy.strands.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (line, mut end, strand) = (lines.subscribe(), ends.subscribe(), strands.subscribe());
                let (server, open) = (server.clone(), Arc::clone(&open));
                tokio::spawn(async move {
                    open.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        () = serve(client, &server, line, strand) => {}
                        _ = end.changed() => {}
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        proxy
    }

    /// The same database by way of this proxy.
    pub(crate) fn url(&self, direct: &str) -> String {
        let mut url = url::Url::parse(direct).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Cuts every connection that is open.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// What is open stays open, and nothing passes there ever again; what is opened from now on passes. So it is
    /// for both sides when a machine between them forgets its connections.
    pub(crate) fn strand(&self) {
        self.strands.send_modify(|strands| *strands += 1);
    }

    /// Lets the line be so for a while, then cuts what is open. What is opened meanwhile fares no better.
    pub(crate) async fn be(&self, line: Line, lasts: Duration) {
        self.line.send_replace(line);
        tokio::time::sleep(lasts).await;
        self.cut();
        self.line.send_replace(Line::Open);
    }
}

async fn serve(
    client: TcpStream,
    server: &Server,
    line: watch::Receiver<Line>,
    strand: watch::Receiver<u64>,
) {
    let _ = client.set_nodelay(true);
    // Closing resets the connection, as when a machine between is gone.
    let _ = client.set_zero_linger();
    match server {
        Server::Socket(path) => {
            if let Ok(server) = UnixStream::connect(path).await {
                join(client, server, line, strand).await;
            }
        }
        Server::Port(port) => {
            if let Ok(server) = TcpStream::connect(("127.0.0.1", *port)).await {
                join(client, server, line, strand).await;
            }
        }
    }
}

async fn join(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    line: watch::Receiver<Line>,
    mut strand: watch::Receiver<u64>,
) {
    // They live on when nothing passes any more.
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let asked = pass(&mut from_client, &mut to_server, line.clone(), |line| line != Line::Silent);
    let answered = pass(&mut from_server, &mut to_client, line, |line| line == Line::Open);
    tokio::select! {
        () = asked => {}
        () = answered => {}
        _ = strand.changed() => std::future::pending().await,
    }
}

/// Passes bytes on while the line lets them; those that come meanwhile wait, and are lost with a cut.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: watch::Receiver<Line>,
    lets: impl Fn(Line) -> bool,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count) = from.read(&mut bytes).await else { return };
        if count == 0 || line.wait_for(|line| lets(*line)).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
