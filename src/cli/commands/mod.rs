//! The commands, one file each: its arguments and what it does.

pub(super) mod amend;
pub(super) mod archive;
pub(super) mod audit;
pub(super) mod bench;
pub(super) mod budget;
pub(super) mod demo;
pub(super) mod dependencies;
pub(super) mod dev;
pub(super) mod dlq;
pub(super) mod doctor;
pub(super) mod evidence;
pub(super) mod fault;
pub(super) mod hold;
mod init;
pub(super) mod key;
pub(super) mod limit;
pub(super) mod metrics;
pub(super) mod migrate;
pub(super) mod opinion;
pub(super) mod options;
pub(super) mod outage;
pub(super) mod policy;
pub(super) mod product;
pub(super) mod questions;
pub(super) mod queue;
pub(super) mod replay;
pub(super) mod requirement;
pub(super) mod retention;
pub(super) mod run;
pub(super) mod schedule;
pub(super) mod serve;
pub(super) mod subscription;
pub(super) mod tests;
pub(super) mod worker;

use super::{Client, Exit, Printer, text::plain};
