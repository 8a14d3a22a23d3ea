//! What the routes and the pages share: reading requests, shaping responses, and who the caller is.

pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod caller;
pub(crate) mod cookie;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod github_webhook;
pub(crate) mod idempotency;
pub(crate) mod incident_sender;
pub(crate) mod origin;
pub(crate) mod pace;
pub(crate) mod problem;
pub(crate) mod tries;
