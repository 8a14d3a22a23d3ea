//! What a policy would have said of public histories: change by change what `aspora-risk-tier` says of each commit.

mod fixture;

use std::{process::Command, time::Instant};

use aspora::core::{
    policy::{PastChange, Trial},
    requirement::ProductName,
};
use serde_json::Value;

use crate::actions::registry::binary;
use fixture::{HISTORIES, History, folder};

/// The history that is sampled in each run of the tests, and how many of its changes one is taken of.
const SAMPLED: (usize, usize) = (1, 20);

fn trial(history: usize) -> (String, Trial) {
    let (name, product) = HISTORIES[history];
    let path = folder().join(format!("{name}.policy.json"));
    let product: ProductName = product.parse().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    (path.display().to_string(), Trial::new(Some(&text), &[product]).unwrap())
}

async fn past(repository: &History, trial: &Trial) -> Vec<PastChange> {
    let mirror = repository.mirror();
    let head = mirror.branch("main").await.unwrap().unwrap();
    mirror.past_changes(&head, 1_000, |path| trial.is_document(path)).await.unwrap()
}

/// What the binary says of a commit against its first parent, from git alone.
fn by_the_binary(repository: &History, policy: &str, product: &str, commit: &str) -> Value {
    let output = Command::new(binary())
        .arg("--repo")
        .arg(repository.path())
        .args(["--policy", policy, "--product", product, "--format", "json"])
        .args(["--base", &format!("{commit}^1"), "--head", commit])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Compares each change that is `sampled` by its place; how many there were.
async fn agrees(history: usize, sampled: impl Fn(usize, &PastChange) -> bool) -> usize {
    let (policy, trial) = trial(history);
    let (name, product) = HISTORIES[history];
    let repository = History::of(name);
    let past = past(&repository, &trial).await;
    assert_eq!(past.len(), repository.changes, "{name}");
    let mut compared = 0;
    for (_, change) in past.iter().enumerate().filter(|(at, change)| sampled(*at, change)) {
        let ours = trial.classify(&change.change, Some(&change.contents), change.diff_bytes);
        let theirs = by_the_binary(&repository, &policy, product, change.commit.as_str());
        let blocked = trial.say(&change.change, &ours).blocked.is_some();
        for (key, value) in serde_json::to_value(&ours).unwrap().as_object().unwrap() {
            assert_eq!(theirs[key], *value, "{name}: {key} of {} {}", change.subject, change.commit);
        }
        let drifts = theirs["docs_drift"].as_array().is_some_and(|drifts| !drifts.is_empty());
        assert_eq!(blocked, drifts, "{name}: {} {}", change.subject, change.commit);
        compared += 1;
    }
    compared
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulation_agrees_with_the_binary_on_a_sample() {
    let (history, one_of) = SAMPLED;
    assert_eq!(agrees(history, |at, _| at.is_multiple_of(one_of)).await, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulation_agrees_with_the_binary_on_a_change_that_takes_tests_away() {
    assert_eq!(agrees(0, |_, change| change.subject == "Change 183").await, 1);
}

/// `./run histories`: every change of all three, which takes minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "1,500 calls of the binary; ./run histories"]
async fn the_simulation_agrees_with_the_binary_on_every_change() {
    for (history, (name, _)) in HISTORIES.iter().enumerate() {
        let started = Instant::now();
        let compared = agrees(history, |_, _| true).await;
        assert_eq!(compared, 500);
        println!("{name}: {compared} changes agree, in {:.0?}", started.elapsed());
    }
}

/// The command itself, with today's policy beside the one that is tried.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_a_lower_tier_would_have_meant() {
    let (policy, _) = trial(0);
    let repository = History::of(HISTORIES[0].0);
    let text = std::fs::read_to_string(&policy).unwrap();
    let lower = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        lower.path(),
        text.replacen("\"mux.go\",\n", "", 1).replacen("\"*.go\"", "\"mux.go\", \"*.go\"", 1),
    )
    .unwrap();
    let simulate = |format: &str| {
        let aspora = env!("CARGO_BIN_EXE_aspora");
        let mut command = Command::new(aspora);
        let tried = lower.path().to_str().unwrap();
        let command =
            command.args(["policy", "simulate", "--policy", tried, "--against", &policy, "--branch", "main"]);
        let output =
            command.args(["-o", format, "--last", "500", "--repo"]).arg(repository.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all: Value = serde_json::from_str(&simulate("json")).unwrap();
    let changes = all["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 500);
    let fewer =
        changes.iter().filter(|it| it["today"]["approvals"] == 2 && it["tried"]["approvals"] == 1).count();
    assert!(fewer > 0, "{:?}", all["words"]);
    let said = format!(
        "chi: `mux.go` falls from critical to high; {fewer} of the last 500 changes would have needed one approval fewer"
    );
    assert!(all["words"][0].as_str().unwrap().starts_with(&said), "{said}: {:?}", all["words"]);
    let text = simulate("text");
    assert!(text.contains(&said), "{text}");
    assert_eq!(all["summary"]["differing"], changes.iter().filter(|it| it["differs"] == true).count());
}
