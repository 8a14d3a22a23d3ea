//! Runs of other times.

use aspora::{
    bench::fill::{Fill, fill},
    core::workflow::Workflow,
};
use uuid::Uuid;

use super::support::Ground;

const SHIPPED: &str = include_str!("../../../workflows/requirement.toml");

/// A ground with sixty finished runs of the last 150 days; tells the oldest whole month and its runs.
pub(crate) async fn with_old_runs() -> (Ground, String, Vec<Uuid>) {
    let ground = Ground::new().await;
    filled(&ground, Fill { runs: 60, days: 150, ..Fill::default() }).await;
    let month: String = ground.ask("select right(min(tableoid::regclass::text), 7) from run").await;
    let ids = ground.ask(&format!("select array_agg(id order by id) from run_{month}")).await;
    (ground, month, ids)
}

pub(crate) async fn filled(ground: &Ground, what: Fill) {
    fill(ground.pool(), &Workflow::parse(SHIPPED).unwrap(), &what).await.unwrap();
}

pub(crate) async fn exists(ground: &Ground, table: &str) -> bool {
    ground.ask(&format!("select to_regclass('{table}') is not null")).await
}
