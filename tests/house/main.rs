//! The house itself: its layers, its words, its sizes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod layers;
