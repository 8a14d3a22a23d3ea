//! What came from outside of the change: the base, providers, budgets, limits; and what the change did after its merge.

use std::collections::{BTreeMap, BTreeSet};

use super::{Seen, count, lasting};
use crate::{
    measure::{Happening, spent},
    path::fold,
    retro::{
        facts::Incident,
        lesson::{Cost, Lesson, ProposalKind},
        text::{key, named, shown},
    },
    tested::is_test_file,
    words::counted,
};

/// How the wait for a place among our open pull requests begins, after "waiting for".
pub const WAITS_FOR_PLACE: &str = "one of our pull requests in ";
/// How the note of a fix begins that reaches too far beyond its change.
pub const TOO_WIDE: &str = "the fix would touch ";

/// A shorter outage is gone before anybody could look.
const OUTAGE_MS: i64 = 60_000;
/// Fewer failed attempts of a step are what retries are for.
const FAILED_LEAST: usize = 3;
/// What was said of a failure, its beginning.
const SAID: usize = 300;
/// How the cause of an incident begins.
const INCIDENT: &str = "incident";

pub(super) fn lessons(seen: &Seen<'_>) -> Vec<Lesson> {
    let one =
        [base(seen), paused(seen, "budget"), paused(seen, "breaker"), cap(seen), growth(seen), refused(seen)];
    let mut all: Vec<Lesson> = one.into_iter().flatten().collect();
    all.extend(outages(seen));
    all.extend(failures(seen));
    all
}

fn base(seen: &Seen<'_>) -> Option<Lesson> {
    let updates = seen.answers("update", "pushed").count();
    let conflicts = seen.answers("update", "conflict").count();
    let calls = count(seen.details.calls.iter().filter(|call| seen.rounds.is_after_update(call)).count());
    let ended =
        if conflicts > 0 && seen.is_in_vain() { ", and it could not be merged into the branch" } else { "" };
    let lesson = Lesson::new(
        "base",
        Cost { calls, ..Cost::default() },
        format!("the base moved on {} while the change waited{ended}", counted(updates + conflicts, "time")),
        "a shorter wait, or a tier that does not need the newest base",
    );
    (updates + conflicts > 0).then_some(lesson)
}

/// A pause by a budget or a breaker.
fn paused(seen: &Seen<'_>, cause: &str) -> Option<Lesson> {
    let times = seen.kinds("paused").filter(|event| event.cause.as_deref() == Some(cause)).count();
    let by_cause = spent(seen.run.submitted_at, seen.history).by_cause;
    let wait_ms = by_cause.get(&format!("paused_{cause}")).copied().unwrap_or_default();
    let (what, avoid) = match cause {
        "budget" => ("a budget was used up", "a budget that fits what such a change costs"),
        _ => (
            "a breaker paused it, since too many calls led nowhere",
            "what its reason names; see the history",
        ),
    };
    let happened = format!("{what} {}; that waited {}", counted(times, "time"), lasting(wait_ms));
    (times > 0).then(|| Lesson::new(cause, Cost { wait_ms, ..Cost::default() }, happened, avoid))
}

/// The wait for a place among our open pull requests.
fn cap(seen: &Seen<'_>) -> Option<Lesson> {
    let is_wait =
        |event: &&Happening| event.detail.as_deref().is_some_and(|it| it.starts_with(WAITS_FOR_PLACE));
    let waits: Vec<&Happening> = seen.kinds("parked").filter(is_wait).collect();
    let wait_ms =
        waits.iter().map(|event| seen.until(event, &["woken", "signalled", "hurried", "cancelled"])).sum();
    let lesson = Lesson::new(
        "cap",
        Cost { wait_ms, ..Cost::default() },
        format!("it waited {} for one of our other pull requests to be merged or closed", lasting(wait_ms)),
        "a higher limit of open pull requests, or fewer requirements at once",
    );
    (!waits.is_empty()).then_some(lesson)
}

/// Fixes that reached too far beyond the change.
fn growth(seen: &Seen<'_>) -> Option<Lesson> {
    let is_wide = |event: &&Happening| event.detail.as_deref().is_some_and(|it| it.starts_with(TOO_WIDE));
    let times = seen.answers("remediate", "unfixable").filter(is_wide).count();
    let lesson = Lesson::new(
        "growth",
        Cost { rounds: count(times), ..Cost::default() },
        "a fix was refused, because it reached too far beyond the change",
        "a requirement that is cut into smaller ones",
    );
    let text = "Fixes reached far beyond their change. Fix what was found in the files of the change, and leave the rest alone.";
    (times > 0)
        .then(|| lesson.proposing(ProposalKind::PromptNote, "Note that a fix keeps to its change", text))
}

fn refused(seen: &Seen<'_>) -> Option<Lesson> {
    let said = seen.answers("merge", "refused").last()?;
    let lesson = Lesson::new(
        "merge",
        Cost::default(),
        "the forge did not let us merge what the gate had cleared",
        "the rules of the base branch and the permissions that `aspora doctor` looks at",
    );
    Some(Lesson { said: shown(said.detail.as_deref().unwrap_or_default(), SAID), ..lesson })
}

fn outages(seen: &Seen<'_>) -> Vec<Lesson> {
    let mut providers: BTreeMap<&str, i64> = BTreeMap::new();
    for held in seen.kinds("held") {
        let wait = seen.until(held, &["went_on", "answered", "parked", "failed", "exhausted", "cancelled"]);
        *providers.entry(held.detail.as_deref().unwrap_or("unknown")).or_default() += wait;
    }
    let lesson = |(provider, wait_ms): (&str, i64)| {
        let happened = format!("{} was out of reach; that waited {}", named(provider), lasting(wait_ms));
        let cost = Cost { wait_ms, ..Cost::default() };
        Lesson::new(
            key("outage", provider),
            cost,
            happened,
            "nothing here; a fallback helps where one can be set",
        )
    };
    providers.into_iter().filter(|(_, wait)| *wait >= OUTAGE_MS).map(lesson).collect()
}

/// Steps whose attempts failed again and again.
fn failures(seen: &Seen<'_>) -> Vec<Lesson> {
    let mut steps: BTreeMap<&str, (usize, bool, &str)> = BTreeMap::new();
    for event in seen.history.iter().filter(|event| matches!(event.kind.as_str(), "failed" | "exhausted")) {
        let step = steps.entry(event.step.as_deref().unwrap_or_default()).or_default();
        step.0 += 1;
        step.1 |= event.kind == "exhausted";
        step.2 = event.detail.as_deref().unwrap_or(step.2);
    }
    let lesson = |(step, (times, has_ended, error)): (&str, (usize, bool, &str))| {
        let end = if has_ended { ", and none was left" } else { "" };
        let happened = format!("{} at `{step}` failed{end}", counted(times, "attempt"));
        let lesson = Lesson::new(
            key("failed", step),
            Cost::default(),
            happened,
            "what the errors in the history name",
        );
        Lesson { said: shown(error, SAID), ..lesson }
    };
    let is_worth =
        |(_, (times, has_ended, _)): &(&str, (usize, bool, &str))| *has_ended || *times >= FAILED_LEAST;
    steps.into_iter().filter(is_worth).map(lesson).collect()
}

/// What the change broke after its merge, by the file that a fix changed.
pub(in crate::retro) fn incidents(seen: &Seen<'_>) -> Vec<Lesson> {
    let mut causes: BTreeMap<String, (String, Vec<&Incident>)> = BTreeMap::new();
    for incident in &seen.details.incidents {
        for (cause, place) in places(seen, &incident.fixed) {
            causes.entry(cause).or_insert((place, Vec::new())).1.push(incident);
        }
    }
    let lesson = |(cause, (place, its)): (String, (String, Vec<&Incident>))| {
        let lesson = Lesson::new(
            cause,
            Cost::default(),
            format!("the merged change caused {} in {place}", counted(its.len(), "incident")),
            "a case of the harness that fails for it",
        );
        let text = format!(
            "Changes of {place} caused incidents. Add cases to the harness for what no case would have caught."
        );
        let title = format!("Hold {place} by harness cases");
        let titles: Vec<&str> = its.iter().map(|it| it.title.as_str()).collect();
        let at = its.iter().map(|it| it.at).max().unwrap_or(seen.run.ended_at);
        Lesson {
            at,
            said: shown(&titles.join("; "), SAID),
            ..lesson.proposing(ProposalKind::HarnessCase, &title, &text)
        }
    };
    causes.into_iter().map(lesson).collect()
}

/// The files of the change that a fix changed too; all of the change where none is known.
fn places(seen: &Seen<'_>, fixed: &[String]) -> BTreeSet<(String, String)> {
    let is_ours = |path: &&String| seen.details.files.contains(path) && !is_test_file(&fold(path));
    let files: BTreeSet<_> =
        fixed.iter().filter(is_ours).map(|path| (key(INCIDENT, path), named(path))).collect();
    if files.is_empty() {
        BTreeSet::from([(INCIDENT.to_owned(), "what it changed".to_owned())])
    } else {
        files
    }
}

/// Whether a cause is an incident.
pub(in crate::retro) fn is_of_incident(cause: &str) -> bool {
    cause == INCIDENT || cause.strip_prefix(INCIDENT).is_some_and(|rest| rest.starts_with(':'))
}
