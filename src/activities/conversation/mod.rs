//! The conversation on a run's pull request: commands of people are followed and answered, and one comment of ours
//! says where the run stands.
//!
//! It is no step, because people also speak to a run that is paused or has ended. A webhook only makes it due; all of it
//! is read from the forge, so that a lost webhook costs time and nothing else. It repeats without harm: a comment is
//! read as a command once, an answer is looked for before it is posted, and our comment is edited.

mod answers;
mod body;
mod commands;

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Factory, Failure,
    brief::Brief,
    count,
    ledger::{self, CommentIntent, Effect, Posted},
    report,
};
use crate::{
    core::{requirement::RepoName, run::State},
    engine::Engine,
    github::text::Marker,
    store::{
        conversation, effect,
        run::{self, StoredRun},
    },
};

/// How long the comments of a pull request are not read whose run looks whether it has changed.
const STILL: Duration = Duration::from_secs(24 * 3600);

/// The run, and where its conversation is.
struct Talk<'a> {
    factory: &'a Factory,
    engine: &'a Engine,
    repo: RepoName,
    pull: u64,
    stored: StoredRun,
    brief: Brief,
}

/// Attends to the conversation of a run; after how long it is looked at again without news, never if the run has ended.
pub(super) async fn converse(
    factory: &Factory,
    engine: &Engine,
    run: Uuid,
) -> Result<Option<Duration>, Failure> {
    let Some(mut talk) = Talk::of(factory, engine, run).await? else { return Ok(None) };
    if talk.brief.is_silent() {
        return Ok(None);
    }
    let (seen, turn) = conversation::seen(&factory.pool, run).await?;
    let changed = talk.changed();
    // A pull request that has not changed since all its comments were read has no new ones.
    let is_read = changed.is_some() && seen == changed;
    let is_complete = is_read || talk.follow().await?;
    talk.answer().await?;
    if let Some(changed) = changed.filter(|_| is_complete && !is_read) {
        conversation::set_seen(&factory.pool, run, changed, turn).await?;
    }
    if let Some(stored) = run::get(&factory.pool, run).await? {
        talk.stored = stored;
    }
    talk.say().await?;
    Ok(match (is_complete, &talk.stored.run.state) {
        (false, _) => Some(Duration::ZERO),
        (true, State::Ended { .. }) => None,
        // The looks of its step see whether the pull request has changed.
        (true, State::Waiting { park, .. }) if park.look.is_some() => Some(STILL),
        // A comment changes the pull request, which the listing of its repository shows.
        (true, _) if talk.brief.theirs().is_some() => Some(STILL),
        (true, _) => Some(factory.polling.people),
    })
}

impl<'a> Talk<'a> {
    /// The conversation of a run that was the last to work on its pull request.
    async fn of(factory: &'a Factory, engine: &'a Engine, run: Uuid) -> Result<Option<Self>, Failure> {
        let Some(stored) = run::get(&factory.pool, run).await? else { return Ok(None) };
        let Some(pull) = stored.run.progress.pull else { return Ok(None) };
        let number = i64::try_from(pull).unwrap_or(i64::MAX);
        if conversation::last_run(&factory.pool, &stored.spec.repository, number).await? != Some(run) {
            return Ok(None);
        }
        let repo = stored.spec.repository.parse().map_err(Failure::last)?;
        let brief = Brief::read(&factory.pool, &stored.spec).await?;
        Ok(brief.map(|brief| Self { factory, engine, repo, pull, stored, brief }))
    }

    /// When the pull request had last changed, where the run's wait rests on that.
    fn changed(&self) -> Option<DateTime<Utc>> {
        match &self.stored.run.state {
            State::Waiting { park, .. } => park.look.map(|look| look.changed),
            State::At { .. } | State::Paused(_) | State::Ended { .. } => None,
        }
    }

    /// Makes our one comment say where the run stands, if it says something else. While the run works, what it says of
    /// this head stays.
    async fn say(&self) -> Result<(), Failure> {
        let Some(head) = self.stored.run.progress.head.clone() else { return Ok(()) };
        let prefix = format!("comment/conversation/{}", head.short());
        let said = self.said(&prefix).await?;
        let is_at_work = matches!(self.stored.run.state, State::At { .. });
        if is_at_work && !said.is_empty() {
            return Ok(());
        }
        let text = self.body(&head).await?;
        let content = body::digest(&text);
        if said.last().is_some_and(|key| key.ends_with(&content)) {
            return Ok(());
        }
        // Of the pull request and not of the run, so that a later run on it edits the same.
        let marker = Marker::new(&format!("conversation/{}/{}", self.repo, self.pull));
        let comment = self.factory.forge.keep_comment(&self.repo, self.pull, &marker, &text).await?;
        let key = report::update_key(&prefix, count(said.len()), &content);
        let request = ledger::to_json(&CommentIntent { pull: self.pull, head })?;
        let result = ledger::to_json(&Posted { id: comment.id })?;
        let run = self.stored.spec.id;
        Ok(effect::note(&self.factory.pool, run, &key, CommentIntent::KIND, &request, &result).await?)
    }

    /// The keys of what our comment said of a head, oldest first.
    async fn said(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let run = self.stored.spec.id;
        let done = effect::done_in_lineage(&self.factory.pool, run, CommentIntent::KIND).await?;
        let prefix = format!("{prefix}/");
        Ok(done.into_iter().map(|row| row.key).filter(|key| key.starts_with(&prefix)).collect())
    }

    fn url(&self) -> String {
        format!("{}/runs/{}", self.factory.public_url, self.stored.spec.id)
    }
}
