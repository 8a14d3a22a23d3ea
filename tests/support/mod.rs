//! Shared by all test programs: one private Postgres per checkout, a fresh database and engine per test, waiting
//! for conditions, and a checker of what goes over the wire against GitHub's published description.
//!
//! `tests/it` uses all of it; a program that uses a part says so where it includes this module.

pub(crate) mod browser;
pub(crate) mod captured;
pub(crate) mod decisions;
pub(crate) mod dev;
pub(crate) mod npm;
pub(crate) mod openapi;
mod people;
mod postgres;
mod schemas;
mod test_engine;
pub(crate) mod tested;
pub(crate) mod wait;
pub(crate) mod webhooks;

pub(crate) use people::{PERSON, bearer, client, key};
pub(crate) use postgres::{TestDatabase, blank, database, migrate};
pub(crate) use test_engine::{
    TestEngine, accept, advance, advance_limits, advance_waiting_job, answer, app, assert_budgets_add_up,
    assert_folds, assert_sound, claim, due_timers, engine, news, postpone_outages, skip_waits,
};
pub(crate) use wait::eventually;

use aspora::workspace::{Sandbox, Unavailable};
use tokio::sync::OnceCell;

/// The sandbox of this machine, whose start-up probe runs once for all tests.
pub(crate) async fn sandbox() -> Result<Sandbox, Unavailable> {
    static FOUND: OnceCell<Result<Sandbox, Unavailable>> = OnceCell::const_new();
    FOUND.get_or_init(Sandbox::find).await.clone()
}
