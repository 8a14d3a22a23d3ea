//! The pages as a browser without a script sees them: complete, escaped, and clear about what is wrong.

use std::{sync::Arc, time::Duration};

use aspora::{
    bench::fill::{self, Fill},
    core::{
        finding::{Finding, Severity},
        requirement::Requirement,
        run::{Park, Progress, Topic},
        sha::Sha,
        subject::SubjectKind,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine},
    http::{self, AppState, Settings},
    store::{self, assessment, effect, job::Lease},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support;

const HOSTILE: &str = r#"<script>alert("1")</script><img src=x onerror=alert(2)>"#;

struct Server {
    address: String,
    app: AppState,
    client: reqwest::Client,
    _database: support::TestDatabase,
}

async fn server() -> Server {
    let database = support::database().await;
    let engine = Engine::open(database.pool.clone()).await.unwrap();
    let (product, repository) = ("wealth".parse().unwrap(), "acme/wealth-product".parse().unwrap());
    store::product::put(engine.pool(), &product, &repository, "main", &[]).await.unwrap();
    let settings = Settings {
        public_url: "http://127.0.0.1".to_owned(),
        forge_url: "https://forge.test".to_owned(),
        forge_is_stand_in: true,
        ..Settings::default()
    };
    let app = AppState { engine, settings: Arc::new(settings) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(http::serve(listener, app.clone(), CancellationToken::new()));
    Server { address, app, client: support::client(), _database: database }
}

impl Server {
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("{}{path}", self.address)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, fields: &[(&str, &str)]) -> (u16, String, String) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client.post(format!("{}/requirements", self.address)).body(body);
        let answer =
            request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        let place = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
        (answer.status().as_u16(), place.unwrap_or_default(), answer.text().await.unwrap())
    }

    async fn accept(&self, title: &str) -> Uuid {
        let requirement =
            Requirement::new("wealth", title, "Show the <b>risk</b> of a portfolio.", 3).unwrap();
        self.app.engine.accept(&requirement, "ada").await.unwrap().run
    }

    async fn claim(&self, queue: Queue) -> Lease {
        let lease = Duration::from_secs(60);
        let claimed = support::claim(self.app.engine.pool(), queue, "worker-1", 1, lease).await;
        claimed.into_iter().next().expect("a job is due")
    }

    async fn answer(&self, queue: Queue, outcome: Outcome, note: &str, progress: Progress) -> Lease {
        let lease = self.claim(queue).await;
        let answer = Answer { outcome, note: note.to_owned(), progress };
        self.app.engine.answer(&lease, "worker-1", answer).await.unwrap();
        lease
    }

    /// A run that was reviewed, remediated and now waits for its checks; `text` is in every field that others write.
    async fn story(&self, text: &str) -> Uuid {
        let pool = self.app.engine.pool();
        let run = self.accept(&format!("feat: Portfolio risk checker {text}")).await;
        let lease = self.claim(Queue::Llm).await;
        let request = json!({ "branch": text });
        effect::begin(pool, &lease, &format!("pull/{text}"), "open_pull", &request).await.unwrap();
        effect::observe(pool, run, &format!("pull/{text}"), &json!({ "number": 7 })).await.unwrap();
        let diff = format!("--- /dev/null\n+++ b/risk.py\n@@ -0,0 +1 @@\n+{text}\n");
        let request = json!({ "parent": sha('9'), "diff": diff, "diff_is_cut": true });
        effect::begin(pool, &lease, "generate/push", "push", &request).await.unwrap();
        effect::observe(pool, run, "generate/push", &json!({ "sha": sha('a') })).await.unwrap();
        let opened = Progress { head: Some(sha('a')), pull: Some(7), ..Progress::default() };
        let answer = Answer { outcome: Outcome::Opened, note: text.to_owned(), progress: opened };
        self.app.engine.answer(&lease, "worker-1", answer).await.unwrap();
        self.answer(
            Queue::Github,
            Outcome::Passed,
            "tier high",
            Progress { tier: Some(aspora::core::policy::Tier::High), ..Progress::default() },
        )
        .await;
        let lease = self.claim(Queue::Llm).await;
        let message = format!("Division by zero when the portfolio is empty {text}");
        let found = Finding::new(Severity::High, &format!("services/{text}.py"), Some(12), &message, "x / y");
        store::review::record(pool, &lease, &store::review::New::complete(&sha('a'), text, &[found]))
            .await
            .unwrap();
        let note = "1 actionable (1 blocking)".to_owned();
        let answer = Answer { outcome: Outcome::Findings, note, progress: Progress::default() };
        self.app.engine.answer(&lease, "worker-1", answer).await.unwrap();
        let moved = Progress { head: Some(sha('d')), ..Progress::default() };
        self.answer(Queue::Llm, Outcome::Pushed, "pushed ddddddd", moved).await;
        self.answer(Queue::Github, Outcome::Passed, "tier high", Progress::default()).await;
        let lease = self.claim(Queue::Llm).await;
        store::review::record(pool, &lease, &store::review::New::complete(&sha('d'), "Fine.", &[]))
            .await
            .unwrap();
        let note = "nothing actionable".to_owned();
        let answer = Answer { outcome: Outcome::Clean, note, progress: Progress::default() };
        self.app.engine.answer(&lease, "worker-1", answer).await.unwrap();
        let (report, head) = (report(text), sha('d'));
        let new = assessment::New {
            stage: "verdict",
            head_sha: head.as_str(),
            tier: "high",
            decision: "waiting",
            facts: &json!({}),
            report: &report,
        };
        assessment::record(pool, run, &new).await.unwrap();
        let lease = self.claim(Queue::Github).await;
        let until = chrono::Utc::now() + chrono::TimeDelta::minutes(5);
        let park = Park::new(format!("the check CI Pipeline {text}"), vec![Topic::Checks], until);
        self.app.engine.park(&lease, "worker-1", park, Progress::default()).await.unwrap();
        run
    }
}

/// The digests of the panels of a page, as a browser names them.
fn digests(page: &str) -> String {
    let attribute = |panel: &str, name: &str| {
        let (_, after) = panel.split_once(&format!("{name}=\"")).unwrap();
        after.split_once('"').unwrap().0.to_owned()
    };
    let panels = page.split("<div class=\"panel\"").skip(1);
    let known = panels.map(|it| format!("{}.{}", attribute(it, "data-name"), attribute(it, "data-digest")));
    known.collect::<Vec<_>>().join("~")
}

fn sha(digit: char) -> Sha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn report(text: &str) -> serde_json::Value {
    let head = sha('d');
    json!({
        "decision": { "is": "waiting", "on": [{ "for": "check", "name": "CI Pipeline", "progress": text }] },
        "checks": [
            { "name": "risk-policy-gate", "state": "itself", "detail": "reported by us", "sha": head, "url": null },
            { "name": "CI Pipeline", "state": "running", "detail": text, "sha": head, "url": "https://ci.test/1" },
            { "name": "harness-smoke", "state": "passed", "detail": "success", "sha": head, "url": "javascript:alert(3)" },
            { "name": text, "state": "failed", "detail": "failure", "sha": head, "url": null }
        ],
        "tree": { "name": "verdict", "status": "waiting", "sentence": "", "children": [
            { "name": "checks", "status": "waiting", "sentence": "2 of 4 have passed", "children": [] },
            { "name": "approvals", "status": "satisfied", "sentence": text, "children": [] }
        ] },
        "classification": {
            "tier": "high", "needs_human": false, "whole": [], "dependencies": [], "warnings": [],
            "paths": [{ "path": text, "kind": "modified", "tier": "high", "reasons": [
                { "tier": "high", "rule": "services/**", "product": "wealth", "human": false }
            ] }]
        }
    })
}

/// The token of the form on a page.
fn token(page: &str) -> String {
    let (_, after) = page.split_once(r#"name="token" value=""#).expect("a token is in the form");
    after.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_run_is_readable_without_a_script() {
    let server = server().await;
    let run = server.story("plain").await;
    let (status, page) = server.get(&format!("/runs/{run}")).await;
    assert_eq!(status, 200);
    for expected in [
        r#"<td>verdict</td><td class="message">waiting for the check CI Pipeline plain"#,
        "https://forge.test/acme/wealth-product/pull/7",
        r#"<td>review</td><td class="message">findings: 1 actionable (1 blocking)"#,
        "gone at",
        "services/plain.py:12",
        "services/**",
        r#"<span class="file">+++ b/risk.py"#,
        r#"<span class="plus">+plain"#,
        "too long to be stored",
        "Path: generate → gate → review → remediate → recheck → rerun → verdict",
        "Show the &lt;b&gt;risk&lt;/b&gt; of a portfolio.",
        "The forge is a stand-in, not GitHub.",
    ] {
        assert!(page.contains(expected), "{expected} is missing in {page}");
    }
}

#[tokio::test]
async fn a_fragment_is_the_main_part_alone() {
    let server = server().await;
    let run = server.story("plain").await;
    for path in [format!("/runs/{run}?fragment=1"), "/?fragment=1".to_owned()] {
        let (status, fragment) = server.get(&path).await;
        assert_eq!(status, 200);
        assert!(fragment.starts_with("<main") && fragment.ends_with("</main>"), "{fragment}");
    }
}

#[tokio::test]
async fn hostile_text_is_escaped_everywhere() {
    let server = server().await;
    let run = server.story(HOSTILE).await;
    for path in [format!("/runs/{run}"), "/".to_owned(), format!("/?text={}", "%3Cscript%3Ealert(%221%22)")] {
        let (status, page) = server.get(&path).await;
        assert_eq!(status, 200, "{path}");
        assert!(page.contains("&lt;script&gt;alert"), "{path} does not show it: {page}");
        assert_eq!(page.matches("<script").count(), 1, "{path} has only our own script");
        assert!(!page.contains("<img") && !page.contains("href=\"javascript:"), "{path}");
    }
}

#[tokio::test]
async fn what_nobody_sees_or_what_turns_the_text_around_is_labelled_everywhere() {
    let server = server().await;
    for hidden in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{ad}', '\u{feff}'] {
        let run = server.story(&format!("good{hidden}evil")).await;
        let pages = [(format!("/runs/{run}"), 13), ("/".to_owned(), 1), (format!("/runs/{run}/diffs/1"), 1)];
        for (path, least) in pages {
            let (status, page) = server.get(&path).await;
            assert_eq!(status, 200, "{path}");
            assert!(!page.contains(hidden), "{path} has {:?} as it is", hidden);
            let number = u32::from(hidden);
            let labelled =
                page.matches(&format!("good<span class=\"invisible\">U+{number:04X}</span>evil")).count();
            assert!(labelled >= least, "{path} labels {labelled}: {page}");
            assert!(page.contains("dir=\"ltr\""), "{path}");
        }
        let live: Vec<Uuid> = sqlx::query_scalar("select id from run where status <> 'ended'")
            .fetch_all(server.app.engine.pool())
            .await
            .unwrap();
        for run in live {
            server.app.engine.cancel(run, "ada", &"next".parse().unwrap()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_head_without_an_assessment_is_not_judged_by_that_of_an_older_one() {
    let server = server().await;
    let run = server.story("plain").await;
    let page = async || server.get(&format!("/runs/{run}")).await.1;
    let before = page().await;
    assert!(before.contains("Verdict of") && !before.contains("is not judged yet. What follows"), "{before}");
    let pool = server.app.engine.pool();
    let set_head = "update run set state = jsonb_set(state, '{progress,head}', to_jsonb($1::text))";
    sqlx::query(set_head).bind(sha('e').as_str()).execute(pool).await.unwrap();
    let moved = page().await;
    assert!(moved.contains("is not judged yet. What follows is of an older head"), "{moved}");
    assert!(moved.contains("<section class=\"stale\">"), "{moved}");
    let (report, facts) = (report("another"), json!({}));
    for (head, decision) in [(sha('e'), "clear"), (sha('d'), "waiting")] {
        let new = assessment::New {
            stage: "preflight",
            head_sha: head.as_str(),
            tier: "high",
            decision,
            facts: &facts,
            report: &report,
        };
        assessment::record(pool, run, &new).await.unwrap();
    }
    let judged = page().await;
    assert!(judged.contains("<strong>clear</strong>") && !judged.contains("class=\"stale\""), "{judged}");
}

#[tokio::test]
async fn a_finding_is_dismissed_from_the_page_with_a_reason() {
    let server = server().await;
    let run = server.story("plain").await;
    let pool = server.app.engine.pool();
    sqlx::query("update finding set state = 'open', state_sha = null").execute(pool).await.unwrap();
    let page = server.get(&format!("/runs/{run}")).await.1;
    let (_, after) = page.split_once("name=\"fingerprint\" value=\"").unwrap();
    let fingerprint = after.split_once('"').unwrap().0.to_owned();
    let dismiss = async |reason: &str| {
        let fields = [("fingerprint", fingerprint.as_str()), ("reason", reason)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = server.client.post(format!("{}/runs/{run}/dismiss", server.address)).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((dismiss("").await, dismiss("the portfolio is never empty").await), (400, 303));
    let page = server.get(&format!("/runs/{run}")).await.1;
    assert!(page.contains("by ada: the portfolio is never empty"), "{page}");
    assert!(!page.contains("name=\"fingerprint\""), "{page}");
}

#[tokio::test]
async fn pages_run_nothing_but_our_own_assets() {
    let server = server().await;
    let answer = server.client.get(&server.address).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{policy}");
    let page = answer.text().await.unwrap();
    assert!(!page.contains("style=\"") && !page.contains("onclick"), "{page}");
    let (_, after) = page.split_once("src=\"").unwrap();
    let script = format!("{}{}", server.address, after.split_once('"').unwrap().0);
    let answer = server.client.get(script).send().await.unwrap();
    assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(answer.text().await.unwrap().contains("EventSource"));
}

#[tokio::test]
async fn an_unknown_address_is_answered_with_a_page() {
    let server = server().await;
    let missing = format!("/runs/{}", Uuid::nil());
    for (path, status, text) in [
        (missing.as_str(), 404, "There is no run"),
        ("/runs/seven", 400, "a UUID is needed"),
        ("/?before=x", 400, "an invalid place in the list"),
        ("/?text=%00", 400, "NUL"),
        ("/assets/x/passwd", 404, "nothing at this address"),
    ] {
        let (got, page) = server.get(path).await;
        assert_eq!(got, status, "{path}");
        assert!(page.contains(text) && page.contains("<!DOCTYPE html>"), "{path}: {page}");
    }
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let server = server().await;
    for number in 0..51 {
        server.accept(&format!("number {number:02}")).await;
    }
    let (_, page) = server.get("/").await;
    assert!(page.contains("number 50") && page.contains("number 01") && !page.contains("number 00"));
    let (_, after) = page.split_once("rel=\"next\" href=\"").unwrap();
    let next = after.split_once('"').unwrap().0.replace("&amp;", "&");
    let (_, page) = server.get(&next).await;
    assert!(page.contains("number 00") && !page.contains("number 01"), "{page}");
    let (_, page) = server.get("/?product=wealth&state=active&text=NUMBER+07").await;
    assert!(page.contains("number 07") && !page.contains("number 08"), "{page}");
    let (_, page) = server.get("/?state=succeeded").await;
    assert!(page.contains("No requirement here"), "{page}");
}

#[tokio::test]
async fn a_form_names_every_invalid_field_and_keeps_its_text() {
    let server = server().await;
    let token = token(&server.get("/").await.1);
    let fields = [
        ("product", "wealth"),
        ("title", " "),
        ("body", "kept \"text\""),
        ("priority", "9"),
        ("token", &token),
    ];
    let (status, _, page) = server.post(&fields).await;
    assert_eq!(status, 422);
    for expected in ["Title is empty", "Priority is 9", "kept &quot;text&quot;"] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let unknown = [("product", "other"), ("title", "t"), ("body", "b"), ("priority", "3"), ("token", &token)];
    let (status, _, page) = server.post(&unknown).await;
    assert_eq!(status, 422);
    assert!(page.contains("`other` is not a product here"), "{page}");
    assert!(server.get("/").await.1.contains("No requirement here"));
}

#[tokio::test]
async fn a_double_click_makes_one_requirement() {
    let server = server().await;
    let token = token(&server.get("/").await.1);
    let fields =
        [("product", "wealth"), ("title", "once"), ("body", "a\r\nb"), ("priority", "2"), ("token", &token)];
    let (first, second) = tokio::join!(server.post(&fields), server.post(&fields));
    assert_eq!((first.0, second.0), (303, 303));
    assert_eq!(first.1, second.1);
    let filter = store::requirement::Filter { limit: 10, ..Default::default() };
    let rows = store::requirement::list(server.app.engine.pool(), &filter).await.unwrap().rows;
    assert_eq!(rows.len(), 1);
    let kept = store::requirement::get(server.app.engine.pool(), rows[0].id).await.unwrap().unwrap();
    assert_eq!(kept.body, "a\nb");
    assert_eq!(server.get(&first.1).await.0, 200);
    let other =
        [("product", "wealth"), ("title", "twice"), ("body", "b"), ("priority", "2"), ("token", &token)];
    let (status, _, page) = server.post(&other).await;
    assert_eq!(status, 422);
    assert!(page.contains("was sent before") && page.contains(&first.1), "{page}");
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let server = server().await;
    let request = server.client.post(format!("{}/requirements", server.address));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body("title=x");
    let answer = request.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 403);
}

#[tokio::test]
async fn the_list_links_to_the_repository_of_the_run_not_of_the_next_one() {
    let server = server().await;
    server.story("plain").await;
    let (product, moved) = ("wealth".parse().unwrap(), "acme/elsewhere".parse().unwrap());
    store::product::put(server.app.engine.pool(), &product, &moved, "main", &[]).await.unwrap();
    let page = server.get("/").await.1;
    assert!(page.contains("https://forge.test/acme/wealth-product/pull/7"), "{page}");
    assert!(!page.contains("acme/elsewhere/pull"), "{page}");
}

#[tokio::test]
async fn an_update_has_only_the_panels_that_changed() {
    let server = server().await;
    let run = server.story("plain").await;
    let page = server.get(&format!("/runs/{run}")).await.1;
    let update = server.get(&format!("/runs/{run}?fragment=1&have={}", digests(&page))).await.1;
    assert_eq!(digests(&update), digests(&page));
    assert!(update.matches("data-same></div>").count() >= 10, "{update}");
    assert!(update.len() < 4_000, "{} bytes although nothing happened: {update}", update.len());
    let why = "spend less".parse().unwrap();
    server.app.engine.control(run, &aspora::engine::Verb::Pause, "ada", &why).await.unwrap();
    let update = server.get(&format!("/runs/{run}?fragment=1&have={}", digests(&page))).await.1;
    for (panel, is_sent) in
        [("now", true), ("history", true), ("gate", false), ("diff", false), ("findings", false)]
    {
        let (_, after) = update.split_once(&format!("data-name=\"{panel}\"")).unwrap();
        let same = after.split_once('>').unwrap().0.contains("data-same");
        assert_eq!(same, !is_sent, "{panel}: {update}");
    }
    assert!(update.contains("spend less"), "{update}");
}

#[tokio::test]
async fn a_long_diff_has_a_page_of_its_own() {
    let server = server().await;
    let run = server.story("plain").await;
    let lines = format!("--- a/x\n+++ b/x\n@@ -0,0 +1,500 @@\n{}", "+line\n".repeat(500));
    let change =
        "update effect set request = jsonb_set(request, '{diff}', to_jsonb($1::text)) where kind = 'push'";
    sqlx::query(change).bind(lines).execute(server.app.engine.pool()).await.unwrap();
    let page = server.get(&format!("/runs/{run}")).await.1;
    let address = format!("/runs/{run}/diffs/1");
    assert!(page.contains(&format!("href=\"{address}\"")) && !page.contains("<pre class=\"diff\""), "{page}");
    let (status, diff) = server.get(&address).await;
    assert_eq!((status, diff.matches("<span").count() > 500), (200, true), "{diff}");
    for missing in ["0", "2", "x", "-1", "99999999999999999999"] {
        let (status, page) = server.get(&format!("/runs/{run}/diffs/{missing}")).await;
        assert_eq!((status, page.contains("it has 1 diff.")), (404, true), "{missing}: {page}");
    }
}

#[tokio::test]
async fn the_page_of_a_long_run_costs_what_it_shows() {
    let server = server().await;
    let long = Fill { runs: 1, events: 20_001, days: 1, products: 1, first: 1 };
    let workflow = server.app.engine.newest(SubjectKind::Requirement).unwrap();
    fill::fill(server.app.engine.pool(), &workflow, &long).await.unwrap();
    let run: Uuid =
        sqlx::query_scalar("select id from run").fetch_one(server.app.engine.pool()).await.unwrap();
    let (status, page) = server.get(&format!("/runs/{run}")).await;
    assert_eq!(status, 200);
    let nodes = page.matches('<').count() - page.matches("</").count();
    assert!(page.len() <= 200_000, "{} bytes", page.len());
    assert!(nodes <= 3_000, "{nodes} elements");
    let mut address = format!("/runs/{run}");
    for newest in [20_001, 19_951, 19_901] {
        let page = server.get(&address).await.1;
        assert_eq!(ids(&page, "event-"), (newest - 49..=newest).rev().collect::<Vec<_>>(), "{address}");
        let (_, after) = page.split_once("rel=\"next\" href=\"").unwrap();
        address = after.split_once('#').unwrap().0.to_owned();
    }
    assert!(!server.get(&format!("/runs/{run}?before=2")).await.1.contains("rel=\"next\""));
    for wrong in ["0", "x", "-5"] {
        assert_eq!(server.get(&format!("/runs/{run}?before={wrong}")).await.0, 400, "{wrong}");
    }
}

/// The numbers of the elements with an id that begins so.
fn ids(page: &str, prefix: &str) -> Vec<i32> {
    let begin = format!(" id=\"{prefix}");
    page.split(&begin).skip(1).map(|it| it.split_once('"').unwrap().0.parse().unwrap()).collect()
}
