//! The pure core: what a run is, what a policy says, what an edit does.
//!
//! Nothing here knows tokio, Postgres, GitHub, a clock or a random number: time
//! comes in as an argument and everything that must happen goes out as a value.

pub mod access;
pub mod aftermath;
pub mod audit;
pub mod branch;
pub mod budget;
pub mod change;
pub mod circles;
pub mod clash;
pub mod command;
pub mod consent;
mod control;
pub mod cron;
pub mod dependency;
pub mod deployment;
pub mod edit;
pub mod evidence;
pub mod finding;
pub mod gap;
mod glob;
pub mod harness;
pub mod hold;
pub mod incident;
pub mod job;
pub mod judging;
pub mod limit;
pub mod measure;
pub mod merge_method;
pub mod notice;
pub mod opinion;
pub mod outage;
pub mod path;
pub mod policy;
pub mod product_file;
pub mod pull;
pub mod push;
pub mod question;
pub mod rate;
pub mod reason;
pub mod redact;
pub mod redelivery;
pub mod requirement;
pub mod retro;
pub mod reviewer;
pub mod run;
pub mod sha;
pub mod subject;
pub mod tested;
pub mod visible;
pub mod why;
pub mod words;
pub mod workflow;
