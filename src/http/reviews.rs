//! The findings of a review of one head, as a pull request's own checks ask for them.

use axum::{
    Json,
    extract::{Path, State},
};

use super::{
    App,
    error::{Error, Kind},
    extract::Query,
    view::{Finding, Problem},
};
use crate::{
    core::{requirement::RepoName, sha::Sha},
    store,
};

/// What the review of this head found: a list, empty if it found nothing.
///
/// Until that review is complete the answer is 404: no review is not the same as no findings.
#[utoipa::path(get, path = "/api/v1/reviews/{owner}/{repo}/pr/{number}/findings", tag = "reviews",
    params(
        ("owner" = String, Path), ("repo" = String, Path), ("number" = i64, Path),
        ("sha" = String, Query, description = "The head that was reviewed, 40 lower-case hexadecimal digits."),
    ),
    responses(
        (status = 200, description = "The review is complete and found this.", body = Vec<Finding>),
        (status = 404, description = "No review of this head is complete.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn findings(
    State(app): State<App>,
    Path((owner, repo, number)): Path<(String, String, String)>,
    query: Query,
) -> Result<Json<Vec<Finding>>, Error> {
    let query = query.only(&["sha"])?;
    let sha =
        query.text("sha").ok_or_else(|| Error::parameter("sha", "is missing; name the reviewed head"))?;
    let sha: Sha =
        sha.parse().map_err(|error: crate::core::sha::NotASha| Error::parameter("sha", error.to_string()))?;
    let repository: RepoName = format!("{owner}/{repo}")
        .parse()
        .map_err(|wrong: crate::core::requirement::Invalid| Error::parameter("repo", wrong.message))?;
    let number: i64 = number
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| Error::parameter("number", "must be the pull request's number"))?;
    let pool = app.engine.pool();
    let waiting =
        || Error::new(Kind::NotReviewed, format!("no review of {sha} on {repository}#{number} is complete"));
    let run = store::run::of_pull(pool, &repository.to_string(), number).await?.ok_or_else(waiting)?;
    store::review::of_head(pool, run, sha.as_str()).await?.ok_or_else(waiting)?;
    let rows = store::review::findings(pool, run).await?;
    Ok(Json(rows.into_iter().filter(|row| row.head_sha == sha.as_str()).map(Finding::from).collect()))
}
