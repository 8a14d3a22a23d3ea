//! The database itself: partitions, retention, export, long texts, checks.

pub mod archive;
pub mod blob;
pub mod failpoint;
pub mod invariant;
pub mod metrics;
pub mod partition;
pub mod replay;
pub mod retention;
pub mod server;
pub mod upkeep;
