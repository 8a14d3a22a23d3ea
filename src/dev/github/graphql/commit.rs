//! `createCommitOnBranch`. The types of errors and the words for a stale head and for a path that is not there were
//! seen; those of a declined change, of a missing branch and of a missing permission are not verified.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    errors::{of_field, undefined},
    parse::Field,
};
use crate::dev::github::{
    access,
    commits::{NewCommit, NotMade, commit_on_branch},
    credentials::Credential,
    permissions::Level,
    push_rules::Pusher,
    refusal::Refusal,
    shared::Shared,
    state::Repository,
};

/// GitHub's `CreateCommitOnBranchInput`, with the branch by its name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Input {
    branch: Branch,
    expected_head_oid: String,
    message: Message,
    #[serde(default)]
    file_changes: FileChanges,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Branch {
    repository_name_with_owner: String,
    branch_name: String,
}

#[derive(Deserialize)]
struct Message {
    headline: String,
    #[serde(default)]
    body: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FileChanges {
    additions: Vec<Addition>,
    deletions: Vec<Deletion>,
}

#[derive(Deserialize)]
struct Addition {
    path: String,
    contents: String,
}

#[derive(Deserialize)]
struct Deletion {
    path: String,
}

/// Makes the commit that a variable describes; answers the payload, or an error in GitHub's form.
pub(super) async fn create(
    shared: &Shared,
    by: &Credential,
    field: &Field,
    variable: Value,
) -> Result<Result<Value, Value>, Refusal> {
    // What is selected is checked before anything is done.
    if let Err(error) = payload(field, "") {
        return Ok(Err(error));
    }
    let error = |kind: &str, message: &str| of_field(field, kind, message);
    let invalid = |why: &str| json!({"message": format!("Variable $input of type CreateCommitOnBranchInput! was provided invalid value: {why}")});
    let input: Input = match serde_json::from_value(variable) {
        Ok(input) => input,
        Err(why) => return Ok(Err(invalid(&why.to_string()))),
    };
    let repo = input.branch.repository_name_with_owner.clone();
    let workflows = match shared.host.read(&repo, |it| admitted(by, it)) {
        Ok(Ok(workflows)) => workflows,
        Ok(Err(message)) => return Ok(Err(error("FORBIDDEN", message))),
        Err(_) => {
            let message = format!("Could not resolve to a Repository with the name '{repo}'.");
            return Ok(Err(error("NOT_FOUND", &message)));
        }
    };
    let new = match input.commit() {
        Ok(new) => new,
        Err(why) => return Ok(Err(invalid(&format!("{why:#}")))),
    };
    let pusher = Pusher { login: by.login.as_deref().unwrap_or_default(), workflows };
    let turn = shared.host.turn().await;
    Ok(match commit_on_branch(&turn, &repo, pusher, &new).await? {
        Ok(sha) => payload(field, &sha),
        Err(NotMade::NoBranch) => {
            Err(error("NOT_FOUND", &format!("No ref found with name '{}'.", new.branch)))
        }
        Err(NotMade::Stale) => Err(error(
            "STALE_DATA",
            &format!(
                "Expected branch to point to \"{}\" but it did not.  Pull and try again.",
                new.expected_head
            ),
        )),
        Err(NotMade::NoPath(head)) => Err(error(
            "NOT_FOUND",
            &format!("A path was requested for deletion which does not exist as of commit oid `{head}`"),
        )),
        Err(NotMade::Declined(declined)) => {
            let lines = [declined.lines, vec![declined.reason]].concat();
            Err(error("UNPROCESSABLE", &lines.join("\n")))
        }
    })
}

/// Whether the credential may write contents, and whether it may change workflow files; GitHub's words if it may not.
fn admitted(by: &Credential, it: &Repository) -> Result<bool, &'static str> {
    if access::may(by, it, "contents", Level::Write) {
        return Ok(access::may(by, it, "workflows", Level::Write));
    }
    Err(match by.app {
        Some(_) => "Resource not accessible by integration",
        None => "Resource not accessible by personal access token",
    })
}

/// What is selected of the payload.
fn payload(field: &Field, sha: &str) -> Result<Value, Value> {
    let of_commit = |inner: &Field| match &*inner.name {
        "oid" => Ok((inner.key().to_owned(), json!(sha))),
        unknown => Err(undefined(&["mutation", &field.name, "commit"], "Commit", unknown)),
    };
    let one = |inner: &Field| match &*inner.name {
        "commit" => {
            let commit = inner.fields.iter().map(of_commit).collect::<Result<Map<_, _>, _>>()?;
            Ok((inner.key().to_owned(), Value::Object(commit)))
        }
        unknown => Err(undefined(&["mutation", &field.name], "CreateCommitOnBranchPayload", unknown)),
    };
    field.fields.iter().map(one).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

impl Input {
    fn commit(self) -> anyhow::Result<NewCommit> {
        let Self { branch, expected_head_oid, message, file_changes } = self;
        let name = branch.branch_name;
        let mut additions = Vec::new();
        for Addition { path, contents } in file_changes.additions {
            let bytes =
                STANDARD.decode(contents).with_context(|| format!("contents of {path} are not base64"))?;
            additions.push((path, bytes));
        }
        let deletions: Vec<String> = file_changes.deletions.into_iter().map(|it| it.path).collect();
        let mut paths: Vec<&String> = additions.iter().map(|(path, _)| path).chain(&deletions).collect();
        let count = paths.len();
        paths.sort();
        paths.dedup();
        anyhow::ensure!(paths.len() == count, "a path is given twice");
        Ok(NewCommit {
            branch: name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned(),
            expected_head: expected_head_oid,
            message: format!("{}\n\n{}", message.headline, message.body).trim_end().to_owned(),
            additions,
            deletions,
        })
    }
}
