//! Gathers the facts that the policy judges: everything about one head, from the forge, git and the store.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Failure, attempt::Attempt, git_facts::GitFacts};
use crate::{
    core::{
        opinion::Opinion,
        policy::{
            Approval, ApprovalState, Assessment, CHECK_DEADLINE_MINUTES, Captured, Decision, EDITION,
            EvidenceFacts, Facts, Permission, Person, Phase, PullFact, Requester, Review, Via, judge,
            preflight,
        },
        requirement::ProductName,
        sha::Sha,
    },
    github::{self, Account, Kind, Pull},
    store::{self, amendment, api_key, assessment, evidence, opinion, product, requirement, review},
    workspace::Mirror,
};

impl Attempt<'_> {
    /// The pull request and the facts of its head, which are of one moment: others may merge it between the two, and
    /// the base that they moved would make a branch look as if it were behind.
    pub(super) async fn look(&self) -> Result<(Pull, Facts), Failure> {
        let mut pull = self.pull().await?;
        loop {
            let mut facts = self.facts(&self.mirror().await?, &pull).await?;
            if *judge(&facts).decision() == Decision::Clear {
                // A success is what the others with this head would get too; nothing else makes them matter.
                facts.pull_state.siblings = self.siblings(&pull).await?;
            }
            if facts.up_to_date {
                return Ok((pull, facts));
            }
            let now = self.pull().await?;
            if is_same(&pull, &now) {
                // What changed after the facts were gathered is not in them.
                return Ok((Pull { updated_at: pull.updated_at, ..now }, facts));
            }
            pull = now;
        }
    }

    /// The other open pull requests with this head into a base that is judged here.
    pub(super) async fn siblings(&self, pull: &Pull) -> Result<Vec<u64>, Failure> {
        let open = self.factory.forge.open_pulls_with(&self.repo, &pull.head_sha).await?;
        let repository = self.repo.to_string();
        let products = product::list(&self.factory.pool).await?;
        let is_judged = |base: &str| {
            products
                .iter()
                .any(|it| it.repository.eq_ignore_ascii_case(&repository) && it.base_branch == base)
        };
        let others = open.into_iter().filter(|it| it.number != pull.number && it.head == pull.head_sha);
        Ok(others.filter(|it| is_judged(&it.base_branch)).map(|it| it.number).collect())
    }

    /// Every fact about the pull request's head as it is now.
    pub(super) async fn facts(&self, mirror: &Mirror, pull: &Pull) -> Result<Facts, Failure> {
        // Before anything is read, so that every fact is at least as new.
        let now = store::now(&mut *self.factory.pool.acquire().await?).await?;
        let (head, base) = (&pull.head_sha, self.base(mirror).await?);
        let pushes = self.pushes().await?;
        let arrival = self.arrival((mirror, &base), pull, &pushes).await?;
        let requester = self.requester(pull).await?;
        let reports = self.reports(mirror, &base, head, now).await?;
        let product: ProductName = self.brief.products[0].parse().map_err(Failure::last)?;
        let other_products = self.other_products(&product).await?;
        let git = GitFacts::gather(mirror, &base, head).await?;
        self.add_late_findings(mirror, (pull.number, arrival), (&base, head)).await?;
        let conversations = self.open_conversations(pull.number).await?;
        let others = self.others(mirror, (&base, head), &pushes, pull.number).await?;
        let reviews = self.factory.forge.reviews(&self.repo, pull.number).await?;
        let approvals = self.approvals(&reviews).await?;
        // What people write to each other on a pull request of theirs is no task of ours.
        let remarks = match self.brief.theirs() {
            None => self.remarks(pull.number, &reviews, &approvals).await?,
            Some(_) => Vec::new(),
        };
        let products: Vec<_> = std::iter::once(&product).chain(&other_products).cloned().collect();
        let contents = git.read_contents(mirror, (&base, head), &products).await?;
        let tests = self.tests_as_facts(mirror, &base, head).await?;
        let proof = self.proof_of(mirror, (&base, head), tests.as_ref()).await?;
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
            // The workflow of a requirement reviews every head; a person may have skipped that step.
            review_demanded: self.brief.theirs().is_none(),
            review: self.review_of(head).await?,
            earlier_findings: review::findings_of_other_heads(&self.factory.pool, self.lease.run, head)
                .await?,
            rounds_left: self.rounds_left,
            approvals,
            remarks: Some(remarks),
            conversations,
            pull_state: PullFact {
                state: pull.state,
                draft: pull.draft,
                base_branch: pull.base_branch.clone(),
                is_theirs: self.brief.theirs().is_some(),
                siblings: Vec::new(),
                author: person(pull.author.as_ref()),
                committers: others.committers,
                foreign_commits: others.foreign,
            },
            base_branch: self.stored.spec.base_branch.clone(),
            base,
            head: head.clone(),
            own_tests: None,
            tests,
            evidence: Some(self.evidence_of(head).await?),
            proof,
        })
    }

    /// Who asked for the change: of a pull request that others opened, who did. The account is asked for by its login
    /// once, and then known by its number, because a login can be given up and taken by another account.
    async fn requester(&self, pull: &Pull) -> Result<Requester, Failure> {
        let pool = &self.factory.pool;
        if let Some(gap) = self.brief.gap() {
            return self.opener(&gap.opened_by).await;
        }
        let Some(id) = self.brief.requirement() else {
            let Person { id, login } = person(pull.author.as_ref());
            return Ok(Requester { name: login.clone(), login: Some(login), id });
        };
        let known = requirement::requester(pool, id).await?;
        let mut account = known.account;
        // A person may have been linked to an account after the requirement was submitted.
        let linked = match &known.login {
            Some(login) => Some(login.clone()),
            None => api_key::login_of(pool, &known.name).await?,
        };
        if let (Some(login), None) = (&linked, account) {
            let found = self.factory.forge.account(login).await?;
            account = found.and_then(|found| i64::try_from(found.id).ok());
            if let Some(account) = account {
                requirement::identify_requester(pool, id, account).await?;
            }
        }
        let account = account.and_then(|account| u64::try_from(account).ok());
        Ok(Requester { name: known.name, login: linked, id: account })
    }

    /// Who opened a harness gap: a person who is known here, by their account on the forge.
    async fn opener(&self, name: &str) -> Result<Requester, Failure> {
        let login = api_key::login_of(&self.factory.pool, name).await?;
        let account = match &login {
            Some(login) => self.factory.forge.account(login).await?,
            None => None,
        };
        Ok(Requester { name: name.to_owned(), login, id: account.map(|account| account.id) })
    }

    /// The other products that are registered to this repository.
    async fn other_products(&self, this: &ProductName) -> Result<Vec<ProductName>, Failure> {
        let repository = self.repo.to_string();
        let others = product::list(&self.factory.pool).await?.into_iter().filter(|product| {
            product.repository.eq_ignore_ascii_case(&repository) && product.name != this.as_str()
        });
        others.map(|product| product.name.parse().map_err(Failure::last)).collect()
    }

    /// How often what is wanted was amended by now, and when last.
    pub(super) async fn newest_edition(&self) -> Result<(i32, Option<DateTime<Utc>>), Failure> {
        match self.brief.requirement() {
            Some(requirement) => Ok(amendment::newest(&self.factory.pool, requirement).await?),
            None => Ok((0, None)),
        }
    }

    async fn review_of(&self, head: &Sha) -> Result<Option<Review>, Failure> {
        let (pool, run) = (&self.factory.pool, self.lease.run);
        let Some(review) = review::of_head(pool, run, head.as_str()).await? else { return Ok(None) };
        // A review by an earlier text is none of what is wanted now.
        if review.edition != self.newest_edition().await?.0 {
            return Ok(None);
        }
        let by = self.reviewed_by(head).await?;
        Ok(Some(Review {
            by,
            head: head.clone(),
            completed_at: review.reviewed_at,
            failed: review.failed,
            findings: review::findings_of_head(pool, run, head).await?,
        }))
    }

    /// The newest browser evidence of a head.
    async fn evidence_of(&self, head: &Sha) -> Result<EvidenceFacts, Failure> {
        let newest = evidence::newest(&self.factory.pool, self.lease.run, head).await?;
        let newest = newest.map(|row| Captured { arrived_at: row.arrived_at, evidence: row.found.0 });
        Ok(EvidenceFacts { newest })
    }

    async fn approvals(&self, reviews: &[github::Review]) -> Result<Vec<Approval>, Failure> {
        let forge = &self.factory.forge;
        let us = forge.identity().await?;
        let amended_at = self.newest_edition().await?.1;
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
                false => forge.permission_of(&self.repo, &user.login, Some(user.id)).await?,
            };
            let (by, commit, via) = (person(Some(user)), commit.clone(), Via::Forge);
            let (name, doubt, is_unreadable) = (None, None, false);
            approvals.push(Approval {
                by,
                bot,
                permission,
                state,
                commit,
                submitted_at,
                via,
                name,
                doubt,
                is_unreadable,
            });
        }
        for row in opinion::latest(&self.factory.pool, self.lease.run).await? {
            approvals.push(self.opinion(row, us.id).await?);
        }
        // Who approved before the last amendment approved another text; who refused has not changed their mind.
        approvals.retain(|given| {
            given.state != ApprovalState::Approved
                || amended_at.is_none_or(|amended| given.submitted_at > amended)
        });
        Ok(approvals)
    }

    /// What a person said here, under the rules of a review on the forge: of the account by its number, with what the
    /// forge says that it may do. Where the forge does not say it, an approval counts for nothing and a refusal counts.
    async fn opinion(&self, row: opinion::Row, us: u64) -> Result<Approval, Failure> {
        let (forge, login) = (&self.factory.forge, &row.forge_login);
        let (id, is_bot) = self.account_of(&row).await?;
        let mut doubt = match (row.is_revoked, id) {
            (true, _) => Some("the key that it was given with was revoked".to_owned()),
            (false, None) => Some(format!("the forge has no account {login}")),
            (false, Some(_)) => None,
        };
        let (mut permission, mut is_unreadable) = (Permission::None, false);
        if row.opinion() != Opinion::Withdraw && id.is_some() {
            match forge.permission_of(&self.repo, login, id).await {
                Ok(given) => permission = given,
                Err(error) if error.kind() == Kind::Forbidden => {
                    is_unreadable = true;
                    doubt = Some(format!("our token may not read what {login} may do"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Approval {
            by: Person { id, login: login.clone() },
            bot: is_bot || id == Some(us),
            permission,
            state: row.opinion().state(),
            commit: row.head_sha.parse().map_err(Failure::unusable)?,
            submitted_at: row.at,
            via: row.via(),
            name: Some(row.person),
            doubt,
            is_unreadable,
        })
    }

    /// The number of the account that an opinion is of, and whether it is known to be a bot. It is asked for by its
    /// login once, and kept.
    async fn account_of(&self, row: &opinion::Row) -> Result<(Option<u64>, bool), Failure> {
        if let Some(account) = row.forge_account {
            return Ok((u64::try_from(account).ok(), false));
        }
        let Some(found) = self.factory.forge.account(&row.forge_login).await? else {
            return Ok((None, false));
        };
        if let Ok(account) = i64::try_from(found.id) {
            opinion::identify(&self.factory.pool, &row.forge_login, account).await?;
        }
        Ok((Some(found.id), found.is_bot))
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
