//! The figures of the database, and the address at which Prometheus reads them.

use std::sync::Arc;

use aspora::{
    core::workflow::Queue,
    metrics::{self, GAUGES, Metrics, Sample},
    store::{self, metrics::Figure},
};
use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{TestEngine, client};

async fn figures(pool: &store::Pool, name: &str) -> Vec<(Vec<String>, f64)> {
    let all = store::metrics::read(pool).await.unwrap();
    for figure in &all {
        assert!(GAUGES.iter().any(|(known, _)| *known == figure.name), "{figure:?} has no metric");
    }
    let named = all.into_iter().filter(|figure| figure.name == name);
    let mut named: Vec<_> = named
        .map(|Figure { labels, value, .. }| (labels.into_iter().map(|(_, value)| value).collect(), value))
        .collect();
    named.sort_by(|(a, _): &(Vec<String>, f64), (b, _)| a.cmp(b));
    named
}

fn labelled(labels: &[&str], value: f64) -> (Vec<String>, f64) {
    (labels.iter().map(|&label| label.to_owned()).collect(), value)
}

#[tokio::test]
async fn the_figures_follow_jobs_and_runs() {
    let test = TestEngine::new().await;
    assert_eq!(figures(test.pool(), "aspora_jobs").await, []);
    assert_eq!(figures(test.pool(), "aspora_dead_letters").await, [labelled(&[], 0.0)]);
    test.accept().await;
    test.accept().await;
    assert_eq!(figures(test.pool(), "aspora_jobs").await, [labelled(&["llm", "available"], 2.0)]);
    let oldest = figures(test.pool(), "aspora_oldest_due_job_seconds").await;
    assert!(oldest.len() == 1 && oldest[0].1 >= 0.0, "{oldest:?}");
    test.claim_all(Queue::Llm, 1).await;
    let jobs = figures(test.pool(), "aspora_jobs").await;
    assert_eq!(jobs, [labelled(&["llm", "available"], 1.0), labelled(&["llm", "running"], 1.0)]);
    assert_eq!(figures(test.pool(), "aspora_runs").await, [labelled(&["active", ""], 2.0)]);
    let update = "update job set lease_token = null, paused = true, visible_at = now()";
    sqlx::query(update).execute(test.pool()).await.unwrap();
    assert_eq!(figures(test.pool(), "aspora_jobs").await, [labelled(&["llm", "paused"], 2.0)]);
    assert_eq!(figures(test.pool(), "aspora_oldest_due_job_seconds").await, [], "what is paused is not due");
}

#[tokio::test]
async fn metrics_are_read_at_an_address_of_their_own_and_nothing_else_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (metrics, stop) = (Arc::new(Metrics::default()), CancellationToken::new());
    metrics.webhook("stored");
    let down = Sample { name: "aspora_dead_letters".to_owned(), labels: Vec::new(), value: 2.0 };
    let read: metrics::Read = Arc::new(move || std::future::ready(vec![down.clone()]).boxed());
    let serving = tokio::spawn(metrics::serve(listener, metrics, read, stop.clone()));
    for _ in 0..2 {
        let answer = client().get(format!("{url}/metrics")).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(
            (answer.status().as_u16(), kind.split(';').next()),
            (200, Some("application/openmetrics-text"))
        );
        let text = answer.text().await.unwrap();
        assert!(text.contains("aspora_webhooks_total{fate=\"stored\"} 1\n"), "{text}");
        assert!(text.contains("aspora_dead_letters 2.0\n") && text.ends_with("# EOF\n"), "{text}");
    }
    for path in ["/", "/metricsx", "/api/v1/runs"] {
        assert_eq!(client().get(format!("{url}{path}")).send().await.unwrap().status().as_u16(), 404);
    }
    assert_eq!(client().post(format!("{url}/metrics")).send().await.unwrap().status().as_u16(), 404);
    stop.cancel();
    serving.await.unwrap();
}
