//! Epilogue: a run that has ended, in whatever way, completes the gate's check (or its commit status) on its last head
//! and says why.
//!
//! It is no step, because a run also ends without a worker: by a cancel, or by a dead letter. It repeats without
//! harm: the check run is found again, and completing it twice leaves it as it is.

use uuid::Uuid;

use super::{
    Factory, Failure,
    brief::Brief,
    count,
    facts::judged_again,
    ledger::{self, CheckRunIntent, CheckUpdateIntent, Effect, Reported, StatusIntent},
    report::{self, statuses},
};
use crate::{
    core::{
        policy::{Assessment, Conclusion, Decision, GATE_CHECK, PullState, Stop},
        requirement::RepoName,
        run::State,
        sha::Sha,
        workflow::End,
    },
    github::{Button, CheckOutput, CheckUpdate, NewCheckRun},
    store::{
        assessment, effect,
        run::{self, StoredRun},
    },
};

/// What there is to say, and where.
struct LastWord<'a> {
    factory: &'a Factory,
    run: Uuid,
    repo: RepoName,
    head: Sha,
    update: CheckUpdate,
}

/// Says the last word of a run; nothing if it goes on, is gone or never had a head.
pub(super) async fn conclude(factory: &Factory, run: Uuid) -> Result<(), Failure> {
    let Some(stored) = run::get(&factory.pool, run).await? else { return Ok(()) };
    let Some(head) = stored.run.progress.head.clone() else { return Ok(()) };
    let brief = Brief::read(&factory.pool, &stored.spec).await?;
    if brief.is_some_and(|brief| brief.is_silent()) {
        return Ok(());
    }
    let judged = last_judgement(factory, run, &head).await?;
    let Some(update) = last_update(factory, &stored, judged.as_ref()) else { return Ok(()) };
    let repo = stored.spec.repository.parse().map_err(Failure::last)?;
    LastWord { factory, run, repo, head, update }.say().await
}

async fn last_judgement(factory: &Factory, run: Uuid, head: &Sha) -> Result<Option<Assessment>, Failure> {
    let rows = assessment::of_run(&factory.pool, run).await?;
    rows.into_iter().find(|row| row.head_sha == head.as_str()).map(judged_again).transpose()
}

fn last_update(factory: &Factory, stored: &StoredRun, judged: Option<&Assessment>) -> Option<CheckUpdate> {
    let State::Ended { name, end, reason } = &stored.run.state else { return None };
    let shown = judged.filter(|judged| is_shown(judged)).and_then(report::conclusion);
    let conclusion = conclusion(*end, shown);
    if let (End::Succeeded, Some(_), Some(judged)) = (end, shown, judged) {
        // What the check says stands. Of a change that is merged nothing is left to judge again or to take over.
        let output =
            CheckOutput { title: judged.sentence(), summary: judged.to_markdown(), text: String::new() };
        return Some(CheckUpdate { conclusion: Some(conclusion), output, buttons: Vec::new() });
    }
    Some(ended(factory, stored, (name, reason), conclusion, judged))
}

fn ended(
    factory: &Factory,
    stored: &StoredRun,
    (name, reason): (&str, &str),
    conclusion: Conclusion,
    judged: Option<&Assessment>,
) -> CheckUpdate {
    let progress = &stored.run.progress;
    let title = format!("ended as {name}: {reason}");
    let judgement = judged.map(Assessment::to_markdown).unwrap_or_default();
    let page = format!("{}/runs/{}", factory.public_url, stored.spec.id);
    let later = match progress.after_end {
        Some(state) => format!(" Later the pull request was {}.", became(state)),
        None => String::new(),
    };
    let summary = format!("**The run has ended.**{later} {page}\n\n{judgement}");
    let output = CheckOutput { title, summary, text: String::new() };
    // There is nothing left to take over, and of a change that is merged nothing to judge again.
    let buttons = Some(Button::RerunGate).filter(|_| progress.merged.is_none()).into_iter().collect();
    CheckUpdate { conclusion: Some(conclusion), output, buttons }
}

const fn became(state: PullState) -> &'static str {
    match state {
        PullState::Open => "reopened",
        PullState::Closed => "closed",
        PullState::Merged => "merged",
    }
}

/// Whether the judgement was shown: one of a pull request that is no longer open is not.
fn is_shown(judged: &Assessment) -> bool {
    !matches!(judged.decision(), Decision::Stopped { reason: Stop::Closed | Stop::Merged })
}

/// How the check ends, from how the run ended and how the check was completed before, if it was. A judgement against
/// the head stands, and a success does not outlive a run that no longer watches whether it is still true.
const fn conclusion(end: End, shown: Option<Conclusion>) -> Conclusion {
    match (end, shown) {
        (End::Succeeded, Some(shown)) => shown,
        (End::Succeeded, None) => Conclusion::Neutral,
        (_, Some(shown @ (Conclusion::Failure | Conclusion::ActionRequired))) => shown,
        (End::Blocked, _) => Conclusion::ActionRequired,
        (End::Cancelled, _) => Conclusion::Cancelled,
        (End::Failed, _) => Conclusion::Failure,
    }
}

impl LastWord<'_> {
    /// Says it as a check run, or as a commit status where the credential may make none.
    async fn say(&self) -> Result<(), Failure> {
        if !self.factory.forge.abilities(&self.repo).await?.creates_check_runs {
            return self.say_by_status().await;
        }
        let key = report::check_key(GATE_CHECK, &self.head);
        let id = match self.known(&key).await? {
            Some(id) => id,
            None => self.create(&key).await?,
        };
        if self.is_noted::<CheckUpdateIntent>(&key, &self.content()).await? {
            return Ok(());
        }
        self.factory.forge.update_check_run(&self.repo, id, &self.update).await?;
        let (title, conclusion) = (self.update.output.title.clone(), self.update.conclusion);
        let reported = Reported { id, app_id: None, url: String::new() };
        self.note((&key, &self.content()), &CheckUpdateIntent { id, title, conclusion }, &reported).await
    }

    /// Whether the last report below `prefix` said this: the run is looked at again whenever its pull request changes.
    async fn is_noted<E: Effect>(&self, prefix: &str, content: &str) -> Result<bool, Failure> {
        let reports = self.reports::<E>(prefix).await?;
        Ok(reports.last().is_some_and(|last| last.ends_with(content)))
    }

    /// The keys of the reports below `prefix`, oldest first.
    async fn reports<E: Effect>(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let done = effect::done_in_lineage(&self.factory.pool, self.run, E::KIND).await?;
        let prefix = format!("{prefix}/");
        Ok(done.into_iter().map(|row| row.key).filter(|key| key.starts_with(&prefix)).collect())
    }

    /// The digest of what the check run says. The buttons are part of it, since the last word takes some away.
    fn content(&self) -> String {
        let labels: Vec<_> = self.update.buttons.iter().map(|button| button.label()).collect();
        format!("{}.{}", report::digest(&self.update), labels.len())
    }

    /// As a status, which can be set again without harm. The report is in our comment, which the end makes due too.
    async fn say_by_status(&self) -> Result<(), Failure> {
        let (forge, content) = (&self.factory.forge, report::digest(&self.update));
        let key = statuses::status_key(GATE_CHECK, &self.head);
        let new = statuses::status(GATE_CHECK, &self.update, self.url());
        let intent = StatusIntent { name: GATE_CHECK.to_owned(), head: self.head.clone(), state: new.state };
        if !self.is_noted::<StatusIntent>(&key, &content).await? {
            let status = forge.set_status(&self.repo, &self.head, &new).await?;
            let reported = Reported { id: status.id, app_id: None, url: status.target_url };
            self.note((&key, &content), &intent, &reported).await?;
        }
        Ok(())
    }

    fn url(&self) -> String {
        format!("{}/runs/{}", self.factory.public_url, self.run)
    }

    /// The check run that this run or an earlier one on the same branch made.
    async fn known(&self, key: &str) -> Result<Option<u64>, Failure> {
        let (pool, forge) = (&self.factory.pool, &self.factory.forge);
        let own = effect::get(pool, self.run, key).await?.and_then(|row| row.result);
        let recorded = match own {
            Some(result) => Some(result),
            None => effect::inherited(pool, self.run, key).await?,
        };
        if let Some(result) = recorded {
            return Ok(Some(ledger::observation::<CheckRunIntent>(key, result)?.id));
        }
        let name = report::external_id(self.run, key);
        let found = forge.find_check_run(&self.repo, &self.head, GATE_CHECK, &name).await?;
        Ok(found.map(|run| run.id))
    }

    async fn create(&self, key: &str) -> Result<u64, Failure> {
        let new = NewCheckRun {
            name: GATE_CHECK.to_owned(),
            head: self.head.clone(),
            external_id: report::external_id(self.run, key),
            details_url: Some(self.url()),
            update: self.update.clone(),
        };
        Ok(self.factory.forge.create_check_run(&self.repo, &new).await?.id)
    }

    /// Records what is said now, so that a retried run says something else.
    async fn note<E: Effect>(
        &self,
        (prefix, content): (&str, &str),
        intent: &E,
        observation: &E::Observation,
    ) -> Result<(), Failure> {
        let earlier = count(self.reports::<E>(prefix).await?.len());
        let key = report::update_key(prefix, earlier, content);
        let (request, result) = (ledger::to_json(intent)?, ledger::to_json(observation)?);
        Ok(effect::note(&self.factory.pool, self.run, &key, E::KIND, &request, &result).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_end_leaves_a_check_open_or_a_success_behind() {
        use Conclusion::{ActionRequired, Cancelled, Failure, Neutral, Success};
        for (end, shown, expected) in [
            (End::Blocked, None, ActionRequired),
            (End::Blocked, Some(Success), ActionRequired),
            (End::Blocked, Some(Failure), Failure),
            (End::Cancelled, None, Cancelled),
            (End::Cancelled, Some(Success), Cancelled),
            (End::Cancelled, Some(ActionRequired), ActionRequired),
            (End::Failed, None, Failure),
            (End::Succeeded, Some(Success), Success),
            (End::Succeeded, None, Neutral),
        ] {
            assert_eq!(conclusion(end, shown), expected, "{end} after {shown:?}");
        }
    }
}
