//! Threads of comments on lines: a first comment and its answers, which people and apps resolve.

use super::{
    event::Event,
    host::{Host, Turn},
    pulls,
    refusal::Refusal,
    state::{Repository, ReviewComment, now},
};

/// The repository of a thread, by the id of its first comment.
pub(crate) fn home(host: &Host, first: i64) -> Option<String> {
    let has = |it: &Repository| it.review_comments.iter().any(|it| it.id == first && it.answers.is_none());
    host.with_state(|state| state.repositories.values().find(|it| has(it)).map(Repository::full_name))
}

/// Resolves a thread or opens it again; one that is so already stays as it is, and nothing is announced.
pub(crate) async fn resolve(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    first: i64,
    resolved: bool,
) -> Result<(), Refusal> {
    let found = turn.read(repo, |it| {
        let comments: Vec<ReviewComment> = it.thread(first).into_iter().cloned().collect();
        (comments, it.resolved.contains_key(&first))
    })?;
    let (comments, is_resolved) = found;
    let number = comments.first().ok_or_else(Refusal::not_found)?.pull;
    if is_resolved == resolved {
        return Ok(());
    }
    turn.write(repo, |it, _| {
        if resolved {
            it.resolved.insert(first, actor.to_owned());
        } else {
            it.resolved.remove(&first);
        }
        it.touch(number);
    })?;
    let action = if resolved { "resolved" } else { "unresolved" };
    let (pull, comparison) = pulls::current(turn, repo, number).await?;
    Ok(turn.announce(repo, actor, &Event::Thread { action, comments, pull, comparison })?)
}

/// Replaces the text of a comment on a line.
pub(crate) fn edit(turn: &Turn<'_>, repo: &str, actor: &str, id: i64, body: &str) -> Result<(), Refusal> {
    let edited = turn.write(repo, |it, _| {
        let comment = it.review_comments.iter_mut().find(|comment| comment.id == id)?;
        body.clone_into(&mut comment.body);
        comment.edited_by = Some(actor.to_owned());
        let pull = comment.pull;
        it.touch(pull);
        Some(())
    })?;
    edited.ok_or_else(Refusal::not_found)
}

/// Replaces the text of a review.
pub(crate) fn edit_review(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    id: i64,
    body: &str,
) -> Result<(), Refusal> {
    let edited = turn.write(repo, |it, _| {
        let review = it.reviews.iter_mut().find(|review| review.id == id)?;
        body.clone_into(&mut review.body);
        review.edited_by = Some(actor.to_owned());
        let pull = review.pull;
        it.touch(pull);
        Some(())
    })?;
    edited.ok_or_else(Refusal::not_found)
}

/// Adds an answer to a thread, as the review of one comment that GitHub makes of it; the answer's id.
pub(crate) fn answer(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    first: i64,
    body: &str,
) -> Result<i64, Refusal> {
    let added = turn.write(repo, |it, ids| {
        let first = it.review_comments.iter().find(|it| it.id == first && it.answers.is_none())?.clone();
        let number = first.pull;
        let review = super::state::Review {
            id: ids.next(),
            pull: number,
            author: actor.to_owned(),
            body: String::new(),
            state: "COMMENTED".to_owned(),
            commit_id: first.commit_id.clone(),
            submitted_at: Some(now()),
            edited_by: None,
        };
        let (id, answers) = (ids.next(), Some(first.id));
        let (author, body) = (actor.to_owned(), body.to_owned());
        let created_at = now();
        let review_id = review.id;
        it.reviews.push(review);
        it.review_comments.push(ReviewComment {
            id,
            review: review_id,
            author,
            body,
            created_at,
            answers,
            edited_by: None,
            ..first
        });
        it.touch(number);
        Some(id)
    })?;
    added.ok_or_else(Refusal::not_found)
}
