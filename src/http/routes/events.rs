//! A run's history, in pages or as a stream (server-sent events).

use std::{
    collections::VecDeque,
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{
        IntoResponse as _, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::{Stream, stream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{responses::NotFound, runs};
use crate::{
    api::{Event, Events},
    core::{access::Token, run},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{Id, Query},
            pace::{Paces, StreamPlace},
            problem::Kind,
        },
        serve::Stop,
    },
    store::{self, Pool},
};

/// How often a stream looks for new events.
const POLL: Duration = Duration::from_millis(200);
/// How often a stream without events sends a comment, so that the connection is kept open.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream goes on without asking whether its caller's key and session are still good.
const ADMITTED: Duration = Duration::from_secs(5);
/// The most events that a stream reads at once.
const BATCH: i64 = 100;

/// A run's history: pages of JSON, or with `Accept: text/event-stream` each event as it happens.
///
/// The ids of a stream's events are their `seq`; with `Last-Event-ID` it continues after that one. It ends after
/// the run's last event. A request that would begin after that gets 204, so that browsers stop reconnecting.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs", operation_id = "events",
    params(
        ("id" = Uuid, Path),
        ("after" = Option<i32>, Query, description = "Only events after this seq; default 0.", minimum = 0),
        ("limit" = Option<i32>, Query, description = "1 to 1000 events a page; default 100.", minimum = 1, maximum = 1000),
        ("Last-Event-ID" = Option<i32>, Header, description = "For streams, in place of after.", minimum = 0),
    ),
    responses(
        (status = 200, description = "A page; Link rel=next leads to the next one. As text/event-stream, one event each.", body = Events),
        (status = 204, description = "The run has ended and has no event after that one."),
        NotFound,
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    stop: Option<Extension<Stop>>,
    Extension(paces): Extension<Paces>,
    caller: Caller,
    Id(id): Id,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let query = query.only(&["after", "limit"])?;
    let after = query.number("after", 0, i32::MAX, 0)?;
    let limit = query.number("limit", 1, 1000, 100)?;
    let pool = app.engine.pool();
    let stored = runs::run(pool, id).await?;
    if !wants_stream(&headers) {
        return page(pool, id, after, limit).await;
    }
    let after = last_id(&headers)?.unwrap_or(after);
    if matches!(stored.run.state, run::State::Ended { .. }) && after >= stored.version {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = paces.stream(caller.principal().key, Instant::now()).ok_or_else(|| {
        Error::new(Kind::TooManyRequests, "the key has as many open streams as it may; close some")
    })?;
    let stop = stop.map_or_else(CancellationToken::new, |Extension(Stop(token))| token);
    let alive = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
    let follower = Follower::new(pool.clone(), caller, place, (id, after));
    let mut response = Sse::new(follow(follower, stop)).keep_alive(alive).into_response();
    // Proxies must not buffer events.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

async fn page(pool: &Pool, id: Uuid, after: i32, limit: i32) -> Result<Response, Error> {
    let mut rows = store::event::after(pool, id, after, i64::from(limit) + 1).await?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next_after = rows.last().filter(|_| more).map(|row| row.seq);
    let items = rows.into_iter().map(Event::from).collect();
    let mut response = Json(Events { items, next_after }).into_response();
    if let Some(next) = next_after {
        let link = format!("</api/v1/runs/{id}/events?after={next}&limit={limit}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|list| list.split(',')).any(|media| media.trim().starts_with("text/event-stream"))
}

fn last_id(headers: &HeaderMap) -> Result<Option<i32>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|number: &i32| *number >= 0);
    number
        .map(Some)
        .ok_or_else(|| Error::parameter("Last-Event-ID", "must be the id of an event, a whole number"))
}

/// A stream's position in a history.
struct Follower {
    pool: Pool,
    caller: Caller,
    _place: StreamPlace,
    /// When it was last seen that the caller's key and session are good.
    admitted: Instant,
    run: Uuid,
    /// The last event that was sent.
    seq: i32,
    /// Read but not sent yet.
    read: VecDeque<Event>,
    has_read: bool,
    /// The last event of an ended run was read.
    over: bool,
}

fn follow(follower: Follower, stop: CancellationToken) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    stream::unfold((follower, stop), async |(mut follower, stop)| {
        let next = stop.run_until_cancelled(follower.next()).await.flatten()?;
        Some((Ok(message(&next)), (follower, stop)))
    })
}

impl Follower {
    fn new(pool: Pool, caller: Caller, place: StreamPlace, (run, seq): (Uuid, i32)) -> Self {
        let (read, admitted) = (VecDeque::new(), Instant::now());
        Self { pool, caller, _place: place, admitted, run, seq, read, has_read: false, over: false }
    }

    /// The next event; `None` after the run's last one, when the caller's key or session has ended, or when the database
    /// does not answer: the caller then reconnects with the last id that it got.
    async fn next(&mut self) -> Option<Event> {
        while self.read.is_empty() {
            if self.over {
                return None;
            }
            if self.has_read {
                tokio::time::sleep(POLL).await;
            }
            if !self.is_admitted().await {
                return None;
            }
            if let Err(error) = self.read_more().await {
                tracing::warn!(run.id = %self.run, %error, "a stream of events was cut off: {error}");
                return None;
            }
        }
        let event = self.read.pop_front()?;
        self.seq = event.seq;
        Some(event)
    }

    /// Whether the caller may still read: a stream must not outlive the key that opened it.
    async fn is_admitted(&mut self) -> bool {
        if self.admitted.elapsed() < ADMITTED {
            return true;
        }
        let session = self.caller.session().map(Token::digest);
        let is_open = store::api_key::is_open(&self.pool, self.caller.principal().key, session).await;
        self.admitted = Instant::now();
        is_open.unwrap_or(false)
    }

    async fn read_more(&mut self) -> store::Result<()> {
        self.has_read = true;
        let rows = store::event::after(&self.pool, self.run, self.seq, BATCH).await?;
        // A run changes only with an event: without a new one it has not ended.
        if let Some(last) = rows.last().map(|row| row.seq) {
            let stored = store::run::get(&self.pool, self.run).await?;
            self.over = stored.is_none_or(|stored| {
                matches!(stored.run.state, run::State::Ended { .. }) && stored.version <= last
            });
        }
        self.read.extend(rows.into_iter().map(Event::from));
        Ok(())
    }
}

fn message(event: &Event) -> sse::Event {
    let data = serde_json::to_string(event).unwrap_or_default();
    sse::Event::default().id(event.seq.to_string()).event(event.fact.as_str()).data(data)
}
