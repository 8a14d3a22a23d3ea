//! The database itself: months, retention, export, large texts, checks of what must hold.

pub mod archive;
pub mod blob;
pub mod failpoint;
pub mod invariant;
pub mod partition;
pub mod replay;
pub mod retention;
pub mod server;
pub mod upkeep;
