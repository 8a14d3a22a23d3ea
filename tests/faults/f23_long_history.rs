//! F23: a history of ten thousand events can be folded and read page by page.

use aspora::{
    bench::fill::{self, Fill},
    core::subject::SubjectKind,
    http,
};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{env::invariants, support};

const EVENTS: u32 = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn f23_a_history_of_ten_thousand_events_folds_and_is_read_page_by_page() {
    let test = support::TestEngine::new().await;
    let long = Fill { runs: 1, events: EVENTS, days: 1, products: 1, first: 1 };
    fill::fill(test.pool(), &test.engine.newest(SubjectKind::Requirement).unwrap(), &long).await.unwrap();
    invariants::assert_store_is_sound(&test.engine).await;
    let run: Uuid = test.query("select id from run").await;
    let routes = http::router(support::app(test.engine.clone()));
    let (mut after, mut seqs, mut pages) = (0, Vec::new(), 0);
    loop {
        let uri = format!("/api/v1/runs/{run}/events?after={after}&limit=500");
        let request = Request::get(uri).header("authorization", support::bearer());
        let response = routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let page: Value =
            serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap();
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 500);
        seqs.extend(items.iter().map(|item| item["seq"].as_u64().unwrap()));
        pages += 1;
        match page["next_after"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seqs, (1..=u64::from(EVENTS)).collect::<Vec<_>>());
    assert!(pages >= 20, "{pages} pages");
}
