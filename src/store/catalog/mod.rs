//! What can be asked for, and how it is done: products, requirements, schedules, workflows.

pub mod idempotency;
pub mod product;
pub mod repository;
pub mod requirement;
pub mod schedule;
pub mod workflow;
