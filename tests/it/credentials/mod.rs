//! What the client of GitHub authenticates with: an App's tokens are minted, kept and renewed; tokens that people
//! gave us are used as they are; none is ever shown.

mod inspect;
mod redirects;
mod stub;
mod versions;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aspora::{
    core::{
        outage::{Held, Outage, Pass, Provider},
        rate::Observed,
    },
    github::{Account, AppKey, BadApp, Credential, Effort, Forge, Kind, Throttle},
};
use chrono::{TimeDelta, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::json;

use self::stub::{Stub, armoured, claims, date, der, installation, json, minted, pem, repo, with_headers};

const MINT: &str = "POST /app/installations/7/access_tokens";

#[tokio::test]
async fn a_token_is_minted_for_the_repository_with_the_least_permissions_and_kept() {
    let stub = Stub::new(|_| None).await;
    let forge = stub.app();
    for _ in 0..3 {
        forge.pull(&repo(), 7).await.unwrap();
    }
    let read = "GET /repos/acme/w/pulls/7";
    assert_eq!(stub.calls(), ["GET /repos/acme/w/installation", MINT, read, read, read]);
    let seen = stub.seen();
    let permissions = json!({"metadata": "read", "contents": "write", "pull_requests": "write",
        "checks": "write", "actions": "read", "administration": "read", "issues": "write"});
    assert_eq!(seen[1].body, json!({"repositories": ["w"], "permissions": permissions}));
    assert!(seen[2..].iter().all(|seen| seen.token == "ghs_2"), "{seen:?}");
    let (claims, now) = (claims(&seen[0].token), Utc::now().timestamp());
    assert_eq!(claims["iss"], "12345");
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((now - 70..=now - 60).contains(&iat), "{claims} {now}");
    assert!(exp - now <= 600 && exp - iat <= 600 && exp > now + 300, "{claims} {now}");
}

#[tokio::test]
async fn callers_that_come_at_once_mint_once() {
    let stub = Stub::new(|_| None).await;
    let forge = stub.app();
    let repo = repo();
    let calls = (0..10).map(|_| forge.pull(&repo, 7));
    assert!(futures::future::join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!((stub.count(MINT), stub.count("/pulls/7")), (1, 10));
}

#[tokio::test]
async fn a_token_that_has_ended_is_minted_anew() {
    let stub = Stub::new(|seen| {
        (seen.call == MINT).then(|| json(201, &minted("ghs_short", TimeDelta::seconds(-1))))
    })
    .await;
    let forge = stub.app();
    for _ in 0..3 {
        forge.pull(&repo(), 7).await.unwrap();
    }
    assert_eq!(stub.count(MINT), 3);
}

/// A GitHub that refuses the first `refusals` calls for the pull request.
async fn refusing(refusals: usize) -> Stub {
    let seen_so_far = AtomicUsize::new(0);
    Stub::new(move |seen| {
        let is_read = seen.call.contains("/pulls/7");
        let refuses = is_read && seen_so_far.fetch_add(1, Ordering::SeqCst) < refusals;
        refuses.then(|| json(401, &json!({"message": "Bad credentials"})))
    })
    .await
}

/// Of the calls for the pull request.
fn tokens(stub: &Stub) -> Vec<String> {
    stub.seen().into_iter().filter(|it| it.call.contains("/pulls/7")).map(|it| it.token).collect()
}

#[tokio::test]
async fn a_token_that_was_just_minted_and_is_refused_is_waited_with() {
    let stub = refusing(2).await;
    stub.app().pull(&repo(), 7).await.unwrap();
    assert_eq!(stub.count(MINT), 1);
    assert_eq!(tokens(&stub), ["ghs_2"; 3]);
}

/// A client for which no token is young.
fn patient(stub: &Stub) -> Forge {
    let mut config = stub.config(Credential::App(AppKey::new("12345", &pem().into()).unwrap()));
    config.timeouts.young = std::time::Duration::ZERO;
    Forge::new(config).unwrap()
}

#[tokio::test]
async fn an_older_token_that_is_refused_is_minted_anew_once_and_the_call_is_sent_again() {
    let stub = refusing(1).await;
    patient(&stub).pull(&repo(), 7).await.unwrap();
    assert_eq!(stub.count(MINT), 2);
    assert_eq!(tokens(&stub), ["ghs_2", "ghs_5"]);

    let stub = refusing(usize::MAX).await;
    let error = patient(&stub).pull(&repo(), 7).await.unwrap_err();
    assert_eq!((error.kind(), stub.count(MINT)), (Kind::Unauthorized, 2));
    assert_eq!(tokens(&stub).len(), 2);
}

#[tokio::test]
async fn a_token_that_a_person_gave_us_is_not_sent_again() {
    let stub = refusing(usize::MAX).await;
    let forge = stub.with(Credential::Token("github_pat_11AAA_bbb".into()));
    assert_eq!(forge.pull(&repo(), 7).await.unwrap_err().kind(), Kind::Unauthorized);
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn an_app_that_is_not_installed_says_where_to_install_it() {
    let stub = Stub::new(|seen| {
        seen.call.ends_with("/installation").then(|| json(404, &json!({"message": "Not Found"})))
    })
    .await;
    let error = stub.app().pull(&repo(), 7).await.unwrap_err();
    // As what a person grants: the run is retried, and does not end.
    assert_eq!(error.kind(), Kind::Forbidden);
    let expected = "the GitHub App is not installed on acme/w; install it at ";
    assert!(error.message().contains(expected), "{error}");
    assert!(error.message().contains("/apps/aspora-test/installations/new"), "{error}");
}

#[tokio::test]
async fn a_suspended_installation_is_named() {
    let stub = Stub::new(|seen| {
        let mut answer = installation(7);
        answer["suspended_at"] = json!("2026-11-22T00:00:00Z");
        seen.call.ends_with("/installation").then(|| json(200, &answer))
    })
    .await;
    let error = stub.app().pull(&repo(), 7).await.unwrap_err();
    assert!(error.message().contains("is suspended; unsuspend it at https://github.com/settings"), "{error}");
    assert_eq!((error.kind(), stub.count(MINT)), (Kind::Forbidden, 0));
}

#[tokio::test]
async fn a_wrong_clock_is_set_by_githubs() {
    let theirs = Utc::now() + TimeDelta::hours(3);
    let stub = Stub::new(move |seen| {
        let ends = |jwt: &str| claims(jwt)["exp"].as_i64().unwrap();
        let is_stale = seen.call.ends_with("/installation") && ends(&seen.token) < theirs.timestamp();
        let why = "'Expiration time' claim ('exp') must be a numeric value representing the future time";
        is_stale.then(|| with_headers(401, &[("date", &date(theirs))], &json!({"message": why})))
    })
    .await;
    let forge = stub.app();
    forge.pull(&repo(), 7).await.unwrap();
    assert_eq!(stub.count("/installation"), 2 + stub.count(MINT));
}

#[tokio::test]
async fn a_key_that_github_does_not_know_is_explained() {
    let stub = Stub::new(|seen| {
        let why = json!({"message": "A JSON web token could not be decoded"});
        seen.call.ends_with("/installation").then(|| json(401, &why))
    })
    .await;
    let error = stub.app().pull(&repo(), 7).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(error.message().contains("GITHUB_APP_PRIVATE_KEY"), "{error}");
}

#[tokio::test]
async fn each_kind_of_credential_learns_who_it_is() {
    let stub = Stub::new(|seen| match seen.call.as_str() {
        "GET /user" if seen.token.starts_with("ghp_") => {
            Some(json(200, &json!({"id": 5, "login": "ada", "type": "User"})))
        }
        "GET /user" => Some(json(403, &json!({"message": "Resource not accessible by integration"}))),
        "POST /graphql" => {
            let viewer = json!({"login": "github-actions[bot]", "databaseId": 41_898_282});
            Some(json(200, &json!({"data": {"viewer": viewer}})))
        }
        _ => None,
    })
    .await;
    let of = async |token: &str| stub.with(Credential::Token(token.into())).identity().await.unwrap();
    let account = |id, login: &str, is_bot| Account { id, login: login.to_owned(), is_bot };
    assert_eq!(of("ghp_x").await, account(5, "ada", false));
    assert_eq!(of("ghs_x").await, account(41_898_282, "github-actions[bot]", true));
    assert_eq!(of("of-unknown-form").await, account(41_898_282, "github-actions[bot]", true));
    let (app, before) = (stub.app(), stub.calls().len());
    for _ in 0..2 {
        assert_eq!(app.identity().await, Ok(account(777, "aspora-test[bot]", true)));
    }
    assert_eq!(
        stub.calls()[before..],
        ["GET /app", "GET /app/installations?per_page=1", MINT, "GET /users/aspora-test%5Bbot%5D"]
    );
}

#[tokio::test]
async fn the_error_of_a_wrong_token_is_reported_and_not_cached() {
    let stub = Stub::new(|_| Some(json(401, &json!({"message": "Bad credentials"})))).await;
    let forge = stub.with(Credential::Token("ghp_wrong".into()));
    for _ in 0..2 {
        let error = forge.identity().await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Unauthorized, "Bad credentials"));
    }
    assert_eq!(stub.calls().len(), 2);
}

#[tokio::test]
async fn tokens_of_any_length_are_used_and_never_shown() {
    let long = format!("ghs_12345_eyJhbGciOiJ.{}.{}", "eyJ-_a".repeat(60), "c".repeat(138));
    assert_eq!(long.len(), 521);
    for token in [format!("ghs_{}", "a".repeat(36)), long] {
        let secret = token.clone();
        let stub = Stub::new(move |seen| match seen.call.as_str() {
            MINT => Some(json(201, &minted(&secret, TimeDelta::hours(1)))),
            "GET /repos/acme/w/pulls/8" => {
                Some(json(422, &json!({"message": format!("bad header Bearer {}", seen.token)})))
            }
            _ => None,
        })
        .await;
        let forge = stub.app();
        forge.pull(&repo(), 7).await.unwrap();
        assert_eq!(tokens(&stub), [token.as_str()]);
        let access = forge.git_access(&repo()).await.unwrap();
        let error = forge.pull(&repo(), 8).await.unwrap_err();
        assert!(error.message().starts_with("bad header Bearer "), "{error}");
        for shown in [format!("{error} {error:?}"), format!("{forge:?}"), format!("{access:?}")] {
            assert!(!shown.contains(&token[..12]), "{shown}");
        }
    }
}

/// A throttle that notes whose calls it admits.
#[derive(Default)]
struct Accounts(Mutex<Vec<String>>);

impl Throttle for Accounts {
    fn provider(&self) -> Provider {
        Provider::forge("x")
    }

    fn pass<'a>(&'a self, account: &'a str, _effort: Effort) -> BoxFuture<'a, Result<Pass, Held>> {
        self.0.lock().unwrap().push(account.to_owned());
        async { Ok(Pass::default()) }.boxed()
    }

    fn ended(&self, _: Pass, _: Option<String>) -> BoxFuture<'_, Option<Outage>> {
        async { None }.boxed()
    }

    fn observe<'a>(&'a self, _account: &'a str, _observed: Observed) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }
}

#[tokio::test]
async fn a_limit_is_counted_by_installation_or_account_and_not_by_token() {
    let stub = Stub::new(|seen| {
        let user = json!({"id": 5, "login": "ada", "type": "User"});
        (seen.call == "GET /user").then(|| json(200, &user))
    })
    .await;
    let accounts = Arc::new(Accounts::default());
    stub.app().behind(accounts.clone()).pull(&repo(), 7).await.unwrap();
    assert_eq!(*accounts.0.lock().unwrap(), ["app/12345", "app/12345", "installation/7"]);
    accounts.0.lock().unwrap().clear();
    for token in ["ghp_before", "ghp_renewed"] {
        let forge = stub.with(Credential::Token(token.into())).behind(accounts.clone());
        forge.pull(&repo(), 7).await.unwrap();
    }
    let asked = accounts.0.lock().unwrap().clone();
    assert!(asked[0].starts_with("token/") && asked[2].starts_with("token/"), "{asked:?}");
    assert_eq!((asked[1].as_str(), asked[3].as_str()), ("account/5", "account/5"));
}

#[test]
fn a_key_is_read_in_either_form_and_a_bad_one_is_never_quoted() {
    let ok = |pem: &str| assert!(AppKey::new("Iv23liAbCdEf", &pem.into()).is_ok(), "{pem}");
    ok(&pem());
    ok(&pem().replace('\n', "\\n"));
    ok(&format!("\n  {}  \n", pem()));
    // PKCS#1 is what PKCS#8 wraps, behind a header of 26 bytes.
    ok(&armoured("RSA PRIVATE KEY", &der()[26..]));
    let bad = |id: &str, pem: &str, expected| {
        let error = AppKey::new(id, &pem.into()).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("canary"));
    };
    bad("1", "canary", BadApp::Key);
    bad("1", "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----", BadApp::Key);
    bad("1", &armoured("EC PRIVATE KEY", b"canary"), BadApp::Key);
    bad("1", &armoured("RSA PRIVATE KEY", &der()[60..]), BadApp::Key);
    bad("not an id", &pem(), BadApp::Id);
    bad("", &pem(), BadApp::Id);
    let app = AppKey::new("1", &pem().into()).unwrap();
    let shown = format!("{:?} {:?}", Credential::App(app), Credential::Token("ghp_canary".into()));
    assert!(!shown.contains("BEGIN") && !shown.contains("canary"), "{shown}");
}
