//! The timeline: one row per visit of a step, and how its time was spent.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::{
    super::words,
    scale::{Scale, WIDE},
    view::View,
};
use crate::{
    core::run::{Event, State},
    store::{attempt, event},
};

/// How a stretch of time was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Queued,
    Running,
    Backing,
    Waiting,
}

/// A stretch of time. The stretches of a run follow one another, but for the moments in which its answers are
/// recorded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    pub(super) kind: Kind,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    note: String,
}

/// One stay in a step, from its entry to its answer.
#[derive(Debug, Clone, PartialEq)]
struct Visit {
    step: String,
    lap: usize,
    stretches: Vec<Stretch>,
    result: String,
}

const KINDS: [Kind; 4] = [Kind::Queued, Kind::Running, Kind::Backing, Kind::Waiting];

/// The most visits that are drawn, the newest ones.
const DRAWN: usize = 40;

/// The timeline's panel.
pub(super) fn panel(view: &View) -> Markup {
    let (end, goes_on) = match view.stored.run.state {
        State::Ended { .. } => (view.stored.updated_at, false),
        _ => (view.coarse_now(), true),
    };
    let mut visits = visits(&view.recent, &view.attempts, end, goes_on);
    number(&mut visits, &view.stored.run.visits);
    let is_whole = view.recent.first().is_none_or(|row| row.seq == 1) && visits.len() <= DRAWN;
    visits.drain(..visits.len().saturating_sub(DRAWN));
    let all: Vec<&Stretch> = visits.iter().flat_map(|visit| &visit.stretches).collect();
    let scale = Scale::of(&all);
    html! {
        section {
            h2 { "Timeline" }
            @if !is_whole { p.muted { "Only the newest steps are drawn." } }
            (shares(&all))
            div.timeline role="list" {
                @for visit in &visits { (row(visit, view.stored.created_at, &scale)) }
            }
            @if scale.shortened { p.muted { "Long waits are drawn shorter than they were." } }
        }
    }
}

/// Whether an event leaves the run where it is.
const fn is_aside(event: &Event) -> bool {
    matches!(
        event,
        Event::NotPermitted { .. }
            | Event::FindingDismissed { .. }
            | Event::Asked { .. }
            | Event::ConsentAsked { .. }
            | Event::OpinionGiven { .. }
            | Event::EvidenceRecorded { .. }
            | Event::PullChanged { .. }
            | Event::BaseChecked { .. }
    )
}

/// The stretches of every visit to a step, up to `end`; `goes_on` if the run has not ended by then.
fn visits(events: &[event::Row], attempts: &[attempt::Row], end: DateTime<Utc>, goes_on: bool) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    let mut turn = 0;
    for (place, event) in events.iter().enumerate() {
        let is_move = |next: &&event::Row| !is_aside(&next.body);
        let to = events[place + 1..].iter().find(is_move).map_or(end, |next| next.at);
        match &*event.body {
            Event::Started { .. } | Event::Forked { .. } => turn = 1,
            Event::Answered { turn: answered, .. } => {
                turn = i32::try_from(*answered).unwrap_or(0) + 1;
                conclude(&mut visits, &event.body);
            }
            Event::Exhausted { .. } | Event::Stranded { .. } | Event::Cancelled { .. } => {
                conclude(&mut visits, &event.body);
            }
            Event::Parked { turn: parked, .. } => {
                turn = i32::try_from(*parked).unwrap_or(0);
                let note = words::summary(&event.body).to_string();
                push(
                    &mut visits,
                    event.step.as_deref(),
                    Stretch { kind: Kind::Waiting, from: event.at, to, note },
                );
                continue;
            }
            Event::Signalled { .. } | Event::Woken => turn += 1,
            Event::Skipped { .. } | Event::RetriedFrom { .. } => {
                turn += 1;
                conclude(&mut visits, &event.body);
            }
            Event::Paused { .. } | Event::TakenOver { .. } => {
                let note = words::summary(&event.body).to_string();
                push(
                    &mut visits,
                    event.step.as_deref(),
                    Stretch { kind: Kind::Waiting, from: event.at, to, note },
                );
                continue;
            }
            // The earlier job continues, or a new one begins, whose number the attempts show.
            Event::Resumed { .. }
            | Event::Hurried { .. }
            | Event::QuestionAnswered { .. }
            | Event::ConsentGiven { .. }
            | Event::Amended { .. } => turn = resumed(&events[place..], attempts, turn),
            Event::Failed { .. }
            | Event::Held { .. }
            | Event::WentOn { .. }
            | Event::NotPermitted { .. }
            | Event::FindingDismissed { .. }
            | Event::Asked { .. }
            | Event::ConsentAsked { .. }
            | Event::OpinionGiven { .. }
            | Event::EvidenceRecorded { .. }
            | Event::PullChanged { .. }
            | Event::BaseChecked { .. } => continue,
        }
        // A job begins here, for the step that the next event names, or else its attempts.
        let tries: Vec<_> = attempts.iter().filter(|attempt| attempt.turn == turn).collect();
        let next = events.get(place + 1).and_then(|next| next.step.as_deref());
        let step = next.or_else(|| tries.first().map(|attempt| attempt.step.as_str()));
        let over = matches!(
            &*event.body,
            Event::Exhausted { .. } | Event::Stranded { .. } | Event::Cancelled { .. }
        );
        // Failed attempts are part of the job: it lasts until the next event of another kind.
        let to = events[place + 1..]
            .iter()
            .find(|next| {
                let is_of_job =
                    matches!(&*next.body, Event::Failed { .. } | Event::Held { .. } | Event::WentOn { .. });
                !is_of_job && !is_aside(&next.body)
            })
            .map_or(end, |it| it.at);
        let newest = goes_on && place + 1 == events.len();
        if !over && (step.is_some() || newest) {
            for stretch in job(event.at, to, &tries) {
                push(&mut visits, step, stretch);
            }
        }
    }
    visits
}

/// The number of the job that runs after a resume or a run-now: that of the next event or attempt, otherwise
/// the earlier one.
fn resumed(rest: &[event::Row], attempts: &[attempt::Row], turn: i32) -> i32 {
    let said = rest.iter().skip(1).find_map(|row| match &*row.body {
        Event::Answered { turn, .. }
        | Event::Parked { turn, .. }
        | Event::Failed { turn, .. }
        | Event::Exhausted { turn, .. } => i32::try_from(*turn).ok(),
        _ => None,
    });
    said.unwrap_or_else(|| attempts.iter().map(|attempt| attempt.turn).max().unwrap_or(turn).max(turn))
}

/// How the time of one job was spent, given its attempts.
fn job(from: DateTime<Utc>, to: DateTime<Utc>, tries: &[&attempt::Row]) -> Vec<Stretch> {
    let mut out = Vec::new();
    let idle = |kind: Option<Kind>, from, to| {
        let stretch = |kind: Kind| Stretch { kind, from, to, note: kind.as_str().to_owned() };
        kind.filter(|_| from < to).map(stretch)
    };
    let (mut at, mut between) = (from, Some(Kind::Queued));
    for attempt in tries {
        out.extend(idle(between, at, attempt.started_at));
        at = attempt.ended_at.unwrap_or(to).max(attempt.started_at);
        let note = match &attempt.error {
            Some(error) => format!("attempt {} on {}: {error}", attempt.attempt, attempt.worker),
            None => format!("attempt {} on {}", attempt.attempt, attempt.worker),
        };
        out.push(Stretch { kind: Kind::Running, from: attempt.started_at, to: at, note });
        between = after(attempt);
    }
    out.extend(idle(between, at, to));
    // A millisecond between two records is noise, not time spent.
    out.retain(|stretch| {
        stretch.kind == Kind::Running || stretch.to - stretch.from > TimeDelta::milliseconds(1)
    });
    out
}

/// What a job does after this attempt. One that answered or parked ends a moment before its event is recorded;
/// that moment is not counted.
fn after(attempt: &attempt::Row) -> Option<Kind> {
    match attempt.ended_as.as_deref() {
        Some("failed" | "lost") => Some(Kind::Backing),
        _ => None,
    }
}

fn push(visits: &mut Vec<Visit>, step: Option<&str>, stretch: Stretch) {
    let step = step.unwrap_or("next");
    match visits.last_mut() {
        Some(last) if last.step == step && last.result.is_empty() => last.stretches.push(stretch),
        _ => visits.push(Visit {
            step: step.to_owned(),
            lap: 1,
            stretches: vec![stretch],
            result: String::new(),
        }),
    }
}

/// Ends the last visit with what happened in `event`.
fn conclude(visits: &mut [Visit], event: &Event) {
    if let Some(last) = visits.last_mut() {
        last.result = words::summary(event).what;
    }
}

/// Numbers the visits of each step, of which there were so many in all.
fn number(visits: &mut [Visit], totals: &BTreeMap<String, u32>) {
    let mut laps: BTreeMap<String, usize> = BTreeMap::new();
    for visit in visits.iter() {
        *laps.entry(visit.step.clone()).or_default() += 1;
    }
    for (step, laps) in &mut laps {
        let total = totals.get(step).and_then(|total| usize::try_from(*total).ok()).unwrap_or(0);
        *laps = total.saturating_sub(*laps);
    }
    for visit in visits {
        let lap = laps.entry(visit.step.clone()).or_default();
        *lap += 1;
        visit.lap = *lap;
    }
}

fn row(visit: &Visit, begin: DateTime<Utc>, scale: &Scale) -> Markup {
    let from = visit.stretches.first().map_or(begin, |it| it.from);
    let to = visit.stretches.last().map_or(from, |it| it.to);
    let mut taken = 0;
    html! {
        div.visit role="listitem" id={ "visit-" (visit.step) "-" (visit.lap) } {
            span.step { (visit.step) @if visit.lap > 1 { span.lap { " lap " (visit.lap) } } }
            svg.bar viewBox={ "0 0 " (WIDE) " 20" } preserveAspectRatio="none" aria-hidden="true" {
                @for stretch in &visit.stretches {
                    @let (x, width) = scale.place(stretch.from, &mut taken);
                    rect class=(stretch.kind.class()) x=(format!("{x:.1}")) y="3"
                        width=(format!("{width:.1}")) height="14" {
                        title { (stretch.note) " (" (words::span(stretch.to - stretch.from)) ")" }
                    }
                }
            }
            span.took title={ (words::utc(from)) " to " (words::utc(to)) } {
                (words::span(to - from))
            }
            span.result { @if visit.result.is_empty() { "now" } @else { (visit.result) } }
        }
    }
}

/// The legend: how much time was spent in each way.
fn shares(all: &[&Stretch]) -> Markup {
    let sum = |kind: Kind| {
        all.iter().filter(|it| it.kind == kind).fold(TimeDelta::zero(), |sum, it| sum + (it.to - it.from))
    };
    html! {
        ul.legend {
            @for kind in KINDS {
                @let time = sum(kind);
                li {
                    svg.key viewBox="0 0 10 10" aria-hidden="true" { rect class=(kind.class()) width="10" height="10" {} }
                    (kind.as_str()) " " strong { @if time.is_zero() { "none" } @else { (words::span(time)) } }
                }
            }
        }
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Backing => "backing off",
            Self::Waiting => "waiting",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Queued => "k-queued",
            Self::Running => "k-running",
            Self::Backing => "k-backing",
            Self::Waiting => "k-waiting",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn attempt(number: i32, from: i64, end: Option<(i64, &str)>) -> attempt::Row {
        attempt::Row {
            turn: 1,
            attempt: number,
            step: "review".to_owned(),
            worker: "w".to_owned(),
            started_at: at(from),
            ended_at: end.map(|(to, _)| at(to)),
            ended_as: end.map(|(_, how)| how.to_owned()),
            error: None,
        }
    }

    #[track_caller]
    fn check(tries: &[attempt::Row], expected: &[(Kind, i64, i64)]) {
        let tries: Vec<_> = tries.iter().collect();
        let got: Vec<_> = job(at(0), at(20), &tries).iter().map(|it| (it.kind, it.from, it.to)).collect();
        let expected: Vec<_> = expected.iter().map(|&(kind, from, to)| (kind, at(from), at(to))).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn only_after_a_failed_or_lost_attempt_does_a_job_back_off() {
        use Kind::{Backing, Queued, Running};
        check(&[], &[(Queued, 0, 20)]);
        check(&[attempt(1, 3, None)], &[(Queued, 0, 3), (Running, 3, 20)]);
        check(&[attempt(1, 0, Some((5, "failed")))], &[(Running, 0, 5), (Backing, 5, 20)]);
        check(&[attempt(1, 0, Some((5, "lost")))], &[(Running, 0, 5), (Backing, 5, 20)]);
        check(&[attempt(1, 0, Some((5, "answered")))], &[(Running, 0, 5)]);
        check(&[attempt(1, 0, Some((5, "parked")))], &[(Running, 0, 5)]);
        check(
            &[attempt(1, 3, Some((5, "failed"))), attempt(2, 9, Some((19, "answered")))],
            &[(Queued, 0, 3), (Running, 3, 5), (Backing, 5, 9), (Running, 9, 19)],
        );
    }

    #[test]
    fn a_run_that_is_over_has_no_next_step() {
        let event = |seq: i32, step: &str, body: Event| event::Row {
            seq,
            at: at(i64::from(seq)),
            actor: "w".to_owned(),
            step: Some(step.to_owned()),
            kind: body.as_str().to_owned(),
            body: body.into(),
        };
        let note = "cannot be done".to_owned();
        let outcome = crate::core::workflow::Outcome::Declined;
        let declined =
            Event::Answered { turn: 1, outcome, note, progress: crate::core::run::Progress::default() };
        let events = [
            event(1, "generate", Event::Started { progress: crate::core::run::Progress::default() }),
            event(2, "generate", declined),
        ];
        let attempts = [attempt(1, 1, Some((2, "answered")))];
        let steps = |goes_on| visits(&events, &attempts, at(9), goes_on).into_iter().map(|visit| visit.step);
        assert_eq!(steps(false).collect::<Vec<_>>(), ["generate"]);
        assert_eq!(steps(true).collect::<Vec<_>>(), ["generate", "next"]);
    }
}
