//! The actions of `deploy/actions`, and workflows that use them, run as GitHub's runner runs them (`tests/runner`), with
//! GitHub's own parser and expressions, against the GitHub twin.

mod examples;
mod hostile;
pub(crate) mod machine;
pub(crate) mod registry;
mod reviewer;
mod risk_tier;
mod runner;
pub(crate) mod waits;
