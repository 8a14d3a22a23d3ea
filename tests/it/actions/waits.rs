//! The action `wait-for-code-review`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    machine::{Machine, PIN, Pull, REPO, Ran, Site},
    registry::root,
    reviewer::{Answer, Reviewer},
};

const APP: &str = "review-agent";
const CHECK: &str = "Code Review Agent";
/// What reading checks needs, and what asking for a review needs beside it.
const READ: &str = "checks=read";
const ASK: &str = "checks=read,pull-requests=write";
/// The head of a pull request that is on no forge.
pub(crate) const HEAD: &str = "abc1234abc1234abc1234abc1234abc1234abc12";

/// Runs the action once for each of these inputs (steps `wait`, `wait-1`, …), each with a timeout of less than a second
/// and a poll of a few milliseconds.
pub(crate) async fn wait(machine: &Machine, github: &Value, permissions: &str, inputs: &[Value]) -> Ran {
    let step = |(number, inputs): (usize, &Value)| {
        let mut with = json!({"timeout_minutes": "0.01", "poll_seconds": "0.02"});
        with.as_object_mut().unwrap().extend(inputs.as_object().unwrap().clone());
        let uses = format!("aspora/aspora/deploy/actions/wait-for-code-review@{PIN}");
        json!({"id": id(number), "uses": uses, "with": with, "continue-on-error": true})
    };
    let steps = inputs.iter().enumerate().map(step).collect();
    let permissions = permissions.split(',').filter_map(|pair| pair.split_once('='));
    let permissions = permissions.map(|(name, level)| (name.to_owned(), json!(level))).collect();
    machine.job(steps, &Value::Object(permissions), github).await
}

/// The id of a step.
pub(crate) fn id(number: usize) -> String {
    if number == 0 { "wait".to_owned() } else { format!("wait-{number}") }
}

async fn at_site(site: &Site, pull: &Pull, permissions: &str, inputs: &[Value]) -> Ran {
    let machine = Machine::default().with_tokens(&site.twin, REPO, &[permissions]);
    wait(&machine, &site.github(pull), permissions, inputs).await
}

/// Waits without a forge, for the answers of these reviewers about a head.
async fn at_reviewers(scripts: Vec<Vec<Answer>>) -> (Ran, Vec<Reviewer>) {
    let mut reviewers = Vec::new();
    for script in scripts {
        reviewers.push(Reviewer::start(script).await);
    }
    let event = json!({"number": 7, "pull_request": {"number": 7, "head": {"sha": HEAD}}});
    let github = super::machine::github("http://127.0.0.1:9", REPO, HEAD, &event);
    let inputs: Vec<Value> =
        reviewers.iter().map(|it| json!({"reviews_url": it.url, "api_key": "the-key"})).collect();
    let ran = wait(&Machine::without_permissions(), &github, "", &inputs).await;
    (ran, reviewers)
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer(status, &[("content-type", "application/json")], body.to_string())
}

fn finding(severity: &str, state: &str, head: &str) -> Value {
    json!({"severity": severity, "state": state, "head_sha": head, "path": "a.py", "line": 3, "message": "wrong"})
}

#[track_caller]
pub(crate) fn assert_ended(ran: &Ran, outcome: &str, word: &str) {
    assert_step_ended(ran, "wait", outcome, word);
}

#[track_caller]
pub(crate) fn assert_step_ended(ran: &Ran, id: &str, outcome: &str, word: &str) {
    let step = ran.step("job", id);
    let expected = if outcome == "clean" { "success" } else { "failure" };
    let found = (&step["outputs"]["outcome"], &step["outcome"]);
    assert_eq!(found, (&json!(outcome), &json!(expected)), "{:#}", ran.said);
    let said = format!("{}\n{}", ran.annotations(id).join("\n"), step["log"]);
    assert!(said.contains(word), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_apps_newest_check_on_exactly_this_head_counts() {
    let site = Site::new(&[]).await;
    let pull = site.pull("topic", "Wait", &[("a.py", b"1")]).await;
    let main = site.twin.branch(REPO, "main").await.unwrap().unwrap();
    let set = async |app: &str, head: &str, conclusion: Option<&str>| {
        site.twin.set_check(app, REPO, head, CHECK, conclusion).await.unwrap();
    };
    let looks = async |outcome: &str, word: &str| {
        let ran = at_site(&site, &pull, READ, &[json!({"app": APP})]).await;
        assert_ended(&ran, outcome, word);
    };
    set(APP, &main, Some("success")).await;
    set("another-app", &pull.head, Some("success")).await;
    looks("timeout", "review-agent has not reported Code Review Agent on").await;
    set(APP, &pull.head, Some("failure")).await;
    looks("failed", "its conclusion is failure").await;
    set(APP, &pull.head, Some("neutral")).await;
    looks("failed", "its conclusion is neutral").await;
    // Each page has one check, as if there were hundreds.
    site.twin.page_size(1);
    set(APP, &pull.head, Some("success")).await;
    looks("clean", "is clean: 0 actionable (0 blocking)").await;
    set(APP, &pull.head, None).await;
    looks("timeout", "Code Review Agent is in_progress").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_needs_no_more_than_to_read_checks_and_says_if_it_may_not() {
    let site = Site::new(&[]).await;
    let pull = site.pull("topic", "Wait", &[("a.py", b"1")]).await;
    let ran = at_site(&site, &pull, "contents=read", &[json!({"app": APP})]).await;
    assert_ended(&ran, "refused", "403: Resource not accessible by integration");
    let ran = at_site(&site, &pull, READ, &[json!({"app": APP, "request_comment": "@agent review"})]).await;
    assert_ended(&ran, "refused", "403: Resource not accessible by integration");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_requested_once_for_a_head() {
    let site = Site::new(&[]).await;
    let pull = site.pull("topic", "Wait", &[("a.py", b"1")]).await;
    let marker = format!("<!-- review-agent-auto-rerun -->\nsha:{}", pull.head);
    site.twin.comment_as("olga", REPO, pull.number, &marker).await.unwrap();
    site.twin.page_size(1);
    let inputs = [json!({"app": APP, "request_comment": "@agent please review"})];
    for _ in 0..2 {
        let ran = at_site(&site, &pull, ASK, &inputs).await;
        assert_ended(&ran, "timeout", "a review was requested");
    }
    let comments = || site.twin.comments(REPO).into_iter().map(|it| it.body).collect::<Vec<_>>();
    let asked = format!("@agent please review\n\n{marker}");
    assert_eq!(comments(), [marker, asked], "a stranger's does not count");
    let pushed = site.twin.push_as("noor", REPO, "topic", &[("a.py", b"2")]).await.unwrap();
    let opened = site.ask(Method::GET, &format!("pulls/{}", pull.number), None).await;
    let event = json!({"action": "synchronize", "number": pull.number, "pull_request": opened});
    let pull = Pull { head: pushed.clone(), event, ..pull };
    at_site(&site, &pull, ASK, &inputs).await;
    assert!(comments().len() == 3 && comments()[2].ends_with(&format!("sha:{pushed}")), "{:?}", comments());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_review_yet_is_waited_for_and_a_clean_one_ends_the_wait() {
    let missing = answer(404, &json!({"type": "not-reviewed", "detail": "no review of it is complete"}));
    let script = vec![missing.clone(), missing.clone(), answer(200, &json!([]))];
    let (ran, reviewers) = at_reviewers(vec![script, vec![missing]]).await;
    assert_ended(&ran, "clean", "no review of it is complete");
    let path = format!("/api/v1/reviews/{REPO}/pr/7/findings?sha={HEAD}");
    let seen = reviewers[0].seen();
    assert_eq!(seen, vec![(path, "Bearer the-key".to_owned()); 3], "as the seed's workflow asks");
    assert_step_ended(&ran, "wait-1", "timeout", "in 0.01 minutes: no review of it is complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_blocks_is_counted_and_what_people_dismissed_is_not() {
    let other = "0000000000000000000000000000000000000000";
    let findings = json!([
        finding("critical", "open", HEAD), finding("high", "dismissed", HEAD), finding("medium", "open", HEAD),
        finding("low", "open", HEAD), finding("Blocker!", "open", HEAD), finding("critical", "open", other),
        {"severity": "info", "message": "SQL injection in the search", "head_sha": HEAD, "state": "open"}, 7,
    ]);
    let minor = json!([finding("medium", "open", HEAD), finding("high", "dismissed", HEAD)]);
    let others = json!([finding("low", "open", other)]);
    let (ran, _) = at_reviewers([findings, minor, others].map(|it| vec![answer(200, &it)]).into()).await;
    assert_ended(&ran, "findings", "the review found 5 actionable (3 blocking)");
    let outputs = &ran.step("job", "wait")["outputs"];
    assert_eq!((&outputs["actionable"], &outputs["blocking"]), (&json!("5"), &json!("3")), "{outputs:#}");
    let listed: Vec<Value> = serde_json::from_str(outputs["findings"].as_str().unwrap()).unwrap();
    let severities: Vec<_> = listed.iter().map(|it| it["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["critical", "medium", "low", "high", "info", "high"]);
    let places = ran.step("job", "wait")["annotations"].as_array().unwrap();
    assert!(places.iter().any(|it| it["file"] == "a.py" && it["line"] == "3" && it["level"] == "error"));
    assert_step_ended(&ran, "wait-1", "clean", "1 actionable (0 blocking)");
    assert_step_ended(&ran, "wait-2", "timeout", "answered with the review of another commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_asked_again_and_never_taken_for_a_clean_review() {
    let clean = answer(200, &json!([]));
    let (broken, html) = (answer(500, &json!({"message": "down"})), Answer(200, &[], "<html>".to_owned()));
    let limited = Answer(429, &[("retry-after", "0")], String::new());
    let recovers = vec![broken.clone(), html.clone(), limited, answer(503, &json!({})), clean.clone()];
    let no_list = answer(200, &json!({"findings": []}));
    let (ran, reviewers) = at_reviewers(vec![recovers, vec![broken], vec![html], vec![no_list]]).await;
    assert_ended(&ran, "clean", "500: down");
    assert_eq!(reviewers[0].seen().len(), 5);
    for id in ["wait-1", "wait-2", "wait-3"] {
        let (ended, outcome) = ran.ended(id, "outcome");
        let outcomes = ["unreachable", "timeout"];
        assert!(ended == "failure" && outcomes.contains(&outcome.as_str()), "{:#}", ran.said);
    }
    let statuses = [400, 401, 403, 410, 422];
    let refuses = |status| vec![answer(status, &json!({"detail": "not with this key"})), clean.clone()];
    let (ran, reviewers) = at_reviewers(statuses.map(refuses).into()).await;
    for (number, status) in statuses.into_iter().enumerate() {
        assert_step_ended(&ran, &id(number), "refused", &format!("{status}: not with this key"));
        assert_eq!(reviewers[number].seen().len(), 1, "another request would not change it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_green_check_is_not_a_clean_review_where_findings_can_be_read() {
    let site = Site::new(&[]).await;
    let pull = site.pull("topic", "Wait", &[("a.py", b"1")]).await;
    let run = async |conclusion: &str, cases: Vec<(Answer, &str, &str)>| {
        site.twin.set_check(APP, REPO, &pull.head, CHECK, Some(conclusion)).await.unwrap();
        let (mut inputs, mut reviewers) = (Vec::new(), Vec::new());
        for (findings, ..) in &cases {
            reviewers.push(Reviewer::start(vec![findings.clone()]).await);
            inputs.push(json!({"app": APP, "reviews_url": reviewers.last().unwrap().url}));
        }
        let ran = at_site(&site, &pull, READ, &inputs).await;
        for (number, (_, outcome, word)) in cases.into_iter().enumerate() {
            assert_step_ended(&ran, &id(number), outcome, word);
        }
    };
    let found = answer(200, &json!([finding("high", "open", &pull.head)]));
    let (none, missing) = (answer(200, &json!([])), answer(404, &json!({"detail": "none"})));
    let counts = "1 actionable (1 blocking)";
    let green = vec![
        (found.clone(), "findings", counts),
        (missing.clone(), "timeout", "none"),
        (none.clone(), "clean", ""),
    ];
    run("success", green).await;
    let failed = "its conclusion is failure";
    let red = vec![(found, "findings", counts), (none, "failed", failed), (missing, "failed", failed)];
    run("failure", red).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_are_wrong_are_refused_before_anything_is_asked() {
    let site = Site::new(&[]).await;
    let pull = site.pull("topic", "Wait", &[("a.py", b"1")]).await;
    let calls = site.twin.ledger().len();
    let cases = [
        (json!({}), "give reviews_url, or app, or both"),
        (json!({"app": APP, "head_sha": "main"}), "the input head_sha is \"main\", not a full commit id"),
        (json!({"app": APP, "timeout_minutes": "0"}), "timeout_minutes is 0; it is over 0 and at most 360"),
        (json!({"app": APP, "timeout_minutes": "1e9"}), "not a number up to 360"),
        (json!({"app": APP, "pull_request": ""}), "on other events there is no review to wait for"),
        (json!({"app": APP, "repository": "a/b/../c"}), "not owner/name"),
        (json!({"reviews_url": "file:///etc"}), "not the URL of an API"),
        (json!({"reviews_url": "https://a.example", "request_comment": "x"}), "request_comment needs app"),
        (json!({"app": APP, "request_comment": "<!-- x -->"}), "not a comment without <"),
    ];
    let inputs = cases.clone().map(|(inputs, _)| inputs);
    let ran = at_site(&site, &pull, READ, &inputs).await;
    for (number, (_, word)) in cases.into_iter().enumerate() {
        assert_step_ended(&ran, &id(number), "refused", word);
        assert_eq!(ran.step("job", &id(number))["code"], 2);
    }
    assert_eq!(site.twin.ledger().len(), calls, "the forge is not asked");
}

#[test]
fn the_wait_lasts_20_minutes_unless_the_workflow_says_otherwise() {
    let action = include_str!("../../../deploy/actions/wait-for-code-review/action.yml");
    let input = action.split("  timeout_minutes:\n").nth(1).unwrap().split("  poll_seconds:").next().unwrap();
    assert!(input.contains("    default: '20'\n"), "{input}");
}

#[test]
fn what_a_summary_says_of_vulnerabilities_and_confidence_counts() {
    let cases = json!([
        ["success", "Looks good.", null],
        ["success", "No security vulnerabilities were found.", null],
        ["success", "0 vulnerabilities, no SQL injection risks. Confidence Score: 5/5", null],
        ["success", "Confidence score: 4/5", null],
        ["success", "Confidence Score: 3/5", "it succeeded with a confidence of 3/5"],
        ["success", "**Confidence**: 60/100", "it succeeded with a confidence of 60/100"],
        ["success", "This may be vulnerable to attack.", "it succeeded and speaks of a vulnerability"],
        ["success", "No vulnerabilities but a path traversal", "it succeeded and speaks of a vulnerability"],
        ["success", "hard-coded credentials in config", "it succeeded and speaks of a vulnerability"],
        ["timed_out", "Looks good.", "its conclusion is timed_out"],
        [null, "", "its conclusion is null"],
    ]);
    let script = "const { objection } = await import(process.argv[1]);
        const cases = JSON.parse(process.argv[2]);
        console.log(JSON.stringify(cases.map(([conclusion, summary]) => objection({ conclusion, output: { summary } }) ?? null)));";
    let mut node = std::process::Command::new("node");
    node.args(["--input-type=module", "--eval", script]);
    node.arg(root().join("deploy/actions/wait-for-code-review/review.mjs")).arg(cases.to_string());
    let output = node.output().unwrap();
    let said: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    for (case, said) in cases.as_array().unwrap().iter().zip(said) {
        assert_eq!(case[2], said, "{case}");
    }
}
