//! The way from set-up to the package registries: an HTTP proxy on a Unix socket, which connects to them alone.
//!
//! Names are resolved here, and an address of this machine or of a private network is refused unless the operator named
//! exactly that registry. What passes is not looked at: it is encrypted between the client and the registry.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::Engine as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinHandle,
};
use url::Url;

use super::registries::{Registries, Server};

const LONGEST_HEAD: usize = 16 << 10;
const CONNECTIONS: usize = 64;
const TO_ASK: Duration = Duration::from_secs(30);
const TO_CONNECT: Duration = Duration::from_secs(20);
/// How many servers that were refused are remembered.
const REMEMBERED: usize = 20;

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    task: JoinHandle<()>,
    refused: Arc<Mutex<BTreeSet<String>>>,
}

impl Proxy {
    /// Listens on a new socket, which every user of this machine may connect to.
    pub(super) fn listen(socket: &Path, registries: Registries) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666))?;
        let refused = Arc::new(Mutex::new(BTreeSet::new()));
        let (registries, noted) = (Arc::new(registries), refused.clone());
        let task = tokio::spawn(async move {
            let free = Arc::new(Semaphore::new(CONNECTIONS));
            // Closed never; each connection is a task that ends with this one.
            let mut open = tokio::task::JoinSet::new();
            while let (Ok(permit), Ok((stream, _))) =
                (free.clone().acquire_owned().await, listener.accept().await)
            {
                let (registries, noted) = (registries.clone(), noted.clone());
                open.spawn(async move {
                    drop(serve(stream, &registries, &noted).await);
                    drop(permit);
                });
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self { task, refused })
    }

    /// The servers that were asked for and refused, for the log of set-up.
    pub(super) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    server: Server,
    /// The head to send on, for plain HTTP; `None` for a tunnel.
    head: Option<String>,
}

async fn serve(
    mut client: UnixStream,
    registries: &Registries,
    noted: &Mutex<BTreeSet<String>>,
) -> io::Result<()> {
    let asked = tokio::time::timeout(TO_ASK, read_head(&mut client)).await??;
    let Some((head, rest)) = asked else { return Ok(()) };
    let Some(request) = parse(&head) else {
        return answer(&mut client, "400 Bad Request", "this proxy takes CONNECT and http:// requests").await;
    };
    let (host, port) = &request.server;
    let connected = match registries.servers.contains(&request.server) {
        false => Err("it is no package registry that set-up may reach".to_owned()),
        true => connect(&request.server, registries, request.head.is_none()).await,
    };
    let mut server = match connected {
        Ok(server) => server,
        Err(reason) => {
            let reason = format!("{host}:{port}: {reason}");
            note(noted, &reason);
            return answer(&mut client, "403 Forbidden", &reason).await;
        }
    };
    match &request.head {
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        Some(head) => server.write_all(head.as_bytes()).await?,
    }
    server.write_all(&rest).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn note(noted: &Mutex<BTreeSet<String>>, reason: &str) {
    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
    if noted.len() < REMEMBERED {
        noted.insert(reason.to_owned());
    }
}

async fn answer(client: &mut UnixStream, status: &str, reason: &str) -> io::Result<()> {
    let length = reason.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{reason}"
    );
    client.write_all(text.as_bytes()).await
}

/// A head and what came after it; `None` if the client went away.
async fn read_head(client: &mut UnixStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(String::from_utf8(bytes).ok().map(|head| (head, rest)));
        }
        if bytes.len() > LONGEST_HEAD || client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse(head: &str) -> Option<Request> {
    let (first, headers) = head.split_once("\r\n")?;
    let mut words = first.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method == "CONNECT" {
        let (host, port) = target.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_lowercase();
        return Some(Request { server: (host, port.parse().ok()?), head: None });
    }
    let url: Url = target.parse().ok().filter(|url: &Url| url.scheme() == "http")?;
    let server = (url.host_str()?.trim_matches(['[', ']']).to_lowercase(), url.port_or_known_default()?);
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut sent = format!("{method} {path} {version}\r\n");
    for header in headers.lines().filter(|header| !header.is_empty()) {
        let name = header.split(':').next().unwrap_or_default().trim().to_lowercase();
        if !name.starts_with("proxy-") && name != "connection" {
            sent.push_str(header);
            sent.push_str("\r\n");
        }
    }
    sent.push_str("Connection: close\r\n\r\n");
    Some(Request { server, head: Some(sent) })
}

async fn connect(server: &Server, registries: &Registries, is_tunnel: bool) -> Result<TcpStream, String> {
    let (host, port) = server;
    let direct = |names: &[String]| {
        names.iter().any(|name| name == "*" || (!name.is_empty() && host.ends_with(name.as_str())))
    };
    if let Some(upstream) =
        registries.upstream.as_ref().filter(|_| is_tunnel && !direct(&registries.no_upstream))
    {
        return through(upstream, server).await.map_err(|error| format!("the operator's proxy: {error}"));
    }
    let addresses = tokio::net::lookup_host((host.as_str(), *port)).await;
    let addresses = addresses.map_err(|error| format!("its name has no address: {error}"))?;
    let allowed = |address: &SocketAddr| registries.named.contains(server) || !is_private(address.ip());
    let addresses: Vec<SocketAddr> = addresses.filter(allowed).collect();
    if addresses.is_empty() {
        return Err("its address is one of this machine or of a private network".to_owned());
    }
    let connected = tokio::time::timeout(TO_CONNECT, TcpStream::connect(&*addresses)).await;
    connected.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())
}

/// A tunnel through the operator's own proxy.
async fn through(upstream: &Url, (host, port): &Server) -> io::Result<TcpStream> {
    let place = (upstream.host_str().unwrap_or_default(), upstream.port_or_known_default().unwrap_or(80));
    let mut stream = tokio::time::timeout(TO_CONNECT, TcpStream::connect(place)).await??;
    let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some(password) = upstream.password() {
        let credential =
            base64::engine::general_purpose::STANDARD.encode(format!("{}:{password}", upstream.username()));
        head.push_str(&format!("Proxy-Authorization: Basic {credential}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() > LONGEST_HEAD {
            return Err(io::Error::other("its answer is too long"));
        }
        answer.push(stream.read_u8().await?);
    }
    let status = String::from_utf8_lossy(&answer);
    match status.split(' ').nth(1) {
        Some("200") => Ok(stream),
        _ => Err(io::Error::other(status.lines().next().unwrap_or_default().to_owned())),
    }
}

/// Addresses of this machine, of networks behind it, and of nothing.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => {
            let parts = v6.segments();
            let inner = v6.to_ipv4_mapped().or_else(|| {
                // Addresses that a gateway turns into those of version 4.
                (parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0]).then(|| {
                    let [high, low] = [parts[6], parts[7]].map(u16::to_be_bytes);
                    Ipv4Addr::new(high[0], high[1], low[0], low[1])
                })
            });
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || parts[0] & 0xfe00 == 0xfc00
                || parts[0] & 0xffc0 == 0xfe80
                || inner.is_some_and(is_private_v4)
        }
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || (first == 100 && second & 0xc0 == 64)
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && second & 0xfe == 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_and_plain_requests_are_read() {
        let tunnel = parse("CONNECT Pypi.org:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(tunnel, Request { server: ("pypi.org".to_owned(), 443), head: None });
        let plain = parse(
            "GET http://npm.acme.example:4873/a?b HTTP/1.1\r\nHost: npm\r\nProxy-X: 1\r\nConnection: keep-alive\r\n\r\n",
        );
        let plain = plain.unwrap();
        assert_eq!(plain.server, ("npm.acme.example".to_owned(), 4873));
        assert_eq!(plain.head.unwrap(), "GET /a?b HTTP/1.1\r\nHost: npm\r\nConnection: close\r\n\r\n");
        for other in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT pypi.org HTTP/1.1\r\n\r\n",
            "x",
            "GET ftp://a/ HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        let check =
            |address: &str, private| assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
        ] {
            check(address, true);
        }
        for address in
            ["1.1.1.1", "151.101.0.223", "172.32.0.1", "100.128.0.1", "2a04:4e42::223", "::ffff:1.1.1.1"]
        {
            check(address, false);
        }
    }

    #[tokio::test]
    async fn only_registries_are_reached_and_private_addresses_if_the_operator_named_them() {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(b"REACHED").await.unwrap();
            }
        });
        let own = ("127.0.0.1".to_owned(), port);
        let ask = async |name: &str, servers: BTreeSet<Server>, named: BTreeSet<Server>| {
            let socket = folder.path().join(name);
            let proxy =
                Proxy::listen(&socket, Registries { servers, named, ..Registries::default() }).unwrap();
            let mut client = UnixStream::connect(&socket).await.unwrap();
            client.write_all(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
            let mut text = String::new();
            client.read_to_string(&mut text).await.unwrap();
            (text, proxy.refused())
        };
        let all = BTreeSet::from([own]);
        let (text, refused) = ask("a", BTreeSet::new(), BTreeSet::new()).await;
        assert!(text.starts_with("HTTP/1.1 403") && text.contains("no package registry"), "{text}");
        assert_eq!(refused, [format!("127.0.0.1:{port}: it is no package registry that set-up may reach")]);
        let (text, _) = ask("b", all.clone(), BTreeSet::new()).await;
        assert!(text.starts_with("HTTP/1.1 403") && text.contains("private network"), "{text}");
        let (text, refused) = ask("c", all.clone(), all).await;
        assert!(
            text.starts_with("HTTP/1.1 200") && text.ends_with("REACHED") && refused.is_empty(),
            "{text}"
        );
        echo.abort();
    }
}
