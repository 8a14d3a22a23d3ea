//! Gathers the facts that the policy judges: everything about one head, from the forge, git and the store.

use serde_json::Value;

use super::{Failure, attempt::Attempt, git_facts::GitFacts};
use crate::{
    core::{
        policy::{
            Approval, ApprovalState, Assessment, CHECK_DEADLINE_MINUTES, EDITION, Facts, Permission, Person,
            Phase, PullFact, Requester, Review, judge, preflight,
        },
        requirement::ProductName,
        sha::Sha,
    },
    github::{self, Account, Pull},
    store::{self, assessment, product, requirement, review},
    workspace::Mirror,
};

impl Attempt<'_> {
    /// The pull request and the facts of its head, which are of one moment: others may merge it between the two, and
    /// the base that they moved would make a branch look as if it were behind.
    pub(super) async fn look(&self) -> Result<(Pull, Facts), Failure> {
        let mut pull = self.pull().await?;
        loop {
            let facts = self.facts(&self.mirror().await?, &pull).await?;
            if facts.up_to_date {
                return Ok((pull, facts));
            }
            let now = self.pull().await?;
            if is_same(&pull, &now) {
                return Ok((now, facts));
            }
            pull = now;
        }
    }

    /// Every fact about the pull request's head as it is now.
    pub(super) async fn facts(&self, mirror: &Mirror, pull: &Pull) -> Result<Facts, Failure> {
        // Before anything is read, so that every fact is at least as new.
        let now = store::now(&mut *self.factory.pool.acquire().await?).await?;
        let (head, base) = (&pull.head_sha, self.base(mirror).await?);
        let pushes = self.pushes().await?;
        let arrival = self.arrival(pull, &pushes).await?;
        let requester = self.requester().await?;
        let reports = self.reports(mirror, &base, head, now).await?;
        let product: ProductName = self.stored.spec.product.parse().map_err(Failure::last)?;
        let other_products = self.other_products(&product).await?;
        let git = GitFacts::gather(mirror, &base, head).await?;
        let others = self.others(mirror, (&base, head), &pushes, pull.number).await?;
        let reviews = self.factory.forge.reviews(&self.repo, pull.number).await?;
        let approvals = self.approvals(&reviews).await?;
        let remarks = self.remarks(pull.number, &reviews, &approvals).await?;
        let products: Vec<_> = std::iter::once(&product).chain(&other_products).cloned().collect();
        let contents = git.read_contents(mirror, (&base, head), &products).await?;
        Ok(Facts {
            edition: EDITION,
            at: now,
            other_products,
            product,
            requester,
            repository: self.repo.clone(),
            pull: pull.number,
            base_policy: git.base_policy,
            head_policy: git.head_policy,
            fork_policies: git.fork_policies,
            change: git.change,
            merge: Some(git.merge),
            contents: Some(contents),
            files_with_renames: Some(git.files_with_renames),
            diff_bytes: Some(git.diff_bytes),
            forge_changed_files: u32::try_from(pull.changed_files).unwrap_or(u32::MAX),
            up_to_date: mirror.is_ancestor(&base, head).await?,
            head_since: arrival.since.unwrap_or(now),
            returned: arrival.returned,
            check_deadline_minutes: reports.deadline_minutes.unwrap_or(CHECK_DEADLINE_MINUTES),
            checks: reports.checks,
            statuses: reports.statuses,
            ci: Some(reports.ci),
            // Every workflow that merges reviews first; a person may have skipped that step.
            review_demanded: true,
            review: self.review_of(head).await?,
            earlier_findings: review::findings_of_other_heads(&self.factory.pool, self.lease.run, head)
                .await?,
            rounds_left: self.rounds_left,
            approvals,
            remarks: Some(remarks),
            pull_state: PullFact {
                state: pull.state,
                draft: pull.draft,
                base_branch: pull.base_branch.clone(),
                author: person(pull.author.as_ref()),
                committers: others.committers,
                foreign_commits: others.foreign,
            },
            base_branch: self.stored.spec.base_branch.clone(),
            base,
            head: head.clone(),
        })
    }

    /// Who asked for the change. The account is asked for by its login once, and then known by its number, because a
    /// login can be given up and taken by another account.
    async fn requester(&self) -> Result<Requester, Failure> {
        let (pool, id) = (&self.factory.pool, self.requirement.id);
        let known = requirement::requester(pool, id).await?;
        let mut account = known.account;
        if let (Some(login), None) = (&known.login, account) {
            let found = self.factory.forge.account(login).await?;
            account = found.and_then(|found| i64::try_from(found.id).ok());
            if let Some(account) = account {
                requirement::identify_requester(pool, id, account).await?;
            }
        }
        let account = account.and_then(|account| u64::try_from(account).ok());
        Ok(Requester { name: known.name, login: known.login, id: account })
    }

    /// The other products that are registered to this repository.
    async fn other_products(&self, this: &ProductName) -> Result<Vec<ProductName>, Failure> {
        let repository = self.repo.to_string();
        let others = product::list(&self.factory.pool).await?.into_iter().filter(|product| {
            product.repository.eq_ignore_ascii_case(&repository) && product.name != this.as_str()
        });
        others.map(|product| product.name.parse().map_err(Failure::last)).collect()
    }

    async fn review_of(&self, head: &Sha) -> Result<Option<Review>, Failure> {
        let (pool, run) = (&self.factory.pool, self.lease.run);
        let Some(review) = review::of_head(pool, run, head.as_str()).await? else { return Ok(None) };
        Ok(Some(Review {
            head: head.clone(),
            completed_at: review.reviewed_at,
            failed: review.failed,
            findings: review::findings_of_head(pool, run, head).await?,
        }))
    }

    async fn approvals(&self, reviews: &[github::Review]) -> Result<Vec<Approval>, Failure> {
        let forge = &self.factory.forge;
        let us = forge.identity().await?;
        let mut approvals = Vec::new();
        for review in reviews {
            let (Some(state), Some(user), Some(commit), Some(submitted_at)) =
                (review.state, &review.user, &review.commit_id, review.submitted_at)
            else {
                continue;
            };
            let bot = user.is_bot || user.id == us.id;
            // Only for a person's approval or refusal does it matter what the person may do.
            let permission = match bot || state == ApprovalState::Commented {
                true => Permission::None,
                false => forge.permission(&self.repo, &user.login).await?,
            };
            let (by, commit) = (person(Some(user)), commit.clone());
            approvals.push(Approval { by, bot, permission, state, commit, submitted_at });
        }
        Ok(approvals)
    }
}

fn person(account: Option<&Account>) -> Person {
    match account {
        Some(account) => Person { id: Some(account.id), login: account.login.clone() },
        None => Person { id: None, login: String::new() },
    }
}

/// Whether what is judged of a pull request is as it was.
pub(super) fn is_same(judged: &Pull, now: &Pull) -> bool {
    let essence = |pull: &Pull| (pull.state, pull.draft, pull.head_sha.clone(), pull.base_branch.clone());
    essence(judged) == essence(now)
}

/// Records an assessment with the facts that it rests on.
pub(super) async fn record(at: &Attempt<'_>, facts: &Facts, assessment: &Assessment) -> Result<(), Failure> {
    let new = assessment::New {
        stage: assessment.phase().as_str(),
        head_sha: facts.head.as_str(),
        tier: &assessment.tier().to_string(),
        decision: assessment.decision().as_str(),
        facts: &serde_json::to_value(facts).map_err(Failure::last)?,
        report: &serde_json::to_value(assessment).map_err(Failure::last)?,
    };
    Ok(assessment::record(&at.factory.pool, at.lease.run, &new).await?)
}

/// The facts that an assessment recorded.
pub(super) fn recorded(facts: Value) -> Result<Facts, Failure> {
    serde_json::from_value(facts).map_err(|error| Failure::last(format!("read recorded facts: {error}")))
}

/// A recorded assessment, which the policy makes again of the recorded facts.
pub(super) fn judged_again(row: assessment::Row) -> Result<Assessment, Failure> {
    let facts = recorded(row.facts)?;
    Ok(if row.stage == Phase::Preflight.as_str() { preflight(&facts) } else { judge(&facts) })
}
