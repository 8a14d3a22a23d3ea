//! One turn of all reviewers: each is looked at once, and what they say becomes one review once none is awaited.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Ask, Reviewed, Reviewing as _, Seen, Subject, ask, builtin::Builtin, maker, record};
use crate::{
    activities::{Failure, attempt::Attempt},
    core::{
        finding::{Finding, tally},
        reviewer::{Maker, Reviewer},
    },
    store::review_part::{self, Key},
};

/// How long a reviewer may show nothing before it is asked: most begin by themselves.
const QUIET: Duration = Duration::from_secs(120);

/// What a turn comes to.
pub(super) enum Taken {
    /// All have spoken, or are no longer awaited.
    All(Reviewed),
    /// Some are awaited, until the first of their deadlines.
    Awaited { on: String, until: DateTime<Utc> },
}

/// What one reviewer's turn comes to.
enum Part {
    Complete {
        summary: String,
        findings: Vec<Finding>,
    },
    Awaited {
        why: String,
        until: DateTime<Utc>,
    },
    /// There is none: why, where that holds the merge.
    Missing(Option<String>),
}

/// Looks at all reviewers, and makes one review of what they say.
pub(super) async fn take(
    at: &Attempt<'_>,
    subject: &Subject<'_>,
    reviewers: &[Reviewer],
) -> Result<Taken, Failure> {
    let (mut summaries, mut all, mut missing, mut awaited) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for reviewer in reviewers {
        match of(at, subject, reviewer, reviewers).await? {
            Part::Complete { summary, findings } => {
                summaries.push(summary);
                all.extend(findings);
            }
            Part::Awaited { why, until } => awaited.push((why, until)),
            Part::Missing(why) => missing.extend(why),
        }
    }
    if let Some(until) = awaited.iter().map(|(_, until)| *until).min() {
        let on: Vec<String> = awaited.into_iter().map(|(why, _)| why).collect();
        return Ok(Taken::Awaited { on: on.join(", and "), until });
    }
    let reviewed = match missing.is_empty() {
        true => Ok((summaries.join("\n\n"), distinct(all))),
        false => Err(missing.join("; ")),
    };
    Ok(Taken::All(record(at, subject, reviewed).await?))
}

/// Of findings with one fingerprint the one that holds most.
fn distinct(all: Vec<Finding>) -> Vec<Finding> {
    let mut distinct: Vec<Finding> = Vec::new();
    let weight = |finding: &Finding| (!finding.advisory, finding.severity);
    for finding in all {
        match distinct.iter_mut().find(|known| known.fingerprint == finding.fingerprint) {
            Some(known) if weight(known) < weight(&finding) => *known = finding,
            Some(_) => {}
            None => distinct.push(finding),
        }
    }
    distinct
}

/// One reviewer's turn. What it said before is kept; what it has not said is looked for again, also after its deadline.
async fn of(
    at: &Attempt<'_>,
    subject: &Subject<'_>,
    reviewer: &Reviewer,
    all: &[Reviewer],
) -> Result<Part, Failure> {
    let (pool, lease) = (&at.factory.pool, &at.lease);
    let key = Key { head: subject.head, reviewer: &reviewer.name, edition: at.brief.edition() };
    let not_before = subject.arrival.since.filter(|_| subject.arrival.returned);
    let part = review_part::begin(pool, lease, key, !reviewer.is_blocking(), not_before).await?;
    if part.state == "complete" {
        return Ok(Part::Complete { summary: part.note, findings: part.findings.0 });
    }
    let (why, ask) = match maker(reviewer).look(at, subject).await? {
        Seen::Complete { summary, findings } => {
            let findings = sourced(reviewer, all, findings);
            let note = if reviewer.maker == Maker::Builtin { summary } else { tally(&findings) };
            review_part::complete(pool, lease, key, &findings, &note).await?;
            return Ok(Part::Complete { summary: note, findings });
        }
        Seen::Failed(why) => return missing(at, subject, reviewer, why).await,
        Seen::Awaited { why, ask } => (why, ask),
    };
    let now = at.stored.now;
    let until = part.since + Duration::from_secs(60 * u64::from(reviewer.timeout_minutes));
    if now >= until {
        let minutes = reviewer.timeout_minutes;
        let why = format!("{} has not reviewed it within {minutes} minutes: {why}", reviewer.name);
        return missing(at, subject, reviewer, why).await;
    }
    let quiet = part.since + QUIET;
    if ask == Ask::Now || (ask == Ask::InAWhile && now >= quiet) {
        ask::once(at, subject, reviewer).await?;
    }
    let next = if ask == Ask::InAWhile && now < quiet { until.min(quiet) } else { until };
    Ok(Part::Awaited { why, until: next })
}

/// A reviewer without a review: the built-in one takes over, where the product allows that and it does not review anyway.
async fn missing(
    at: &Attempt<'_>,
    subject: &Subject<'_>,
    reviewer: &Reviewer,
    why: String,
) -> Result<Part, Failure> {
    let (pool, lease) = (&at.factory.pool, &at.lease);
    let key = Key { head: subject.head, reviewer: &reviewer.name, edition: at.brief.edition() };
    if reviewer.fallback {
        let note = format!("{why}; the built-in reviewer took over");
        let advisory = !reviewer.is_blocking();
        match Builtin.look(at, subject).await? {
            Seen::Complete { findings, .. } => {
                let findings: Vec<Finding> = findings
                    .into_iter()
                    .map(|it| Finding { source: Some("builtin".to_owned()), advisory, ..it })
                    .collect();
                let note = format!("{note}: {}", tally(&findings));
                review_part::complete(pool, lease, key, &findings, &note).await?;
                return Ok(Part::Complete { summary: note, findings });
            }
            Seen::Failed(own) | Seen::Awaited { why: own, .. } => {
                return none(at, key, reviewer, format!("{note}, and could not review it: {own}")).await;
            }
        }
    }
    none(at, key, reviewer, why).await
}

async fn none(at: &Attempt<'_>, key: Key<'_>, reviewer: &Reviewer, why: String) -> Result<Part, Failure> {
    review_part::fail(&at.factory.pool, &at.lease, key, &why).await?;
    Ok(Part::Missing(reviewer.is_blocking().then_some(why)))
}

/// The built-in reviewer's findings name it where it is not alone.
fn sourced(reviewer: &Reviewer, all: &[Reviewer], findings: Vec<Finding>) -> Vec<Finding> {
    if reviewer.maker != Maker::Builtin || all.len() == 1 {
        return findings;
    }
    let advisory = !reviewer.is_blocking();
    let named = |finding: Finding| Finding { source: Some(reviewer.name.clone()), advisory, ..finding };
    findings.into_iter().map(named).collect()
}
