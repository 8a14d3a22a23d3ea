//! `aspora-risk-tier` on real repositories, and as npm installs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod answers;
mod npm;
mod repository;
mod tiers;
