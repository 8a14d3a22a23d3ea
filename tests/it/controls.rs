//! Controls over REST, from the command line and from the run's page: one path, and each applied once.

use aspora::{core::workflow::Queue, http};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{self, TestEngine, assert_sound};

struct Served {
    test: TestEngine,
    url: String,
    client: reqwest::Client,
    stop: CancellationToken,
}

impl Served {
    async fn new() -> Self {
        let test = TestEngine::new().await;
        let app = support::app(test.engine.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, stop) = (format!("http://{}", listener.local_addr().unwrap()), CancellationToken::new());
        let serving = http::serve(listener, app, stop.clone());
        tokio::spawn(async { serving.await.unwrap() });
        Self { test, url, client: support::client(), stop }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_with(path, body, None).await
    }

    async fn post_with(&self, path: &str, body: &Value, key: Option<&str>) -> (u16, Value) {
        let mut request = self.client.post(format!("{}/api/v1/{path}", self.url)).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn form(&self, run: Uuid, fields: &[(&str, &str)], site: &str) -> (u16, String) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client.post(format!("{}/runs/{run}/control", self.url)).body(body);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn aspora(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
        let output = command
            .args(words)
            .env("ASPORA_SERVER", &self.url)
            .env("ASPORA_API_KEY", support::key().reveal())
            .env_remove("DATABASE_URL");
        let output = output.output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// A run whose first step is a dead letter.
    async fn died(&self, error: &str) -> Uuid {
        let run = self.test.accept().await;
        let lease = self.test.claim(Queue::Llm).await;
        self.test.engine.exhaust(&lease, "tester", error).await.unwrap();
        run
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_run_is_paused_and_resumed_over_rest_any_number_of_times() {
    let served = Served::new().await;
    let run = served.test.accept().await;
    let why = json!({"reason": "waiting for legal"});
    for _ in 0..2 {
        let (status, view) = served.post(&format!("runs/{run}/pause"), &why).await;
        assert_eq!(
            (status, view["state"].as_str(), view["version"].as_i64()),
            (200, Some("paused"), Some(2))
        );
        assert_eq!(view["paused"]["reason"], "waiting for legal");
        assert_eq!(
            (&view["paused"]["by"], &view["paused"]["cause"]),
            (&json!(support::PERSON), &json!("person"))
        );
    }
    let why_not: Value =
        serde_json::from_str(&served.get(&format!("/api/v1/runs/{run}/why")).await.1).unwrap();
    assert_eq!(why_not["cause"], "paused");
    let sentence = why_not["sentence"].as_str().unwrap();
    assert!(sentence.ends_with(" ago by ada: waiting for legal; resume it to continue."), "{sentence}");
    let (_, list) = served.get("/api/v1/requirements?state=paused").await;
    assert!(list.contains(&run.to_string()), "{list}");
    let (status, view) = served.post(&format!("runs/{run}/resume"), &why).await;
    assert_eq!((status, view["state"].as_str(), view.get("paused")), (200, Some("active"), None));
    assert_sound(&served.test.engine).await;
}

#[tokio::test]
async fn the_same_key_gives_the_same_response_and_acts_once() {
    let served = Served::new().await;
    let run = served.died("the model is away").await;
    let path = format!("runs/{run}/fork");
    let body = json!({"reason": "again", "step": "generate"});
    let (status, first) = served.post_with(&path, &body, Some("k1")).await;
    assert_eq!((status, first["forked_from"].as_str()), (201, Some(run.to_string().as_str())));
    let (status, second) = served.post_with(&path, &body, Some("k1")).await;
    assert_eq!((status, &second["id"]), (201, &first["id"]));
    assert_eq!(served.test.query::<i64>("select count(*) from run").await, 2);
    let other = json!({"reason": "for another reason", "step": "generate"});
    let (status, problem) = served.post_with(&path, &other, Some("k1")).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("key-reused")));
    // The list shows a requirement once, with its newest run.
    let (_, list) = served.get("/api/v1/requirements").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["run_id"], first["id"]);
}

#[tokio::test]
async fn a_refused_control_says_why_and_changes_nothing() {
    let served = Served::new().await;
    let run = served.test.accept().await;
    let lease = served.test.claim(Queue::Llm).await;
    let before = served.test.snapshot().await;
    let check = async |run: Uuid, verb: &str, body: Value, status: u16, code: &str, words: &str| {
        let (got, problem) = served.post(&format!("runs/{run}/{verb}"), &body).await;
        assert_eq!((got, problem["code"].as_str().unwrap()), (status, code), "{verb}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{verb}: {problem}");
    };
    let missing: Uuid = "0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f".parse().unwrap();
    let why = || json!({"reason": "r"});
    check(missing, "pause", why(), 404, "not-found", "there is no run").await;
    check(run, "pause", json!({"reason": " "}), 422, "invalid", "the reason is empty").await;
    check(run, "pause", json!({"reason": "x".repeat(501)}), 422, "invalid", "the limit is 500").await;
    check(run, "pause", json!({}), 422, "invalid", "missing field `reason`").await;
    check(run, "run-now", why(), 409, "busy", "a worker is running `generate`").await;
    let skip = |outcome: &str| json!({"reason": "r", "outcome": outcome});
    check(run, "skip", skip("opened"), 409, "busy", "a worker is running `generate`").await;
    check(run, "skip", skip("done"), 422, "invalid", "is not an outcome of any step").await;
    let step = |step: &str| json!({"reason": "r", "step": step});
    check(run, "retry", step("gate"), 409, "busy", "a worker is running `generate`").await;
    check(run, "fork", step("gate"), 409, "not-allowed", "cancel it first").await;
    assert_eq!(served.test.snapshot().await, before);
    served.test.engine.exhaust(&lease, "tester", "e").await.unwrap();
    check(run, "pause", why(), 409, "not-allowed", "the run has ended as blocked").await;
    check(run, "cancel", why(), 409, "not-allowed", "the run has ended as blocked").await;
    check(run, "retry", step("deploy"), 422, "invalid", "has no step `deploy`").await;
    check(run, "fork", step("review"), 409, "not-allowed", "no pull request yet").await;
    check(run, "retry", step("merge"), 409, "not-allowed", "start at `generate`").await;
}

#[tokio::test]
async fn dead_letters_are_redriven_by_id_or_by_filter_and_never_all_by_accident() {
    let served = Served::new().await;
    for error in ["503 from the model", "503 from the model", "no such file"] {
        served.died(error).await;
    }
    let (_, page) = served.get("/api/v1/dead-letters?limit=2").await;
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &page["items"][0]["error"]),
        (2, &json!("no such file"))
    );
    let (_, rest) = served.get(&format!("/api/v1/dead-letters?limit=2&cursor={}", page["next_cursor"])).await;
    assert_eq!(serde_json::from_str::<Value>(&rest).unwrap()["items"].as_array().unwrap().len(), 1);

    let before = served.test.snapshot().await;
    let check = async |body: Value, status: u16, code: &str, words: &str| {
        let (got, problem) = served.post("dead-letters/redrive", &body).await;
        assert_eq!((got, problem["code"].as_str().unwrap()), (status, code), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    };
    check(json!({"reason": "r"}), 422, "invalid", "send ids, or filter with expect").await;
    check(json!({"reason": "r", "ids": []}), 422, "invalid", "is empty").await;
    check(json!({"reason": "r", "filter": {}, "expect": 3}), 422, "invalid", "send all: true").await;
    check(
        json!({"reason": "r", "filter": {"step": "generate"}}),
        422,
        "invalid",
        "how many matching letters",
    )
    .await;
    let two = json!({"reason": "r", "filter": {"error_contains": "503 FROM"}, "expect": 3});
    check(two, 409, "changed", "2 dead letters match the filter, not 3").await;
    assert_eq!(served.test.snapshot().await, before, "none of these redrives anything");

    let two = json!({"reason": "r", "filter": {"error_contains": "503 FROM"}, "expect": 2});
    let (status, done) = served.post("dead-letters/redrive", &two).await;
    assert_eq!(status, 200, "{done}");
    let words: Vec<_> = done["items"].as_array().unwrap().iter().map(|item| item["done"].clone()).collect();
    assert_eq!(words, ["redriven", "redriven"]);
    assert_sound(&served.test.engine).await;
    let ids: Vec<_> = done["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    let (_, again) =
        served.post("dead-letters/redrive", &json!({"reason": "r", "ids": [ids[0], 99_999]})).await;
    assert_eq!(
        (&again["items"][0]["done"], &again["items"][1]["done"]),
        (&json!("already"), &json!("refused"))
    );
    assert_eq!(again["items"][1]["detail"], "there is no dead letter 99999");
}

#[tokio::test]
async fn the_command_line_does_what_rest_does() {
    let served = Served::new().await;
    let run = served.test.accept().await.to_string();
    let says = async |words: &[&str], code: i32, what: &str| {
        let (got, text) = served.aspora(words).await;
        assert_eq!(got, code, "{words:?}: {text}");
        assert!(text.contains(what), "{words:?}: {text}");
    };
    says(&["run", "pause", &run], 2, "--reason").await;
    says(&["run", "pause", &run, "--reason", "waiting for legal"], 0, "is paused at generate").await;
    says(&["run", "show", &run], 0, "by ada: waiting for legal").await;
    says(&["run", "why", &run], 0, "resume it to continue").await;
    says(&["run", "run-now", &run, "--reason", "r"], 1, "the run is paused; resume it first").await;
    says(&["run", "resume", &run, "--reason", "r", "-o", "json"], 0, "\"state\": \"active\"").await;
    says(&["run", "skip", &run, "--reason", "r", "--outcome", "opened"], 1, "has none yet").await;
    let state = "update run set state = jsonb_set(state, '{progress}', $1::jsonb)";
    let progress = json!({"head": "a".repeat(40), "pull": 7});
    sqlx::query(state).bind(progress).execute(served.test.pool()).await.unwrap();
    says(&["run", "skip", &run, "--reason", "r", "--outcome", "opened"], 0, "is active at gate").await;
    says(&["run", "retry", &run, "--reason", "r", "--step", "review"], 0, "is active at review").await;
    says(&["run", "approve", &run], 4, "has no login on the forge").await;
    says(&["run", "findings", &run], 0, "No findings.").await;
    sqlx::query("update person set forge_login = 'ada'").execute(served.test.pool()).await.unwrap();
    says(&["run", "approve", &run], 0, "This head is not judged yet.").await;
    says(&["run", "approve", &run], 0, "approved aaaaaaa; run").await;
    says(&["run", "approve", &run, "--head", &"b".repeat(40)], 1, "the head is aaaaaaa").await;
    says(&["run", "reject", &run], 2, "--reason").await;
    says(&["run", "reject", &run, "--reason", "too wide"], 0, "rejected aaaaaaa").await;
    says(&["run", "withdraw", &run], 0, "withdrew what was said of aaaaaaa").await;
    says(&["run", "events", &run], 0, "rejected aaaaaaa as ada: too wide (by ada)").await;
    says(&["run", "cancel", &run, "--reason", "r"], 0, "is cancelled").await;
    says(&["run", "fork", &run, "--reason", "r", "--step", "generate"], 0, "is active at generate").await;
    says(&["run", "events", &run], 0, "waiting for legal").await;
    let lease = served.test.claim(Queue::Llm).await;
    served.test.engine.exhaust(&lease, "tester", "503").await.unwrap();
    says(&["dlq", "list"], 0, "generate x1: 503").await;
    says(&["dlq", "list", "--product", "pensions"], 0, "No dead letters.").await;
    says(&["dlq", "redrive", "--reason", "r"], 2, "required").await;
    says(&["dlq", "redrive", "--error-contains", "503", "--reason", "r"], 0, "redriven").await;
    says(&["dlq", "redrive", "--all", "--reason", "r"], 0, "No dead letters to redrive.").await;
    says(&["dlq", "redrive", "99999", "--reason", "r"], 1, "there is no dead letter 99999").await;
}

#[tokio::test]
async fn a_page_offers_the_allowed_controls_and_needs_no_script() {
    let served = Served::new().await;
    let run = served.test.accept().await;
    let offers = async |verbs: &[&str]| {
        let (_, page) = served.get(&format!("/runs/{run}")).await;
        let all = ["pause", "resume", "cancel", "run-now", "skip", "retry", "fork"];
        let offered = all.iter().filter(|verb| page.contains(&format!("name=\"verb\" value=\"{verb}\"")));
        assert_eq!(offered.copied().collect::<Vec<_>>(), verbs);
        page
    };
    offers(&["pause", "cancel", "skip", "retry"]).await;
    let pause = [("verb", "pause"), ("reason", "<b>legal</b>")];
    assert_eq!(served.form(run, &pause, "cross-site").await.0, 403, "a page of another site cannot");
    offers(&["pause", "cancel", "skip", "retry"]).await;
    assert_eq!(served.form(run, &pause, "same-origin").await.0, 303);
    let page = offers(&["resume", "cancel", "skip", "retry"]).await;
    assert!(page.contains("by ada: &lt;b&gt;legal&lt;/b&gt;"), "{page}");
    assert_eq!(served.form(run, &[("verb", "resume"), ("reason", "")], "same-origin").await.0, 400);
    assert_eq!(served.form(run, &[("verb", "explode"), ("reason", "r")], "same-origin").await.0, 400);
    let (status, page) = served.form(run, &[("verb", "run-now"), ("reason", "r")], "same-origin").await;
    assert!(status == 409 && page.contains("the run is paused; resume it first"), "{status} {page}");
    assert_eq!(served.form(run, &[("verb", "resume"), ("reason", "r")], "same-origin").await.0, 303);
    let lease = served.test.claim(Queue::Llm).await;
    offers(&["pause", "cancel"]).await;
    served.test.engine.exhaust(&lease, "tester", "e").await.unwrap();
    offers(&["retry", "fork"]).await;
    assert_eq!(
        served.form(run, &[("verb", "retry"), ("reason", "r"), ("step", "")], "same-origin").await.0,
        303
    );
    offers(&["pause", "cancel", "skip", "retry"]).await;
    assert_sound(&served.test.engine).await;
}
