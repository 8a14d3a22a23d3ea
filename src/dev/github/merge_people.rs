//! What tests and demonstrations do about merging, as other people or as GitHub itself.

use anyhow::Context as _;

use super::{
    async_merges::{self, NewOrder},
    git::Move,
    merge_state::{Merging, Method},
    merges::{self, MergeRequest},
    protection::{Enforcement, Rules},
    push, queue,
    stacks::{self, NewStack},
    twin::Twin,
};

impl Twin {
    /// Merges a pull request as another user, by a merge commit.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn merge_as(&self, user: &str, repository: &str, number: i64) -> anyhow::Result<String> {
        let turn = self.shared.host.turn().await;
        Ok(merges::merge(&turn, repository, user, number, MergeRequest::default()).await?)
    }

    /// Points a branch at another commit as another user, whatever is lost by it.
    ///
    /// # Errors
    /// When the branch is unknown, or git fails.
    pub async fn force_push_as(
        &self,
        user: &str,
        repository: &str,
        branch: &str,
        sha: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let git = turn.git(repository);
        let before = git.branch(branch).await?;
        let before = before.with_context(|| format!("{repository} has no branch {branch}"))?;
        git.move_branch(branch, sha, Some(&before)).await?;
        let moved = Move { branch: branch.to_owned(), before: Some(before), after: Some(sha.to_owned()) };
        Ok(push::moved(&turn, repository, user, &[moved]).await?)
    }

    /// Sets the merge methods that a repository allows; all three at first.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn set_merge_methods(&self, repository: &str, methods: &[Method]) -> anyhow::Result<()> {
        self.merging(repository, |merging| merging.methods = methods.to_vec())
    }

    /// Sets how many reads of a pull request show `mergeable: null` after its head or base moved; one at first.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn set_mergeable_after(&self, repository: &str, reads: u32) -> anyhow::Result<()> {
        self.merging(repository, |merging| merging.reads = reads)
    }

    /// Shows this `mergeable_state` once `mergeable` is known; `None` goes back to the true one.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn set_mergeable_state(
        &self,
        repository: &str,
        number: i64,
        state: Option<&str>,
    ) -> anyhow::Result<()> {
        self.merging(repository, |merging| {
            match state {
                Some(state) => merging.forced.insert(number, state.to_owned()),
                None => merging.forced.remove(&number),
            };
        })
    }

    /// Whether the server has `merge-async`; GHES has it not up to 3.19.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn set_async_merges(&self, repository: &str, has: bool) -> anyhow::Result<()> {
        self.merging(repository, |merging| merging.has_async = has)
    }

    /// Holds background merges back, or makes all that are pending.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn hold_merges(&self, repository: &str, held: bool) -> anyhow::Result<()> {
        self.merging(repository, |merging| merging.held = held)?;
        async_merges::start(&self.shared.host, repository);
        Ok(())
    }

    /// Works out at once whether each pull request merges, now and from now on.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn work_out_merges(&self, repository: &str) -> anyhow::Result<()> {
        self.merging(repository, |merging| {
            merging.reads = 0;
            merging.tests.clear();
        })
    }

    /// Asks for a merge in the background as another user, of this head or of the one at the moment.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn order_merge_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        sha: Option<&str>,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let new = NewOrder { sha: sha.map(str::to_owned), ..NewOrder::default() };
        async_merges::ask(&turn, repository, user, number, new).await?;
        Ok(())
    }

    /// Lets a day pass for all background merges: GitHub forgets them.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn forget_merges(&self, repository: &str) -> anyhow::Result<()> {
        self.merging(repository, |merging| merging.orders.iter_mut().for_each(|order| order.changed_at = 0))
    }

    /// Answers the next merge with yes and moves no branch.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn lose_next_merge(&self, repository: &str) -> anyhow::Result<()> {
        self.merging(repository, |merging| merging.loses = true)
    }

    /// Lets a branch take merges from its queue alone, by a ruleset.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn demand_queue(&self, repository: &str, branch: &str) -> anyhow::Result<()> {
        let rules = Rules { merge_queue: true, ..Rules::default() };
        self.add_ruleset(repository, branch, Enforcement::Active, rules).map(|_| ())
    }

    /// Holds what is in the queues back, or lands it.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn hold_queue(&self, repository: &str, held: bool) -> anyhow::Result<()> {
        self.merging(repository, |merging| merging.queue_held = held)?;
        queue::start(&self.shared.host, repository);
        Ok(())
    }

    /// Throws a pull request out of its queue, for one of the reasons of `pull_request.dequeued`.
    ///
    /// # Errors
    /// When it is in none.
    pub async fn throw_out(&self, repository: &str, number: i64, reason: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(queue::remove(&turn, repository, number, reason).await?)
    }

    /// Makes a stack of these pull requests, from the bottom to the top; the base of each but the first is moved
    /// to the head of the one below.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn stack_as(&self, user: &str, repository: &str, pulls: &[i64]) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        turn.write(repository, |it, _| {
            for pair in pulls.windows(2) {
                let below = it.pull(pair[0]).map(|pull| pull.head_ref.clone());
                if let (Some(below), Some(pull)) = (below, it.pull_mut(pair[1])) {
                    pull.base_ref = below;
                }
            }
        })?;
        let new = NewStack { pull_requests: pulls.to_vec() };
        Ok(stacks::create(&turn, repository, user, new).await?)
    }

    fn merging(&self, repository: &str, change: impl FnOnce(&mut Merging)) -> anyhow::Result<()> {
        self.shared.host.change(|state| {
            let it = state.repositories.get_mut(repository);
            let it = it.with_context(|| format!("the twin has no repository {repository}"))?;
            change(&mut it.merging);
            Ok(())
        })
    }
}
