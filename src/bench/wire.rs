//! A relay between a program and its Postgres that counts what is said: every statement and transaction, of
//! whatever kind, without asking anything of the server.

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

use crate::store::throwaway::{Address, address};

/// What asks for encryption, instead of a startup message.
const ASKS_TO_ENCRYPT: [u32; 2] = [80_877_103, 80_877_104];
/// No message of an idle program is longer (bytes).
const LONGEST: usize = 16 * 1024 * 1024;

/// A listening relay; dropping it cuts all off.
pub(super) struct Wire {
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

/// What was said until now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// Queries, and executions of prepared ones.
    pub(super) statements: u64,
    /// What came to its end with at least one statement in it.
    pub(super) transactions: u64,
    /// How often the client waited for an answer: for statements, for their preparation, for a sign of life.
    pub(super) round_trips: u64,
}

impl Wire {
    /// A relay to the server of this URL.
    pub(super) async fn to(url: &str) -> anyhow::Result<Self> {
        let server = address(url)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for the relay")?;
        let wire = listener.local_addr()?;
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        let (counting, stopped) = (Arc::clone(&counts), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, counts) = (server.clone(), Arc::clone(&counting));
                let relayed = relay(client, server, counts);
                tokio::spawn(stopped.clone().run_until_cancelled_owned(relayed));
            }
        }));
        Ok(Self { counts, address: wire, _stop: stop.drop_guard() })
    }

    /// The same database's URL, through the relay.
    pub(super) fn url(&self, url: &str) -> anyhow::Result<String> {
        let mut url = Url::parse(url).context("read a database's URL")?;
        url.set_host(Some("127.0.0.1")).context("name the relay")?;
        let port = url.set_port(Some(self.address.port()));
        anyhow::ensure!(port.is_ok(), "a database's URL takes no port");
        url.set_query(Some("sslmode=disable"));
        Ok(url.into())
    }

    /// What was said until now.
    pub(super) fn count(&self) -> Said {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Said {
            statements: read(&self.counts.statements),
            transactions: read(&self.counts.transactions),
            round_trips: read(&self.counts.round_trips),
        }
    }
}

async fn relay(client: TcpStream, server: Address, counts: Arc<Counts>) {
    let _ = client.set_nodelay(true);
    // Either side may hang up at any time; then the other one hears of it.
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
        if !code.is_some_and(|code| ASKS_TO_ENCRYPT.contains(&code)) {
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
    let did_something = AtomicBool::new(false);
    let answered = pass(&mut from_server, &mut to_client, |message| match message[0] {
        // A statement is complete.
        b'C' => did_something.store(true, Ordering::Relaxed),
        // Ready for the next; if in no transaction, one has ended, unless nothing was done in it.
        b'Z' => {
            counts.round_trips.fetch_add(1, Ordering::Relaxed);
            if message.last() == Some(&b'I') && did_something.swap(false, Ordering::Relaxed) {
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

/// Hands on message after message until one side hangs up.
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
    let rest = rest.filter(|rest| *rest <= LONGEST).ok_or(std::io::ErrorKind::InvalidData)?;
    let start = head.len();
    head.resize(start + rest, 0);
    from.read_exact(&mut head[start..]).await?;
    Ok(head)
}
