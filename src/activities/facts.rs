//! Gathering what the policy judges: everything about one head, read from the forge, git and the store.

use super::{
    Failure,
    attempt::Attempt,
    context,
    ledger::{our_app, pushed_at, pushes},
};
use crate::{
    core::{
        policy::{
            Approval, ApprovalState, CheckFact, CheckStatus, CommitStatus, Conclusion, Facts, FindingState,
            Found, POLICY_PATH, Permission, Person, PullFact, PullState, Requester, Review, StatusState,
        },
        requirement::ProductName,
        sha::Sha,
    },
    github::{self, Account, Pull},
    store::{self, effect, product, review},
    workspace::Mirror,
};

impl Attempt<'_> {
    /// Every fact about the pull request's head as it is now.
    pub(super) async fn facts(&self, mirror: &Mirror, pull: &Pull) -> Result<Facts, Failure> {
        let (forge, head, base) = (&self.factory.forge, &pull.head_sha, self.base(mirror).await?);
        let effects = effect::of_lineage(&self.factory.pool, self.task.lease.run).await?;
        let checks = forge.check_runs(&self.repo, head).await?;
        let our_app = our_app(&effects);
        let product: ProductName = parse(&self.task.stored.spec.product)?;
        Ok(Facts {
            at: self.task.stored.now,
            other_products: self.other_products(&product).await?,
            product,
            requester: Requester {
                name: self.requirement.requested_by.clone().unwrap_or_default(),
                login: None,
            },
            repository: self.repo.clone(),
            pull: pull.number,
            base_policy: context::text(mirror, &base, POLICY_PATH).await?,
            head_policy: context::text(mirror, head, POLICY_PATH).await?,
            change: mirror.change(&base, head).await?,
            forge_changed_files: u32::try_from(pull.changed_files).unwrap_or(u32::MAX),
            up_to_date: mirror.is_ancestor(&base, head).await?,
            head_since: pushed_at(&effects, head).unwrap_or(self.task.stored.now),
            returned: false,
            check_deadline_minutes: crate::core::policy::CHECK_DEADLINE_MINUTES,
            checks: checks.iter().map(|check| check_fact(check, our_app)).collect(),
            statuses: forge.statuses(&self.repo, head).await?.iter().map(status_fact).collect(),
            review: self.review_of(head).await?,
            rounds_left: self.task.rounds_left,
            approvals: self.approvals(pull.number).await?,
            pull_state: PullFact {
                state: pull_state(pull),
                draft: pull.draft,
                author: person(pull.author.as_ref()),
                // Every commit that is not ours is listed as foreign, so we are the only writer.
                committers: vec![person(Some(&forge.identity().await?))],
                foreign_commits: self.foreign(mirror, &base, head, &effects).await?,
            },
            base,
            head: head.clone(),
        })
    }

    /// The commits on the branch that neither this run nor one that it was forked from pushed, whatever they say of themselves.
    async fn foreign(
        &self,
        mirror: &Mirror,
        base: &Sha,
        head: &Sha,
        effects: &[effect::Row],
    ) -> Result<Vec<Sha>, Failure> {
        let ours: Vec<&str> = pushes(effects).map(|(sha, _)| sha).collect();
        let commits = mirror.commits(base, head).await?;
        Ok(commits.into_iter().map(|commit| commit.sha).filter(|sha| !ours.contains(&sha.as_str())).collect())
    }

    /// The other products that are registered to this repository.
    async fn other_products(&self, this: &ProductName) -> Result<Vec<ProductName>, Failure> {
        let all = product::list(&self.factory.pool).await?;
        let here =
            all.into_iter().filter(|product| product.repository.eq_ignore_ascii_case(&self.repo.to_string()));
        here.filter(|product| product.name != this.as_str()).map(|product| parse(&product.name)).collect()
    }

    async fn review_of(&self, head: &Sha) -> Result<Option<Review>, Failure> {
        let (pool, run) = (&self.factory.pool, self.task.lease.run);
        let Some(review) = review::of_head(pool, run, head.as_str()).await? else { return Ok(None) };
        let findings = review::findings(pool, run).await?;
        Ok(Some(Review {
            head: head.clone(),
            completed_at: review.reviewed_at,
            failed: None,
            findings: findings
                .iter()
                .filter(|row| row.head_sha == head.as_str())
                .map(found)
                .collect::<Result<_, _>>()?,
        }))
    }

    async fn approvals(&self, number: u64) -> Result<Vec<Approval>, Failure> {
        let forge = &self.factory.forge;
        let us = forge.identity().await?;
        let mut approvals = Vec::new();
        for review in forge.reviews(&self.repo, number).await? {
            let (Some(user), Some(commit), Some(submitted_at)) =
                (review.user, review.commit_id, review.submitted_at)
            else {
                continue;
            };
            let Some(state) = approval_state(review.state) else { continue };
            let bot = user.is_bot || user.id == us.id;
            // Only a person's word needs a look at what the person may do.
            let permission = match bot || state == ApprovalState::Commented {
                true => Permission::None,
                false => permission(forge.permission(&self.repo, &user.login).await?),
            };
            approvals.push(Approval {
                by: person(Some(&user)),
                bot,
                permission,
                state,
                commit,
                submitted_at,
            });
        }
        Ok(approvals)
    }
}

fn check_fact(check: &github::CheckRun, our_app: Option<u64>) -> CheckFact {
    CheckFact {
        name: check.name.clone(),
        app_id: check.app_id.unwrap_or(0),
        app_slug: check.app_slug.clone().unwrap_or_default(),
        id: check.id,
        started_at: check.started_at,
        status: match check.status {
            github::CheckState::Queued => CheckStatus::Queued,
            github::CheckState::InProgress => CheckStatus::InProgress,
            github::CheckState::Completed => CheckStatus::Completed,
            github::CheckState::Other => CheckStatus::Pending,
        },
        conclusion: check.conclusion.map(conclusion),
        url: Some(check.html_url.clone()).filter(|url| !url.is_empty()),
        ours: our_app.is_some() && check.app_id == our_app,
    }
}

const fn conclusion(conclusion: github::Conclusion) -> Conclusion {
    match conclusion {
        github::Conclusion::Success => Conclusion::Success,
        github::Conclusion::Failure | github::Conclusion::StartupFailure => Conclusion::Failure,
        github::Conclusion::Neutral => Conclusion::Neutral,
        github::Conclusion::Cancelled => Conclusion::Cancelled,
        github::Conclusion::TimedOut => Conclusion::TimedOut,
        github::Conclusion::ActionRequired => Conclusion::ActionRequired,
        github::Conclusion::Stale => Conclusion::Stale,
        github::Conclusion::Skipped => Conclusion::Skipped,
        github::Conclusion::Other => Conclusion::Unknown,
    }
}

fn status_fact(status: &github::CommitStatus) -> CommitStatus {
    CommitStatus {
        context: status.context.clone(),
        state: match status.state {
            github::StatusState::Success => StatusState::Success,
            github::StatusState::Pending => StatusState::Pending,
            github::StatusState::Failure => StatusState::Failure,
            github::StatusState::Error | github::StatusState::Other => StatusState::Error,
        },
        updated_at: status.updated_at,
        url: Some(status.target_url.clone()).filter(|url| !url.is_empty()),
    }
}

const fn approval_state(state: github::ReviewState) -> Option<ApprovalState> {
    match state {
        github::ReviewState::Approved => Some(ApprovalState::Approved),
        github::ReviewState::ChangesRequested => Some(ApprovalState::ChangesRequested),
        github::ReviewState::Commented => Some(ApprovalState::Commented),
        github::ReviewState::Dismissed => Some(ApprovalState::Dismissed),
        github::ReviewState::Pending | github::ReviewState::Other => None,
    }
}

const fn permission(permission: github::Permission) -> Permission {
    match permission {
        github::Permission::None => Permission::None,
        github::Permission::Read => Permission::Read,
        github::Permission::Write => Permission::Write,
        github::Permission::Admin => Permission::Admin,
    }
}

const fn pull_state(pull: &Pull) -> PullState {
    match (pull.merged, pull.state) {
        (true, _) => PullState::Merged,
        (false, github::PullState::Open) => PullState::Open,
        (false, github::PullState::Closed) => PullState::Closed,
    }
}

fn person(account: Option<&Account>) -> Person {
    match account {
        Some(account) => Person { id: Some(account.id), login: account.login.clone() },
        None => Person { id: None, login: String::new() },
    }
}

fn found(row: &review::Row) -> Result<Found, Failure> {
    let at = |sha: &Option<String>| sha.as_deref().unwrap_or_default().parse().map_err(Failure::last);
    Ok(Found {
        finding: row.finding(),
        found_on: parse(&row.head_sha)?,
        state: match row.state.as_str() {
            "fixed" => FindingState::FixedAt(at(&row.state_sha)?),
            "gone" => FindingState::Gone,
            "dismissed" => FindingState::Dismissed {
                by: String::new(),
                reason: row.state_note.clone().unwrap_or_default(),
            },
            _ => FindingState::Open,
        },
    })
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(Failure::last)
}

/// Keeps an assessment with the facts it rests on.
pub(super) async fn keep(
    at: &Attempt<'_>,
    stage: &str,
    facts: &Facts,
    assessment: &crate::core::policy::Assessment,
) -> Result<(), Failure> {
    let json = |value: serde_json::Result<serde_json::Value>| value.map_err(Failure::last);
    let report = json(serde_json::to_value(assessment))?;
    let decision =
        report.pointer("/decision/is").and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned();
    let new = store::assessment::New {
        stage,
        head_sha: facts.head.as_str(),
        tier: &assessment.tier().to_string(),
        decision: &decision,
        facts: &json(serde_json::to_value(facts))?,
        report: &report,
    };
    Ok(store::assessment::record(&at.factory.pool, at.task.lease.run, &new).await?)
}
