//! What the routes and the pages share: reading requests, shaping responses, and who the caller is.

pub(crate) mod body;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod github_webhook;
pub(crate) mod idempotency;
pub(crate) mod principal;
pub(crate) mod problem;
