//! Comments in the conversation of a pull request or issue.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    extract::{Body, Caller, Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    answers::{Answer, created, no_content, ok},
    comments,
    refusal::Refusal,
    shared::Shared,
    state::Comment,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/issues/{number}/comments", get(all).post(add))
        .route("/repos/{owner}/{repo}/issues/comments/{id}", get(read).patch(edit).delete(delete))
        .route("/repos/{owner}/{repo}/issues/comments/{id}/reactions", get(reactions).post(react))
}

#[derive(Deserialize)]
struct Text {
    body: String,
}

async fn add(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(text): Body<Text>,
) -> Answer {
    let turn = shared.host.turn().await;
    let comment = comments::add(&turn, &repo, &caller, number, text.body)?;
    created(rendered(&shared, &repo, &comment)?)
}

async fn all(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    comments::refuse_unknown_issue(&shared.host, &repo, number)?;
    let shown = shared.host.read(&repo, |it| {
        let since = query.get("since").unwrap_or_default();
        // Times of one form are in the order of their texts.
        let is_shown = |comment: &&Comment| comment.issue == number && comment.updated_at.as_str() >= since;
        let of_issue = it.comments.iter().filter(is_shown);
        of_issue.map(|comment| shared.links.comment(it, comment)).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn read(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Path((_, _, id)): Numbered) -> Answer {
    let comment = comments::one(&shared.host, &repo, id)?;
    ok(rendered(&shared, &repo, &comment)?)
}

async fn edit(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    Body(text): Body<Text>,
) -> Answer {
    let turn = shared.host.turn().await;
    let comment = comments::edit(&turn, &repo, &caller, id, text.body)?;
    ok(rendered(&shared, &repo, &comment)?)
}

async fn delete(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
) -> Answer {
    let turn = shared.host.turn().await;
    comments::delete(&turn, &repo, &caller, id)?;
    no_content()
}

#[derive(Deserialize)]
struct NewReaction {
    content: String,
}

/// 201 for a new reaction, 200 for one that is there already.
async fn react(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    Body(new): Body<NewReaction>,
) -> Answer {
    let turn = shared.host.turn().await;
    let (reaction, is_new) = comments::react(&turn, &repo, &caller, id, &new.content)?;
    let shown = shared.links.reaction(&reaction);
    if is_new { created(shown) } else { ok(shown) }
}

async fn reactions(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): Numbered,
    query: Query,
) -> Answer {
    comments::one(&shared.host, &repo, id)?;
    let shown = shared.host.read(&repo, |it| {
        let of_comment = it.reactions.iter().filter(|reaction| reaction.comment == id);
        of_comment.map(|reaction| shared.links.reaction(reaction)).collect()
    })?;
    list(&shared.links, &query, shown)
}

fn rendered(shared: &Shared, repo: &str, comment: &Comment) -> Result<Value, Refusal> {
    shared.host.read(repo, |it| shared.links.comment(it, comment))
}
