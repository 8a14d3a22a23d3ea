//! Workers over a real Postgres, with a stand-in for the activities: answers, failures, lost leases, stops
//! and outages.

use crate::support;

mod attempts;
mod harness;
mod leases;
mod outage;
mod stops;
