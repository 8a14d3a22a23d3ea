//! What a command says in answer to a run: an approval of its head.

use super::Talk;
use crate::{
    activities::{
        Failure,
        ledger::{self, ChangePushIntent, Effect},
    },
    core::sha::Sha,
    github::Comment,
    store::{assessment, effect, run::StoredRun},
};

/// The fewest characters that name a commit.
const NAMED: usize = 7;

impl Talk<'_> {
    /// The head that a comment asks to have merged: the one that it names, or else the one that had been judged before it
    /// was written. Otherwise why none is, for who wrote it.
    pub(super) async fn to_merge(
        &self,
        stored: &StoredRun,
        comment: &Comment,
        rest: &str,
    ) -> Result<Result<Sha, String>, Failure> {
        if self.brief.theirs().is_none() {
            let why = "this pull request is ours: it is merged as soon as it is cleared";
            return Ok(Err(why.to_owned()));
        }
        let Some(head) = stored.run.progress.head.clone() else {
            return Ok(Err("there is no head to merge yet".to_owned()));
        };
        let say = format!("look at {0} and say `/aspora merge {0}`", head.short());
        if let Some(named) = rest.split_whitespace().next() {
            let is_head = named.len() >= NAMED && head.as_str().starts_with(&named.to_lowercase());
            return Ok(if is_head { Ok(head) } else { Err(format!("the head is another commit: {say}")) });
        }
        let judged = assessment::first_of_head(&self.factory.pool, stored.spec.id, head.as_str()).await?;
        Ok(match judged {
            Some(at) if comment.created_at > at => Ok(head),
            Some(_) | None => Err(format!("the head was pushed as you wrote: {say}")),
        })
    }

    /// The head that a comment approves: the one that it names, or else the one that had been pushed before it was written.
    /// Otherwise why it approves none, for who wrote it.
    pub(super) async fn approved(
        &self,
        stored: &StoredRun,
        comment: &Comment,
        rest: &str,
    ) -> Result<Result<Sha, String>, Failure> {
        let Some(head) = stored.run.progress.head.clone() else {
            return Ok(Err("there is no head to approve yet".to_owned()));
        };
        let say = format!("look at {0} and say `/aspora approve {0}`", head.short());
        if let Some(named) = rest.split_whitespace().next() {
            let is_head = named.len() >= NAMED && head.as_str().starts_with(&named.to_lowercase());
            return Ok(if is_head { Ok(head) } else { Err(format!("the head is another commit: {say}")) });
        }
        let (pool, run) = (&self.factory.pool, stored.spec.id);
        let mut pushed = None;
        for push in effect::done_in_lineage(pool, run, ChangePushIntent::KIND).await? {
            if ledger::observation::<ChangePushIntent>(&push.key, push.result)?.sha == head {
                pushed = Some(push.done_at);
            }
        }
        Ok(match pushed {
            Some(at) if comment.created_at > at => Ok(head),
            Some(_) => Err(format!("the head was pushed as you wrote: {say}")),
            None => Err(format!("the head is not of ours: {say}")),
        })
    }
}
