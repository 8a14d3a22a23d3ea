//! The version of the API: named in every call, and its end is announced in time.

use aspora::github::{API_VERSION, Credential, Kind};
use serde_json::json;

use super::stub::{Stub, json, pull, repo, with_headers};

#[tokio::test]
async fn every_call_names_the_version() {
    let stub = Stub::new(|_| None).await;
    stub.app().identity().await.unwrap();
    assert!(stub.seen().iter().all(|seen| seen.version == API_VERSION), "{:?}", stub.seen());
}

#[tokio::test]
async fn the_announced_end_of_the_version_is_kept_for_people() {
    let stub = Stub::new(|_| {
        let headers = [("deprecation", "@1900000000"), ("sunset", "Fri, 10 Mar 2028 00:00:00 GMT")];
        Some(with_headers(200, &headers, &pull()))
    })
    .await;
    let forge = stub.with(Credential::Token("ghp_x".into()));
    assert_eq!(forge.notice(), None);
    forge.pull(&repo(), 7).await.unwrap();
    let notice = forge.notice().unwrap();
    assert!(notice.contains(API_VERSION) && notice.contains("Fri, 10 Mar 2028"), "{notice}");
}

#[tokio::test]
async fn a_version_that_has_ended_says_what_to_do_and_is_not_retried() {
    async fn check(status: u16, message: &str, kind: Kind, expected: &str) {
        let body = json!({"message": message});
        let stub = Stub::new(move |_| Some(json(status, &body))).await;
        let error = stub.with(Credential::Token("ghp_x".into())).pull(&repo(), 7).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (kind, false));
        assert!(error.message().contains(expected), "{error}");
    }
    check(410, "This API version is no longer supported.", Kind::Gone, "update Aspora").await;
    check(400, "\"2022-11-28\" is not a supported API version", Kind::Refused, "update Aspora").await;
    check(410, "Issues are disabled for this repo", Kind::Gone, "Issues are disabled").await;
}
