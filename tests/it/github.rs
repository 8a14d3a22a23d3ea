//! The room `github` against a small server: paging, limits, failures, and that one call is one request.
//! The meaning of GitHub's answers is tested in the room itself.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aspora::{
    core::{
        outage::{Held, Outage, Pass, Provider},
        policy::{Permission, PullState},
        rate::{Observed, RateWindow, Wait},
        requirement::RepoName,
        sha::Sha,
    },
    github::{BadConfig, Config, Credential, Effort, Error, Forge, Kind, Throttle, Timeouts, text::Marker},
};
use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};

const SHA: &str = "1111111111111111111111111111111111111111";
const TOKEN: &str = "ghp_canary";

/// The requests that the server saw: method and path with query, and the authorization.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

struct World {
    url: String,
    forge: Forge,
    seen: Seen,
}

impl World {
    /// A server that answers every request with this function of method and path with query.
    async fn new(answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::slow(answer, Duration::ZERO).await
    }

    async fn slow(
        answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static,
        delay: Duration,
    ) -> Self {
        let seen = Seen::default();
        let handle = move |State(seen): State<Seen>, request: Request| async move {
            let call = format!("{} {}", request.method(), request.uri());
            let token = request.headers().get("authorization");
            let token = token.map(|token| token.to_str().unwrap().to_owned()).unwrap_or_default();
            seen.lock().unwrap().push((call.clone(), token));
            tokio::time::sleep(delay).await;
            answer(&call)
        };
        let router = Router::new().fallback(handle).with_state(seen.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v3", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { forge: Forge::new(config(&url, TOKEN)).unwrap(), url, seen }
    }

    fn calls(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
    }
}

fn config(url: &str, token: &str) -> Config {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        read: Duration::from_millis(300),
        total: Duration::from_secs(5),
        young: Duration::from_secs(5),
    };
    Config { api_url: url.parse().unwrap(), credential: Credential::Token(token.into()), timeouts }
}

fn repo() -> RepoName {
    "acme/w".parse().unwrap()
}

fn sha() -> Sha {
    SHA.parse().unwrap()
}

fn status(code: u16, headers: &[(&'static str, &str)], body: &Value) -> Response {
    let mut response = (http::StatusCode::from_u16(code).unwrap(), body.to_string()).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

/// One page of a listing; `more` adds a link to a next page, on another host.
fn page(items: &Value, more: bool) -> Response {
    let link = "<https://evil.example/next?page=2>; rel=\"next\"";
    if more { status(200, &[("link", link)], items) } else { Json(items.clone()).into_response() }
}

fn check_run(id: u64, external_id: &str) -> Value {
    json!({"id": id, "name": "ci", "status": "completed", "conclusion": "success",
        "external_id": external_id, "app": {"id": 5, "slug": "actions"}, "html_url": null,
        "started_at": "2026-11-22T00:00:00Z", "completed_at": null, "output": {}})
}

fn comment(id: u64, user: u64, body: &str) -> Value {
    json!({"id": id, "user": {"id": user, "login": format!("u{user}"), "type": "Bot"}, "body": body,
        "created_at": "2026-11-22T00:00:00Z", "updated_at": "2026-11-22T00:00:00Z"})
}

fn review(id: u64, user: u64, body: &str) -> Value {
    json!({"id": id, "user": {"id": user, "login": "x", "type": "User"}, "body": body,
        "state": "COMMENTED", "commit_id": SHA, "submitted_at": "2026-11-22T00:00:00Z"})
}

fn pull(number: u64, branch: &str, full_name: &str) -> Value {
    json!({"number": number, "state": "closed", "merged": true, "merge_commit_sha": SHA,
        "mergeable": null, "head": {"ref": branch, "sha": SHA, "repo": {"full_name": full_name}},
        "base": {"ref": "main", "sha": SHA}, "user": {"id": 1, "login": "a", "type": "User"},
        "changed_files": 3, "html_url": "https://github.com/acme/w/pull/1", "title": "t", "body": null,
        "created_at": "2026-11-22T00:00:00Z", "updated_at": "2026-11-22T00:00:00Z"})
}

#[tokio::test]
async fn a_listing_is_read_to_its_end_and_the_token_goes_to_no_other_host() {
    let world = World::new(|call| {
        let first = call.ends_with("&page=1");
        let id = if first { 1 } else { 31 };
        page(&json!({"total_count": 2, "check_runs": [check_run(id, "")]}), first)
    })
    .await;
    let runs = world.forge.check_runs(&repo(), &sha()).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [1, 31]);
    assert_eq!((runs[0].app_id, runs[0].app_slug.as_deref()), (Some(5), Some("actions")));
    let route = format!("GET /api/v3/repos/acme/w/commits/{SHA}/check-runs?filter=all&per_page=100");
    let with_token = |page| (format!("{route}&page={page}"), format!("Bearer {TOKEN}"));
    assert_eq!(*world.seen.lock().unwrap(), [with_token(1), with_token(2)]);
}

#[tokio::test]
async fn the_page_after_a_full_page_is_read_even_without_a_link() {
    let world = World::new(|call| {
        let count = if call.ends_with("&page=1") { 100 } else { 1 };
        page(&json!((0..count).map(|id| comment(id, 1, "")).collect::<Vec<_>>()), false)
    })
    .await;
    assert_eq!(world.forge.comments(&repo(), 7).await.unwrap().len(), 101);
}

#[tokio::test]
async fn an_endless_listing_is_refused_and_not_cut() {
    let world = World::new(|_| page(&json!([comment(1, 1, "")]), true)).await;
    let error = world.forge.comments(&repo(), 7).await.unwrap_err();
    assert_eq!((error.kind(), world.calls().len()), (Kind::Unreadable, 100));
}

#[tokio::test]
async fn a_failed_call_is_one_request_and_is_not_retried() {
    async fn check(code: u16, kind: Kind) {
        let world = World::new(move |_| status(code, &[], &json!({"message": "no"}))).await;
        let read = world.forge.pull(&repo(), 7).await.unwrap_err();
        let write = world.forge.create_comment(&repo(), 7, &Marker::new("k"), "x").await.unwrap_err();
        for error in [read, write] {
            assert_eq!((error.kind(), error.status()), (kind, Some(code)));
        }
        assert_eq!(world.calls().len(), 2, "{code}");
    }
    for code in [500, 502, 503, 504] {
        check(code, Kind::Server).await;
    }
    check(401, Kind::Unauthorized).await;
    check(403, Kind::Forbidden).await;
    check(404, Kind::NotFound).await;
    check(409, Kind::Conflict).await;
    check(422, Kind::Validation).await;
    check(429, Kind::RateLimited).await;
    check(451, Kind::Gone).await;
}

#[tokio::test]
async fn a_rate_limit_is_reported_without_waiting() {
    let world = World::new(|_| {
        let headers = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795370430"),
            ("date", "Sun, 22 Nov 2026 18:00:00 GMT"),
            ("x-github-request-id", "AB:1"),
        ];
        status(403, &headers, &json!({"message": "API rate limit exceeded"}))
    })
    .await;
    let error = world.forge.pull(&repo(), 7).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (Kind::RateLimited, true));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(31)));
    assert_eq!(error.request_id(), Some("AB:1"));
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn a_slow_answer_hits_the_read_timeout() {
    let world = World::slow(|_| Json(json!({})).into_response(), Duration::from_secs(60)).await;
    let error = world.forge.pull(&repo(), 7).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.is_ambiguous());
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn an_answer_that_trickles_hits_the_total_timeout() {
    let drops = || {
        let drops = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        axum::body::Body::from_stream(drops).into_response()
    };
    let mut world = World::new(move |_| drops()).await;
    let mut config = config(&world.url, TOKEN);
    config.timeouts.total = Duration::from_millis(400);
    world.forge = Forge::new(config).unwrap();
    let error = world.forge.pull(&repo(), 7).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}

#[tokio::test]
async fn a_refused_connection_is_an_error_without_the_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let forge = Forge::new(config(&url, TOKEN)).unwrap();
    let error = forge.pull(&repo(), 7).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::Connection, None));
    for shown in [format!("{error}"), format!("{error:?}"), format!("{forge:?}")] {
        assert!(!shown.contains(TOKEN), "{shown}");
    }
}

#[tokio::test]
async fn an_unexpected_answer_is_unreadable() {
    for body in [json!([]), json!({}), json!({"number": "seven"}), json!(null)] {
        let world = World::new(move |_| Json(body.clone()).into_response()).await;
        let error = world.forge.pull(&repo(), 7).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreadable, "{error}");
    }
}

#[tokio::test]
async fn the_newest_pull_request_of_a_branch_is_found() {
    let world = World::new(|call| {
        if call.contains("/pulls?") {
            // A server that ignored `head` would list all of these.
            let listed = [
                pull(9, "other", "acme/w"),
                pull(8, "a/b", "fork/w"),
                pull(7, "a/b", "Acme/W"),
                pull(3, "a/b", "acme/w"),
            ];
            return page(&json!(listed), false);
        }
        Json(pull(7, "a/b", "acme/w")).into_response()
    })
    .await;
    let found = world.forge.find_pull(&repo(), "a/b").await.unwrap().unwrap();
    assert_eq!((found.number, found.changed_files, found.state), (7, 3, PullState::Merged));
    assert_eq!(world.forge.find_pull(&repo(), "none").await, Ok(None));
    let list = "GET /api/v3/repos/acme/w/pulls?head=acme%3Aa%2Fb&state=all&per_page=100&page=1";
    assert_eq!(world.calls()[..2], [list, "GET /api/v3/repos/acme/w/pulls/7"]);
}

#[tokio::test]
async fn our_oldest_comment_or_review_is_found_by_author_and_marker() {
    let marker = Marker::new("run/1:comment");
    let quoted = marker.to_string();
    let world = World::new(move |call| {
        if call.ends_with("/user") {
            return Json(json!({"id": 42, "login": "us[bot]", "type": "Bot"})).into_response();
        }
        let make = if call.contains("/reviews") { review } else { comment };
        page(
            &json!([make(1, 666, &quoted), make(9, 42, &quoted), make(5, 42, &quoted), make(2, 42, "hi")]),
            false,
        )
    })
    .await;
    let comment = world.forge.find_comment(&repo(), 7, &marker).await.unwrap();
    let review = world.forge.find_review(&repo(), 7, &marker).await.unwrap();
    assert_eq!((comment.map(|it| it.id), review.map(|it| it.id)), (Some(5), Some(5)));
    assert_eq!(world.forge.find_comment(&repo(), 7, &Marker::new("run/1")).await, Ok(None));
    let asked = world.calls().iter().filter(|call| call.ends_with("/user")).count();
    assert_eq!(asked, 1, "the identity is cached");
}

#[tokio::test]
async fn a_check_run_is_found_by_its_external_id() {
    let world = World::new(|_| {
        page(&json!({"check_runs": [check_run(8, "ours"), check_run(4, "ours"), check_run(1, "")]}), false)
    })
    .await;
    let find = async |id| world.forge.find_check_run(&repo(), &sha(), "Code Review Agent", id).await;
    assert_eq!(find("ours").await.unwrap().map(|run| run.id), Some(4));
    assert_eq!(find("else").await, Ok(None));
    assert!(world.calls()[0].contains("check_name=Code%20Review%20Agent&"));
}

#[tokio::test]
async fn permissions_are_read_and_an_unknown_one_permits_nothing() {
    async fn check(answer: Response, expected: Result<Permission, Kind>) {
        let answer = Mutex::new(Some(answer));
        let answer = Arc::new(answer);
        let world = World::new(move |_| answer.lock().unwrap().take().unwrap()).await;
        let permission = world.forge.permission_of(&repo(), "o'cto[bot]", None).await;
        assert_eq!(permission.map_err(|error: Error| error.kind()), expected);
        assert_eq!(world.calls(), ["GET /api/v3/repos/acme/w/collaborators/o%27cto%5Bbot%5D/permission"]);
    }
    let permits = |word: &str| Json(json!({"permission": word})).into_response();
    check(permits("admin"), Ok(Permission::Admin)).await;
    check(permits("write"), Ok(Permission::Write)).await;
    check(permits("read"), Ok(Permission::Read)).await;
    check(permits("maintain"), Ok(Permission::Maintain)).await;
    check(permits("triage"), Ok(Permission::Triage)).await;
    check(permits("none"), Ok(Permission::None)).await;
    check(permits("emperor"), Ok(Permission::None)).await;
    check(status(404, &[], &json!({})), Ok(Permission::None)).await;
    check(status(403, &[], &json!({})), Err(Kind::Forbidden)).await;
    assert!(Permission::Write > Permission::Read);
}

#[tokio::test]
async fn an_unusable_configuration_is_refused() {
    let check = |url, token, expected| assert_eq!(Forge::new(config(url, token)).err(), expected, "{url}");
    check("https://api.github.com", "t", None);
    check("ftp://api.github.com", "t", Some(BadConfig::Url));
    check("https://user:pw@api.github.com", "t", Some(BadConfig::Url));
    check("https://api.github.com?x=1", "t", Some(BadConfig::Url));
    check("https://api.github.com", "", Some(BadConfig::Token));
    check("https://api.github.com", "token\n", Some(BadConfig::Token));
}

/// A throttle that admits calls once it is open, and what it was asked and observed.
#[derive(Default)]
struct Recorder {
    open: std::sync::atomic::AtomicBool,
    asked: Mutex<Vec<Effort>>,
    observed: Mutex<Vec<Observed>>,
    ended: Mutex<Vec<Option<String>>>,
}

impl Throttle for Recorder {
    fn provider(&self) -> Provider {
        Provider::forge("x")
    }

    fn pass<'a>(&'a self, _account: &'a str, effort: Effort) -> BoxFuture<'a, Result<Pass, Held>> {
        self.asked.lock().unwrap().push(effort);
        let open = self.open.load(std::sync::atomic::Ordering::SeqCst);
        let (key, why) = ("github:x:y".to_owned(), "rate limited (403)".to_owned());
        let wait = Wait { key, wait: Duration::from_secs(40), is_penalty: true, why };
        async move { if open { Ok(Pass::default()) } else { Err(wait.into()) } }.boxed()
    }

    fn ended(&self, _: Pass, failure: Option<String>) -> BoxFuture<'_, Option<Outage>> {
        self.ended.lock().unwrap().push(failure);
        async { None }.boxed()
    }

    fn observe<'a>(&'a self, _account: &'a str, observed: Observed) -> BoxFuture<'a, ()> {
        self.observed.lock().unwrap().push(observed);
        async {}.boxed()
    }
}

#[tokio::test]
async fn a_call_that_is_held_back_is_not_sent_and_every_answer_is_observed() {
    let mut world = World::new(|call| match call {
        "GET /api/v3/user" => Json(json!({"id": 5, "login": "ada", "type": "User"})).into_response(),
        "GET /api/v3/repos/acme/w/pulls/7" => {
            let headers = [
                ("x-ratelimit-limit", "5000"),
                ("x-ratelimit-remaining", "17"),
                ("x-ratelimit-reset", "1795370430"),
                ("date", "Sun, 22 Nov 2026 18:00:00 GMT"),
            ];
            status(200, &headers, &pull(7, "b", "acme/w"))
        }
        _ => status(
            403,
            &[("retry-after", "90")],
            &json!({"message": "secondary rate limit, token ghp_canary"}),
        ),
    })
    .await;
    let recorder = Arc::new(Recorder::default());
    world.forge = Forge::new(config(&world.url, TOKEN)).unwrap().behind(recorder.clone());
    let error = world.forge.pull(&repo(), 7).await.unwrap_err();
    assert_eq!((error.kind(), error.held_by()), (Kind::Held, Some("github:x:y")));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(40)));
    assert!(error.is_transient() && !error.is_ambiguous());
    assert!(error.to_string().contains("held back by the rate limit github:x:y for 40.0 s"), "{error}");
    assert!(world.calls().is_empty());

    recorder.open.store(true, std::sync::atomic::Ordering::SeqCst);
    world.forge.pull(&repo(), 7).await.unwrap();
    world.forge.create_comment(&repo(), 7, &Marker::new("k"), "x").await.unwrap_err();
    // The first call of all asks whose limit is to be counted.
    assert_eq!(*recorder.asked.lock().unwrap(), [Effort::Read, Effort::Read, Effort::Read, Effort::Create]);
    assert_eq!(*recorder.ended.lock().unwrap(), [None, None, None], "all calls were answered");
    let full_in = Duration::from_secs(31);
    let window = RateWindow { limit: 5_000, remaining: 17, full_in, is_gradual: false };
    let read = Observed { calls: Some(window), ..Observed::default() };
    let penalty = Some((Duration::from_secs(90), "rate limited (403)".to_owned()));
    let penalty = Observed { penalty, ..Observed::default() };
    // A penalty closes the limit of the account, and that of the token, by which a new process would ask.
    assert_eq!(*recorder.observed.lock().unwrap(), [Observed::default(), read, penalty.clone(), penalty]);
}
