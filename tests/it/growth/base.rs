//! A database with runs of earlier months.

use aspora::{
    bench::fill::{Fill, fill},
    core::workflow::Workflow,
};
use uuid::Uuid;

use super::support::TestEngine;

const SHIPPED: &str = include_str!("../../../workflows/requirement.toml");

/// A test engine with sixty ended runs of the last 150 days, the suffix of their oldest month, and its runs.
pub(crate) async fn with_old_runs() -> (TestEngine, String, Vec<Uuid>) {
    let test = TestEngine::new().await;
    filled(&test, Fill { runs: 60, days: 150, ..Fill::default() }).await;
    let month: String = test.query("select right(min(tableoid::regclass::text), 7) from run").await;
    let ids = test.query(&format!("select array_agg(id order by id) from run_{month}")).await;
    (test, month, ids)
}

pub(crate) async fn filled(test: &TestEngine, what: Fill) {
    fill(test.pool(), &Workflow::parse(SHIPPED).unwrap(), &what).await.unwrap();
}

pub(crate) async fn exists(test: &TestEngine, table: &str) -> bool {
    test.query(&format!("select to_regclass('{table}') is not null")).await
}
