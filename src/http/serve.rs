//! The server's loop: it cuts off slow callers, and lets open requests finish before it stops.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Extension, Router, body::Body, extract::Request};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{AppState, router};

/// How long the head of a request may take to arrive.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long open requests may take once the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// The most connections at once; more of them wait in the listener's backlog.
const CONNECTIONS: usize = 1_000;

/// Cancelled when the server stops, so that streams without an end of their own end too.
#[derive(Debug, Clone)]
pub(crate) struct Stop(pub(crate) CancellationToken);

/// The other end of the connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `stop` is cancelled, then lets open requests finish for at most 10 s.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(listener: TcpListener, app: AppState, stop: CancellationToken) -> anyhow::Result<()> {
    let address = listener.local_addr().context("read the listener's address")?;
    tracing::info!(%address, "serving on http://{address}");
    let routes = router(app).layer(Extension(Stop(stop.clone())));
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    while let Some(stream) = accept(&listener, &slots, &stop).await {
        let ((stream, peer), slot) = stream;
        let (routes, stop) = (routes.clone().layer(Extension(Peer(peer))), stop.clone());
        open.spawn(async move {
            serve_connection(stream, routes, stop).await;
            drop(slot);
        });
        while open.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("some requests did not finish within {GRACE:?} and were cut off");
    }
    Ok(())
}

type Slot = tokio::sync::OwnedSemaphorePermit;

/// The next connection, or `None` once the server stops.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<((TcpStream, SocketAddr), Slot)> {
    let next = async {
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok(accepted) => return Some((accepted, slot)),
                Err(error) => {
                    // Usually too many open files: other connections must close before it can continue.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    stop.run_until_cancelled(next).await.flatten()
}

async fn serve_connection(stream: TcpStream, routes: Router, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let routes = routes.map_request(|request: Request<hyper::body::Incoming>| request.map(Body::new));
    let service = TowerToHyperService::new(routes.map_err(|never: Infallible| match never {}));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
