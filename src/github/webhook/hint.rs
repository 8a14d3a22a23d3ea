//! What an event is about; each kind of event has it in different fields.

use serde_json::Value;

use super::fields::{only, text};
use crate::core::{
    pull::{Description, Opened},
    sha::Sha,
};

/// The most bytes of a branch name; git itself allows about as many.
const BRANCH_LIMIT: usize = 255;
/// What the branches of a merge queue begin with. docs.github.com "Managing a merge queue".
const QUEUE: &str = "gh-readonly-queue/";

/// What a change is about, as far as it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// The whole repository.
    pub whole: bool,
    /// The branch, of the repository itself.
    pub branch: Option<String>,
    /// The commit.
    pub sha: Option<Sha>,
    /// The pull request, if exactly one.
    pub pull: Option<u64>,
    /// The pull request itself, where it is open.
    pub opened: Option<Box<Opened>>,
    /// Whether what the branch got may have another policy.
    pub moves_policy: bool,
}

/// The account that GitHub names in place of one that is gone.
const GHOST: &str = "ghost";
/// The most commits that a push lists. docs.github.com "Webhook events and payloads".
const MOST_COMMITS: usize = 2_048;
/// What the files of our contract begin with.
const POLICY_FOLDER: &str = ".aspora/";

/// Where a payload says it.
#[derive(Default)]
struct Places<'a> {
    branch: Option<&'a str>,
    sha: Option<&'a str>,
    pull: Option<u64>,
}

impl Hint {
    /// What a payload of this event is about.
    pub(super) fn of(event: &str, payload: &Value) -> Self {
        let Places { branch, sha, pull } = Places::of(event, payload);
        Self {
            whole: false,
            pull: pull.or_else(|| branch.and_then(queued_pull)),
            branch: branch.filter(|branch| is_plain(branch)).map(str::to_owned),
            sha: sha.and_then(|sha| sha.parse().ok()).filter(is_a_commit),
            opened: (event == "pull_request").then(|| opened(payload)).flatten().map(Box::new),
            moves_policy: event == "push" && may_move_policy(payload),
        }
    }
}

impl<'a> Places<'a> {
    fn of(event: &str, payload: &'a Value) -> Self {
        let number = |at: &str| payload.pointer(at).and_then(Value::as_u64);
        match event {
            "check_run" => Self {
                branch: text(payload, "/check_run/check_suite/head_branch"),
                sha: text(payload, "/check_run/head_sha"),
                pull: only_pull(payload, "/check_run/pull_requests"),
            },
            "check_suite" => Self {
                branch: text(payload, "/check_suite/head_branch"),
                sha: text(payload, "/check_suite/head_sha"),
                pull: only_pull(payload, "/check_suite/pull_requests"),
            },
            "workflow_run" => Self {
                branch: text(payload, "/workflow_run/head_branch"),
                sha: text(payload, "/workflow_run/head_sha"),
                pull: only_pull(payload, "/workflow_run/pull_requests"),
            },
            "workflow_job" => Self {
                branch: text(payload, "/workflow_job/head_branch"),
                sha: text(payload, "/workflow_job/head_sha"),
                pull: None,
            },
            "status" => Self {
                branch: only(payload, "/branches").and_then(|branch| branch.get("name")?.as_str()),
                sha: text(payload, "/sha"),
                pull: None,
            },
            "merge_group" => {
                Self { branch: branch_of(text(payload, "/merge_group/head_ref")), ..Self::default() }
            }
            "push" => {
                Self { branch: branch_of(text(payload, "/ref")), sha: text(payload, "/after"), pull: None }
            }
            "create" | "delete" => {
                let is_branch = text(payload, "/ref_type") == Some("branch");
                Self { branch: text(payload, "/ref").filter(|_| is_branch), ..Self::default() }
            }
            "issue_comment" => {
                let is_pull = payload.pointer("/issue/pull_request").is_some_and(Value::is_object);
                Self { pull: number("/issue/number").filter(|_| is_pull), ..Self::default() }
            }
            // The events of a pull request, its reviews and its threads.
            _ => Self {
                branch: text(payload, "/pull_request/head/ref").filter(|_| !is_of_a_fork(payload)),
                sha: text(payload, "/pull_request/head/sha"),
                pull: number("/pull_request/number"),
            },
        }
    }
}

/// The open pull request that a payload is about.
fn opened(payload: &Value) -> Option<Opened> {
    let at = |place: &str| text(payload, &format!("/pull_request/{place}")).map(str::to_owned);
    if at("state").as_deref() != Some("open") {
        return None;
    }
    let author = payload.pointer("/pull_request/user/id").and_then(Value::as_i64);
    let owner = || at("head/repo/owner/login").or_else(|| at("head/user/login"));
    Some(Opened {
        base_branch: at("stack/base/ref").or_else(|| at("base/ref"))?,
        head_branch: at("head/ref")?,
        fork: is_of_a_fork(payload).then(|| owner().unwrap_or_else(|| GHOST.to_owned())),
        head: at("head/sha")?.parse().ok()?,
        description: Description {
            title: at("title").unwrap_or_default(),
            body: at("body").unwrap_or_default(),
            author_login: at("user/login"),
            author_account: author,
        },
    })
}

/// Whether a push may have changed the policy: one of its commits names such a file, or it does not say what they change. A
/// push lists at most 2,048 commits. docs.github.com "Webhook events and payloads".
fn may_move_policy(payload: &Value) -> bool {
    let is_forced = payload.pointer("/forced").and_then(Value::as_bool).unwrap_or(true);
    let commits = payload.pointer("/commits").and_then(Value::as_array);
    let Some(commits) = commits.filter(|commits| !is_forced && (1..MOST_COMMITS).contains(&commits.len()))
    else {
        return true;
    };
    commits.iter().any(|commit| {
        // A merge lists no files: what it brings is in the other commits.
        let lists = ["added", "removed", "modified"].map(|list| commit.get(list).and_then(Value::as_array));
        let mut paths = lists.into_iter().flatten().flatten().filter_map(Value::as_str);
        paths.any(|path| path.starts_with(POLICY_FOLDER))
    })
}

fn branch_of(reference: Option<&str>) -> Option<&str> {
    reference?.strip_prefix("refs/heads/")
}

/// Whether the branch of a pull request is in another repository; null is a fork that is gone.
fn is_of_a_fork(payload: &Value) -> bool {
    let head = payload.pointer("/pull_request/head/repo/id");
    head.is_none() || head != payload.pointer("/repository/id")
}

/// The pull request that a branch of a merge queue tests: `gh-readonly-queue/main/pr-104-<sha>`. GitHub documents the
/// beginning of the name; the rest is as in its example payloads.
fn queued_pull(branch: &str) -> Option<u64> {
    let (_, last) = branch.strip_prefix(QUEUE)?.rsplit_once('/')?;
    last.strip_prefix("pr-")?.split('-').next()?.parse().ok()
}

fn only_pull(payload: &Value, at: &str) -> Option<u64> {
    only(payload, at)?.get("number")?.as_u64()
}

fn is_plain(branch: &str) -> bool {
    (1..=BRANCH_LIMIT).contains(&branch.len()) && !branch.chars().any(char::is_control)
}

/// A push that deletes a branch has forty zeros in place of a commit.
fn is_a_commit(sha: &Sha) -> bool {
    sha.as_str().bytes().any(|digit| digit != b'0')
}
