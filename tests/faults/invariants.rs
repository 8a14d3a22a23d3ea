//! What holds at the end of every run that succeeded, whatever happened on its way.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{collections::BTreeMap, process::Command};

use aspora::{
    core::{
        run::{Event, Run, State},
        workflow::End,
    },
    dev::github::{BOT, Pull},
    store::{self, Pool, effect::Row, run::StoredRun},
};
use serde_json::Value;

use crate::{
    floor::{Begun, Floor},
    product::MODEL_CALLS,
};

/// Checks the run, its history, its attempts, its effects and the forge against each other.
/// `lost` is the most attempts that may have been lost on the way; nothing where leases are so short
/// that a busy machine loses one by itself.
pub(crate) async fn hold(floor: &Floor, begun: &Begun, lost: Option<usize>) {
    let stored = floor.ended(begun).await;
    let State::Ended { end, reason, .. } = &stored.run.state else { unreachable!("it has ended") };
    if *end != End::Succeeded {
        floor.tell(begun).await;
        panic!("the run ended {end:?}: {reason}");
    }
    history_folds_to_the_state(floor, &stored).await;
    every_answer_has_one_attempt(floor.pool(), begun, lost).await;
    nothing_is_left_to_do(floor.pool(), begun).await;
    let pull = one_branch_one_pull_one_merge(floor, begun, &stored);
    let effects = store::effect::of_run(floor.pool(), begun.run).await.unwrap();
    reviews_and_checks_are_not_doubled(floor, begun, &effects);
    effects_and_forge_agree(floor, begun, &pull, &effects).await;
    merged_what_was_cleared(floor.pool(), begun, &pull, &effects).await;
}

/// The answered calls of the model, which are at most the planned ones and one more for each crash.
pub(crate) fn model_was_asked(floor: &Floor, runs: usize, crashes: usize) {
    let answered = floor.model.ledger().iter().filter(|entry| entry.status == 200).count();
    let most = runs * MODEL_CALLS + crashes;
    assert!(answered >= runs * MODEL_CALLS && answered <= most, "{answered} calls of at most {most}");
}

/// The events are gapless from 1, and folding them gives the stored run.
pub(crate) async fn history_folds_to_the_state(floor: &Floor, stored: &StoredRun) {
    let events = store::event::after(floor.pool(), stored.spec.id, 0, 10_000).await.unwrap();
    let seqs: Vec<i32> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=stored.version).collect::<Vec<_>>(), "the history has gaps");
    let workflow = floor.engine.workflow(&stored.spec.workflow_hash).await.unwrap();
    assert_eq!(events[0].body.0, Event::Started);
    let begun = Run::start(&workflow, events[0].at).unwrap().0;
    let folded = events[1..].iter().fold(begun, |run, event| {
        run.apply(&workflow, &event.body.0, event.at).unwrap_or_else(|error| panic!("{event:?}: {error}")).0
    });
    assert_eq!(folded, stored.run, "the history does not fold to the state");
}

/// Each event that ends an attempt belongs to one, by the same worker; no number is missing.
async fn every_answer_has_one_attempt(pool: &Pool, begun: &Begun, lost: Option<usize>) {
    let attempts = store::attempt::of_run(pool, begun.run).await.unwrap();
    let events = store::event::after(pool, begun.run, 0, 10_000).await.unwrap();
    let mut expected = Vec::new();
    for event in &events {
        match &event.body.0 {
            Event::Answered { turn, .. } => expected.push((*turn, "answered", event.actor.clone())),
            Event::Parked { turn, .. } => expected.push((*turn, "parked", event.actor.clone())),
            Event::Failed { turn, .. } => expected.push((*turn, "failed", event.actor.clone())),
            Event::Started
            | Event::Signalled { .. }
            | Event::Woken
            | Event::Stranded { .. }
            | Event::Exhausted { .. }
            | Event::Forked { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::Cancelled { .. }
            | Event::Hurried { .. }
            | Event::Skipped { .. }
            | Event::RetriedFrom { .. } => {}
        }
    }
    let ended_as = |attempt: &store::attempt::Row| attempt.ended_as.clone().expect("an attempt never ended");
    let turn = |attempt: &store::attempt::Row| u32::try_from(attempt.turn).unwrap();
    let told = attempts.iter().filter(|attempt| ended_as(attempt) != "lost");
    let told: Vec<_> = told.map(|it| (turn(it), ended_as(it), it.worker.clone())).collect();
    let expected: Vec<_> = expected.into_iter().map(|(turn, how, who)| (turn, how.to_owned(), who)).collect();
    assert_eq!(told, expected, "attempts and history disagree");
    let mut last: BTreeMap<i32, i32> = BTreeMap::new();
    for attempt in &attempts {
        let number = last.entry(attempt.turn).or_default();
        *number += 1;
        assert_eq!(attempt.attempt, *number, "an attempt at job {} is missing", attempt.turn);
    }
    let were_lost = attempts.iter().filter(|attempt| ended_as(attempt) == "lost").count();
    assert!(lost.is_none_or(|most| were_lost <= most), "{were_lost} attempts were lost, not {lost:?}");
}

async fn nothing_is_left_to_do(pool: &Pool, begun: &Begun) {
    assert!(store::job::standing(pool, begun.run).await.unwrap().is_none(), "a job outlived its run");
    let timers: i64 = count(pool, "select count(*) from timer where run_id = $1", begun).await;
    assert_eq!(timers, 0, "a timer outlived its run");
    let letters: i64 = count(pool, "select count(*) from dead_letter where run_id = $1", begun).await;
    assert_eq!(letters, 0, "a run that succeeded left a dead letter");
}

pub(crate) async fn count(pool: &Pool, question: &'static str, begun: &Begun) -> i64 {
    sqlx::query_scalar(question).bind(begun.run).fetch_one(pool).await.unwrap()
}

fn one_branch_one_pull_one_merge(floor: &Floor, begun: &Begun, stored: &StoredRun) -> Pull {
    let branches = git(floor, begun, &["for-each-ref", "--format=%(refname)", "refs/heads/aspora/"]);
    assert_eq!(branches, [format!("refs/heads/{}", stored.spec.branch)], "one branch");
    let [pull] = floor.twin.pulls(&begun.repository).try_into().expect("one pull request");
    let merge = pull.merge.clone().expect("it is merged");
    let on_main = git(floor, begun, &["rev-list", "--first-parent", "refs/heads/main"]);
    assert_eq!(on_main.len(), 2, "the first commit and one merge");
    assert_eq!(on_main[0], merge.sha);
    let parents = git(floor, begun, &["rev-parse", "refs/heads/main^1", "refs/heads/main^2"]);
    assert_eq!(parents, [on_main[1].clone(), pull.head_sha.clone()]);
    assert_eq!(stored.run.progress.merged.as_ref().map(ToString::to_string), Some(merge.sha));
    let applied = |method: &str, end: &str| {
        let entries = floor.twin.ledger();
        let of_run = |path: &str| path.starts_with(&format!("/repos/{}/", begun.repository));
        let same = entries.iter().filter(|it| it.applied && it.method == method && of_run(&it.path));
        same.filter(|it| it.path.ends_with(end)).count()
    };
    assert_eq!((applied("POST", "/pulls"), applied("PUT", "/merge")), (1, 1), "asked for and done once");
    pull
}

fn reviews_and_checks_are_not_doubled(floor: &Floor, begun: &Begun, effects: &[Row]) {
    let mut reviews = BTreeMap::<String, usize>::new();
    for review in floor.twin.reviews(&begun.repository) {
        *reviews.entry(review.commit_id).or_default() += 1;
    }
    assert_eq!(reviews.into_values().collect::<Vec<_>>(), [1, 1], "one review for each of two heads");
    let mut checks = BTreeMap::<(String, String), usize>::new();
    for check in floor.twin.check_runs(&begun.repository) {
        *checks.entry((check.name, check.head_sha)).or_default() += 1;
    }
    assert!(checks.values().all(|count| *count == 1), "a check run is doubled: {checks:?}");
    let ours = ["risk-policy-gate", "Code Review Agent"];
    let made = checks.keys().filter(|(name, _)| ours.contains(&&**name)).count();
    let meant = effects.iter().filter(|effect| effect.kind == "check_run" && !is_update(effect)).count();
    assert_eq!(made, meant, "every check run of ours has its effect");
}

/// What the effects say was done is what the forge has, and the reverse.
async fn effects_and_forge_agree(floor: &Floor, begun: &Begun, pull: &Pull, effects: &[Row]) {
    let undone: Vec<_> = effects.iter().filter(|effect| effect.result.is_none()).map(|it| &it.key).collect();
    if !undone.is_empty() {
        floor.tell(begun).await;
        panic!("effects without an outcome: {undone:?}");
    }
    let of = |kind: &'static str, field: &'static str| {
        let same = effects.iter().filter(move |effect| effect.kind == kind && !is_update(effect));
        same.map(move |effect| effect.result.as_ref().unwrap()[field].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(of("pull_request", "number"), [Value::from(pull.number)]);
    assert_eq!(of("merge", "sha"), [Value::from(pull.merge.clone().unwrap().sha)]);
    let range = ["rev-list", "--reverse", "refs/heads/main^1..refs/heads/main^2"];
    let commits: Vec<Value> = git(floor, begun, &range).into_iter().map(Value::from).collect();
    assert_eq!(commits.len(), 2, "the change and one fix");
    assert_eq!(of("push", "sha"), commits);
    let reviews = floor.twin.reviews(&begun.repository);
    assert!(reviews.iter().all(|review| review.author == BOT));
    assert_eq!(of("review", "id"), reviews.iter().map(|it| Value::from(it.id)).collect::<Vec<_>>());
    let checks = floor.twin.check_runs(&begun.repository);
    for id in of("check_run", "id") {
        assert!(checks.iter().any(|check| id == check.id), "the forge has no check run {id}");
    }
    let calls = effects.iter().filter(|effect| effect.kind == "llm_call").count();
    assert_eq!(calls, MODEL_CALLS, "every call of the model was meant once");
}

/// The merge rests on a verdict over this very head that was written down before it.
async fn merged_what_was_cleared(pool: &Pool, begun: &Begun, pull: &Pull, effects: &[Row]) {
    let verdict = store::assessment::last(pool, begun.run, "verdict").await.unwrap().expect("a verdict");
    assert_eq!(verdict.head_sha, pull.head_sha);
    let merge = effects.iter().find(|effect| effect.kind == "merge").unwrap();
    assert!(verdict.assessed_at < merge.intended_at, "merged before it was judged");
}

/// Saying something new with a check run that is there already.
fn is_update(effect: &Row) -> bool {
    effect.kind == "check_run" && effect.key.matches('/').count() > 2
}

fn git(floor: &Floor, begun: &Begun, args: &[&str]) -> Vec<String> {
    let folder = floor.folder.path().join(format!("forge/repositories/{}.git", begun.repository));
    let output = Command::new("git").arg("--git-dir").arg(folder).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
