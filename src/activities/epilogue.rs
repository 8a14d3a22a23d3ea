//! Epilogue: a run that has ended, in whatever way, completes the gate's check (or its commit status) on its last head
//! and says why.
//!
//! It is no step, because a run also ends without a worker: by a cancel, or by a dead letter. It repeats without
//! harm: the check run is found again, and completing it twice leaves it as it is.

use uuid::Uuid;

use super::{
    Factory, Failure, count,
    facts::judged_again,
    ledger::{self, CheckRunIntent, CheckUpdateIntent, Effect as _, Reported},
    report::{self, statuses},
};
use crate::{
    core::{
        policy::{Assessment, Conclusion, Decision, GATE_CHECK, Stop},
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
    pull: Option<u64>,
    update: CheckUpdate,
}

/// Says the last word of a run; nothing if it goes on, is gone or never had a head.
pub(super) async fn conclude(factory: &Factory, run: Uuid) -> Result<(), Failure> {
    let Some(stored) = run::get(&factory.pool, run).await? else { return Ok(()) };
    let Some(head) = stored.run.progress.head.clone() else { return Ok(()) };
    let judged = last_judgement(factory, run, &head).await?;
    let Some(update) = last_update(factory, &stored, judged.as_ref()) else { return Ok(()) };
    let repo = stored.spec.repository.parse().map_err(Failure::last)?;
    LastWord { factory, run, repo, head, pull: stored.run.progress.pull, update }.say().await
}

async fn last_judgement(factory: &Factory, run: Uuid, head: &Sha) -> Result<Option<Assessment>, Failure> {
    let rows = assessment::of_run(&factory.pool, run).await?;
    rows.into_iter().find(|row| row.head_sha == head.as_str()).map(judged_again).transpose()
}

fn last_update(factory: &Factory, stored: &StoredRun, judged: Option<&Assessment>) -> Option<CheckUpdate> {
    let State::Ended { name, end, reason } = &stored.run.state else { return None };
    let conclusion = conclusion(*end, judged.filter(|judged| is_shown(judged)).and_then(report::conclusion))?;
    let title = format!("ended as {name}: {reason}");
    let judgement = judged.map(Assessment::to_markdown).unwrap_or_default();
    let summary =
        format!("**The run has ended.** {}/runs/{}\n\n{judgement}", factory.public_url, stored.spec.id);
    let output = CheckOutput { title, summary, text: String::new() };
    // There is nothing left to take over, and of a run that succeeded nothing to judge again.
    let buttons = Some(Button::RerunGate).filter(|_| *end != End::Succeeded).into_iter().collect();
    Some(CheckUpdate { conclusion: Some(conclusion), output, buttons })
}

/// Whether the judgement was shown: one of a pull request that is no longer open is not.
fn is_shown(judged: &Assessment) -> bool {
    !matches!(judged.decision(), Decision::Stopped { reason: Stop::Closed | Stop::Merged })
}

/// How the check ends, from how the run ended and how the check was completed before, if it was; `None` leaves
/// it as it is. A judgement against the head stands, and a success does not outlive a run that no longer watches
/// whether it is still true.
fn conclusion(end: End, shown: Option<Conclusion>) -> Option<Conclusion> {
    match (end, shown) {
        (End::Succeeded, Some(_)) => None,
        (End::Succeeded, None) => Some(Conclusion::Neutral),
        (_, Some(shown @ (Conclusion::Failure | Conclusion::ActionRequired))) => Some(shown),
        (End::Blocked, _) => Some(Conclusion::ActionRequired),
        (End::Cancelled, _) => Some(Conclusion::Cancelled),
        (End::Failed, _) => Some(Conclusion::Failure),
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
        self.factory.forge.update_check_run(&self.repo, id, &self.update).await?;
        self.note(&key, id).await
    }

    /// Setting a status again and editing the one comment again change nothing.
    async fn say_by_status(&self) -> Result<(), Failure> {
        let forge = &self.factory.forge;
        let new = statuses::status(GATE_CHECK, &self.update, self.url());
        forge.set_status(&self.repo, &self.head, &new).await?;
        if let Some(number) = self.pull {
            statuses::comment(forge, &self.repo, number, &self.update, self.url()).await?;
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

    /// Records what the check says now, so that a retried run says something else.
    async fn note(&self, key: &str, id: u64) -> Result<(), Failure> {
        let pool = &self.factory.pool;
        let done = effect::done_in_lineage(pool, self.run, CheckUpdateIntent::KIND).await?;
        let updates = done.iter().filter(|row| row.key.starts_with(&format!("{key}/"))).count();
        let key = report::update_key(key, count(updates), &report::digest(&self.update));
        let intent = CheckUpdateIntent {
            id,
            title: self.update.output.title.clone(),
            conclusion: self.update.conclusion,
        };
        let (request, result) =
            (ledger::to_json(&intent)?, ledger::to_json(&Reported { id, app_id: None, url: String::new() })?);
        Ok(effect::note(pool, self.run, &key, CheckUpdateIntent::KIND, &request, &result).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_end_leaves_a_check_open_or_a_success_behind() {
        use Conclusion::{ActionRequired, Cancelled, Failure, Neutral, Success};
        for (end, shown, expected) in [
            (End::Blocked, None, Some(ActionRequired)),
            (End::Blocked, Some(Success), Some(ActionRequired)),
            (End::Blocked, Some(Failure), Some(Failure)),
            (End::Cancelled, None, Some(Cancelled)),
            (End::Cancelled, Some(Success), Some(Cancelled)),
            (End::Cancelled, Some(ActionRequired), Some(ActionRequired)),
            (End::Failed, None, Some(Failure)),
            (End::Succeeded, Some(Success), None),
            (End::Succeeded, None, Some(Neutral)),
        ] {
            assert_eq!(conclusion(end, shown), expected, "{end} after {shown:?}");
        }
    }
}
