//! Browser evidence: what a capture says that it saw of one head, and whether that holds.
//!
//! A [`Manifest`] is what the capture of one flow wrote, and [`verify`] compares it with the pictures that came with it, the
//! head and the clock. What a policy demands is judged apart ([`Evidence::under`]), because the base may have another
//! policy by the time the head is merged.

mod manifest;
mod png;
#[cfg(test)]
mod tests;
mod verify;

pub use manifest::{
    Assertion, FILE_LIMIT, Invalid, MOST_FILES, MOST_FLOWS, Manifest, Observed, Picture, TestResult,
};
pub use png::{Size, read as read_png};
pub use verify::{
    CheckedFlow, Demand, Evidence, FRESH_MINUTES, Fault, FaultOf, Flow, Upload, Verified, verify,
};
