//! Requirements that are submitted over HTTP at a steady rate, whether or not the earlier ones were answered.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    Report,
    environment::Environment,
    figures::{Spread, figure, millis},
    graphs::PRODUCT,
    history::Server,
};
use crate::store::replay;

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The goal, in milliseconds, with no error.
const GOAL: f64 = 150.0;

/// A wait counts from the moment at which its request was due, so that a slow server does not hide any.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let (database, sizes) = (env.server.create().await?, env.plan.sizes);
    let server = Server::start(&database, env.plan.connections).await?;
    let url = format!("{}/api/v1/requirements", server.url);
    let mut interval = tokio::time::interval(Duration::from_secs(1) / sizes.rate.max(1));
    let (began, mut requests) = (Instant::now(), JoinSet::new());
    while began.elapsed() < sizes.submit {
        let due = interval.tick().await.into_std();
        requests.spawn(submit(server.client.clone(), url.clone(), due));
    }
    let sent = requests.len();
    let answers = requests.join_all().await;
    let waits = Spread::of(answers.iter().filter_map(|answer| answer.as_ref().ok().copied()));
    let errors: Vec<&String> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    let stored = usize::try_from(replay::queued_requirements(server.pool()).await?).unwrap_or_default();
    server.stop().await?;
    env.server.drop_database(&database).await?;
    let accepted = sent - errors.len();
    let line = json!({
        "sent": sent,
        "per_s": sizes.rate,
        "p50_ms": figure(waits.median()),
        "p95_ms": figure(waits.at(0.95)),
        "p99_ms": figure(waits.at(0.99)),
        "errors": errors.len(),
        "first_error": errors.first(),
        "goal": "p99 150 ms, no error",
        "met": waits.at(0.99) <= GOAL && errors.is_empty(),
        "lost": accepted.saturating_sub(stored),
    });
    // A requirement whose answer was an error may be stored all the same; an accepted one must be.
    let kept = (accepted..=sent).contains(&stored);
    let fault = (!kept).then(|| format!("{accepted} requirements were accepted, {stored} are stored"));
    Ok(Report { line, fault })
}

/// Milliseconds from `due` to the 202, or what went wrong.
async fn submit(client: reqwest::Client, url: String, due: Instant) -> Result<f64, String> {
    let new = json!({ "product": PRODUCT, "title": "Measure this", "body": "All of it." });
    let request =
        client.post(url).timeout(PATIENCE).header("idempotency-key", Uuid::new_v4().to_string()).json(&new);
    let answer = request.send().await.context("send").map_err(|error| format!("{error:#}"))?;
    let status = answer.status();
    let body = answer.text().await.map_err(|error| error.to_string())?;
    if status.as_u16() == 202 { Ok(millis(due.elapsed())) } else { Err(format!("{status}: {body}")) }
}
