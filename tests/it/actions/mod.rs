//! The actions of `deploy/actions`, and workflows that use them, run as GitHub's runner runs them (`tests/runner`), with
//! GitHub's own parser and expressions, against the GitHub twin.

mod deploys;
mod evidence;
mod examples;
mod gate;
mod groups;
mod hostile;
mod incidents;
pub(crate) mod machine;
mod product;
pub(crate) mod registry;
mod remediation;
mod reporter;
mod reviewer;
mod risk_tier;
mod runner;
mod service;
pub(crate) mod waits;
mod workflows;
