//! Gathers what the forge reports about a head and its base, and remembers when each check last moved.

use chrono::{DateTime, Duration, Utc};

use super::{
    Failure,
    attempt::Attempt,
    facts,
    ledger::{CheckRunIntent, RerunIntent},
};
use crate::{
    core::{
        judging::Wanted,
        policy::{
            App, BaseReports, CheckFact, CheckStatus, Ci, CommitStatus, EVIDENCE_CHECK, Facts, GATE_CHECK,
            Person, Phase, REVIEW_CHECK, Rerun, WorkflowRun, remember,
        },
        sha::Sha,
    },
    github::{self, Account, Kind},
    store::{
        assessment,
        product::{self, Product},
    },
    workspace::Mirror,
};

/// How many commits of the base are asked who reports on it: itself, and those of the merges before it.
const BASE_COMMITS: usize = 4;
/// The app of GitHub Actions. docs.github.com "Automatic token authentication".
const ACTIONS: &str = "github-actions";

/// What the forge reports about a head.
pub(super) struct Reports {
    pub(super) checks: Vec<CheckFact>,
    pub(super) statuses: Vec<CommitStatus>,
    pub(super) ci: Ci,
    /// How long a check may stand still, as the product says.
    pub(super) deadline_minutes: Option<u32>,
}

impl Attempt<'_> {
    /// What the forge reports about `head` now, and about `base`.
    pub(super) async fn reports(
        &self,
        mirror: &Mirror,
        base: &Sha,
        head: &Sha,
        now: DateTime<Utc>,
    ) -> Result<Reports, Failure> {
        let earlier = self.earlier_facts().await?;
        let (mut checks, workflow_runs, check_runs_unreadable) = self.checks_of(head).await?;
        let known = earlier.as_ref().filter(|facts| facts.head == *head);
        let known_checks = known.map(|facts| facts.checks.as_slice()).unwrap_or_default();
        self.count_steps(&mut checks, known_checks, &workflow_runs, now).await?;
        remember(&mut checks, known_checks, now);
        let settings = self.settings_of_checks().await?;
        let (statuses, statuses_unreadable) = self.statuses_of(head).await?;
        let ci = Ci {
            reruns: self.reruns(head).await?,
            base: self.base_reports(mirror, base, &checks, earlier.as_ref()).await?,
            evidence_app: settings.evidence_app.as_deref().map(App::named),
            workflow_runs,
            checks_are_withheld: check_runs_unreadable.is_some(),
            check_runs_unreadable,
            statuses_unreadable,
        };
        Ok(Reports { statuses, deadline_minutes: settings.check_deadline_minutes, checks, ci })
    }

    /// What the product says of checks, or the products by whose settings a pull request of others is judged.
    async fn settings_of_checks(&self) -> Result<Wanted, Failure> {
        if let Some(theirs) = self.brief.theirs() {
            return Ok(theirs.by.wanted.clone());
        }
        let product = product::get(&self.factory.pool, &self.stored.spec.product).await?;
        Ok(product.as_ref().map(Product::wanted).unwrap_or_default())
    }

    /// The facts of the last verdict of this run.
    async fn earlier_facts(&self) -> Result<Option<Facts>, Failure> {
        let last = assessment::last(&self.factory.pool, self.lease.run, Phase::Verdict.as_str()).await?;
        last.map(|last| facts::recorded(last.facts)).transpose()
    }

    /// The check runs of a commit with their workflows, its workflow runs, and why the check runs cannot be read.
    async fn checks_of(
        &self,
        sha: &Sha,
    ) -> Result<(Vec<CheckFact>, Vec<WorkflowRun>, Option<String>), Failure> {
        let forge = &self.factory.forge;
        // The workflow runs come first: checks that are older than they are would seem to have failed again.
        let mut runs = forge.workflow_runs(&self.repo, sha).await?.unwrap_or_default();
        let checks = match forge.check_runs(&self.repo, sha).await {
            Ok(checks) => checks,
            Err(error) => {
                return Ok((Vec::new(), Vec::new(), Some(unreadable("check runs", "checks: read", error)?)));
            }
        };
        let is_known = |check: &github::CheckRun, runs: &[github::WorkflowRun]| {
            check.app_slug.as_deref() != Some(ACTIONS)
                || runs.iter().any(|run| run.check_suite_id.is_some() && run.check_suite_id == check.suite)
        };
        if !runs.is_empty() && !checks.iter().all(|check| is_known(check, &runs)) {
            let again = forge.workflow_runs(&self.repo, sha).await?.unwrap_or_default();
            let new = again.into_iter().filter(|new| runs.iter().all(|run| run.id != new.id));
            runs.extend(new.collect::<Vec<_>>());
        }
        let reported = self.observations::<CheckRunIntent>().await?;
        let our_app = reported.iter().find_map(|reported| reported.observation.app_id);
        let checks = checks.into_iter().map(|check| check_fact(check, our_app, &runs)).collect();
        Ok((checks, runs.into_iter().map(workflow_run).collect(), None))
    }

    /// The statuses of a commit, and why they cannot be read.
    async fn statuses_of(&self, sha: &Sha) -> Result<(Vec<CommitStatus>, Option<String>), Failure> {
        match self.factory.forge.statuses(&self.repo, sha).await {
            Ok(all) => {
                let us = self.factory.forge.identity().await?;
                Ok((all.into_iter().map(|status| status_fact(status, &us)).collect(), None))
            }
            Err(error) => {
                let why = unreadable("commit statuses", "commit statuses: read", error)?;
                Ok((Vec::new(), Some(why)))
            }
        }
    }

    /// Counts the steps of the jobs that run: once when a job is first seen, and again when it seems to stand still,
    /// since a step could save it from its deadline.
    async fn count_steps(
        &self,
        checks: &mut [CheckFact],
        earlier: &[CheckFact],
        runs: &[WorkflowRun],
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let is_asked = |check: &CheckFact| {
            let known = earlier.iter().find(|known| known.id == check.id && known.steps.is_some());
            let since = known.and_then(|known| known.since);
            check.status == CheckStatus::InProgress && since.is_none_or(|since| now - since > LATE)
        };
        for run in runs.iter().filter(|run| run.suite.is_some()) {
            if !checks.iter().any(|check| check.suite == run.suite && is_asked(check)) {
                continue;
            }
            for job in self.factory.forge.jobs(&self.repo, run.id).await?.unwrap_or_default() {
                let check = checks.iter_mut().find(|check| Some(check.id) == job.check_run());
                if let Some(check) = check {
                    check.steps = Some(job.steps_done());
                }
            }
        }
        Ok(())
    }

    /// What was asked to be run again on this head, oldest first.
    async fn reruns(&self, head: &Sha) -> Result<Vec<Rerun>, Failure> {
        let all = self.observations::<RerunIntent>().await?;
        let of_head = all.into_iter().filter(|asked| asked.observation.head == *head);
        let rerun = of_head.map(|asked| Rerun {
            workflow_run: asked.observation.workflow_run,
            attempt: asked.observation.attempt,
            at: asked.at,
            refused: asked.observation.refused,
        });
        Ok(rerun.collect())
    }

    /// What the base reports, and who. The names that the head reports are looked for in a few earlier commits
    /// too, because the newest may not have been checked yet.
    async fn base_reports(
        &self,
        mirror: &Mirror,
        base: &Sha,
        of_head: &[CheckFact],
        earlier: Option<&Facts>,
    ) -> Result<BaseReports, Failure> {
        let known = earlier.and_then(|facts| facts.ci.as_ref()).map(|ci| &ci.base);
        let is_known =
            |facts: &Facts, check: &CheckFact| facts.checks.iter().any(|known| known.id == check.id);
        let same_head = earlier.is_some_and(|facts| of_head.iter().any(|check| is_known(facts, check)));
        // What was red is remembered for one head.
        let before = known.filter(|_| same_head);
        if let Some(known) = known.filter(|known| known.is_final_for(base, of_head)) {
            let red_before = before.map(|before| before.red_before.clone()).unwrap_or_default();
            return Ok(BaseReports { red_before, ..known.clone() });
        }
        let theirs = || of_head.iter().filter(|check| !check.ours);
        let mut reports = BaseReports {
            tip: Some(base.clone()),
            asked: theirs().map(|check| check.name.clone()).collect(),
            ..BaseReports::default()
        };
        for commit in mirror.recent(base, BASE_COMMITS).await? {
            let (mut checks, _, _) = self.checks_of(&commit).await?;
            checks.retain(|check| !check.ours);
            let (statuses, _) = self.statuses_of(&commit).await?;
            reports.add(&commit, checks, statuses);
            let is_bound = |check: &CheckFact| reports.reporters.iter().any(|by| by.name == check.name);
            if reports.commit.is_some() && theirs().all(is_bound) {
                break;
            }
        }
        reports.red_before = reports.red(before);
        Ok(reports)
    }
}

/// Why a listing cannot be read, if it is the listing that the forge refuses or fails at. An outage and a limit are not:
/// the job waits for their end.
fn unreadable(what: &str, permission: &str, error: github::Error) -> Result<String, Failure> {
    if error.kind() == Kind::Forbidden {
        return Ok(format!("our credential may not read {what}; grant it `{permission}`"));
    }
    if error.outage().is_some() || error.held_by().is_some() || error.kind() == Kind::Unauthorized {
        return Err(error.into());
    }
    Ok(format!("the forge does not list its {what}: {error}"))
}

/// A job that stands still for this long is asked for its steps.
const LATE: Duration = Duration::minutes(5);

fn check_fact(check: github::CheckRun, our_app: Option<u64>, runs: &[github::WorkflowRun]) -> CheckFact {
    let run = runs.iter().find(|run| run.check_suite_id.is_some() && run.check_suite_id == check.suite);
    CheckFact {
        name: check.name,
        app_id: check.app_id.unwrap_or(0),
        app_slug: check.app_slug.unwrap_or_default(),
        id: check.id,
        suite: check.suite,
        workflow: run.map(|run| run.workflow_id),
        started_at: check.started_at,
        status: check.status,
        conclusion: check.conclusion,
        url: Some(check.html_url).filter(|url| !url.is_empty()),
        ours: our_app.is_some() && check.app_id == our_app,
        steps: None,
        since: None,
    }
}

fn workflow_run(run: github::WorkflowRun) -> WorkflowRun {
    WorkflowRun {
        id: run.id,
        workflow: run.workflow_id,
        suite: run.check_suite_id,
        name: run.name,
        attempt: run.run_attempt,
        status: run.status,
        conclusion: run.conclusion,
        url: run.html_url,
    }
}

fn status_fact(status: github::CommitStatus, us: &Account) -> CommitStatus {
    let is_ours = status.creator.as_ref().is_some_and(|by| by.id == us.id)
        && [GATE_CHECK, REVIEW_CHECK, EVIDENCE_CHECK].contains(&&*status.context);
    CommitStatus {
        context: status.context,
        id: status.id,
        state: status.state,
        since: Some(status.updated_at).filter(|_| !is_ours),
        updated_at: status.updated_at,
        url: Some(status.target_url).filter(|url| !url.is_empty()),
        creator: status.creator.map(|Account { id, login, .. }| Person { id: Some(id), login }),
    }
}
