//! Reads beside many finished runs: the real server, over HTTP.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::{
    Report, bulk,
    environment::Environment,
    figures::{Spread, figure, millis},
    graphs, progress,
    server::Database,
    throwaway,
};
use crate::{
    core::{
        access::Role,
        run::{Event, Park, Progress, Run, Topic},
        workflow::{Outcome, Workflow},
    },
    engine::{
        Engine,
        people::{self, NewKey},
    },
    http::{self, AppState, Settings},
    store::{self, Pool},
};

/// The goals, in milliseconds: lists, a page of events, the run's page.
const GOAL: (f64, f64, f64) = (200.0, 100.0, 1_000.0);
/// Open runs beside the finished ones.
const ACTIVE: usize = 20;
/// The least number of requests, however slow a page is.
const MIN_REQUESTS: usize = 5;

/// A real server of this process, on a free port.
pub(super) struct Server {
    /// Where it is.
    pub(super) url: String,
    /// A client with a key of it.
    pub(super) client: reqwest::Client,
    engine: Engine,
    serving: JoinHandle<anyhow::Result<()>>,
    stop: DropGuard,
}

impl Server {
    pub(super) async fn start(database: &Database, connections: u32) -> anyhow::Result<Self> {
        let engine = database.engine(connections).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        let url = format!("http://{}", listener.local_addr()?);
        let settings = Settings {
            public_url: url.clone(),
            forge_url: "http://127.0.0.1:9".to_owned(),
            forge_is_stand_in: true,
            model_is_stand_in: true,
            ..Settings::default()
        };
        let app = AppState { engine: engine.clone(), settings: Arc::new(settings) };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(http::serve(listener, app, stop.clone()));
        let client = client(&engine).await?;
        Ok(Self { url, client, engine, serving, stop: stop.drop_guard() })
    }

    pub(super) const fn pool(&self) -> &Pool {
        self.engine.pool()
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.serving.await.context("the measured server crashed")??;
        self.engine.pool().close().await;
        Ok(())
    }
}

/// Requests each page again and again; the p95 counts.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let (database, sizes) = (env.past().await?, env.plan.sizes);
    let server = Server::start(database, env.plan.connections).await?;
    progress(&format!("history … one run with {} events", sizes.events));
    let graph = &database.graphs.single;
    bulk::accept(&server.engine, graph, &graphs::requirement()?, ACTIVE).await?;
    let long = long_run(&server.engine, database, sizes.events).await?;
    throwaway::vacuum_jobs(server.pool()).await?;
    let list = "/api/v1/requirements";
    let pages = [
        ("list", list.to_owned(), GOAL.0),
        ("list_active", format!("{list}?state=active"), GOAL.0),
        ("list_failed", format!("{list}?state=failed"), GOAL.0),
        ("list_product", format!("{list}?product=filled-3"), GOAL.0),
        ("list_text", format!("{list}?q=requirement%20777"), GOAL.0),
        ("events", format!("/api/v1/runs/{long}/events"), GOAL.1),
        ("run", format!("/api/v1/runs/{long}"), GOAL.1),
        ("run_page", format!("/runs/{long}"), GOAL.2),
    ];
    let (mut line, mut met) = (Map::new(), true);
    for (name, path, goal) in pages {
        let spread =
            request(&server.client, &format!("{}{path}", server.url), sizes.requests, sizes.limit * 6)
                .await
                .context(path)?;
        line.insert(format!("{name}_p50_ms"), figure(spread.median()));
        line.insert(format!("{name}_p95_ms"), figure(spread.at(0.95)));
        met &= spread.at(0.95) <= goal;
    }
    server.stop().await?;
    line.insert("runs".to_owned(), sizes.past.into());
    line.insert("events".to_owned(), sizes.events.into());
    line.insert(
        "goal".to_owned(),
        json!("p95 of every list 200 ms, of events and run 100 ms, of the page 1 s"),
    );
    line.insert("met".to_owned(), met.into());
    Ok(Report::of(Value::Object(line)))
}

/// A client with an admin's key.
async fn client(engine: &Engine) -> anyhow::Result<reqwest::Client> {
    let person = "bench".parse()?;
    let new = NewKey {
        person,
        forge_login: None,
        role: Role::Admin,
        products: None,
        expires_at: None,
        requests_per_minute: Some(6_000_000),
    };
    let key = people::issue(engine.pool(), &new, "bench").await.context("issue a key")?.key;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", key.reveal()).parse()?);
    Ok(reqwest::Client::builder().no_proxy().default_headers(headers).build()?)
}

/// Requests `url` `times` times, or fewer if that takes longer than `patience`.
pub(super) async fn request(
    client: &reqwest::Client,
    url: &str,
    times: usize,
    patience: Duration,
) -> anyhow::Result<Spread> {
    let (mut spans, first) = (Vec::with_capacity(times), Instant::now());
    while spans.len() < times && (spans.len() < MIN_REQUESTS || first.elapsed() < patience) {
        let began = Instant::now();
        let answer = client.get(url).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        spans.push(millis(began.elapsed()));
        ensure!(status.is_success(), "the server answered {status}");
    }
    Ok(Spread::of(spans))
}

/// Makes a run that waited and was woken by signals until it had `events` events, which fold to what is stored.
async fn long_run(engine: &Engine, database: &Database, events: usize) -> anyhow::Result<Uuid> {
    let graph = &database.graphs.single;
    let id = bulk::accept(engine, graph, &graphs::requirement()?, 1).await?[0];
    let stored = store::run::get(engine.pool(), id).await?.context("find the long run")?;
    let (mut run, mut past) = (stored.run, Vec::new());
    let at = Utc::now();
    while past.len() + 2 < events {
        let event =
            if past.len() % 2 == 0 { waiting(run.turn) } else { Event::Signalled { topic: Topic::Checks } };
        step(graph, &mut run, &mut past, event, at)?;
    }
    if run.state.as_str() == "waiting" {
        step(graph, &mut run, &mut past, Event::Woken, at)?;
    }
    let (turn, note) = (run.turn, "clean".to_owned());
    let end = Event::Answered { turn, outcome: Outcome::Clean, note, progress: Progress::default() };
    step(graph, &mut run, &mut past, end, at)?;
    let mut tx = engine.pool().begin().await?;
    bulk::append_history(&mut tx, id, at, "bench", &past).await?;
    let count = i32::try_from(past.len())?;
    ensure!(
        store::run::save(&mut tx, id, stored.version, count, &run).await?,
        "another worker changed the long run"
    );
    bulk::delete_job(&mut tx, id).await?;
    tx.commit().await?;
    Ok(id)
}

fn step(
    graph: &Workflow,
    run: &mut Run,
    past: &mut Vec<bulk::PastEvent>,
    event: Event,
    at: DateTime<Utc>,
) -> anyhow::Result<()> {
    let (next, _) = run.apply(graph, &event, at)?;
    past.push((event, run.step().map(str::to_owned)));
    *run = next;
    Ok(())
}

fn waiting(turn: u32) -> Event {
    let park = Park::new("the checks", vec![Topic::Checks], Utc::now());
    Event::Parked { turn, park, progress: Progress::default() }
}
