//! Which merge methods a base branch allows: the repository's settings, and what the rules of the branch say.

use serde::Deserialize;

use super::{Demand, Remark, Setting};
use crate::{
    core::{merge_method::MergeMethod, requirement::RepoName},
    github::{Error, Forge},
};

/// The settings of a repository that say which methods it allows. GitHub leaves them out for a credential that may only
/// read, and for Apps with `administration: read` too (donaldgifford/repo-guardian, 2026-10-09).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Settings {
    allow_merge_commit: Option<bool>,
    allow_squash_merge: Option<bool>,
    allow_rebase_merge: Option<bool>,
}

/// The merge method by which a product's pull requests are merged, and who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenMethod {
    /// The method.
    pub method: MergeMethod,
    /// Whether the policy at the base names it, over the product's own.
    pub by_policy: bool,
}

impl From<MergeMethod> for ChosenMethod {
    fn from(method: MergeMethod) -> Self {
        Self { method, by_policy: false }
    }
}

/// The merge methods of a base branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeMethods {
    /// Those that the repository's settings allow; `None` where GitHub does not show them.
    settings: Option<Vec<MergeMethod>>,
    /// Those that the rules of the branch allow.
    rules: Vec<MergeMethod>,
    /// The queue merges by its own method.
    queue: bool,
}

impl Settings {
    fn allowed(&self) -> Option<Vec<MergeMethod>> {
        let settings = [self.allow_merge_commit, self.allow_squash_merge, self.allow_rebase_merge];
        let allowed = MergeMethod::ALL.into_iter().zip(settings);
        let allowed = allowed.filter(|(_, setting)| *setting == Some(true)).map(|(method, _)| method);
        settings.iter().any(Option::is_some).then(|| allowed.collect())
    }
}

impl MergeMethods {
    pub(super) fn new(settings: &Settings, demand: &Demand) -> Self {
        let by_rules = |method: &MergeMethod| {
            let named = demand.methods.as_ref().is_none_or(|methods| methods.contains(method.as_str()));
            named && !is_ruled_out(*method, demand)
        };
        Self {
            settings: settings.allowed(),
            rules: MergeMethod::ALL.into_iter().filter(by_rules).collect(),
            queue: demand.queue,
        }
    }

    /// Those that are allowed as far as GitHub shows.
    #[must_use]
    pub fn allowed(&self) -> Vec<MergeMethod> {
        let set = |method: &MergeMethod| self.settings.as_ref().is_none_or(|those| those.contains(method));
        self.rules.iter().copied().filter(set).collect()
    }

    /// The allowed methods in a few words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let allowed: Vec<&str> = self.allowed().iter().map(|method| method.as_str()).collect();
        match (allowed.is_empty(), &self.settings) {
            (true, _) => "no merge method is allowed".to_owned(),
            (false, Some(_)) => format!("merge methods allowed: {}", allowed.join(", ")),
            (false, None) => {
                format!("merge methods allowed by the branch's rules: {}", allowed.join(", "))
            }
        }
    }

    /// What a product that merges by `method` must know of the branch.
    pub(super) fn remarks(&self, branch: &str, chosen: ChosenMethod) -> Vec<Remark> {
        let ChosenMethod { method, by_policy } = chosen;
        let mut remarks = Vec::new();
        if self.queue {
            remarks.push(Remark::note(format!(
                "the merge queue of `{branch}` merges by its own method, and the product's is not used"
            )));
        }
        if self.settings.is_none() {
            remarks.push(Remark::note(
                "GitHub does not show us which merge methods the repository allows; a merge by another one is refused",
            ));
        }
        let allowed = self.allowed();
        remarks.push(if allowed.is_empty() {
            Remark::fatal(format!(
                "no merge method is allowed: those of the repository (Settings, General, Pull Requests) and of the \
                 rules of `{branch}` have none in common; allow one in both"
            ))
        } else if self.queue || allowed.contains(&method) {
            Remark::fine(self.sentence())
        } else if by_policy {
            Remark::fatal(format!(
                "`{branch}` cannot be merged into by `{method}`, which its policy names; {}: name one of them in \
                 `mergeMethod` of the policy, or allow `{method}` in the repository's settings and the branch's rules",
                self.sentence()
            ))
        } else {
            Remark::fatal_of(Setting::MergeMethod, format!(
                "`{branch}` cannot be merged into by `{method}`; {}: choose one of them, or allow `{method}` in the \
                 repository's settings and the branch's rules",
                self.sentence()
            ))
        });
        remarks
    }
}

/// Whether the other rules of a branch rule a method out.
fn is_ruled_out(method: MergeMethod, demand: &Demand) -> bool {
    match method {
        MergeMethod::Merge => demand.linear,
        // It makes the commits anew, and GitHub signs none of them: docs.github.com "About commit signature verification".
        MergeMethod::Rebase => demand.signatures,
        MergeMethod::Squash => false,
    }
}

impl Forge {
    /// The merge methods of a base branch.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn merge_methods(&self, repo: &RepoName, branch: &str) -> Result<MergeMethods, Error> {
        let settings: Settings = self.get(&format!("/repos/{repo}")).await?;
        Ok(MergeMethods::new(&settings, &self.demand(repo, branch).await?))
    }
}
