//! What must hold of every run that succeeded, whatever faults it met.

use std::{collections::BTreeMap, process::Command};

use aspora::{
    core::{
        run::{Event, Run, State},
        workflow::End,
    },
    dev::github::{BOT, Entry, Pull},
    engine::Engine,
    store::{self, Pool, effect::Row, invariant, run::StoredRun},
};
use serde_json::Value;

use super::{FaultEnv, StartedRun, product::MODEL_CALLS};
use crate::support::decisions::assert_come_out_again;

/// Checks the run, its history, its attempts, its effects and the forge against each other, once the run has ended.
/// `lost` is the maximum of lost attempts; `None` where leases are so short that a busy machine loses one by itself.
pub(crate) async fn assert_hold(env: &FaultEnv, started: &StartedRun, lost: Option<usize>) {
    let stored = env.wait_for_end(started).await;
    let State::Ended { end, reason, .. } = &stored.run.state else { unreachable!("it has ended") };
    if *end != End::Succeeded {
        env.dump(started).await;
        panic!("the run ended {end:?}: {reason}");
    }
    assert_history_folds(env, &stored).await;
    assert_one_attempt_per_answer(env.pool(), started, lost).await;
    assert_nothing_is_left(env.pool(), started).await;
    assert!(assert_come_out_again(env.pool()).await > 0, "no decision was recorded");
    let pull = assert_one_branch_one_pull_one_merge(env, started, &stored);
    let effects = store::effect::of_run(env.pool(), started.run).await.unwrap();
    assert_no_duplicate_reviews_and_checks(env, started, &effects);
    assert_effects_match_the_forge(env, started, &pull, &effects).await;
    assert_merged_head_was_cleared(env.pool(), started, &pull, &effects).await;
}

/// The answered calls of the model are at least the planned ones, and at most one more for each crash.
pub(crate) fn assert_model_calls(env: &FaultEnv, runs: usize, crashes: usize) {
    let answered = env.model.ledger().iter().filter(|entry| entry.status == 200).count();
    let most = runs * MODEL_CALLS + crashes;
    assert!(answered >= runs * MODEL_CALLS && answered <= most, "{answered} calls of at most {most}");
}

/// The events are gapless from 1, and folding them gives the stored run.
pub(crate) async fn assert_history_folds(env: &FaultEnv, stored: &StoredRun) {
    let events = store::event::after(env.pool(), stored.spec.id, 0, 10_000).await.unwrap();
    let seqs: Vec<i32> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=stored.version).collect::<Vec<_>>(), "the history has gaps");
    let workflow = env.engine.workflow(&stored.spec.workflow_hash).await.unwrap();
    assert!(matches!(events[0].body.0, Event::Started { .. }));
    let first = Run::start(&workflow, events[0].at).unwrap().0;
    let folded = events[1..].iter().fold(first, |run, event| {
        run.apply(&workflow, &event.body.0, event.at).unwrap_or_else(|error| panic!("{event:?}: {error}")).0
    });
    assert_eq!(folded, stored.run, "the history does not fold to the state");
}

/// Each event that ends an attempt has its attempt, by the same worker; attempts are numbered without gaps.
async fn assert_one_attempt_per_answer(pool: &Pool, started: &StartedRun, lost: Option<usize>) {
    let attempts = store::attempt::of_run(pool, started.run).await.unwrap();
    let events = store::event::after(pool, started.run, 0, 10_000).await.unwrap();
    let mut expected = Vec::new();
    for event in &events {
        match &event.body.0 {
            Event::Answered { turn, .. } => expected.push((*turn, "answered", event.actor.clone())),
            Event::Parked { turn, .. } => expected.push((*turn, "parked", event.actor.clone())),
            Event::Failed { turn, .. } => expected.push((*turn, "failed", event.actor.clone())),
            Event::Started { .. }
            | Event::Signalled { .. }
            | Event::Woken
            | Event::Held { .. }
            | Event::WentOn { .. }
            | Event::Stranded { .. }
            | Event::Exhausted { .. }
            | Event::Forked { .. }
            | Event::Paused { .. }
            | Event::TakenOver { .. }
            | Event::Resumed { .. }
            | Event::Cancelled { .. }
            | Event::Hurried { .. }
            | Event::Skipped { .. }
            | Event::NotPermitted { .. }
            | Event::FindingDismissed { .. }
            | Event::OpinionGiven { .. }
            | Event::EvidenceRecorded { .. }
            | Event::Asked { .. }
            | Event::QuestionAnswered { .. }
            | Event::ConsentAsked { .. }
            | Event::ConsentGiven { .. }
            | Event::Amended { .. }
            | Event::PullChanged { .. }
            | Event::BaseChecked { .. }
            | Event::RetriedFrom { .. } => {}
        }
    }
    let ended_as = |attempt: &store::attempt::Row| attempt.ended_as.clone().expect("an attempt never ended");
    let turn = |attempt: &store::attempt::Row| u32::try_from(attempt.turn).unwrap();
    let recorded = attempts.iter().filter(|attempt| ended_as(attempt) != "lost");
    let recorded: Vec<_> = recorded.map(|it| (turn(it), ended_as(it), it.worker.clone())).collect();
    let expected: Vec<_> = expected.into_iter().map(|(turn, how, who)| (turn, how.to_owned(), who)).collect();
    assert_eq!(recorded, expected, "attempts and history disagree");
    let mut last: BTreeMap<i32, i32> = BTreeMap::new();
    for attempt in &attempts {
        let number = last.entry(attempt.turn).or_default();
        *number += 1;
        assert_eq!(attempt.attempt, *number, "an attempt of job {} is missing", attempt.turn);
    }
    let were_lost = attempts.iter().filter(|attempt| ended_as(attempt) == "lost").count();
    assert!(lost.is_none_or(|most| were_lost <= most), "{were_lost} attempts were lost, not {lost:?}");
}

/// A run that has ended has no job, no timer and no dead letter.
async fn assert_nothing_is_left(pool: &Pool, started: &StartedRun) {
    assert!(store::job::standing(pool, started.run).await.unwrap().is_none(), "a job outlived its run");
    let timers: i64 = count(pool, "select count(*) from timer where run_id = $1", started).await;
    assert_eq!(timers, 0, "a timer outlived its run");
    let letters: i64 = count(pool, "select count(*) from dead_letter where run_id = $1", started).await;
    assert_eq!(letters, 0, "a run that succeeded left a dead letter");
}

pub(crate) async fn count(pool: &Pool, question: &'static str, started: &StartedRun) -> i64 {
    sqlx::query_scalar(question).bind(started.run).fetch_one(pool).await.unwrap()
}

fn assert_one_branch_one_pull_one_merge(env: &FaultEnv, started: &StartedRun, stored: &StoredRun) -> Pull {
    let branches = git(env, started, &["for-each-ref", "--format=%(refname)", "refs/heads/aspora/"]);
    assert_eq!(branches, [format!("refs/heads/{}", stored.spec.branch)], "one branch");
    let [pull] = env.twin.pulls(&started.repository).try_into().expect("one pull request");
    let merge = pull.merge.clone().expect("it is merged");
    let on_main = git(env, started, &["rev-list", "--first-parent", "refs/heads/main"]);
    assert_eq!(on_main.len(), 2, "the first commit and one merge");
    assert_eq!(on_main[0], merge.sha);
    let parents = git(env, started, &["rev-parse", "refs/heads/main^1", "refs/heads/main^2"]);
    assert_eq!(parents, [on_main[1].clone(), pull.head_sha.clone()]);
    assert_eq!(stored.run.progress.merged.as_ref().map(ToString::to_string), Some(merge.sha));
    let applied = |method: &str, end: &str| {
        let entries = env.twin.ledger();
        let of_run = |path: &str| path.starts_with(&format!("/repos/{}/", started.repository));
        let same = entries.iter().filter(|it| it.applied && it.method == method && of_run(&it.path));
        // A request for a merge in the background that is answered by 200 was applied before.
        let was_before = |it: &Entry| end == "/merge-async" && it.status == 200;
        same.filter(|it| it.path.ends_with(end) && !was_before(it)).count()
    };
    assert_eq!((applied("POST", "/pulls"), applied("PUT", "/merge-async")), (1, 1), "applied once");
    pull
}

fn assert_no_duplicate_reviews_and_checks(env: &FaultEnv, started: &StartedRun, effects: &[Row]) {
    let mut reviews = BTreeMap::<String, usize>::new();
    for review in env.twin.reviews(&started.repository) {
        *reviews.entry(review.commit_id).or_default() += 1;
    }
    assert_eq!(reviews.into_values().collect::<Vec<_>>(), [1, 1], "one review for each of the two heads");
    let mut checks = BTreeMap::<(String, String), usize>::new();
    for check in env.twin.check_runs(&started.repository) {
        *checks.entry((check.name, check.head_sha)).or_default() += 1;
    }
    assert!(checks.values().all(|count| *count == 1), "a check run was created twice: {checks:?}");
    let ours = ["risk-policy-gate", "Code Review Agent", "Browser Evidence"];
    let created = checks.keys().filter(|(name, _)| ours.contains(&&**name)).count();
    let intended = effects.iter().filter(|effect| effect.kind == "check_run" && !is_update(effect)).count();
    assert_eq!(created, intended, "every check run of ours has its effect");
}

/// The effects and the forge have the same results.
async fn assert_effects_match_the_forge(env: &FaultEnv, started: &StartedRun, pull: &Pull, effects: &[Row]) {
    let undone: Vec<_> = effects.iter().filter(|effect| effect.result.is_none()).map(|it| &it.key).collect();
    if !undone.is_empty() {
        env.dump(started).await;
        panic!("effects without an outcome: {undone:?}");
    }
    let of = |kind: &'static str, field: &'static str| {
        let same = effects.iter().filter(move |effect| effect.kind == kind && !is_update(effect));
        same.map(move |effect| effect.result.as_ref().unwrap()[field].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(of("pull_request", "number"), [Value::from(pull.number)]);
    assert_eq!(of("merge", "sha"), [Value::from(pull.merge.clone().unwrap().sha)]);
    let range = ["rev-list", "--reverse", "refs/heads/main^1..refs/heads/main^2"];
    let commits: Vec<Value> = git(env, started, &range).into_iter().map(Value::from).collect();
    assert_eq!(commits.len(), 2, "the change and one fix");
    assert_eq!(of("push", "sha"), commits);
    let reviews = env.twin.reviews(&started.repository);
    assert!(reviews.iter().all(|review| review.author == BOT));
    assert_eq!(of("review", "id"), reviews.iter().map(|it| Value::from(it.id)).collect::<Vec<_>>());
    let checks = env.twin.check_runs(&started.repository);
    for id in of("check_run", "id") {
        assert!(checks.iter().any(|check| id == check.id), "the forge has no check run {id}");
    }
    let calls = effects.iter().filter(|effect| effect.kind == "llm_call").count();
    assert_eq!(calls, MODEL_CALLS, "every call of the model has one intent");
}

/// The merged head was cleared, on record, before the merge was intended. Another attempt looks again before it calls,
/// and records that later.
async fn assert_merged_head_was_cleared(pool: &Pool, started: &StartedRun, pull: &Pull, effects: &[Row]) {
    let merge = effects.iter().find(|effect| effect.kind == "merge").unwrap();
    let judged = store::assessment::of_run(pool, started.run).await.unwrap();
    let cleared = judged.iter().any(|row| {
        row.stage == "verdict"
            && row.head_sha == pull.head_sha
            && row.decision == "clear"
            && row.assessed_at < merge.intended_at
    });
    assert!(cleared, "merged before the verdict");
}

/// Whether the effect updates an existing check run.
fn is_update(effect: &Row) -> bool {
    effect.kind == "check_run" && effect.key.matches('/').count() > 2
}

fn git(env: &FaultEnv, started: &StartedRun, args: &[&str]) -> Vec<String> {
    let folder = env.folder.path().join(format!("forge/repositories/{}.git", started.repository));
    let output = Command::new("git").arg("--git-dir").arg(folder).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The checks of the store's invariants that found violations, among them the replay of all histories.
pub(crate) async fn violated(engine: &Engine) -> Vec<invariant::Check> {
    let mut connection = engine.pool().acquire().await.unwrap();
    let mut checks = invariant::check(&mut connection, 5).await.unwrap();
    drop(connection);
    checks.push(engine.replay_all(5).await.unwrap());
    checks.into_iter().filter(|check| check.count > 0).collect()
}

/// Asserts the store's invariants.
pub(crate) async fn assert_store_is_sound(engine: &Engine) {
    let violated = violated(engine).await;
    assert!(violated.is_empty(), "{violated:?}");
}
