//! What several test suites share.

pub mod openapi;
