//! What tests set up at the twin as the maintainers of a repository.

use anyhow::Context as _;

use super::{
    protection::{Enforcement, Rules, Ruleset},
    state::{Repository, now},
    twin::Twin,
};

impl Twin {
    /// Gives a branch classic protection, in place of what it had.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn protect(&self, repository: &str, branch: &str, rules: Rules) -> anyhow::Result<()> {
        self.maintain(repository, |it, _| {
            it.protections.insert(branch.to_owned(), rules);
        })
    }

    /// Takes the classic protection from a branch.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn unprotect(&self, repository: &str, branch: &str) -> anyhow::Result<()> {
        self.maintain(repository, |it, _| {
            it.protections.remove(branch);
        })
    }

    /// Adds a ruleset for a branch; its id.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn add_ruleset(
        &self,
        repository: &str,
        branch: &str,
        enforcement: Enforcement,
        rules: Rules,
    ) -> anyhow::Result<i64> {
        self.maintain(repository, |it, id| {
            let (name, branch) = (format!("Rules of {branch}"), branch.to_owned());
            it.rulesets.push(Ruleset { id, name, branch, enforcement, rules, created_at: now() });
            id
        })
    }

    fn maintain<T>(
        &self,
        repository: &str,
        change: impl FnOnce(&mut Repository, i64) -> T,
    ) -> anyhow::Result<T> {
        self.shared.host.change(|state| {
            let id = state.new_id();
            let it = state.repositories.get_mut(repository);
            Ok(change(it.with_context(|| format!("the twin has no repository {repository}"))?, id))
        })
    }
}
