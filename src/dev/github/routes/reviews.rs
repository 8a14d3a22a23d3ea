//! Reviews of pull requests and their comments on lines.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Query, Refusal, Repo, Sent, list, ok, pulls};
use crate::dev::github::{
    BOT, Shared, now,
    repository::Changed,
    state::{Pull, Review, ReviewComment},
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    let reviews = "/repos/{owner}/{repo}/pulls/{number}/reviews";
    Router::new()
        .route(reviews, get(all).post(create))
        .route(&format!("{reviews}/{{review}}"), get(read))
        .route(&format!("{reviews}/{{review}}/dismissals"), put(dismiss))
        .route("/repos/{owner}/{repo}/pulls/{number}/comments", get(comments))
}

/// A review as it is sent.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NewReview {
    pub(crate) commit_id: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) event: Option<String>,
    #[serde(default)]
    pub(crate) comments: Vec<NewComment>,
}

/// A comment on a line, or by its older name on a position in the patch.
#[derive(Debug, Deserialize)]
pub(crate) struct NewComment {
    path: String,
    body: String,
    line: Option<u64>,
    side: Option<String>,
    start_line: Option<u64>,
    position: Option<u64>,
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): pulls::Numbered,
    Sent(new): Sent<NewReview>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let id = submit(&shared, &repo, BOT, number, new).await?;
    one(&shared, &repo, number, id)
}

/// Submits a review; 422 as GitHub does it.
pub(crate) async fn submit(
    shared: &Shared,
    repo: &str,
    actor: &str,
    number: i64,
    new: NewReview,
) -> Result<i64, Refusal> {
    let pull = pulls::one(shared, repo, number)?;
    let state = state_of(&pull, actor, new.event.as_deref())?;
    let body = new.body.unwrap_or_default();
    if body.is_empty() && new.comments.is_empty() && matches!(state, "COMMENTED" | "CHANGES_REQUESTED") {
        return Err(Refusal::sentence("Review body is required"));
    }
    let git = shared.git(repo);
    let commit_id = new.commit_id.unwrap_or_else(|| pull.head_sha.clone());
    if !git.contains(&pull.head_sha, &commit_id).await? {
        return Err(Refusal::sentence("Commit is not part of the pull request"));
    }
    let files = git.changes(&pull.base_sha, &commit_id).await?;
    let places: Vec<Place> = new.comments.iter().map(|it| place(&files, it)).collect::<Result<_, _>>()?;
    let submitted_at = now();
    let id = shared.write(repo, |it, ids| {
        let id = ids.next();
        let review = Review {
            id,
            pull: number,
            author: actor.to_owned(),
            body,
            state: state.to_owned(),
            commit_id: commit_id.clone(),
            submitted_at: submitted_at.clone(),
        };
        it.reviews.push(review);
        for (comment, place) in new.comments.into_iter().zip(places) {
            it.review_comments.push(ReviewComment {
                id: ids.next(),
                review: id,
                pull: number,
                author: actor.to_owned(),
                body: comment.body,
                path: comment.path,
                line: place.line,
                start_line: comment.start_line,
                side: place.side.to_owned(),
                position: place.position,
                diff_hunk: place.hunk,
                commit_id: commit_id.clone(),
                created_at: submitted_at.clone(),
            });
        }
        id
    })?;
    announce(shared, repo, actor, number, id, "submitted").await?;
    Ok(id)
}

fn state_of(pull: &Pull, actor: &str, event: Option<&str>) -> Result<&'static str, Refusal> {
    let own = pull.author == actor;
    match event {
        None => Ok("PENDING"),
        Some("COMMENT") => Ok("COMMENTED"),
        Some("APPROVE") if own => Err(Refusal::sentence("Review Can not approve your own pull request")),
        Some("REQUEST_CHANGES") if own => {
            Err(Refusal::sentence("Review Can not request changes on your own pull request"))
        }
        Some("APPROVE") => Ok("APPROVED"),
        Some("REQUEST_CHANGES") => Ok("CHANGES_REQUESTED"),
        Some(other) => Err(Refusal::sentence(&format!("Review has no event {other}"))),
    }
}

/// Where a comment stands in a patch.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    line: u64,
    side: &'static str,
    position: u64,
    hunk: String,
}

fn place(files: &[Changed], comment: &NewComment) -> Result<Place, Refusal> {
    let unknown_path = || Refusal::sentence("Path could not be resolved");
    let file = files.iter().find(|file| file.path == comment.path).ok_or_else(unknown_path)?;
    let patch = file.patch.as_deref().unwrap_or("");
    let side = if comment.side.as_deref() == Some("LEFT") { "LEFT" } else { "RIGHT" };
    let wanted = |place: &Place| match (comment.line, comment.position) {
        (Some(line), _) => place.side_has(side) && place.line == line,
        (None, Some(position)) => place.position == position,
        (None, None) => false,
    };
    let found = places(patch, side).into_iter().find(wanted);
    found.ok_or_else(|| Refusal::sentence("Line could not be resolved"))
}

impl Place {
    fn side_has(&self, side: &str) -> bool {
        self.side == side
    }
}

/// Every line of a patch that a comment on this side may stand at.
fn places(patch: &str, side: &'static str) -> Vec<Place> {
    let mut found = Vec::new();
    let (mut left, mut right, mut hunk) = (0, 0, String::new());
    for (position, text) in (0..).zip(patch.lines()) {
        if let Some(starts) = hunk_starts(text) {
            (left, right) = starts;
            text.clone_into(&mut hunk);
            continue;
        }
        hunk = format!("{hunk}\n{text}");
        let (in_left, in_right) = match text.chars().next() {
            Some('+') => (false, true),
            Some('-') => (true, false),
            Some('\\') => (false, false),
            _ => (true, true),
        };
        let here = if side == "LEFT" { in_left } else { in_right };
        if here {
            let line = if side == "LEFT" { left } else { right };
            found.push(Place { line, side, position, hunk: hunk.clone() });
        }
        left += u64::from(in_left);
        right += u64::from(in_right);
    }
    found
}

/// The first lines, left and right, of `@@ -1,2 +3,4 @@`.
fn hunk_starts(text: &str) -> Option<(u64, u64)> {
    let mut words = text.strip_prefix("@@ ")?.split(' ');
    let mut start =
        |mark| -> Option<u64> { words.next()?.strip_prefix(mark)?.split(',').next()?.parse().ok() };
    Some((start('-')?, start('+')?))
}

async fn all(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): pulls::Numbered,
    query: Query,
) -> Answer {
    pulls::one(&shared, &repo, number)?;
    let shown = shared.read(&repo, |it| {
        let of_pull = it.reviews.iter().filter(|review| review.pull == number);
        of_pull.map(|review| shared.links.review(it, review)).collect()
    })?;
    Ok(list(&shared, &query, shown))
}

type OfReview = Path<(String, String, i64, i64)>;

async fn read(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number, id)): OfReview,
) -> Answer {
    one(&shared, &repo, number, id)
}

fn one(shared: &Shared, repo: &str, number: i64, id: i64) -> Answer {
    ok(shown(shared, repo, number, id)?)
}

fn shown(shared: &Shared, repo: &str, number: i64, id: i64) -> Result<Value, Refusal> {
    let found = shared.read(repo, |it| {
        let review = it.reviews.iter().find(|review| review.id == id && review.pull == number);
        review.map(|review| shared.links.review(it, review))
    })?;
    found.ok_or_else(Refusal::not_found)
}

#[derive(Deserialize)]
struct Dismissal {
    message: String,
}

async fn dismiss(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number, id)): OfReview,
    Sent(dismissal): Sent<Dismissal>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let review = shown(&shared, &repo, number, id)?;
    if !matches!(review["state"].as_str(), Some("APPROVED" | "CHANGES_REQUESTED")) {
        return Err(Refusal::sentence("Can not dismiss a commented pull request review"));
    }
    tracing::debug!(message = dismissal.message, "review {id} was dismissed");
    shared.write(&repo, |it, _| {
        for review in it.reviews.iter_mut().filter(|review| review.id == id) {
            "DISMISSED".clone_into(&mut review.state);
        }
    })?;
    announce(&shared, &repo, BOT, number, id, "dismissed").await?;
    one(&shared, &repo, number, id)
}

async fn comments(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): pulls::Numbered,
    query: Query,
) -> Answer {
    pulls::one(&shared, &repo, number)?;
    let shown = shared.read(&repo, |it| {
        let of_pull = it.review_comments.iter().filter(|comment| comment.pull == number);
        of_pull.map(|comment| shared.links.review_comment(it, comment)).collect()
    })?;
    Ok(list(&shared, &query, shown))
}

async fn announce(
    shared: &Shared,
    repo: &str,
    actor: &str,
    number: i64,
    id: i64,
    action: &str,
) -> Result<(), Refusal> {
    let review = shown(shared, repo, number, id)?;
    let pull = pulls::whole(shared, repo, number).await?;
    let payload = json!({"action": action, "review": review, "pull_request": pull});
    Ok(shared.announce(repo, actor, "pull_request_review", payload)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_stands_only_at_lines_of_its_side() {
        let patch = "@@ -1,3 +1,3 @@ top\n one\n-two\n+2\n three\n@@ -9 +9,2 @@\n nine\n+ten";
        let lines =
            |side| places(patch, side).iter().map(|place| (place.line, place.position)).collect::<Vec<_>>();
        assert_eq!(lines("RIGHT"), [(1, 1), (2, 3), (3, 4), (9, 6), (10, 7)]);
        assert_eq!(lines("LEFT"), [(1, 1), (2, 2), (3, 4), (9, 6)]);
        assert_eq!(places(patch, "RIGHT")[4].hunk, "@@ -9 +9,2 @@\n nine\n+ten");
    }
}
