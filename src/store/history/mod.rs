//! Runs, what happened to them, what they did outside, and what it cost.

pub mod assessment;
pub mod budget;
pub mod effect;
pub mod event;
pub mod review;
pub mod run;
pub mod signal;
pub mod transition;
