//! The data of a run's page, read once. Of a long history only its newest part is read.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use maud::Markup;
use uuid::Uuid;

use super::super::{Problem, panel::Have, words};
use crate::{
    api::{AfterMerge, JudgedBy, LookBack, TestRun},
    core::{
        access::Right,
        budget::Account,
        run::{self, Event, Offer},
        subject::Subject,
        why::{self, why},
        workflow::{End, Workflow},
    },
    http::{AppState, after_merge, look_back, middleware::caller::Caller},
    store::{
        self, Pool,
        amendment::{self, Links},
        assessment, attempt, audit, budget, consent, effect, event, evidence, gap, judged_by, opinion, pull,
        question::{self, Round},
        requirement, review,
        run::StoredRun,
        test_run,
    },
};

/// The newest events that the timeline is drawn from.
const RECENT: i32 = 200;
/// The events that the history lists at once.
const LISTED: i32 = 50;
/// The newest effects that are listed.
pub(super) const EFFECTS: usize = 50;
/// The newest moves that the diagram counts.
const MOVES: i64 = 2000;

/// Everything that a run's page shows, as it was at `stored.now`.
pub(super) struct View {
    pub(super) forge: String,
    pub(super) stored: StoredRun,
    /// What the run is about.
    pub(super) about: About,
    /// `None` when this release cannot read the run's graph.
    pub(super) workflow: Option<Arc<Workflow>>,
    /// The newest events, from one that says which job it ended.
    pub(super) recent: Vec<event::Row>,
    /// The attempts at their jobs.
    pub(super) attempts: Vec<attempt::Row>,
    /// The events that the history lists, oldest first.
    pub(super) listed: Vec<event::Row>,
    /// Where the run has been; empty when the browser has the diagram.
    pub(super) trail: Vec<Option<String>>,
    /// The newest assessment of the run's head, or else the newest of all.
    pub(super) assessment: Option<assessment::Row>,
    /// What each person said last of the change here.
    pub(super) opinions: Vec<opinion::Row>,
    /// What can be done to the run now.
    pub(super) offer: Offer,
    pub(super) findings: Vec<review::Row>,
    /// What the run asked, the first round first.
    pub(super) rounds: Vec<Round>,
    /// The dependencies that the run asked about, the first ones first.
    pub(super) consents: Vec<consent::Row>,
    /// Empty when the browser has them.
    pub(super) diffs: Vec<effect::Diff>,
    /// How many diffs there are, and how many of their pushes are known to have succeeded.
    pub(super) diff_counts: (i64, i64),
    /// The newest effects, newest first: one more than [`EFFECTS`] if there are older ones.
    pub(super) effects: Vec<effect::Brief>,
    /// What followed the merge.
    pub(super) after_merge: AfterMerge,
    /// The look back at it, once it has ended.
    pub(super) look_back: Option<LookBack>,
    /// Our own runs of the product's tests, newest first; empty for who may not read payloads.
    pub(super) tests: Vec<TestRun>,
    /// The browser evidence of the run, newest first; empty for who may not read payloads.
    pub(super) evidence: Vec<evidence::Row>,
    /// What people did to the run, as the audit log has it.
    pub(super) acts: Vec<audit::Row>,
    /// Who looks at the page.
    pub(super) caller: Caller,
    pub(super) spent: effect::Spent,
    pub(super) budget: Vec<Account>,
    pub(super) job: Option<why::Job>,
    pub(super) cause: why::Cause,
}

/// What a run is about.
pub(super) enum About {
    /// A requirement.
    Requirement(Box<Wanted>),
    /// A harness gap.
    Gap(Box<gap::Row>),
    /// A pull request that others opened, and by which products' settings it is judged now.
    Pull(Box<pull::Row>, JudgedBy),
}

/// A requirement, and those beside it.
pub(super) struct Wanted {
    pub(super) row: requirement::Row,
    /// How often it was amended.
    pub(super) edition: i32,
    /// The requirements beside it.
    pub(super) links: Links,
    /// Another requirement with the same text, while both are under way.
    pub(super) duplicate_of: Option<Uuid>,
}

impl About {
    async fn load(pool: &Pool, stored: &StoredRun) -> Result<Option<Self>, Problem> {
        let id = match stored.spec.subject {
            Subject::Pull(id) => {
                let Some(row) = pull::get(pool, id).await? else { return Ok(None) };
                let (repository, base) = (&stored.spec.repository, &stored.spec.base_branch);
                let by = judged_by::read(pool, repository, base, row.products.as_deref()).await?;
                return Ok(Some(Self::Pull(Box::new(row), JudgedBy::from(&by))));
            }
            Subject::Gap(id) => {
                return Ok(gap::get(pool, id).await?.map(|row| Self::Gap(Box::new(row))));
            }
            Subject::Requirement(id) => id,
        };
        let Some(row) = requirement::get(pool, id).await? else { return Ok(None) };
        Ok(Some(Self::Requirement(Box::new(Wanted {
            row,
            edition: amendment::newest(pool, id).await?.0,
            links: amendment::links(pool, id).await?,
            duplicate_of: match stored.run.has_ended() {
                true => None,
                false => amendment::duplicate(pool, id).await?,
            },
        }))))
    }

    /// The title of the page.
    pub(super) fn title(&self) -> &str {
        match self {
            Self::Requirement(wanted) => &wanted.row.title,
            Self::Pull(pull, _) => &pull.title,
            Self::Gap(gap) => &gap.title,
        }
    }
}

impl View {
    /// Reads what the page of this run shows, but for what the browser has. The history ends before `before`.
    pub(super) async fn load(
        app: &AppState,
        caller: &Caller,
        id: Uuid,
        before: Option<i32>,
        have: &Have<'_>,
    ) -> Result<Self, Problem> {
        let missing = || Problem::Missing(format!("There is no run {id}."));
        let pool = app.engine.pool();
        let (stored, job) = store::standing::with_job(pool, id).await?.ok_or_else(missing)?;
        let about = About::load(pool, &stored).await?.ok_or_else(missing)?;
        let (recent, attempts) = recent(pool, &stored).await?;
        let end = before.map_or(stored.version, |before| before.saturating_sub(1).clamp(0, stored.version));
        let listed = event::after(pool, id, end.saturating_sub(LISTED), LISTED.min(end).into()).await?;
        let diff_counts = effect::diff_counts(pool, id).await?;
        let trail = match have.has("diagram", &diagram_key(&stored)) {
            true => Vec::new(),
            false => event::trail(pool, id, MOVES).await?,
        };
        let diffs = match diff_counts.0 == 0 || have.has("diff", &diff_key(diff_counts)) {
            true => Vec::new(),
            false => effect::diffs(pool, id).await?,
        };
        Ok(Self {
            forge: app.settings.forge_url.clone(),
            workflow: app.engine.workflow(&stored.spec.workflow_hash).await.ok(),
            recent,
            attempts,
            listed,
            trail,
            assessment: assessment(pool, &stored).await?,
            opinions: opinion::latest(pool, id).await?,
            offer: app.engine.offer(&stored, job.as_ref().map(|job| job.state)).await?,
            findings: review::findings(pool, id).await?,
            rounds: question::of_run(pool, id).await?,
            consents: consent::of_run(pool, id).await?,
            diffs,
            diff_counts,
            tests: match caller.may(Right::ReadPayload) {
                true => test_run::of_run(pool, id).await?.into_iter().map(TestRun::from).collect(),
                false => Vec::new(),
            },
            evidence: match caller.may(Right::ReadPayload) {
                true => evidence::of_run(pool, id).await?,
                false => Vec::new(),
            },
            after_merge: after_merge::of(pool, &stored, &app.settings.forge_url).await?,
            look_back: match stored.run.has_ended() {
                true => Some(look_back::of(pool, &stored, caller).await?),
                false => None,
            },
            effects: effect::newest(pool, id, i64::try_from(EFFECTS + 1).unwrap_or(i64::MAX)).await?,
            acts: audit::of_run(pool, id).await?,
            caller: caller.clone(),
            spent: effect::spent(pool, id).await?,
            budget: budget::accounts(pool, id, &stored.spec.product).await?,
            cause: why(&stored.run, job.as_ref()),
            about,
            job,
            stored,
        })
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.stored.now
    }

    /// The time now, but rounded down to about a twentieth of the time since the last event, so that what is drawn to
    /// it changes rarely while nothing happens.
    pub(super) fn coarse_now(&self) -> DateTime<Utc> {
        let last = self.recent.last().map_or(self.stored.created_at, |event| event.at);
        coarse(last, self.now())
    }

    pub(super) fn diagram_key(&self) -> String {
        diagram_key(&self.stored)
    }

    pub(super) fn diff_key(&self) -> String {
        diff_key(self.diff_counts)
    }

    pub(super) fn commit(&self, sha: &str) -> Markup {
        words::commit(&self.forge, &self.stored.spec.repository, sha)
    }

    /// Whether its change is merged.
    pub(super) fn has_succeeded(&self) -> bool {
        self.stored.run.end() == Some(End::Succeeded)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stored.run.state, run::State::Ended { .. })
    }
}

/// The newest assessment of the run's head. Without one, or if a later one is of a head that others pushed, the newest.
async fn assessment(pool: &Pool, stored: &StoredRun) -> Result<Option<assessment::Row>, Problem> {
    let id = stored.spec.id;
    let newest = assessment::newest(pool, id).await?;
    let Some(head) = &stored.run.progress.head else { return Ok(newest) };
    if newest.as_ref().is_none_or(|newest| newest.head_sha == head.as_str()) {
        return Ok(newest);
    }
    Ok(assessment::newest_of_head(pool, id, head.as_str()).await?.or(newest))
}

fn diagram_key(stored: &StoredRun) -> String {
    stored.version.to_string()
}

fn diff_key((all, done): (i64, i64)) -> String {
    format!("{all} {done}")
}

/// The newest events, from the first one that says which job it ended, and the attempts at the jobs after it.
async fn recent(pool: &Pool, stored: &StoredRun) -> Result<(Vec<event::Row>, Vec<attempt::Row>), Problem> {
    let (id, after) = (stored.spec.id, stored.version.saturating_sub(RECENT).max(0));
    let mut events = event::after(pool, id, after, RECENT.into()).await?;
    let turn = match after {
        0 => 0,
        _ => {
            let first = events.iter().position(|row| turn_ended_by(&row.body).is_some());
            events.drain(..first.unwrap_or(events.len()));
            events.first().and_then(|row| turn_ended_by(&row.body)).unwrap_or(i32::MAX)
        }
    };
    let after = events.first().map_or(after, |row| row.seq - 1);
    let attempts = attempt::recent(pool, id, after, turn).await?;
    Ok((events, attempts))
}

fn turn_ended_by(event: &Event) -> Option<i32> {
    match event {
        Event::Answered { turn, .. } | Event::Parked { turn, .. } | Event::Exhausted { turn, .. } => {
            i32::try_from(*turn).ok()
        }
        _ => None,
    }
}

/// `now`, rounded down to a power of two of seconds that is at most a sixteenth of the time since `from`.
fn coarse(from: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let elapsed = (now - from).num_seconds().max(0);
    let unit = (elapsed / 16).checked_ilog2().map_or(1, |power| 1_i64 << power);
    from + TimeDelta::seconds(elapsed / unit * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_nothing_has_happened_the_more_rarely_the_drawn_time_changes() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let check = |now, expected| assert_eq!(coarse(at(0), at(now)), at(expected), "{now}");
        for (now, expected) in
            [(-3, 0), (0, 0), (7, 7), (31, 31), (33, 32), (64, 64), (67, 64), (3_600, 3_584)]
        {
            check(now, expected);
        }
        let hour: std::collections::BTreeSet<_> = (3_600..7_200).map(|now| coarse(at(0), at(now))).collect();
        assert!(hour.len() <= 32, "{} changes in an hour", hour.len());
    }
}
