//! What follows a merge: what the base's own checks say, and the run that reverts it.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{Accepted, Actor, Denied, Engine, Error, advance::lock, record};
use crate::{
    core::{
        aftermath::{Check, Meaning, Reported, RevertOnRed, assess, has_news, named, sentence},
        reason::{self, Reason},
        requirement::{Requirement, TITLE_LIMIT},
        run::Event,
        words::{counted, listed, one_line},
    },
    store::{
        self, Connection,
        audit::Author,
        base_watch::{self, Due, Looked},
        incident, revert,
        run::StoredRun,
    },
};

/// The longest pause between two looks without news.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Who acts where nobody does.
const ACTOR: &str = "base-watch";
/// The priority of a revert: the first.
const PRIORITY: u8 = 1;
/// The most characters of the title of an incident.
const INCIDENT_TITLE: usize = 300;

/// What a look at the base's own checks saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSeen {
    /// The checks of the merge commit.
    pub checks: Vec<Reported>,
    /// Those of the commits before, if a check fails; the head of the pull request comes last.
    pub before: Vec<Vec<Reported>>,
    /// The shortest pause until the next look.
    pub least: Duration,
}

/// A run that reverts a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reverting {
    /// The run.
    pub run: Uuid,
    /// Whether it was begun now.
    pub is_new: bool,
}

impl Engine {
    /// Records what a look at the base's own checks saw: once for each change what broke, as an incident and in the run's
    /// history, and when to look again.
    ///
    /// # Errors
    /// When the database does not answer; nothing is recorded then, and the watch is due again.
    pub async fn base_seen(&self, due: Due, seen: &BaseSeen) -> Result<(), Error> {
        let mut tx = self.pool().begin().await?;
        let stored = lock(&mut tx, due.run_id).await?;
        base_watch::lock(&mut tx, due.run_id).await?;
        let Some(watch) = base_watch::get(&mut *tx, due.run_id).await? else { return Ok(()) };
        if watch.is_over {
            return Ok(());
        }
        let (now, is_over) = (stored.now, stored.now >= watch.until_at);
        let checks = assess(&seen.checks, &seen.before, &watch.checks, now);
        let next = (!is_over).then(|| pause(seen.least, now - watch.merged_at, watch.until_at - now));
        let (mut incident, mut wants_revert) = (watch.incident_id, watch.wants_revert);
        if has_news(&watch.checks, &checks) {
            let is_first = incident.is_none();
            incident = Some(record_incident(&mut tx, &stored, &watch, &checks).await?);
            let broke = named(&checks, Meaning::Broke);
            if is_first && !broke.is_empty() {
                let product = store::product::get(&mut *tx, &stored.spec.product).await?;
                wants_revert = product.is_some_and(|it| it.revert_on_red == RevertOnRed::Open.as_str());
            }
            let event = Event::BaseChecked {
                sha: watch.sha.parse().map_err(|error| store::Error::Decode(Box::new(error)))?,
                green_again: named(&checks, Meaning::GreenAgain),
                note: sentence(&checks, false, &watch.base_branch),
                broke,
            };
            let workflow = self.workflow(&stored.spec.workflow_hash).await?;
            self.advance(&mut tx, stored, &workflow, Actor::Other(ACTOR), vec![event]).await?;
        }
        base_watch::looked(&mut tx, due, Looked { checks: &checks, incident, wants_revert, next }).await?;
        Ok(tx.commit().await?)
    }

    /// Begins the run that a watch wants, which reverts the merge; one that lives is enough.
    ///
    /// # Errors
    /// As [`Engine::revert_in`]; the watch then still wants it, unless the run can never be begun.
    pub async fn revert_wanted(&self, run: Uuid) -> Result<(), Error> {
        let mut tx = self.pool().begin().await?;
        let stored = lock(&mut tx, run).await?;
        let incident = base_watch::get(&mut *tx, run).await?.and_then(|watch| watch.incident_id);
        let why = stored.run.progress.broke.as_deref().unwrap_or("the base broke");
        let why: String = one_line(why).chars().take(reason::LIMIT).collect();
        let reason: Reason = why.parse().map_err(|wrong| Error::Invalid(vec![wrong]))?;
        match self.begin_revert(&mut tx, &stored, ACTOR, &reason, incident).await {
            Ok(_) | Err(Error::Denied(_) | Error::NoProduct(_)) => {}
            Err(error) => return Err(error),
        }
        base_watch::revert_settled(&mut tx, run).await?;
        Ok(tx.commit().await?)
    }

    /// Begins a run that reverts the merge of another, inside the caller's transaction, which also records it in the audit log;
    /// the one that lives, if there is one.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Denied::NotMerged`], and [`Denied::Reverted`] once it is reverted; as [`Engine::accept_in`].
    pub async fn revert_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Reverting, Error> {
        let (by, stored) = (by.into(), lock(tx, run).await?);
        let incident = base_watch::get(&mut *tx, run).await?.and_then(|watch| watch.incident_id);
        match self.begin_revert(tx, &stored, by.person, reason, incident).await? {
            Begun::Before(run) => Ok(Reverting { run, is_new: false }),
            Begun::Now(accepted) => {
                record::reverted(tx, by, (run, &stored.spec.product), accepted, reason).await?;
                Ok(Reverting { run: accepted.run, is_new: true })
            }
        }
    }

    /// The same as [`Engine::revert_in`], in a transaction of its own.
    ///
    /// # Errors
    /// As [`Engine::revert_in`].
    pub async fn revert(
        &self,
        run: Uuid,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Reverting, Error> {
        let mut tx = self.pool().begin().await?;
        let reverting = self.revert_in(&mut tx, run, by, reason).await?;
        tx.commit().await?;
        Ok(reverting)
    }

    /// The lock of the merged run keeps two from being begun at once.
    async fn begin_revert(
        &self,
        tx: &mut Connection,
        stored: &StoredRun,
        actor: &str,
        reason: &Reason,
        incident: Option<Uuid>,
    ) -> Result<Begun, Error> {
        let (id, progress) = (stored.spec.id, &stored.run.progress);
        let Some(merged) = progress.merged.as_ref().filter(|_| stored.run.has_ended()) else {
            return Err(Denied::NotMerged.into());
        };
        for earlier in revert::of(&mut *tx, id).await? {
            match (earlier.status.as_str(), earlier.ended_as.as_deref()) {
                ("ended", Some("succeeded")) => return Err(Denied::Reverted(earlier.run_id).into()),
                ("ended", _) => {}
                _ => return Ok(Begun::Before(earlier.run_id)),
            }
        }
        let title = revert::title(tx, id).await?;
        let requirement = requirement(stored, &title, merged.as_str(), reason)?;
        let accepted = self.accept_in(tx, &requirement, actor).await?;
        let new = revert::New {
            requirement: accepted.requirement,
            run: accepted.run,
            of_run: id,
            of_sha: merged.as_str(),
            incident,
            by: actor,
            reason: reason.as_str(),
        };
        revert::insert(tx, new).await?;
        Ok(Begun::Now(accepted))
    }
}

/// A run that reverts, begun now or before.
enum Begun {
    Now(Accepted),
    Before(Uuid),
}

/// What the run that reverts is about.
fn requirement(stored: &StoredRun, title: &str, merged: &str, reason: &Reason) -> Result<Requirement, Error> {
    let pull = stored.run.progress.pull.map(|number| format!(" #{number}")).unwrap_or_default();
    let title: String = format!("Revert{pull}: {title}").chars().take(TITLE_LIMIT).collect();
    let body = format!(
        "Take back what run {} changed on `{}`: pull request{pull}, merged as {merged}.\n\nWhy: {reason}\n\n\
         Git makes this change, and no model: exactly what the merge changed is undone on the newest commit.",
        stored.spec.id, stored.spec.base_branch
    );
    Requirement::new(&stored.spec.product, &title, &body, PRIORITY).map_err(Error::Invalid)
}

/// Records what broke, once for a merge; what more is known of it later is said there too.
async fn record_incident(
    tx: &mut Connection,
    stored: &StoredRun,
    watch: &base_watch::Row,
    checks: &[Check],
) -> Result<Uuid, Error> {
    let said = sentence(checks, false, &watch.base_branch);
    let pull = stored.run.progress.pull.map(|number| format!(" (#{number})")).unwrap_or_default();
    let title: String = format!("{said}{pull}").chars().take(INCIDENT_TITLE).collect();
    let lines: Vec<String> = checks
        .iter()
        .map(|it| format!("- {}: {}{}", it.name, it.meaning.in_words(), link(it.url.as_deref())))
        .collect();
    let body = format!(
        "{said}.\n\nThe merge is {} on `{}`. Its checks:\n\n{}",
        watch.sha,
        watch.base_branch,
        lines.join("\n")
    );
    let broke = named(checks, Meaning::Broke);
    let url = checks.iter().find(|it| it.meaning == Meaning::Broke).and_then(|it| it.url.as_deref());
    let how = format!(
        "{} of the merge commit ({}) failed there, and had succeeded before",
        counted(broke.len(), "check"),
        listed(&broke)
    );
    let blame = json!({ "how": how, "sha": watch.sha });
    let new = incident::New {
        product: &stored.spec.product,
        source: "checks",
        key: &watch.sha,
        title: &title,
        body: &body,
        url,
        happened_at: None,
        blame: Some((stored.spec.id, &blame)),
    };
    let (id, is_new) = incident::record(tx, new).await?;
    if !is_new {
        incident::retell(tx, id, &title, &body).await?;
    }
    Ok(id)
}

fn link(url: Option<&str>) -> String {
    url.map(|url| format!(" ({url})")).unwrap_or_default()
}

/// How long to wait until the next look: a quarter of the time since the merge, but not past the end of the watch.
fn pause(least: Duration, since: chrono::TimeDelta, left: chrono::TimeDelta) -> Duration {
    let quarter = (since / 4).to_std().unwrap_or_default();
    let left = left.to_std().unwrap_or_default();
    quarter.clamp(least.min(LONGEST_PAUSE), LONGEST_PAUSE).min(left.max(least))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn looks_become_rarer_and_do_not_outlast_the_watch() {
        let check = |since: i64, left: i64, expected: u64| {
            let least = Duration::from_secs(15);
            let found = pause(least, TimeDelta::seconds(since), TimeDelta::seconds(left));
            assert_eq!(found, Duration::from_secs(expected), "{since} {left}");
        };
        check(0, 3600, 15);
        check(400, 3200, 100);
        check(3000, 60_000, 600);
        check(3580, 20, 20);
        check(3595, 5, 15);
    }
}
