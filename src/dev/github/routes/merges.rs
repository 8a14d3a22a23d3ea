//! Merges of pull requests: at once, and in the background.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::IntoResponse as _,
    routing::{get, put},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    extract::{Body, Caller, Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    answers::{Answer, created, no_content, ok},
    async_merges::{self, Asked, NewOrder},
    merge_state::{OrderEnd, Stack},
    merges::{self, MergeRequest},
    pulls, render,
    shared::Shared,
    stacks::{self, NewStack},
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    let one = "/repos/{owner}/{repo}/pulls/{number}";
    Router::new()
        .route(&format!("{one}/merge"), put(merge).get(is_merged))
        .route(&format!("{one}/merge-async"), put(ask))
        .route(&format!("{one}/merge-async/{{uuid}}"), get(look_up))
        .route("/repos/{owner}/{repo}/stacks", get(find_stacks).post(stack))
}

async fn merge(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(request): Body<MergeRequest>,
) -> Answer {
    let turn = shared.host.turn().await;
    let sha = merges::merge(&turn, &repo, &caller, number, request).await?;
    ok(json!({"sha": sha, "merged": true, "message": "Pull Request successfully merged"}))
}

async fn is_merged(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
) -> Answer {
    match pulls::one(&shared.host, &repo, number)?.merge {
        Some(_) => no_content(),
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

async fn ask(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(new): Body<NewOrder>,
) -> Answer {
    let turn = shared.host.turn().await;
    let asked = async_merges::ask(&turn, &repo, &caller, number, new).await?;
    let (status, body): (StatusCode, Value) = match asked {
        Asked::Accepted(order) => (StatusCode::ACCEPTED, render::merges::order(&order)),
        Asked::Pending(order) => (StatusCode::CONFLICT, render::merges::order(&order)),
        Asked::Before(end) => (StatusCode::OK, render::merges::end(&end)),
        Asked::Refused(why) => (StatusCode::BAD_REQUEST, render::merges::end(&OrderEnd::Failed(why))),
    };
    Ok((status, Json(body)).into_response())
}

async fn stack(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Body(new): Body<NewStack>,
) -> Answer {
    let turn = shared.host.turn().await;
    let number = stacks::create(&turn, &repo, &caller, new).await?;
    let made = turn.read(&repo, |it| {
        let stack = it.merging.stacks.iter().find(|stack| stack.number == number);
        stack.map(|stack| shared.links.stack(it, stack))
    })?;
    created(made.unwrap_or_default())
}

async fn find_stacks(State(shared): State<Arc<Shared>>, Repo(repo): Repo, query: Query) -> Answer {
    let of = query.get("pull_request").and_then(|number| number.parse::<i64>().ok());
    let shown = shared.host.read(&repo, |it| {
        let fits = |stack: &&Stack| of.is_none_or(|number| stack.pulls.contains(&number));
        it.merging.stacks.iter().filter(fits).map(|stack| shared.links.stack(it, stack)).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn look_up(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number, uuid)): Path<(String, String, i64, String)>,
) -> Answer {
    let order = async_merges::find(&shared.host, &repo, number, &uuid)?;
    ok(render::merges::order(&order))
}
