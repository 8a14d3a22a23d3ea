//! Asks GitHub what a product will meet: what our credential may do in its repository, and what its base branch
//! demands. Nothing is changed.

mod access;
mod deliveries;
mod demands;

use serde::Serialize;

use super::{Error, Forge};
use crate::core::requirement::RepoName;

pub use self::demands::{Demand, RequiredCheck};

/// How grave a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// As it has to be.
    Fine,
    /// Worth knowing; runs can be merged.
    Note,
    /// Something that we need is missing.
    Bad,
    /// No run of this product could ever be merged.
    Fatal,
}

/// One thing about a repository, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// How grave it is.
    pub gravity: Gravity,
    /// What it is and how to put it right, in one line.
    pub what: String,
}

impl Remark {
    fn fine(what: impl Into<String>) -> Self {
        Self { gravity: Gravity::Fine, what: what.into() }
    }

    fn note(what: impl Into<String>) -> Self {
        Self { gravity: Gravity::Note, what: what.into() }
    }

    fn bad(what: impl Into<String>) -> Self {
        Self { gravity: Gravity::Bad, what: what.into() }
    }

    fn fatal(what: impl Into<String>) -> Self {
        Self { gravity: Gravity::Fatal, what: what.into() }
    }
}

impl Forge {
    /// Everything that we can find out about a product's repository and its base branch. A failed call is a remark.
    pub async fn inspect(&self, repo: &RepoName, base_branch: &str) -> Vec<Remark> {
        let mut remarks = match self.inspect_account(repo).await {
            Ok(remarks) => remarks,
            Err(error) => {
                return vec![Remark::bad(format!("GitHub does not accept our credential: {error}"))];
            }
        };
        match self.inspect_repository(repo).await {
            Ok(found) => remarks.extend(found),
            Err(error) => {
                let what = format!("{repo} cannot be read, so nothing else is known: {error}");
                remarks.push(Remark::bad(what));
                return remarks;
            }
        }
        remarks.extend(self.inspect_access(repo, base_branch).await);
        remarks.extend(self.inspect_branch(repo, base_branch).await);
        remarks.push(self.inspect_deliveries().await);
        remarks.extend(self.notice().map(Remark::note));
        remarks
    }
}

/// Why something could not be read, in a few words.
fn reason(error: &Error) -> String {
    match error.status() {
        Some(status) => format!("{status}: {}", error.message()),
        None => error.to_string(),
    }
}
