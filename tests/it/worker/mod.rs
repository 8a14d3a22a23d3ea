//! Workers over a real Postgres with scripted activities: answers, failures, lost leases, stops and outages.

use crate::support;

mod attempts;
pub(crate) mod harness;
mod leases;
mod outage;
mod stops;
mod weather;
