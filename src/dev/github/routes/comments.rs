//! Comments in the conversation of a pull request or issue.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::IntoResponse as _,
    routing::get,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Query, Refusal, Repo, Sent, created, list, ok, pulls};
use crate::dev::github::{BOT, Shared, now, state::Comment};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/issues/{number}/comments", get(all).post(create))
        .route("/repos/{owner}/{repo}/issues/comments/{id}", get(read).patch(update).delete(remove))
}

#[derive(Deserialize)]
struct Text {
    body: String,
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): pulls::Numbered,
    Sent(text): Sent<Text>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    Ok(created(say(&shared, &repo, BOT, number, text.body)?))
}

/// Adds a comment.
pub(crate) fn say(
    shared: &Shared,
    repo: &str,
    actor: &str,
    number: i64,
    body: String,
) -> Result<Value, Refusal> {
    known(shared, repo, number)?;
    if body.is_empty() {
        return Err(Refusal::field("IssueComment", "body", "missing_field"));
    }
    let shown = shared.write(repo, |it, ids| {
        let at = now();
        let comment = Comment {
            id: ids.next(),
            issue: number,
            author: actor.to_owned(),
            body,
            created_at: at.clone(),
            updated_at: at,
        };
        it.comments.push(comment.clone());
        shared.links.comment(it, &comment)
    })?;
    announce(shared, repo, actor, number, "created", &shown)?;
    Ok(shown)
}

fn known(shared: &Shared, repo: &str, number: i64) -> Result<(), Refusal> {
    let known = shared
        .read(repo, |it| it.pull(number).is_some() || it.issues.iter().any(|issue| issue.number == number))?;
    if known { Ok(()) } else { Err(Refusal::not_found()) }
}

async fn all(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): pulls::Numbered,
    query: Query,
) -> Answer {
    known(&shared, &repo, number)?;
    let shown = shared.read(&repo, |it| {
        let of_issue = it.comments.iter().filter(|comment| comment.issue == number);
        of_issue.map(|comment| shared.links.comment(it, comment)).collect()
    })?;
    Ok(list(&shared, &query, shown))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): pulls::Numbered,
) -> Answer {
    ok(one(&shared, &repo, id)?.1)
}

fn one(shared: &Shared, repo: &str, id: i64) -> Result<(i64, Value), Refusal> {
    let found = shared.read(repo, |it| {
        let comment = it.comments.iter().find(|comment| comment.id == id);
        comment.map(|comment| (comment.issue, shared.links.comment(it, comment)))
    })?;
    found.ok_or_else(Refusal::not_found)
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): pulls::Numbered,
    Sent(text): Sent<Text>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let (number, _) = one(&shared, &repo, id)?;
    shared.write(&repo, |it, _| {
        for comment in it.comments.iter_mut().filter(|comment| comment.id == id) {
            comment.body.clone_from(&text.body);
            comment.updated_at = now();
        }
    })?;
    let (_, shown) = one(&shared, &repo, id)?;
    announce(&shared, &repo, BOT, number, "edited", &shown)?;
    ok(shown)
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): pulls::Numbered,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let (number, shown) = one(&shared, &repo, id)?;
    shared.write(&repo, |it, _| it.comments.retain(|comment| comment.id != id))?;
    announce(&shared, &repo, BOT, number, "deleted", &shown)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn announce(
    shared: &Shared,
    repo: &str,
    actor: &str,
    number: i64,
    action: &str,
    comment: &Value,
) -> anyhow::Result<()> {
    let issue = json!({"number": number, "url": comment["issue_url"], "html_url": comment["html_url"]});
    let payload = json!({"action": action, "issue": issue, "comment": comment});
    shared.announce(repo, actor, "issue_comment", payload)
}
