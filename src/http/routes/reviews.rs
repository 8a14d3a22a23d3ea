//! The findings of a review of one head, for a pull request's own checks.

use axum::{
    Json,
    extract::{Path, State},
};

use crate::{
    api::{Finding, Problem},
    core::{
        requirement::{self, RepoName},
        sha::{NotASha, Sha},
    },
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract::Query, problem::Kind},
    },
    store,
};

/// The findings of this head's review; empty if it found nothing.
///
/// It answers 404 until that review is complete: no review is not the same as no findings.
#[utoipa::path(get, path = "/api/v1/reviews/{owner}/{repo}/pr/{number}/findings", tag = "reviews",
    params(
        ("owner" = String, Path, pattern = "^[A-Za-z0-9._-]+$"), ("repo" = String, Path, pattern = "^[A-Za-z0-9._-]+$"), ("number" = i64, Path, minimum = 1),
        ("sha" = String, Query, description = "The head that was reviewed, 40 lower-case hexadecimal digits.", pattern = "^[0-9a-f]{40}$"),
    ),
    responses(
        (status = 200, description = "The findings of the complete review.", body = Vec<Finding>),
        (status = 404, description = "No review of this head is complete.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn findings(
    State(app): State<AppState>,
    caller: Caller,
    Path((owner, repo, number)): Path<(String, String, String)>,
    query: Query,
) -> Result<Json<Vec<Finding>>, Error> {
    let query = query.only(&["sha"])?;
    let (sha, repository, number) = (head(&query)?, repository(&owner, &repo)?, pull(&number)?);
    let pool = app.engine.pool();
    let incomplete =
        || Error::new(Kind::NotReviewed, format!("no review of {sha} on {repository}#{number} is complete"));
    let run = store::run::of_pull(pool, &repository.to_string(), number).await?.ok_or_else(incomplete)?;
    let product = store::scope::of_run(pool, run).await?;
    product.filter(|product| caller.has(product)).ok_or_else(incomplete)?;
    let review = store::review::of_head(pool, run, sha.as_str()).await?;
    review.filter(|review| review.failed.is_none()).ok_or_else(incomplete)?;
    let rows = store::review::findings(pool, run).await?;
    Ok(Json(rows.into_iter().filter(|row| row.head_sha == sha.as_str()).map(Finding::from).collect()))
}

fn head(query: &Query) -> Result<Sha, Error> {
    let sha =
        query.text("sha").ok_or_else(|| Error::parameter("sha", "is missing; name the reviewed head"))?;
    sha.parse().map_err(|error: NotASha| Error::parameter("sha", error.to_string()))
}

fn repository(owner: &str, repo: &str) -> Result<RepoName, Error> {
    let name = format!("{owner}/{repo}").parse();
    name.map_err(|wrong: requirement::Invalid| Error::parameter("repo", wrong.message))
}

fn pull(number: &str) -> Result<i64, Error> {
    let positive = number.parse().ok().filter(|number| *number > 0);
    positive.ok_or_else(|| Error::parameter("number", "must be the pull request's number"))
}
