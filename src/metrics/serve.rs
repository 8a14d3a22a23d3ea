//! The address at which metrics are read, apart from the one for people.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{Metrics, Sample};

/// How long a scrape may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Bytes of a request's head that are read.
const HEAD: usize = 8 << 10;
/// The content type of OpenMetrics.
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads the figures of the database, or nothing.
pub type Read = Arc<dyn Fn() -> BoxFuture<'static, Vec<Sample>> + Send + Sync>;

/// Answers `GET /metrics` until `stop` is cancelled, one scrape after the other.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, read: Read, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let answered = tokio::time::timeout(LIMIT, answer(stream, &metrics, &read)).await;
                if let Ok(Err(error)) = answered {
                    tracing::debug!(%error, "a scrape ended early");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a scrape");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, metrics: &Metrics, read: &Read) -> std::io::Result<()> {
    let line = request_line(&mut stream).await?;
    let mut words = line.split(' ');
    let (status, kind, body) = match (words.next(), words.next()) {
        (Some("GET"), Some(path)) if path == "/metrics" || path.starts_with("/metrics?") => {
            match metrics.text(&read().await) {
                Ok(text) => ("200 OK", KIND, text),
                Err(error) => ("500 Internal Server Error", "text/plain", error.to_string()),
            }
        }
        _ => ("404 Not Found", "text/plain", "only GET /metrics is here\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The first line of a request, once its whole head has arrived: what is left unread would reset the connection.
async fn request_line(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD {
        match stream.read(&mut chunk).await? {
            0 => break,
            some => head.extend_from_slice(&chunk[..some]),
        }
    }
    let text = String::from_utf8_lossy(&head);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
