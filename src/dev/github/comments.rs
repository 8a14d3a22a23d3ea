//! Comments in the conversation of a pull request or issue.

use super::{
    event::{CommentAction, Event},
    host::{Host, Turn},
    refusal::Refusal,
    state::{Comment, REACTIONS, Reaction, now},
};

/// Adds a comment.
pub(crate) fn add(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    body: String,
) -> Result<Comment, Refusal> {
    refuse_unknown_issue(turn, repo, number)?;
    if body.is_empty() {
        return Err(Refusal::field("IssueComment", "body", "missing_field"));
    }
    let comment = turn.write(repo, |it, ids| {
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
        it.touch(number);
        comment
    })?;
    announce(turn, repo, actor, CommentAction::Created, comment.clone())?;
    Ok(comment)
}

/// Replaces the text of a comment.
pub(crate) fn edit(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    id: i64,
    body: String,
) -> Result<Comment, Refusal> {
    let edited = turn.write(repo, |it, _| {
        let comment = it.comments.iter_mut().find(|comment| comment.id == id)?;
        let before = std::mem::replace(&mut comment.body, body);
        comment.updated_at = now();
        let comment = comment.clone();
        it.touch(comment.issue);
        Some((comment, before))
    })?;
    let (comment, before) = edited.ok_or_else(Refusal::not_found)?;
    announce(turn, repo, actor, CommentAction::Edited { before }, comment.clone())?;
    Ok(comment)
}

/// Deletes a comment.
pub(crate) fn delete(turn: &Turn<'_>, repo: &str, actor: &str, id: i64) -> Result<(), Refusal> {
    let comment = one(turn, repo, id)?;
    turn.write(repo, |it, _| {
        it.comments.retain(|comment| comment.id != id);
        it.touch(comment.issue);
    })?;
    Ok(announce(turn, repo, actor, CommentAction::Deleted, comment)?)
}

/// Adds a reaction to a comment; one of the same content by the same account stays as it is, and is returned with false.
pub(crate) fn react(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    id: i64,
    content: &str,
) -> Result<(Reaction, bool), Refusal> {
    one(turn, repo, id)?;
    if !REACTIONS.contains(&content) {
        return Err(Refusal::field("Reaction", "content", "invalid"));
    }
    Ok(turn.write(repo, |it, ids| {
        let is_same = |it: &&Reaction| it.comment == id && it.author == actor && it.content == content;
        if let Some(known) = it.reactions.iter().find(is_same) {
            return (known.clone(), false);
        }
        let (author, content) = (actor.to_owned(), content.to_owned());
        let reaction = Reaction { id: ids.next(), comment: id, author, content, created_at: now() };
        it.reactions.push(reaction.clone());
        (reaction, true)
    })?)
}

pub(crate) fn one(host: &Host, repo: &str, id: i64) -> Result<Comment, Refusal> {
    let found = host.read(repo, |it| it.comments.iter().find(|comment| comment.id == id).cloned())?;
    found.ok_or_else(Refusal::not_found)
}

/// 404 unless a pull request or issue has this number.
pub(crate) fn refuse_unknown_issue(host: &Host, repo: &str, number: i64) -> Result<(), Refusal> {
    let known = host
        .read(repo, |it| it.pull(number).is_some() || it.issues.iter().any(|issue| issue.number == number))?;
    if known { Ok(()) } else { Err(Refusal::not_found()) }
}

fn announce(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    action: CommentAction,
    comment: Comment,
) -> anyhow::Result<()> {
    turn.announce(repo, actor, &Event::Comment { action, comment })
}
