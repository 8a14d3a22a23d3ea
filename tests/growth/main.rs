//! What grows: months, what is kept apart, what is swept, what is written out, and lists that stay quick.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
mod support;

mod base;
mod blobs;
mod dumps;
mod exports;
mod lists;
mod months;
mod releases;
mod sweeps;
