//! What can be asked for, and how it is done: products, requirements, schedules, workflows. And by whom: people, their
//! keys and sessions, and what they did.

pub mod amendment;
pub mod api_key;
pub mod audit;
pub mod gap;
mod gap_duty;
pub mod idempotency;
pub mod incident;
pub mod judged_by;
pub mod product;
pub mod pull;
pub mod repository;
pub mod requirement;
pub mod schedule;
pub mod scope;
pub mod session;
pub mod sign_in;
pub mod subscription;
pub mod workflow;
