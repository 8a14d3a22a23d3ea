//! A repository that was renamed: its calls are redirected, and followed to GitHub itself alone.

use aspora::github::{Credential, Kind, text::Marker};
use serde_json::json;

use super::stub::{Stub, json, pull, repo, with_headers};

const TOKEN: &str = "ghp_canary";

/// A GitHub where `acme/w` was renamed to `acme/new`, and has the number 99.
async fn renamed() -> Stub {
    Stub::new(|seen| {
        let (method, path) = seen.call.split_once(' ').unwrap();
        if let Some(rest) = path.strip_prefix("/repos/acme/w") {
            let status = if method == "GET" { 301 } else { 307 };
            let to = format!("/repositories/99{rest}");
            return Some(with_headers(
                status,
                &[("location", &to)],
                &json!({"message": "Moved Permanently"}),
            ));
        }
        Some(match path {
            "/repositories/99" => json(200, &json!({"id": 99, "full_name": "acme/new"})),
            "/repositories/99/pulls/7" => json(200, &pull()),
            "/repositories/99/installation" => json(200, &super::installation(7)),
            "/repositories/99/issues/7/comments" if method == "POST" => json(
                201,
                &json!({"id": 1, "user": null, "body": seen.body["body"],
                    "created_at": "2026-11-22T00:00:00Z", "updated_at": "2026-11-22T00:00:00Z"}),
            ),
            _ => return None,
        })
    })
    .await
}

#[tokio::test]
async fn a_renamed_repository_is_followed_and_a_post_stays_a_post() {
    let stub = renamed().await;
    let forge = stub.with(Credential::Token(TOKEN.into()));
    assert_eq!(forge.pull(&repo(), 7).await.unwrap().number, 7);
    let comment = forge.create_comment(&repo(), 7, &Marker::new("k"), "text").await.unwrap();
    assert!(comment.body.contains("text"));
    assert!(stub.calls().contains(&"POST /repositories/99/issues/7/comments".to_owned()));
    assert!(stub.seen().iter().all(|seen| seen.token == TOKEN));
}

#[tokio::test]
async fn git_and_the_minting_use_the_name_or_the_number_of_a_renamed_repository() {
    let stub = renamed().await;
    let access = stub.app().git_access(&repo()).await.unwrap();
    assert_eq!(access.name.to_string(), "acme/new");
    let minted = stub.seen().into_iter().find(|seen| seen.call.ends_with("access_tokens")).unwrap();
    assert_eq!(minted.body["repository_ids"], json!([99]));
    assert_eq!(minted.body.get("repositories"), None);
}

#[tokio::test]
async fn the_token_follows_no_redirect_to_another_host() {
    let elsewhere = Stub::new(|_| Some(json(200, &pull()))).await;
    let to = elsewhere.url.clone();
    let stub = Stub::new(move |_| Some(with_headers(302, &[("location", &to)], &json!({})))).await;
    let forge = stub.with(Credential::Token(TOKEN.into()));
    forge.pull(&repo(), 7).await.unwrap();
    assert_eq!(elsewhere.seen().iter().map(|seen| seen.token.as_str()).collect::<Vec<_>>(), [""]);
    let error = forge.create_comment(&repo(), 7, &Marker::new("k"), "text").await.unwrap_err();
    assert_eq!((error.kind(), elsewhere.calls().len()), (Kind::Moved, 1), "a write is not sent elsewhere");
}

#[tokio::test]
async fn a_redirect_without_an_end_is_reported() {
    let stub = Stub::new(|seen| {
        let path = seen.call.split_once(' ').unwrap().1;
        Some(with_headers(301, &[("location", path)], &json!({})))
    })
    .await;
    let error = stub.with(Credential::Token(TOKEN.into())).pull(&repo(), 7).await.unwrap_err();
    assert_eq!((error.kind(), stub.calls().len()), (Kind::Moved, 5));
}
