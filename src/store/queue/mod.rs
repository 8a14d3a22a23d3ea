//! Jobs: their leases, attempts, limits, timers and dead letters.

pub mod attempt;
pub mod dead_letter;
pub mod hold;
pub mod job;
pub mod job_control;
pub mod limit;
pub mod listing;
pub mod lost_delivery;
pub mod notify;
pub mod outage;
pub mod rate;
pub mod standing;
pub mod timer;
pub mod worker;
