use serde_json::json;

use super::*;
use crate::{
    core::{run::Topic, sha::Sha},
    github::buttons::Button,
};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn read_as(event: &str, action: &str, mut payload: Value) -> Meaning {
    payload["repository"] = json!({"full_name": "acme/wealth-product", "id": 5});
    payload["action"] = json!(action);
    let read = read(Some(event), Some("72d3162e-cc78-11e3"), &payload).unwrap();
    assert_eq!((read.event.as_str(), read.action.as_deref()), (event, Some(action)));
    let repository = read.repository.unwrap();
    assert_eq!((repository.name.to_string().as_str(), repository.id), ("acme/wealth-product", Some(5)));
    read.meaning
}

#[track_caller]
fn changes(event: &str, payload: Value, topic: Topic, about: (Option<&str>, Option<&str>, Option<u64>)) {
    let Meaning::Changed(read_topic, hint) = read_as(event, "completed", payload) else {
        panic!("{event} changes nothing")
    };
    let read_about = (hint.branch.as_deref(), hint.sha.as_ref().map(Sha::as_str), hint.pull);
    assert_eq!((read_topic, read_about, hint.whole), (topic, about, false), "{event}");
}

#[track_caller]
fn ignores(event: &str, action: &str, payload: Value, why: Ignored) {
    assert_eq!(read_as(event, action, payload), Meaning::Ignored(why), "{event}.{action}");
}

#[test]
fn each_event_names_what_it_is_about() {
    let head = json!({"ref": "b", "sha": SHA, "repo": {"id": 5}});
    let pull = json!({"pull_request": {"number": 7, "head": head}});
    changes("pull_request", pull.clone(), Topic::Pull, (Some("b"), Some(SHA), Some(7)));
    changes("pull_request_review", pull.clone(), Topic::Reviews, (Some("b"), Some(SHA), Some(7)));
    changes("pull_request_review_thread", pull, Topic::Reviews, (Some("b"), Some(SHA), Some(7)));
    let run = json!({"check_run": {"head_sha": SHA, "check_suite": {"head_branch": "b"},
        "pull_requests": [{"number": 7}]}});
    changes("check_run", run, Topic::Checks, (Some("b"), Some(SHA), Some(7)));
    let suite = json!({"check_suite": {"head_sha": SHA, "head_branch": null,
        "pull_requests": [{"number": 7}, {"number": 8}]}});
    changes("check_suite", suite, Topic::Checks, (None, Some(SHA), None));
    let run = json!({"workflow_run": {"head_sha": SHA, "head_branch": "b", "pull_requests": []}});
    changes("workflow_run", run, Topic::Checks, (Some("b"), Some(SHA), None));
    let status = json!({"sha": SHA, "branches": [{"name": "b"}]});
    changes("status", status, Topic::Checks, (Some("b"), Some(SHA), None));
    let push = json!({"ref": "refs/heads/a/b", "after": SHA});
    changes("push", push, Topic::Push, (Some("a/b"), Some(SHA), None));
    let gone = json!({"ref": "refs/heads/b", "after": "0".repeat(40)});
    changes("push", gone, Topic::Push, (Some("b"), None, None));
    changes("delete", json!({"ref": "b", "ref_type": "branch"}), Topic::Push, (Some("b"), None, None));
    let comment = json!({"issue": {"number": 7, "pull_request": {}}});
    assert_eq!(read_as("issue_comment", "created", comment), Meaning::Commented(7));
    let head = json!({"ref": "a\u{0}b", "sha": "HEAD", "repo": {"id": 5}});
    let odd = json!({"pull_request": {"number": -1, "head": head}});
    changes("pull_request", odd, Topic::Pull, (None, None, None));
}

#[test]
fn a_branch_of_a_merge_queue_names_its_pull_request() {
    let branch = "gh-readonly-queue/release/1.x/pr-104-929f8209";
    let group = json!({"merge_group": {"head_ref": format!("refs/heads/{branch}")}});
    changes("merge_group", group, Topic::Pull, (Some(branch), None, Some(104)));
    let suite = json!({"check_suite": {"head_branch": branch, "pull_requests": []}});
    changes("check_suite", suite, Topic::Checks, (Some(branch), None, Some(104)));
    let own = json!({"merge_group": {"head_ref": "refs/heads/main/pr-104-929f8209"}});
    changes("merge_group", own, Topic::Pull, (Some("main/pr-104-929f8209"), None, None));
}

#[test]
fn deleted_accounts_and_forks_that_are_gone_are_no_failure() {
    let of = |repo: Value| {
        let head = json!({"label": null, "user": null, "repo": repo, "ref": "main", "sha": SHA});
        json!({"sender": null, "pull_request": {"number": 7, "user": null, "head": head}})
    };
    for fork in [Value::Null, json!({"id": 6}), json!({})] {
        changes("pull_request", of(fork), Topic::Pull, (None, Some(SHA), Some(7)));
    }
    let mut review = of(Value::Null);
    review["review"] = json!({"user": null, "state": "approved"});
    changes("pull_request_review", review, Topic::Reviews, (None, Some(SHA), Some(7)));
    let comment = json!({"sender": null, "comment": {"user": null}, "issue": {"number": 7, "user": null,
        "pull_request": {}}});
    assert_eq!(read_as("issue_comment", "created", comment), Meaning::Commented(7));
    let press = json!({"sender": null, "requested_action": {"identifier": "take_over"},
        "check_run": {"external_id": null}});
    let nobody = Press { button: Button::TakeOver, check: String::new(), by: None };
    assert_eq!(read_as("check_run", "requested_action", press), Meaning::Pressed(nobody));
}

#[test]
fn what_changes_no_run_is_ignored_with_its_reason() {
    ignores("star", "created", json!({}), Ignored::Event("star".to_owned()));
    ignores("ping", "x", json!({}), Ignored::Ping);
    ignores("issue_comment", "created", json!({"issue": {"number": 7}}), Ignored::Issue);
    ignores("push", "x", json!({"ref": "refs/tags/v1", "after": SHA}), Ignored::NoBranch);
    ignores("create", "x", json!({"ref": "v1", "ref_type": "tag"}), Ignored::NoBranch);
    let labeled = Ignored::Action("pull_request".to_owned(), "labeled".to_owned());
    ignores("pull_request", "labeled", json!({"pull_request": {"number": 7}}), labeled);
    let edited = Ignored::Action("repository".to_owned(), "edited".to_owned());
    ignores("repository", "edited", json!({}), edited);
    let foreign = json!({"requested_action": {"identifier": "lgtm"}});
    ignores("check_run", "requested_action", foreign, Ignored::NoButton);
    let check = |payload: Value| read(Some("push"), Some("d"), &payload).unwrap().meaning;
    let push = || json!({"ref": "refs/heads/b", "after": SHA});
    assert_eq!(check(push()), Meaning::Ignored(Ignored::NoRepository));
    let mut traversal = push();
    traversal["repository"] = json!({"full_name": "../etc"});
    assert_eq!(check(traversal), Meaning::Ignored(Ignored::NoRepository));
}

#[test]
fn what_we_may_do_changes_by_account_or_by_repository() {
    let named = vec!["acme/a".parse().unwrap(), "acme/b".parse().unwrap()];
    let suspended = json!({"installation": {"account": {"login": "acme"}}});
    assert_eq!(
        read_as("installation", "suspend", suspended),
        Meaning::Access(Access { owner: Some("acme".to_owned()), repositories: vec![] })
    );
    let changed = json!({"repositories_added": [{"full_name": "acme/a"}, {"full_name": 7}],
        "repositories_removed": [{"full_name": "acme/b"}]});
    assert_eq!(
        read_as("installation_repositories", "added", changed),
        Meaning::Access(Access { owner: None, repositories: named })
    );
}

#[test]
fn a_header_that_is_missing_is_named() {
    let check = |event, delivery, header| {
        assert_eq!(read(event, delivery, &json!({})), Err(Unreadable::Header(header)));
    };
    check(None, Some("d"), EVENT_HEADER);
    check(Some("a\nb"), Some("d"), EVENT_HEADER);
    check(Some("push"), None, DELIVERY_HEADER);
    check(Some("push"), Some(""), DELIVERY_HEADER);
}
