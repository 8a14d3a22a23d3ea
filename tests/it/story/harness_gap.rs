//! Harness gaps: from an incident to a merged case, with a clock that nothing stops but the case.

use aspora::{
    core::run::State,
    dev::{github::Issue, model::Script},
    llm::Task,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, with_clean_reviews},
    world::{REPO, SECRET, World},
};

/// A case that cannot be loaded: the name that it imports is not there.
const IMPORT_ERROR: &str = "=== title: test: Show the portfolio of a customer without holdings
=== file: tests/harness/test_no_holdings.py
import unittest

from services.portfolio_service import worth


class NoHoldings(unittest.TestCase):
    def test_is_worth_nothing(self):
        self.assertEqual(worth('new@aspora.com'), 0)
=== end: tests/harness/test_no_holdings.py
";

/// One that ends with the product's own error.
const BY_ERROR: &str = "=== title: test: Show the portfolio of a customer without holdings
=== file: tests/harness/test_no_holdings.py
import unittest

from services.portfolio_service import value


class NoHoldings(unittest.TestCase):
    def test_is_worth_nothing(self):
        self.assertEqual(value('new@aspora.com'), 0)
=== end: tests/harness/test_no_holdings.py
";

/// One that fails by an assertion, and passes once the product answers.
const PROVEN: &str = "=== title: test: Show the portfolio of a customer without holdings
=== why:
The case asks for what a new customer sees.
=== end: why
=== file: tests/harness/test_no_holdings.py
import unittest

from services.portfolio_service import value


class NoHoldings(unittest.TestCase):
    def test_is_worth_nothing(self):
        try:
            worth = value('new@aspora.com')
        except KeyError:
            self.fail('a customer without holdings has no portfolio at all')
        self.assertEqual(worth, 0)
=== end: tests/harness/test_no_holdings.py
";

const FIX: &str = "=== title: fix: Show a customer without holdings an empty portfolio
=== edit: services/portfolio_service.py
<<<<<<< SEARCH
    held = HOLDINGS[user_id]
=======
    held = HOLDINGS.get(user_id, {})
>>>>>>> REPLACE
=== end: services/portfolio_service.py
";

/// What is reported of the incident.
const TITLE: &str = "KeyError in portfolio_service";

fn script(case: &str) -> Script {
    Script::default().with(Task::Reproduce, &[], &[], case).with(
        Task::Generate,
        &["The case that shows"],
        &[],
        FIX,
    )
}

async fn world(script: Script) -> World {
    let world = World::with(|setup| {
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
        setup.tests_anew = true;
    })
    .await;
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    world
}

impl World {
    /// Opens a gap by REST: its id.
    async fn opens_gap(&self, more: Value) -> Uuid {
        let mut body = json!({"product": "wealth", "title": TITLE, "body": "A new customer saw an error."});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = self.call("POST", "harness-gaps", Some(body)).await;
        assert!(status == 201 || status == 200, "{status} {answer}");
        answer["gap_id"].as_str().unwrap().parse().unwrap()
    }

    async fn gap(&self, gap: Uuid) -> Value {
        let (status, answer) = self.call("GET", &format!("harness-gaps/{gap}"), None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The run about a gap.
    async fn run_of(&self, gap: Uuid) -> Uuid {
        self.gap(gap).await["run_id"].as_str().unwrap().parse().unwrap()
    }

    /// The notes of one kind in a gap's history.
    async fn notes(&self, gap: Uuid, kind: &str) -> Vec<String> {
        let gap = self.gap(gap).await;
        let events = gap["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind);
        events.map(|event| event["note"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a gap's history has an event of this kind.
    async fn until_noted(&self, gap: Uuid, kind: &str) -> String {
        self.eventually(&format!("{kind} is noted"), async || !self.notes(gap, kind).await.is_empty()).await;
        self.notes(gap, kind).await.pop().unwrap()
    }

    /// Lets a gap's clock have begun earlier, and looks at it.
    async fn age_gap(&self, gap: Uuid, hours: i32) {
        sqlx::query(
            "update harness_gap set started_at = started_at - make_interval(hours => $2), look_at = now(), news = news + 1
             where id = $1",
        )
        .bind(gap)
        .bind(hours)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    fn issue(&self, number: i64) -> Issue {
        self.twin.issues(REPO).into_iter().find(|issue| issue.number == number).expect("the issue is there")
    }

    /// The comments of ours on an issue.
    fn comments_on(&self, issue: i64) -> Vec<String> {
        let comments = self.twin.comments(REPO).into_iter();
        comments.filter(|it| it.issue == issue && it.author.contains("[bot]")).map(|it| it.body).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_ends_in_a_merged_case_whose_first_proof_was_refused() {
    // A conversation with both refusals is the later one.
    let refused_import = Script::default()
        .with(Task::Repair, &["ends with an error on the base"], &[], PROVEN)
        .with(Task::Repair, &["cannot be loaded: ImportError"], &[], BY_ERROR);
    let world = world(refused_import.before(script(IMPORT_ERROR))).await;
    let gap = world.opens_gap(json!({"key": "INC-7", "url": "https://pager.example/INC-7"})).await;
    assert_eq!(world.opens_gap(json!({"key": "INC-7"})).await, gap, "the same incident is the same gap");
    let run = world.run_of(gap).await;
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.history(run).await);

    // Both proofs were refused, each with its reason, and nothing of them was pushed.
    let unproven = world.notes(gap, "unproven").await;
    assert_eq!(unproven.len(), 2, "{unproven:?}");
    assert!(unproven[0].contains("cannot run, which proves nothing") && unproven[0].contains("ImportError"));
    assert!(unproven[1].contains("ends with an error on the base, and not by an assertion"));
    let pulls = world.twin.pulls(REPO);
    let body = pulls[0].body.clone().unwrap();
    let issue = world.gap(gap).await["issue"].as_i64().unwrap();
    assert!(body.contains(&format!("Closes #{issue}")), "{body}");
    assert_eq!((pulls.len(), world.merges(), world.twin.issues(REPO).len()), (1, 1, 1));

    // The clock was stopped by the merge, and the issue is closed.
    let now = world.gap(gap).await;
    assert_eq!((&now["state"], &now["clock"]["reading"]), (&json!("converted"), &json!("in_time")), "{now}");
    assert_eq!(now["case_files"], json!(["tests/harness/test_no_holdings.py"]));
    let made = world.issue(issue);
    assert_eq!(made.title, format!("[HARNESS GAP] {TITLE}"));
    assert_eq!((&made.labels[..], made.closed_at.is_some()), (&["harness-gap".to_owned()][..], true));
    world
        .eventually("both comments are there", async || {
            let said = world.comments_on(issue);
            said.iter().any(|it| it.contains("must be added within 48 hours"))
        })
        .await;
    let report: String =
        sqlx::query_scalar("select report::text from assessment where run_id = $1 order by id desc limit 1")
            .bind(run)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert!(report.contains("harness proof") && report.contains("shows the incident"), "{report}");
    for page in [format!("harness-gaps/{gap}"), "harness-gaps".to_owned(), format!("runs/{run}")] {
        let page = world.page(&page).await;
        assert!(page.contains(TITLE), "{page}");
    }
    world.assert_nothing_twice();
}

/// A change that brings the fault: it was not there before.
const FAULTY: &str = "=== title: feat: Count rounds
=== file: services/round_service.py
\"\"\"Rounds: how many there are on average.\"\"\"


def average(rounds):
    \"\"\"The average of some rounds.\"\"\"
    return sum(rounds) / len(rounds)
=== end: services/round_service.py
=== file: tests/test_round_service.py
import unittest

from services.round_service import average


class Average(unittest.TestCase):
    def test_of_two(self):
        self.assertEqual(average([1, 3]), 2)
=== end: tests/test_round_service.py
";

const ZERO_CASE: &str = "=== title: test: Show the average of no rounds
=== file: tests/harness/test_no_rounds.py
import unittest

from services.round_service import average


class NoRounds(unittest.TestCase):
    def test_average_is_zero(self):
        try:
            result = average([])
        except ZeroDivisionError:
            result = 'an error'
        self.assertEqual(result, 0)
=== end: tests/harness/test_no_rounds.py
";

const ZERO_FIX: &str = "=== title: fix: Let the average of no rounds be zero
=== edit: services/round_service.py
<<<<<<< SEARCH
    return sum(rounds) / len(rounds)
=======
    return sum(rounds) / len(rounds) if rounds else 0
>>>>>>> REPLACE
=== end: services/round_service.py
";

/// An alert of Sentry's, as its documentation shows one, for this error.
fn alert(issue: &str, error: &str) -> String {
    let example: &str = include_str!("../../data/sentry/event-alert-triggered.json");
    example
        .replace("1117540176", issue)
        .replace("ReferenceError: heck is not defined", error)
        .replace("2019-08-19T21:06:17.677000Z", &chrono::Utc::now().to_rfc3339())
}

impl World {
    /// Sends a webhook as Sentry would: the status and the answer.
    async fn sentry(&self, product: &str, body: &str, signature: Option<&str>) -> (u16, Value) {
        let signed = signature.map_or_else(|| hmac(SECRET, body), str::to_owned);
        let answer = reqwest::Client::new()
            .post(format!("{}/api/v1/webhooks/incidents/sentry/{product}", self.url))
            .header("Content-Type", "application/json")
            .header("Request-ID", Uuid::new_v4().to_string())
            .header("Sentry-Hook-Resource", "event_alert")
            .header("Sentry-Hook-Timestamp", "1569440402")
            .header("Sentry-Hook-Signature", signed)
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// As Sentry's documentation computes it: HMAC-SHA256 of the body by the client secret, in hexadecimal.
fn hmac(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_of_sentry_ends_in_a_merged_case_and_is_laid_to_the_run_that_brought_the_fault() {
    let script = Script::default()
        .with(Task::Reproduce, &["ZeroDivisionError"], &[], ZERO_CASE)
        .with(Task::Generate, &["The case that shows"], &[], ZERO_FIX)
        .with(Task::Generate, &[], &[], FAULTY);
    let world = world(script).await;
    let guilty = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(guilty).await, "done", "{}", world.history(guilty).await);

    let body = alert("77", "ZeroDivisionError: division by zero");
    assert_eq!(world.sentry("wealth", &body, Some(&hmac("another secret", &body))).await.0, 401);
    assert_eq!(world.sentry("wealth", &body, Some("")).await.0, 401);
    assert_eq!(world.sentry("nothing", &body, None).await.0, 404);
    assert_eq!(world.sentry("wealth", "{", None).await.0, 400);
    let (status, receipt) = world.sentry("wealth", &body, None).await;
    assert_eq!((status, &receipt["result"]), (200, &json!("stored")), "{receipt}");
    assert_eq!(world.sentry("wealth", &body, None).await.1["result"], "known");
    let resolved = body.replace("\"triggered\"", "\"resolved\"");
    assert_eq!(world.sentry("wealth", &resolved, None).await.1["result"], "ignored");

    let all = world.call("GET", "harness-gaps?product=wealth", None).await.1;
    let [gap] = all["items"].as_array().unwrap().as_slice() else { panic!("one gap: {all}") };
    let gap: Uuid = gap["id"].as_str().unwrap().parse().unwrap();
    let run = world.run_of(gap).await;
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.history(run).await);
    let now = world.gap(gap).await;
    assert_eq!((&now["state"], &now["source"]), (&json!("converted"), &json!("sentry")), "{now}");
    assert_eq!(now["caused_by"], json!(guilty), "{now}");
    let of_people = now["body"].as_str().unwrap();
    assert!(!of_people.contains("162.21") && of_people.contains("Trace of"), "{of_people}");
    assert_eq!((world.twin.pulls(REPO).len(), world.merges(), world.twin.issues(REPO).len()), (2, 2, 1));
    let figures = async || world.call("GET", "metrics", None).await.1;
    let figure = async |name: &str| {
        let sections = figures().await["sections"].as_array().unwrap().clone();
        let all = sections.iter().flat_map(|it| it["figures"].as_array().unwrap().clone());
        all.into_iter().find(|it| it["name"] == name).unwrap()["value"].as_f64()
    };
    world
        .eventually("the incident counts against the run", async || figure("incident").await == Some(1.0))
        .await;
    assert_eq!((figure("gap.converted").await, figure("gap.in_time_share").await), (Some(1.0), Some(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_proves_nothing_again_and_again_is_left_to_people() {
    let passes = PROVEN.replace("new@aspora.com", "priya@aspora.com").replace("worth, 0", "worth, worth");
    let outside = PROVEN.replace("tests/harness/test_no", "tests/test_no");
    let script = Script::default()
        .with(Task::Repair, &["it changes files outside"], &[], &passes)
        .with(Task::Repair, &[], &[], &passes)
        .before(script(&outside));
    let world = world(script).await;
    let gap = world.opens_gap(json!({})).await;
    let run = world.run_of(gap).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("4 cases of the model prove nothing"), "{reason}");
    assert!(reason.contains("the case passes on the base"), "{reason}");
    assert_eq!((world.twin.pulls(REPO).len(), world.notes(gap, "unproven").await.len()), (0, 4));
    // The clock runs on.
    assert_eq!(world.gap(gap).await["clock"]["reading"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reminder_comes_once_whatever_its_run_does() {
    let world = world(script(PROVEN)).await;
    let (status, _) =
        world.call("POST", "holds", Some(json!({"scope": "product:wealth", "reason": "quiet"}))).await;
    assert_eq!(status, 201);
    let issue = world.twin.open_issue_as("asha", REPO, "[HARNESS GAP] Rounds are wrong", &[]).await.unwrap();
    world.twin.label_issue_as("asha", REPO, issue, "harness-gap").await.unwrap();
    let gap = async || -> Option<Uuid> {
        sqlx::query_scalar("select id from harness_gap where issue = $1")
            .bind(issue)
            .fetch_optional(&world.pool)
            .await
            .unwrap()
    };
    world.eventually("the label opens a gap", async || gap().await.is_some()).await;
    let gap = gap().await.unwrap();
    let shown = world.gap(gap).await;
    assert_eq!(
        (&shown["title"], &shown["opened_by"], &shown["source"]),
        (&json!("Rounds are wrong"), &json!("asha"), &json!("issue"))
    );
    let reminders = async || {
        let mut all = world.notes(gap, "reminder").await;
        all.extend(world.notes(gap, "overdue").await);
        all
    };
    world.age_gap(gap, 25).await;
    world.until_noted(gap, "reminder").await;
    assert_eq!(reminders().await.len(), 1);
    assert!(reminders().await[0].starts_with("50 % of the time are over"), "{:?}", reminders().await);
    world.age_gap(gap, 12).await;
    world.eventually("75 %", async || reminders().await.len() == 2).await;
    world.age_gap(gap, 12).await;
    let overdue = world.until_noted(gap, "overdue").await;
    assert!(overdue.contains("no case is merged"), "{overdue}");
    for _ in 0..3 {
        world.age_gap(gap, 24).await;
    }
    world
        .eventually("it was looked at", async || {
            sqlx::query_scalar::<_, bool>("select news = looked from harness_gap where id = $1")
                .bind(gap)
                .fetch_one(&world.pool)
                .await
                .unwrap()
        })
        .await;
    assert_eq!(reminders().await.len(), 3);
    world.eventually("each is a comment", async || world.comments_on(issue).len() == 4).await;
    let said = world.comments_on(issue);
    assert_eq!(said.iter().filter(|it| it.contains("overdue")).count(), 1, "{said:?}");
    let listed = world.call("GET", "harness-gaps?state=overdue", None).await.1;
    assert_eq!(listed["items"][0]["id"], json!(gap));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_closed_without_a_case_is_reopened_and_a_dismissed_gap_is_closed() {
    let world = world(script(PROVEN)).await;
    world.call("POST", "holds", Some(json!({"scope": "product:wealth", "reason": "quiet"}))).await;
    let issue = world.twin.open_issue_as("asha", REPO, "Rounds are wrong", &["harness-gap"]).await.unwrap();
    let gaps = async || world.call("GET", "harness-gaps", None).await.1["items"].as_array().unwrap().clone();
    world.eventually("the label opens a gap", async || gaps().await.len() == 1).await;
    let gap: Uuid = gaps().await[0]["id"].as_str().unwrap().parse().unwrap();
    world.twin.close_issue_as("asha", REPO, issue).await.unwrap();
    let why = world.until_noted(gap, "reopened").await;
    assert!(why.ends_with("no merged pull request closes it"), "{why}");
    world.eventually("it is open", async || world.issue(issue).closed_at.is_none()).await;
    world
        .eventually("it says why", async || {
            world.comments_on(issue).iter().any(|it| it.starts_with("Reopened: "))
        })
        .await;

    let path = format!("harness-gaps/{gap}/dismiss");
    let (status, problem) = world.call("POST", &path, Some(json!({"reason": ""}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/reason")), "{problem}");
    let (status, done) = world.call("POST", &path, Some(json!({"reason": "A customer misread it."}))).await;
    assert_eq!((status, &done["state"]), (200, &json!("dismissed")), "{done}");
    assert_eq!(world.call("POST", &path, Some(json!({"reason": "again"}))).await.0, 409);
    world.eventually("the issue is closed", async || world.issue(issue).closed_at.is_some()).await;
    assert_eq!(world.issue(issue).state_reason.as_deref(), Some("not_planned"));
    world
        .eventually("it says who", async || {
            world.comments_on(issue).iter().any(|it| it.contains("A customer misread it."))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_label_of_an_outsiders_issue_opens_a_gap_only_when_a_member_sets_it() {
    let world = world(script(PROVEN)).await;
    world.call("POST", "holds", Some(json!({"scope": "product:wealth", "reason": "quiet"}))).await;
    let outsiders = world.twin.open_issue_as("eve", REPO, "Pay me", &["harness-gap"]).await.unwrap();
    let members = world.twin.open_issue_as("asha", REPO, "Rounds are wrong", &["harness-gap"]).await.unwrap();
    let issues = async || -> Vec<i64> {
        sqlx::query_scalar("select issue from harness_gap order by issue")
            .fetch_all(&world.pool)
            .await
            .unwrap()
    };
    // Webhooks come in their order.
    world.eventually("the member's opens one", async || !issues().await.is_empty()).await;
    assert_eq!(issues().await, [members]);
    world.twin.label_issue_as("asha", REPO, outsiders, "seen").await.unwrap();
    world.eventually("a member labelled the other", async || issues().await == [outsiders, members]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_pull_request_with_a_case_converts_the_gap_too() {
    let world = world(script(PROVEN)).await;
    world.call("POST", "holds", Some(json!({"scope": "product:wealth", "reason": "quiet"}))).await;
    let issue = world.twin.open_issue_as("asha", REPO, "Rounds are wrong", &["harness-gap"]).await.unwrap();
    let gaps = async || world.call("GET", "harness-gaps", None).await.1["items"].as_array().unwrap().clone();
    world.eventually("the label opens a gap", async || gaps().await.len() == 1).await;
    let gap: Uuid = gaps().await[0]["id"].as_str().unwrap().parse().unwrap();
    for person in ["asha", "bilal"] {
        world.twin.set_permission(REPO, person, "write").unwrap();
    }
    world.push_as("asha", "case", "tests/harness/test_rounds.py", "import unittest\n").await;
    let body = format!("Fixes #{issue}");
    let pull = world.twin.open_pull_with("asha", REPO, "case", ("A case", &body)).await.unwrap();
    world.twin.merge_as("bilal", REPO, pull).await.unwrap();
    let note = world.until_noted(gap, "converted").await;
    assert!(note.contains("tests/harness/test_rounds.py"), "{note}");
    assert_eq!(world.gap(gap).await["case_pull"], json!(pull));
    let run = world.run(world.run_of(gap).await).await;
    assert!(
        matches!(run.run.state, State::At { .. }),
        "its run is held, and ends by itself when it is released"
    );
}
