//! The engine and its tables: what moves a run, what wakes it, who holds its job, and what is stored of its acts.

use crate::support;

mod budget;
mod bulk;
mod causes;
mod claims;
mod controls;
mod failures;
mod group_commit;
mod holds;
mod limits;
mod moves;
mod open_pulls;
mod orders;
mod outages;
mod rates;
mod records;
mod schedules;
mod shares;
mod subjects;
mod waits;
