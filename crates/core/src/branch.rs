//! The names of the branches that runs work on.

use std::fmt::Display;

/// The branch of a run of `product`. A run's id is unique, so no two runs begin on the same branch.
///
/// `run` is any text, so that a statement which makes ids itself can take the name as a template.
#[must_use]
pub fn name(product: &str, run: impl Display) -> String {
    format!("aspora/{product}/{run}")
}
