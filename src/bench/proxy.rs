//! A proxy between a program and its Postgres that counts every statement, transaction and round trip on the
//! wire, without a query of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::throwaway::{Address, address};

/// The codes of `SSLRequest` and `GSSENCRequest`, which come in place of a startup message.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];
/// The longest message that is passed on, in bytes; those of an idle program are shorter.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A running proxy; dropping it closes all connections.
pub(super) struct Proxy {
    counts: Arc<Counts>,
    address: SocketAddr,
    _stop: DropGuard,
}

#[derive(Debug, Default)]
struct Counts {
    statements: AtomicU64,
    transactions: AtomicU64,
    round_trips: AtomicU64,
}

/// The counts so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    /// Queries, and executions of prepared ones.
    pub(super) statements: u64,
    /// Transactions that ended and had at least one statement.
    pub(super) transactions: u64,
    /// How often the client waited for an answer: to statements, their preparation and pings.
    pub(super) round_trips: u64,
}

impl Proxy {
    /// A proxy to the server of this URL.
    pub(super) async fn to(url: &str) -> anyhow::Result<Self> {
        let server = address(url)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for the proxy")?;
        let address = listener.local_addr()?;
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        let (counting, stopped) = (Arc::clone(&counts), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, counts) = (server.clone(), Arc::clone(&counting));
                let relayed = relay(client, server, counts);
                tokio::spawn(stopped.clone().run_until_cancelled_owned(relayed));
            }
        }));
        Ok(Self { counts, address, _stop: stop.drop_guard() })
    }

    /// The URL of the same database through the proxy.
    pub(super) fn url(&self, url: &str) -> anyhow::Result<String> {
        let mut url = Url::parse(url).context("read a database's URL")?;
        url.set_host(Some("127.0.0.1")).context("name the proxy")?;
        let port = url.set_port(Some(self.address.port()));
        anyhow::ensure!(port.is_ok(), "a database's URL takes no port");
        url.set_query(Some("sslmode=disable"));
        Ok(url.into())
    }

    /// The counts so far.
    pub(super) fn traffic(&self) -> Traffic {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            statements: read(&self.counts.statements),
            transactions: read(&self.counts.transactions),
            round_trips: read(&self.counts.round_trips),
        }
    }
}

async fn relay(client: TcpStream, server: Address, counts: Arc<Counts>) {
    let _ = client.set_nodelay(true);
    // Either side may close its connection at any time; then the other one is closed too.
    let _ = match server {
        Address::Tcp(host, port) => match TcpStream::connect((host, port)).await {
            Ok(server) => between(client, server, &counts).await,
            Err(error) => Err(error),
        },
        Address::Unix(path) => match UnixStream::connect(path).await {
            Ok(server) => between(client, server, &counts).await,
            Err(error) => Err(error),
        },
    };
}

async fn between(
    mut client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    counts: &Counts,
) -> std::io::Result<()> {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let startup = loop {
        let length = client.read_u32().await?;
        let rest = body(&mut client, length, Vec::new()).await?;
        let code = rest.first_chunk().map(|code| u32::from_be_bytes(*code));
        if !code.is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code)) {
            break [&length.to_be_bytes()[..], &rest].concat();
        }
        client.write_all(b"N").await?;
    };
    to_server.write_all(&startup).await?;
    let (mut from_client, mut to_client) = client.split();
    let asked = pass(&mut from_client, &mut to_server, |message| {
        // A simple query, or the execution of a prepared one.
        if matches!(message[0], b'Q' | b'E') {
            counts.statements.fetch_add(1, Ordering::Relaxed);
        }
    });
    let has_statement = AtomicBool::new(false);
    let answered = pass(&mut from_server, &mut to_client, |message| match message[0] {
        // `CommandComplete`.
        b'C' => has_statement.store(true, Ordering::Relaxed),
        // `ReadyForQuery`: outside of a transaction, one has ended, unless it had no statement.
        b'Z' => {
            counts.round_trips.fetch_add(1, Ordering::Relaxed);
            if message.last() == Some(&b'I') && has_statement.swap(false, Ordering::Relaxed) {
                counts.transactions.fetch_add(1, Ordering::Relaxed);
            }
        }
        _ => {}
    });
    tokio::select! {
        ended = asked => ended,
        ended = answered => ended,
    }
}

/// Passes on message after message until one side closes its connection.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    count: impl Fn(&[u8]),
) -> std::io::Result<()> {
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let head = [&[kind][..], &length.to_be_bytes()].concat();
        let message = body(from, length, head).await?;
        count(&message);
        to.write_all(&message).await?;
        to.flush().await?;
    }
}

/// Reads what follows a length, which counts itself, and appends it to `head`.
async fn body(
    from: &mut (impl AsyncRead + Unpin),
    length: u32,
    mut head: Vec<u8>,
) -> std::io::Result<Vec<u8>> {
    let rest = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
    let rest = rest.filter(|rest| *rest <= MAX_MESSAGE).ok_or(std::io::ErrorKind::InvalidData)?;
    let start = head.len();
    head.resize(start + rest, 0);
    from.read_exact(&mut head[start..]).await?;
    Ok(head)
}
