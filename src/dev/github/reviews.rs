//! Reviews of pull requests, and their comments on lines.

use serde::Deserialize;

use super::{
    event::Event,
    git::Changed,
    host::{Host, NewIds, Turn},
    patch::{PatchLine, lines_of},
    pulls,
    refusal::Refusal,
    state::{Pull, Repository, Review, ReviewComment, now},
};

/// A review to be submitted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NewReview {
    pub(crate) commit_id: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) event: Option<String>,
    #[serde(default)]
    pub(crate) comments: Vec<NewComment>,
}

/// A comment on a line, or in GitHub's older form at a position of the patch.
#[derive(Debug, Deserialize)]
pub(crate) struct NewComment {
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) line: Option<u64>,
    pub(crate) side: Option<String>,
    pub(crate) start_line: Option<u64>,
    pub(crate) position: Option<u64>,
}

/// Submits a review; 422 for the reasons that GitHub has.
pub(crate) async fn submit(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    new: NewReview,
) -> Result<i64, Refusal> {
    let pull = pulls::one(turn, repo, number)?;
    let state = state_of(&pull, actor, new.event.as_deref())?;
    let body = new.body.unwrap_or_default();
    refuse_empty(state, &body, !new.comments.is_empty())?;
    let is_ours =
        |review: &Review| review.pull == number && review.author == actor && review.state == "PENDING";
    if state == "PENDING" && turn.read(repo, |it| it.reviews.iter().any(is_ours))? {
        return Err(Refusal::unprocessable("User can only have one pending review per pull request"));
    }
    let git = turn.git(repo);
    let commit_id = new.commit_id.unwrap_or_else(|| pull.head_sha.clone());
    if !git.contains(&pull.head_sha, &commit_id).await? {
        return Err(Refusal::unprocessable("Commit is not part of the pull request"));
    }
    let mut files = git.changes(&pull.base_sha, &commit_id).await?;
    let hidden = turn.read(repo, |it| it.hidden_diffs.clone())?;
    files.iter_mut().filter(|file| hidden.contains(&file.path)).for_each(|file| file.patch = None);
    let lines: Vec<PatchLine> =
        new.comments.iter().map(|it| line_of(&files, it)).collect::<Result<_, _>>()?;
    let review = turn.write(repo, |it, ids| {
        let review = Review {
            id: ids.next(),
            pull: number,
            author: actor.to_owned(),
            body,
            state: state.to_owned(),
            commit_id,
            submitted_at: (state != "PENDING").then(now),
            edited_by: None,
        };
        it.reviews.push(review.clone());
        if state != "PENDING" {
            it.touch(number);
        }
        for (comment, line) in new.comments.into_iter().zip(lines) {
            add_comment(it, ids, &review, comment, line);
        }
        review
    })?;
    let id = review.id;
    if review.submitted_at.is_some() {
        announce(turn, repo, actor, "submitted", review).await?;
    }
    Ok(id)
}

/// Submits a draft of the actor's, with this text if it has none; 422 for the reasons that GitHub has.
pub(crate) async fn finish(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    (number, id): (i64, i64),
    event: &str,
    body: Option<String>,
) -> Result<(), Refusal> {
    let draft = one(turn, repo, number, id)?;
    if draft.author != actor {
        return Err(Refusal::not_found());
    }
    if draft.state != "PENDING" {
        return Err(Refusal::unprocessable("Can not submit a review that is not pending"));
    }
    let state = state_of(&pulls::one(turn, repo, number)?, actor, Some(event))?;
    let body = body.unwrap_or(draft.body);
    let has_comments = turn.read(repo, |it| it.review_comments.iter().any(|line| line.review == id))?;
    refuse_empty(state, &body, has_comments)?;
    let review = turn.write(repo, |it, _| {
        let review = it.reviews.iter_mut().find(|review| review.id == id)?;
        (review.state, review.body) = (state.to_owned(), body);
        review.submitted_at = Some(now());
        let review = review.clone();
        it.touch(review.pull);
        Some(review)
    })?;
    announce(turn, repo, actor, "submitted", review.ok_or_else(Refusal::not_found)?).await
}

/// Whether an account sees a review: a draft is its author's alone.
pub(crate) fn is_seen_by(review: &Review, login: Option<&str>) -> bool {
    review.state != "PENDING" || login == Some(&review.author)
}

fn refuse_empty(state: &str, body: &str, has_comments: bool) -> Result<(), Refusal> {
    if body.is_empty() && !has_comments && matches!(state, "COMMENTED" | "CHANGES_REQUESTED") {
        return Err(Refusal::unprocessable("Review body is required"));
    }
    Ok(())
}

fn state_of(pull: &Pull, actor: &str, event: Option<&str>) -> Result<&'static str, Refusal> {
    let own = pull.author == actor;
    match event {
        None => Ok("PENDING"),
        Some("COMMENT") => Ok("COMMENTED"),
        Some("APPROVE") if own => Err(Refusal::unprocessable("Review Can not approve your own pull request")),
        Some("REQUEST_CHANGES") if own => {
            Err(Refusal::unprocessable("Review Can not request changes on your own pull request"))
        }
        Some("APPROVE") => Ok("APPROVED"),
        Some("REQUEST_CHANGES") => Ok("CHANGES_REQUESTED"),
        Some(other) => Err(Refusal::unprocessable(&format!("Review has no event {other}"))),
    }
}

/// The line of the diff that a comment is for.
fn line_of(files: &[Changed], comment: &NewComment) -> Result<PatchLine, Refusal> {
    let unknown_path = || Refusal::unprocessable("Path could not be resolved");
    let file = files.iter().find(|file| file.path == comment.path).ok_or_else(unknown_path)?;
    let patch = file.patch.as_deref().unwrap_or("");
    let side = if comment.side.as_deref() == Some("LEFT") { "LEFT" } else { "RIGHT" };
    let wanted = |at: &PatchLine| match (comment.line, comment.position) {
        (Some(line), _) => at.line == line,
        (None, Some(position)) => at.position == position,
        (None, None) => false,
    };
    let found = lines_of(patch, side).into_iter().find(wanted);
    found.ok_or_else(|| Refusal::unprocessable("pull_request_review_thread.line must be part of the diff"))
}

fn add_comment(
    it: &mut Repository,
    ids: &mut NewIds<'_>,
    review: &Review,
    comment: NewComment,
    line: PatchLine,
) {
    it.review_comments.push(ReviewComment {
        id: ids.next(),
        review: review.id,
        pull: review.pull,
        author: review.author.clone(),
        body: comment.body,
        path: comment.path,
        line: line.line,
        start_line: comment.start_line,
        side: line.side.to_owned(),
        position: line.position,
        diff_hunk: line.hunk,
        commit_id: review.commit_id.clone(),
        created_at: review.submitted_at.clone().unwrap_or_else(now),
        answers: None,
        edited_by: None,
    });
}

/// Dismisses a review that approved or requested changes.
pub(crate) async fn dismiss(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    id: i64,
) -> Result<(), Refusal> {
    let review = one(turn, repo, number, id)?;
    if !matches!(&*review.state, "APPROVED" | "CHANGES_REQUESTED") {
        return Err(Refusal::unprocessable("Can not dismiss a commented pull request review"));
    }
    let review = Review { state: "DISMISSED".to_owned(), ..review };
    turn.write(repo, |it, _| {
        it.reviews.iter_mut().filter(|old| old.id == id).for_each(|old| old.clone_from(&review));
        it.touch(number);
    })?;
    announce(turn, repo, actor, "dismissed", review).await
}

pub(crate) fn one(host: &Host, repo: &str, number: i64, id: i64) -> Result<Review, Refusal> {
    let wanted = |review: &&Review| review.id == id && review.pull == number;
    host.read(repo, |it| it.reviews.iter().find(wanted).cloned())?.ok_or_else(Refusal::not_found)
}

async fn announce(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    action: &'static str,
    review: Review,
) -> Result<(), Refusal> {
    let (pull, comparison) = pulls::current(turn, repo, review.pull).await?;
    Ok(turn.announce(repo, actor, &Event::Review { action, review, pull, comparison })?)
}
