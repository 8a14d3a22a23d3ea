//! The reviews and the threads of a pull request, and `resolveReviewThread`. Names of types and fields are those of
//! @octokit/graphql-schema: `PullRequestReviewThread`, `PullRequestReviewComment`, `PullRequestReview`. Which permission the
//! mutation needs is not documented; both that are reported are demanded here.

use serde_json::{Map, Value, json};

use super::{
    errors::{of_field, undefined},
    issue::issue,
    parse::Field,
    select::{argument, select},
};
use crate::dev::github::{
    access,
    accounts::user_id,
    credentials::Credential,
    permissions::Level,
    refusal::Refusal,
    reviews,
    shared::Shared,
    state::{Repository, Review, ReviewComment},
    threads,
};

/// What a token without the permission is answered.
const FORBIDDEN: &str = "Resource not accessible by integration";

/// A repository with one pull request, or one issue.
pub(super) async fn repository(
    shared: &Shared,
    by: &Credential,
    field: &Field,
    variables: &Map<String, Value>,
) -> Result<Result<Value, Value>, Refusal> {
    let text = |name: &str| argument(field, name, variables).and_then(|it| it.as_str().map(str::to_owned));
    let name = format!("{}/{}", text("owner").unwrap_or_default(), text("name").unwrap_or_default());
    let missing = || {
        let message = format!("Could not resolve to a Repository with the name '{name}'.");
        Ok(Err(of_field(field, "NOT_FOUND", &message)))
    };
    let Ok(sees) = shared.host.read(&name, |it| access::sees(by, it)) else { return missing() };
    if !sees {
        return missing();
    }
    let mut shown = Map::new();
    for inner in &field.fields {
        // An issue shows the pull requests that close it.
        let (kind, needs): (_, &[&str]) = match &*inner.name {
            "pullRequest" => ("PullRequest", &["pull_requests"]),
            "issue" => ("Issue", &["issues", "pull_requests"]),
            other => return Ok(Err(undefined(&[&field.name], "Repository", other))),
        };
        let may = |it: &Repository| needs.iter().all(|name| access::may(by, it, name, Level::Read));
        if !shared.host.read(&name, may)? {
            return Ok(Err(of_field(field, "FORBIDDEN", FORBIDDEN)));
        }
        let number = argument(inner, "number", variables).and_then(|it| it.as_i64()).unwrap_or_default();
        let whole = shared.host.read(&name, |it| match kind {
            "Issue" => issue(it, number, inner),
            _ => it.pull(number).map(|_| pull(shared, it, by, number)),
        })?;
        let Some(whole) = whole else {
            let article = if kind == "Issue" { "an" } else { "a" };
            let message = format!("Could not resolve to {article} {kind} with the number of {number}.");
            return Ok(Err(of_field(inner, "NOT_FOUND", &message)));
        };
        match select(inner, &whole, variables) {
            Ok(value) => shown.insert(inner.key().to_owned(), value),
            Err(error) => return Ok(Err(error)),
        };
    }
    Ok(Ok(Value::Object(shown)))
}

/// Resolves a thread; one that is resolved already stays so.
pub(super) async fn resolve(
    shared: &Shared,
    by: &Credential,
    field: &Field,
    input: Value,
) -> Result<Result<Value, Value>, Refusal> {
    let id = input.get("threadId").and_then(Value::as_str).unwrap_or_default();
    let first = id.strip_prefix("PRRT_twin").and_then(|digits| digits.parse::<i64>().ok());
    let home = first.and_then(|first| Some((first, threads::home(&shared.host, first)?)));
    let missing = || {
        let message = format!("Could not resolve to a node with the global id of '{id}'");
        Ok(Err(of_field(field, "NOT_FOUND", &message)))
    };
    let Some((first, repo)) = home else { return missing() };
    let may = shared.host.read(&repo, |it| {
        let all = ["contents", "pull_requests"];
        (access::sees(by, it), all.iter().all(|name| access::may(by, it, name, Level::Write)))
    })?;
    match may {
        (false, _) => return missing(),
        (true, false) => return Ok(Err(of_field(field, "FORBIDDEN", FORBIDDEN))),
        (true, true) => {}
    }
    let turn = shared.host.turn().await;
    threads::resolve(&turn, &repo, by.login.as_deref().unwrap_or_default(), first, true).await?;
    let whole = shared.host.read(&repo, |it| {
        let comment = it.review_comments.iter().find(|comment| comment.id == first);
        comment.map(|comment| {
            json!({"__typename": "ResolveReviewThreadPayload", "thread": thread(shared, it, comment)})
        })
    })?;
    Ok(select(field, &whole.unwrap_or_default(), &Map::new()))
}

fn pull(shared: &Shared, it: &Repository, by: &Credential, number: i64) -> Value {
    let firsts = it.threads(number);
    let seen = it.reviews.iter().filter(|review| review.pull == number);
    let seen = seen.filter(|review| reviews::is_seen_by(review, by.login.as_deref()));
    json!({
        "__typename": "PullRequest", "number": number,
        "reviewThreads": firsts.map(|first| thread(shared, it, first)).collect::<Vec<_>>(),
        "reviews": seen.map(|given| review(it, given)).collect::<Vec<_>>(),
    })
}

fn thread(shared: &Shared, it: &Repository, first: &ReviewComment) -> Value {
    let resolver = it.resolved.get(&first.id);
    let comments = it.thread(first.id);
    json!({
        "__typename": "PullRequestReviewThread", "id": format!("PRRT_twin{}", first.id),
        "isResolved": resolver.is_some(),
        // GitHub has a User here, which an App is not: whether it then is null is not verified.
        "resolvedBy": resolver.filter(|login| !login.ends_with("[bot]")).map(|login| user(login)),
        "path": first.path, "line": first.line, "originalLine": first.line,
        "comments": comments.iter().map(|one| comment(shared, it, one)).collect::<Vec<_>>(),
    })
}

fn comment(shared: &Shared, it: &Repository, comment: &ReviewComment) -> Value {
    let page = shared.links.review_comment(it, comment)["html_url"].clone();
    json!({
        "__typename": "PullRequestReviewComment", "fullDatabaseId": comment.id.to_string(), "author": actor(it, &comment.author),
        "body": comment.body, "createdAt": comment.created_at, "url": page,
        "lastEditedAt": comment.edited_by.as_ref().map(|_| &comment.created_at),
        "originalCommit": {"__typename": "Commit", "oid": comment.commit_id},
        "pullRequestReview": {"__typename": "PullRequestReview", "fullDatabaseId": comment.review.to_string()},
    })
}

fn review(it: &Repository, review: &Review) -> Value {
    let commit = Some(&review.commit_id).filter(|id| !id.is_empty());
    json!({
        "__typename": "PullRequestReview", "fullDatabaseId": review.id.to_string(), "author": actor(it, &review.author),
        "body": review.body, "state": review.state, "submittedAt": review.submitted_at,
        "lastEditedAt": review.edited_by.as_ref().map(|_| &review.submitted_at),
        "commit": commit.map(|oid| json!({"__typename": "Commit", "oid": oid})),
    })
}

/// An account as GraphQL has it: an App's is a `Bot`, whose login has no `[bot]` (vfarcic/dot-agent-deck#292).
fn actor(it: &Repository, login: &str) -> Value {
    if it.deleted_accounts.contains(login) {
        return Value::Null;
    }
    match login.strip_suffix("[bot]") {
        Some(slug) => json!({"__typename": "Bot", "login": slug, "databaseId": user_id(login)}),
        None => user(login),
    }
}

fn user(login: &str) -> Value {
    json!({"__typename": "User", "login": login, "databaseId": user_id(login)})
}
