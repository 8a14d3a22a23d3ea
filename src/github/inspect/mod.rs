//! Asks GitHub what a product will meet: what our credential may do in its repository, and what its base branch
//! demands. Nothing is changed.

mod access;
mod deliveries;
mod demands;
mod methods;
mod policy;
mod reports;

use serde::Serialize;

use super::{Error, Forge};
use crate::core::requirement::RepoName;

pub use self::{
    demands::{Demand, RequiredCheck},
    methods::{ChosenMethod, MergeMethods},
};

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

/// The setting of a product that a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The repository, with its base branch.
    Repository,
    /// The merge method.
    MergeMethod,
}

/// One thing about a repository, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// How grave it is.
    pub gravity: Gravity,
    /// What it is and how to put it right, in one line.
    pub what: String,
    /// Which setting of the product it is about.
    pub setting: Setting,
}

impl Remark {
    fn fine(what: impl Into<String>) -> Self {
        Self::new(Gravity::Fine, what)
    }

    fn note(what: impl Into<String>) -> Self {
        Self::new(Gravity::Note, what)
    }

    fn bad(what: impl Into<String>) -> Self {
        Self::new(Gravity::Bad, what)
    }

    fn fatal(what: impl Into<String>) -> Self {
        Self::new(Gravity::Fatal, what)
    }

    fn fatal_of(setting: Setting, what: impl Into<String>) -> Self {
        Self { setting, ..Self::fatal(what) }
    }

    fn new(gravity: Gravity, what: impl Into<String>) -> Self {
        Self { gravity, what: what.into(), setting: Setting::Repository }
    }
}

impl Forge {
    /// Everything that we can find out about a product's repository and its base branch, into which its pull requests
    /// are merged by this method. A failed call is a remark.
    pub async fn inspect(
        &self,
        repo: &RepoName,
        base_branch: &str,
        method: impl Into<ChosenMethod>,
    ) -> Vec<Remark> {
        let method = method.into();
        let mut remarks = match self.inspect_account(repo).await {
            Ok(remarks) => remarks,
            Err(error) => {
                return vec![Remark::bad(format!("GitHub does not accept our credential: {error}"))];
            }
        };
        let settings = match self.inspect_repository(repo).await {
            Ok((found, settings)) => {
                remarks.extend(found);
                settings
            }
            Err(error) => {
                let what = format!("{repo} cannot be read, so nothing else is known: {error}");
                remarks.push(Remark::bad(what));
                return remarks;
            }
        };
        remarks.extend(self.inspect_access(repo, base_branch).await);
        remarks.extend(self.inspect_branch(repo, base_branch, &settings, method).await);
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
