//! The places at which a check reports, (name, app, workflow), and the newest report of each.

use std::collections::BTreeMap;

use crate::policy::{CheckFact, CommitStatus, Facts, StatusState};

/// The newest run of each app and workflow, by its number: a time is written by an app, which may write any.
///
/// Where the workflow is not known, all suites of an app are one place: a later one takes the earlier one's.
pub(super) fn newest_runs<'a>(
    facts: &'a Facts,
    name: &str,
    admits: impl Fn(&CheckFact) -> bool,
) -> Vec<&'a CheckFact> {
    let mut newest: BTreeMap<(u64, Option<u64>), &CheckFact> = BTreeMap::new();
    let named = facts.checks.iter().filter(|run| run.name == name && admits(run) && !is_void(facts, run));
    for run in named {
        let known = newest.entry((run.app_id, run.workflow)).or_insert(run);
        if run.id > known.id {
            *known = run;
        }
    }
    newest.into_values().collect()
}

/// An account, by its number where that is known.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Account<'a> {
    Numbered(u64),
    Named(&'a str),
}

/// The newest status of each account. Of two by number 0, recorded by release 0.1.0, the later counts, and of
/// two at the same moment the worse.
pub(super) fn newest_statuses<'a>(facts: &'a Facts, name: &str) -> Vec<&'a CommitStatus> {
    let age = |status: &CommitStatus| {
        let bad = matches!(status.state, StatusState::Failure | StatusState::Error);
        (status.id, status.updated_at, bad)
    };
    let mut newest: BTreeMap<Option<Account<'_>>, &CommitStatus> = BTreeMap::new();
    let valid = |status: &&CommitStatus| status.context == name && !facts.is_void(status.updated_at);
    for status in facts.statuses.iter().filter(valid) {
        let creator = status.creator.as_ref().map(|creator| match creator.id {
            Some(id) if facts.edition > 1 => Account::Numbered(id),
            Some(_) | None => Account::Named(&creator.login),
        });
        let known = newest.entry(creator).or_insert(status);
        if age(status) >= age(known) {
            *known = status;
        }
    }
    newest.into_values().collect()
}

/// Whether a run is from before the head came back. One that is said to begin in the future is not believed.
fn is_void(facts: &Facts, run: &CheckFact) -> bool {
    run.started_at.is_some_and(|started| {
        facts.is_void(started) || (facts.ci.is_some() && facts.returned && started > facts.at)
    })
}
