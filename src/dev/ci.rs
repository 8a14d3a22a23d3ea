//! The twin's CI: runs a product's own tests in the sandbox and reports them as check runs.

use std::{path::PathBuf, sync::Arc};

use futures::future::BoxFuture;

use crate::core::sha::Sha;

/// What one check came to.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// The check's name, such as `CI Pipeline`.
    pub name: String,
    /// GitHub's word: `success`, `failure`, `timed_out`, `neutral`, …
    pub conclusion: String,
    /// One line for people.
    pub title: String,
    /// Markdown for people.
    pub summary: String,
    /// Details, such as the log's tail or the evidence manifest.
    pub text: Option<String>,
}

/// One commit to be checked.
#[derive(Debug, Clone)]
pub struct CiJob {
    /// The bare repository on this machine.
    pub repository: PathBuf,
    /// The commit.
    pub sha: Sha,
}

/// Whatever checks commits: the names of its checks, and what they come to for one commit.
#[derive(Clone)]
pub struct Ci {
    /// The checks that will be reported, in order.
    pub names: Vec<String>,
    /// Runs them all.
    pub run: Arc<dyn Fn(CiJob) -> BoxFuture<'static, Vec<CheckResult>> + Send + Sync>,
}
