//! A proxy between workers and Postgres, the forge or the model. It can cut, delay or block connections and lose
//! responses.

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

use super::wire::{FrontendMessages, RequestReader, ResponseEnd};

/// What the proxy does with the bytes of all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Forwards them.
    Open,
    /// Forwards them, each piece after this delay.
    Slow(Duration),
    /// Holds them in both directions without closing anything, as on a half-open connection.
    Blocked,
    /// Forwards requests and holds responses: a client that commits never learns of it.
    NoResponses,
    /// Holds requests and forwards responses that are still under way.
    NoRequests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// A proxy before a server. Dropping it leaves its connections open.
pub(crate) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
}

/// What a proxy does to its connections.
struct Rules {
    link: watch::Sender<LinkState>,
    /// Counts calls of [`Proxy::cut`]; a connection closes when it changes.
    cuts: watch::Sender<u64>,
    /// Counts calls of [`Proxy::make_half_open`]; a connection stops for good when it changes.
    half_opens: watch::Sender<u64>,
    open: AtomicUsize,
    /// The direction and the number of bytes after which a connection is cut.
    byte_limit: Mutex<Option<(Direction, usize)>>,
    lost_response: Mutex<Option<LostResponse>>,
    lost_responses: AtomicUsize,
}

/// Selects a request whose response is to be lost.
struct LostResponse {
    /// What the request contains.
    pattern: String,
    /// How many such requests are answered before.
    skip: usize,
    then: AfterLoss,
}

/// What happens to a connection whose response was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AfterLoss {
    Cut,
    /// It stays open, and no response passes any more.
    Silence,
}

/// What happens to a piece of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Forward,
    Discard,
    Close,
}

/// Where the server listens, and its protocol.
#[derive(Clone)]
enum Server {
    PostgresSocket(PathBuf),
    Postgres(u16),
    Http(u16),
}

impl Server {
    fn of(url: &str) -> Self {
        if url.starts_with("http") {
            return Self::Http(url::Url::parse(url).unwrap().port_or_known_default().unwrap());
        }
        let options: PgConnectOptions = url.parse().unwrap();
        let socket = |folder: &PathBuf| folder.join(format!(".s.PGSQL.{}", options.get_port()));
        let folder = options
            .get_socket()
            .cloned()
            .or_else(|| Some(PathBuf::from(options.get_host())).filter(|host| host.is_absolute()));
        let tcp = Self::Postgres(options.get_port());
        folder.as_ref().map_or(tcp, |folder| Self::PostgresSocket(socket(folder)))
    }

    fn request_reader(&self) -> RequestReader {
        match self {
            Self::PostgresSocket(_) | Self::Postgres(_) => {
                RequestReader::Postgres(FrontendMessages::default())
            }
            Self::Http(_) => RequestReader::Http,
        }
    }
}

impl LinkState {
    fn forwards(self, direction: Direction) -> bool {
        match self {
            Self::Open | Self::Slow(_) => true,
            Self::Blocked => false,
            Self::NoResponses => direction == Direction::ToServer,
            Self::NoRequests => direction == Direction::ToClient,
        }
    }
}

impl Proxy {
    /// Starts a proxy before the server of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let server = Server::of(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let rules = Arc::new(Rules::default());
        let shared = Arc::clone(&rules);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, rules) = (server.clone(), Arc::clone(&shared));
                let mut cuts = rules.cuts.subscribe();
                tokio::spawn(async move {
                    rules.open.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        () = serve(client, &server, &rules) => {}
                        _ = cuts.changed() => {}
                    }
                    rules.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, rules }
    }

    /// The URL of the same server through this proxy.
    pub(crate) fn url(&self, direct: &str) -> String {
        let mut url = url::Url::parse(direct).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.rules.open.load(Ordering::SeqCst)
    }

    /// Cuts every open connection.
    pub(crate) fn cut(&self) {
        self.rules.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Forwards this many more bytes in one direction, over all connections, then cuts the connection that carried
    /// the last of them.
    pub(crate) fn cut_after(&self, direction: Direction, bytes: usize) {
        *lock(&self.rules.byte_limit) = Some((direction, bytes));
    }

    /// Connections that are open now stay open, but nothing passes over them any more; new ones work. This is what
    /// both sides see when a machine between them has forgotten its connections.
    pub(crate) fn make_half_open(&self) {
        self.rules.half_opens.send_modify(|count| *count += 1);
    }

    /// Discards the whole response to the next request that contains `pattern`, after `skip` such requests were
    /// answered, and then cuts its connection; the server has done what it was asked. A request of Postgres is the
    /// text of a statement each time that it is executed.
    pub(crate) fn lose_response(&self, pattern: &str, skip: usize) {
        self.lose(pattern, skip, AfterLoss::Cut);
    }

    /// As [`Proxy::lose_response`], but the connection stays open without any further response.
    pub(crate) fn withhold_responses(&self, pattern: &str, skip: usize) {
        self.lose(pattern, skip, AfterLoss::Silence);
    }

    fn lose(&self, pattern: &str, skip: usize, then: AfterLoss) {
        *lock(&self.rules.lost_response) = Some(LostResponse { pattern: pattern.to_owned(), skip, then });
    }

    /// How many responses were lost or withheld.
    pub(crate) fn lost_responses(&self) -> usize {
        self.rules.lost_responses.load(Ordering::SeqCst)
    }

    /// Puts all connections, also new ones, into a state for a while, then cuts those that are open.
    pub(crate) async fn set_for(&self, state: LinkState, duration: Duration) {
        self.rules.link.send_replace(state);
        tokio::time::sleep(duration).await;
        self.cut();
        self.rules.link.send_replace(LinkState::Open);
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            link: watch::Sender::new(LinkState::Open),
            cuts: watch::Sender::new(0),
            half_opens: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            byte_limit: Mutex::default(),
            lost_response: Mutex::default(),
            lost_responses: AtomicUsize::new(0),
        }
    }
}

impl Rules {
    /// How many of these bytes pass before the connection is cut; `None` when it is not cut.
    fn bytes_before_cut(&self, direction: Direction, count: usize) -> Option<usize> {
        let mut limit = lock(&self.byte_limit);
        let (_, left) = limit.as_mut().filter(|(of, _)| *of == direction)?;
        if *left > count {
            *left -= count;
            return None;
        }
        limit.take().map(|(_, left)| left)
    }

    /// What happens to the connection if the response to one of these requests is to be lost.
    fn loss_for(&self, requests: &[String]) -> Option<AfterLoss> {
        let mut rule = lock(&self.lost_response);
        for request in requests {
            match rule.as_mut().filter(|rule| request.contains(&rule.pattern)) {
                None => {}
                Some(LostResponse { skip: 0, .. }) => return rule.take().map(|rule| rule.then),
                Some(LostResponse { skip, .. }) => *skip -= 1,
            }
        }
        None
    }
}

async fn serve(client: TcpStream, server: &Server, rules: &Rules) {
    let _ = client.set_nodelay(true);
    // Closing then resets the connection, as when a machine in between is gone.
    let _ = client.set_zero_linger();
    match server {
        Server::PostgresSocket(path) => {
            if let Ok(stream) = UnixStream::connect(path).await {
                join(client, stream, server.request_reader(), rules).await;
            }
        }
        Server::Postgres(port) | Server::Http(port) => {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", *port)).await {
                join(client, stream, server.request_reader(), rules).await;
            }
        }
    }
}

async fn join(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    mut requests: RequestReader,
    rules: &Rules,
) {
    let mut half_opens = rules.half_opens.subscribe();
    // All four halves outlive `select!`, so that a half-open connection is not closed.
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let lost: Mutex<Option<ResponseEnd>> = Mutex::default();
    let to_server = forward(&mut from_client, &mut to_server, (rules, Direction::ToServer), |bytes| {
        match rules.loss_for(&requests.read(bytes)) {
            None => {}
            Some(AfterLoss::Cut) => *lock(&lost) = Some(requests.response_end()),
            Some(AfterLoss::Silence) => {
                *lock(&lost) = Some(ResponseEnd::Never);
                rules.lost_responses.fetch_add(1, Ordering::SeqCst);
            }
        }
        Action::Forward
    });
    let to_client = forward(&mut from_server, &mut to_client, (rules, Direction::ToClient), |bytes| {
        match lock(&lost).as_mut().map(|end| end.is_reached(bytes)) {
            None => Action::Forward,
            Some(false) => Action::Discard,
            Some(true) => {
                rules.lost_responses.fetch_add(1, Ordering::SeqCst);
                Action::Close
            }
        }
    });
    tokio::select! {
        () = to_server => {}
        () = to_client => {}
        _ = half_opens.changed() => std::future::pending().await,
    }
}

/// Forwards bytes while the link does; those that arrive meanwhile are held, and lost with a cut.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (rules, direction): (&Rules, Direction),
    mut action: impl FnMut(&[u8]) -> Action,
) {
    let (mut bytes, mut link) = (vec![0; 16 * 1024], rules.link.subscribe());
    loop {
        let Ok(count) = from.read(&mut bytes).await else { return };
        let Ok(state) = link.wait_for(|link| link.forwards(direction)).await.map(|link| *link) else {
            return;
        };
        if let LinkState::Slow(delay) = state {
            tokio::time::sleep(delay).await;
        }
        let cut = match action(&bytes[..count]) {
            Action::Forward if count > 0 => rules.bytes_before_cut(direction, count),
            Action::Discard => continue,
            Action::Forward | Action::Close => return,
        };
        if to.write_all(&bytes[..cut.unwrap_or(count)]).await.is_err() || cut.is_some() {
            return;
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
