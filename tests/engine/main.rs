//! The durable part: what moves a run, what wakes it, who holds its job, and what is remembered of its acts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
mod support;

mod budget;
mod bulk;
mod causes;
mod claims;
mod commits;
mod controls;
mod failures;
mod limits;
mod moves;
mod orders;
mod rates;
mod records;
mod schedules;
mod shares;
mod waits;
