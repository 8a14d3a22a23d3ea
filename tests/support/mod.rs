//! What the tests of the shell stand on: one private Postgres per checkout, a fresh database per test,
//! and GitHub's own description to judge what goes over the wire.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of the support")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod ground;
pub(crate) mod openapi;
mod postgres;

pub(crate) use ground::{
    Ground, RATES, accept, advance, answer, app, assert_budgets_add_up, assert_folds, assert_sound, claim,
    engine, eventually, news, skip_waits,
};
pub(crate) use postgres::{TestDatabase, blank, database, migrate};
