//! Reviews of pull requests, and their comments on lines.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post, put},
};
use serde::Deserialize;

use super::{
    extract::{Body, By, Caller, Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{
    answers::{Answer, ok},
    pulls,
    reviews::{self, NewReview},
    shared::Shared,
    state::Review,
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    let reviews = "/repos/{owner}/{repo}/pulls/{number}/reviews";
    Router::new()
        .route(reviews, get(all).post(submit))
        .route(&format!("{reviews}/{{review}}"), get(read))
        .route(&format!("{reviews}/{{review}}/events"), post(finish))
        .route(&format!("{reviews}/{{review}}/dismissals"), put(dismiss))
        .route("/repos/{owner}/{repo}/pulls/{number}/comments", get(comments))
}

/// The path of a review: owner, repository, number of the pull request, id.
type OfReview = Path<(String, String, i64, i64)>;

async fn submit(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    Body(new): Body<NewReview>,
) -> Answer {
    let turn = shared.host.turn().await;
    let id = reviews::submit(&turn, &repo, &caller, number, new).await?;
    one(&shared, &repo, number, id)
}

async fn all(
    State(shared): State<Arc<Shared>>,
    By(by): By,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    pulls::one(&shared.host, &repo, number)?;
    let shown = shared.host.read(&repo, |it| {
        let seen = |review: &&Review| reviews::is_seen_by(review, by.login.as_deref());
        let of_pull = it.reviews.iter().filter(|review| review.pull == number).filter(seen);
        of_pull.map(|review| shared.links.review(it, review)).collect()
    })?;
    list(&shared.links, &query, shown)
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number, id)): OfReview,
) -> Answer {
    one(&shared, &repo, number, id)
}

fn one(shared: &Shared, repo: &str, number: i64, id: i64) -> Answer {
    let review = reviews::one(&shared.host, repo, number, id)?;
    ok(shared.host.read(repo, |it| shared.links.review(it, &review))?)
}

#[derive(Deserialize)]
struct Finished {
    event: String,
    body: Option<String>,
}

async fn finish(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number, id)): OfReview,
    Body(new): Body<Finished>,
) -> Answer {
    let turn = shared.host.turn().await;
    reviews::finish(&turn, &repo, &caller, (number, id), &new.event, new.body).await?;
    one(&shared, &repo, number, id)
}

#[derive(Deserialize)]
struct Dismissal {
    message: String,
}

async fn dismiss(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Repo(repo): Repo,
    Path((_, _, number, id)): OfReview,
    Body(dismissal): Body<Dismissal>,
) -> Answer {
    let turn = shared.host.turn().await;
    reviews::dismiss(&turn, &repo, &caller, number, id).await?;
    tracing::debug!(message = dismissal.message, "review {id} was dismissed");
    one(&shared, &repo, number, id)
}

async fn comments(
    State(shared): State<Arc<Shared>>,
    By(by): By,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    pulls::one(&shared.host, &repo, number)?;
    let shown = shared.host.read(&repo, |it| {
        let hidden = |id: i64| {
            let review = it.reviews.iter().find(|review| review.id == id);
            review.is_some_and(|review| !reviews::is_seen_by(review, by.login.as_deref()))
        };
        let of_pull =
            it.review_comments.iter().filter(|comment| comment.pull == number && !hidden(comment.review));
        of_pull.map(|comment| shared.links.review_comment(it, comment)).collect()
    })?;
    list(&shared.links, &query, shown)
}
