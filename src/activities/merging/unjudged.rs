//! A merge that was not ours and that no verdict had cleared: it is recorded with who made it, and with what the
//! policy had said of it.

use uuid::Uuid;

use super::super::{
    Failure, Reply,
    attempt::{Attempt, answer_with},
    facts,
};
use crate::{
    core::{
        policy::{Decision, Phase},
        run::Progress,
        workflow::Outcome,
    },
    github::Pull,
    store::{Pool, assessment},
};

/// A merge that was not ours, and what the policy had said of its head.
pub(in super::super) struct Judged {
    /// Who made it: a login, or `unknown`.
    pub(in super::super) by: String,
    pub(in super::super) note: String,
    pub(in super::super) progress: Progress,
}

/// The answer about a pull request that others merged while it was being judged.
pub(in super::super) async fn unjudged(at: &Attempt<'_>, pull: &Pull) -> Result<Reply, Failure> {
    let judged = judged(&at.factory.pool, at.lease.run, pull).await?;
    Ok(answer_with(Outcome::Closed, judged.note, judged.progress))
}

/// What is known of a pull request that others merged.
pub(in super::super) async fn judged(pool: &Pool, run: Uuid, pull: &Pull) -> Result<Judged, Failure> {
    let by = pull.merged_by.as_ref().map_or("unknown", |account| account.login.as_str()).to_owned();
    let commit = pull.merge_commit_sha.as_ref().map_or("an unknown commit", |sha| sha.short());
    let judged = assessment::of_run(pool, run).await?;
    // The newest verdict counts: what was cleared may have been refused since.
    let (mut cleared, mut last) = (None, None);
    for row in judged.into_iter().filter(|row| row.head_sha == pull.head_sha.as_str()) {
        let is_verdict = row.stage == Phase::Verdict.as_str();
        let assessment = facts::judged_again(row)?;
        if is_verdict && !matches!(assessment.decision(), Decision::Stopped { .. }) {
            cleared = cleared.or(Some(*assessment.decision() == Decision::Clear));
        }
        if !matches!(assessment.decision(), Decision::Stopped { .. }) {
            last = last.or_else(|| Some(assessment.sentence()));
        }
    }
    let progress = Progress { merged: pull.merge_commit_sha.clone(), ..Progress::default() };
    if cleared == Some(true) {
        let note = format!("merged by {by} as {commit}, at a head that was cleared");
        return Ok(Judged { by, note, progress });
    }
    let said = last.unwrap_or_else(|| "it had not been looked at".to_owned());
    let note = format!("merged unjudged by {by} as {commit}; the last that was known: {said}");
    Ok(Judged { note, progress: Progress { unjudged: Some(by.clone()), ..progress }, by })
}
