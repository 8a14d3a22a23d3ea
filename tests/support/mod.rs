//! What several test suites share.

pub(crate) mod openapi;
