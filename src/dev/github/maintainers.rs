//! What tests set up at the twin as the maintainers of a repository.

use anyhow::Context as _;

use super::{
    protection::{Enforcement, Rules, Ruleset},
    state::{Repository, Review, now},
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

    /// Deletes an account: its reviews and comments have no user any more, its pull requests are the ghost's.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn delete_account(&self, repository: &str, login: &str) -> anyhow::Result<()> {
        self.maintain(repository, |it, _| {
            it.deleted_accounts.insert(login.to_owned());
        })
    }

    /// Shows a pull request as one whose fork is gone.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn lose_fork(&self, repository: &str, number: i64) -> anyhow::Result<()> {
        self.maintain(repository, |it, _| {
            it.lost_forks.insert(number);
        })
    }

    /// Shows no diff of a file, as GitHub does when it is large: no comment can be at one of its lines.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn hide_diff(&self, repository: &str, path: &str) -> anyhow::Result<()> {
        self.maintain(repository, |it, _| {
            it.hidden_diffs.insert(path.to_owned());
        })
    }

    /// Lets a commit that no branch reaches go: its reviews name no commit any more.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn collect_garbage(&self, repository: &str, sha: &str) -> anyhow::Result<()> {
        self.maintain(repository, |it, _| {
            let lost = |review: &&mut Review| review.commit_id == sha;
            it.reviews.iter_mut().filter(lost).for_each(|review| review.commit_id.clear());
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
