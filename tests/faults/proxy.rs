//! A wire between workers and Postgres, the forge or the model: it can be cut, slow or silent, and lose answers.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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

use self::wire::{Answer, Ear, Messages};

#[path = "wire.rs"]
mod wire;

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// They pass.
    Open,
    /// They pass, but each piece waits so long.
    Slow(Duration),
    /// None pass in either direction, and nobody is told: a half-open connection.
    Silent,
    /// What is asked passes, what is answered does not: whoever commits never hears of it.
    Deaf,
    /// What is asked does not pass, what is still answered does.
    Mute,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the server.
    Asked,
    /// To the client.
    Answered,
}

/// A proxy before a server. Dropping it leaves its connections to their end.
pub(crate) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
}

/// What a proxy does to its connections.
struct Rules {
    line: watch::Sender<Line>,
    /// Counts the cuts; a connection ends when it changes.
    cuts: watch::Sender<u64>,
    /// Counts the strandings; a connection falls silent for good when it changes.
    strands: watch::Sender<u64>,
    open: AtomicUsize,
    shears: Mutex<Option<(Way, usize)>>,
    trap: Mutex<Option<Trap>>,
    lost: AtomicUsize,
}

/// Waits for a request whose answer is to be lost.
struct Trap {
    what: String,
    spared: usize,
    end: End,
}

/// What becomes of a connection whose answer is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Cut,
    Silence,
}

/// What becomes of a piece of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    Lost,
    Ends,
}

/// Where the server listens, and how it is talked to.
#[derive(Clone)]
enum Server {
    Socket(PathBuf),
    Postgres(u16),
    Plain(u16),
}

impl Server {
    fn of(url: &str) -> Self {
        if url.starts_with("http") {
            return Self::Plain(url::Url::parse(url).unwrap().port_or_known_default().unwrap());
        }
        let options: PgConnectOptions = url.parse().unwrap();
        let socket = |folder: &PathBuf| folder.join(format!(".s.PGSQL.{}", options.get_port()));
        let folder = options
            .get_socket()
            .cloned()
            .or_else(|| Some(PathBuf::from(options.get_host())).filter(|host| host.is_absolute()));
        folder.as_ref().map_or(Self::Postgres(options.get_port()), |folder| Self::Socket(socket(folder)))
    }

    fn ear(&self) -> Ear {
        match self {
            Self::Socket(_) | Self::Postgres(_) => Ear::Postgres(Messages::default()),
            Self::Plain(_) => Ear::Plain,
        }
    }
}

impl Line {
    fn lets(self, way: Way) -> bool {
        match self {
            Self::Open | Self::Slow(_) => true,
            Self::Silent => false,
            Self::Deaf => way == Way::Asked,
            Self::Mute => way == Way::Answered,
        }
    }
}

impl Proxy {
    /// Starts one before the server of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let server = Server::of(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let rules = Arc::new(Rules::default());
        let shared = Arc::clone(&rules);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, rules) = (server.clone(), Arc::clone(&shared));
                let mut end = rules.cuts.subscribe();
                tokio::spawn(async move {
                    rules.open.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        () = serve(client, &server, &rules) => {}
                        _ = end.changed() => {}
                    }
                    rules.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, rules }
    }

    /// The same server by way of this proxy.
    pub(crate) fn url(&self, direct: &str) -> String {
        let mut url = url::Url::parse(direct).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.rules.open.load(Ordering::SeqCst)
    }

    /// Cuts every connection that is open.
    pub(crate) fn cut(&self) {
        self.rules.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts the connection over which the last of so many bytes more goes this way, right after it. The bytes of
    /// all connections count.
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        *held(&self.rules.shears) = Some((way, bytes));
    }

    /// What is open stays open, and nothing passes there ever again; what is opened from now on passes. So it is
    /// for both sides when a machine between them forgets its connections.
    pub(crate) fn block_unsupported(&self) {
        self.rules.strands.send_modify(|strands| *strands += 1);
    }

    /// Loses the answer to the next request that contains `what`, after `spared` of them were answered: it is
    /// done, its whole answer is swallowed, and its connection is cut. A request of Postgres is the text of a
    /// statement each time that it is executed.
    pub(crate) fn swallow(&self, what: &str, spared: usize) {
        *held(&self.rules.trap) = Some(Trap { what: what.to_owned(), spared, end: End::Cut });
    }

    /// As [`Proxy::swallow`], but the connection stays open, and nothing is answered there ever again.
    pub(crate) fn hush(&self, what: &str, spared: usize) {
        *held(&self.rules.trap) = Some(Trap { what: what.to_owned(), spared, end: End::Silence });
    }

    /// How many answers were swallowed whole, or kept back for ever.
    pub(crate) fn lost(&self) -> usize {
        self.rules.lost.load(Ordering::SeqCst)
    }

    /// Lets the line be so for a while, then cuts what is open. What is opened meanwhile fares no better.
    pub(crate) async fn be(&self, line: Line, lasts: Duration) {
        self.rules.line.send_replace(line);
        tokio::time::sleep(lasts).await;
        self.cut();
        self.rules.line.send_replace(Line::Open);
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            line: watch::Sender::new(Line::Open),
            cuts: watch::Sender::new(0),
            strands: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            shears: Mutex::default(),
            trap: Mutex::default(),
            lost: AtomicUsize::new(0),
        }
    }
}

impl Rules {
    /// How many of these bytes pass before the connection is cut, if it is.
    fn shorn(&self, way: Way, count: usize) -> Option<usize> {
        let mut shears = held(&self.shears);
        let (_, left) = shears.as_mut().filter(|(of, _)| *of == way)?;
        if *left > count {
            *left -= count;
            return None;
        }
        shears.take().map(|(_, left)| left)
    }

    /// What becomes of the connection if the answer to one of these requests is to be lost.
    fn springs(&self, requests: &[String]) -> Option<End> {
        let mut trap = held(&self.trap);
        for request in requests {
            match trap.as_mut().filter(|trap| request.contains(&trap.what)) {
                None => {}
                Some(Trap { spared: 0, .. }) => return trap.take().map(|trap| trap.end),
                Some(Trap { spared, .. }) => *spared -= 1,
            }
        }
        None
    }
}

async fn serve(client: TcpStream, server: &Server, rules: &Rules) {
    let _ = client.set_nodelay(true);
    // Closing resets the connection, as when a machine between is gone.
    let _ = client.set_zero_linger();
    match server {
        Server::Socket(path) => {
            if let Ok(stream) = UnixStream::connect(path).await {
                join(client, stream, server.ear(), rules).await;
            }
        }
        Server::Postgres(port) | Server::Plain(port) => {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", *port)).await {
                join(client, stream, server.ear(), rules).await;
            }
        }
    }
}

async fn join(client: TcpStream, server: impl AsyncRead + AsyncWrite, mut ear: Ear, rules: &Rules) {
    let mut strand = rules.strands.subscribe();
    // They live on when nothing passes any more.
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let lost: Mutex<Option<Answer>> = Mutex::default();
    let asked = pass(&mut from_client, &mut to_server, (rules, Way::Asked), |bytes| {
        match rules.springs(&ear.receive_signal(bytes)) {
            None => {}
            Some(End::Cut) => *held(&lost) = Some(ear.answer()),
            Some(End::Silence) => {
                *held(&lost) = Some(Answer::Never);
                rules.lost.fetch_add(1, Ordering::SeqCst);
            }
        }
        Fate::Passes
    });
    let answered = pass(&mut from_server, &mut to_client, (rules, Way::Answered), |bytes| {
        match held(&lost).as_mut().map(|answer| answer.ends(bytes)) {
            None => Fate::Passes,
            Some(false) => Fate::Lost,
            Some(true) => {
                rules.lost.fetch_add(1, Ordering::SeqCst);
                Fate::Ends
            }
        }
    });
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
    (rules, way): (&Rules, Way),
    mut fate: impl FnMut(&[u8]) -> Fate,
) {
    let (mut bytes, mut line) = (vec![0; 16 * 1024], rules.line.subscribe());
    loop {
        let Ok(count) = from.read(&mut bytes).await else { return };
        let Ok(now) = line.wait_for(|line| line.lets(way)).await.map(|line| *line) else { return };
        if let Line::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        let passes = match fate(&bytes[..count]) {
            Fate::Passes if count > 0 => rules.shorn(way, count),
            Fate::Lost => continue,
            Fate::Passes | Fate::Ends => return,
        };
        if to.write_all(&bytes[..passes.unwrap_or(count)]).await.is_err() || passes.is_some() {
            return;
        }
    }
}

fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
