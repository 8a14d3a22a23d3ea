//! The engine and its tables: what moves a run, what wakes it, who holds its job, and what is stored of its acts.

use crate::support;

mod after_merge;
mod budget;
mod bulk;
mod causes;
mod claims;
mod consent;
mod controls;
mod evidence;
mod failures;
mod group_commit;
mod holds;
mod judging;
mod limits;
mod moves;
mod offers;
mod open_pulls;
mod opinions;
mod orders;
mod outages;
mod questions;
mod rates;
mod records;
mod schedules;
mod shares;
mod subjects;
mod waits;
