//! Workers over a real Postgres, with a stand-in for the activities: answers, failures, lost leases, stops
//! and outages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
mod support;

mod attempts;
mod crew;
mod leases;
mod outage;
mod stops;
