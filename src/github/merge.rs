//! The merge: only with a clearance, only of the head that the clearance names.

use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Error, Forge, Kind, Meaning, NotMerged, escape, route, sha_or_none, text};
use crate::core::{
    merge_method::MergeMethod,
    policy::{Clearance, PullState},
    requirement::RepoName,
    sha::Sha,
};

/// The result of a merge call that GitHub answered, or of looking after one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// The head was merged by this commit.
    Merged(Sha),
    /// GitHub merges in the background: look after it by its uuid.
    Pending(PendingMerge),
    /// The base's merge queue has it and goes on alone; with GitHub's sentence.
    Enqueued(String),
    /// Not merged.
    Refused(NotMerged),
}

/// A merge in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMerge {
    /// Names it for [`Forge::merge_result`].
    pub uuid: String,
    /// The head that it merges. A merge that another caller asked for may have another head than ours.
    pub head: Option<Sha>,
}

/// How to merge.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The merge method; a merge queue has its own.
    pub method: MergeMethod,
    /// The commit's first line; the caller neutralises it, because `#number` must stay a link.
    pub title: &'a str,
    /// The rest of the commit's message; neutralised here.
    pub message: &'a str,
    /// Whether the pull request is in a stack, which only a merge in the background can merge.
    pub stacked: bool,
}

impl Forge {
    /// Merges the head that the clearance names, in the background where the server can, at once elsewhere
    /// (GHES up to 3.19 answers 404 to the former, which is remembered).
    ///
    /// The caller must check that the base is still [`Clearance::base`]: GitHub compares only the head.
    ///
    /// # Errors
    /// Those of the calls. After an error that [`Error::is_ambiguous`], the merge may have happened: read the
    /// pull request and check [`super::Pull::merged_at`] before merging again.
    pub async fn merge(
        &self,
        repo: &RepoName,
        number: u64,
        clearance: &Clearance,
        order: Order<'_>,
    ) -> Result<Merge, Error> {
        self.merge_head(repo, number, clearance.head(), order).await
    }

    /// What became of a merge in the background; `None` once GitHub has forgotten it (24 hours after its last
    /// change). Poll about once a second.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn merge_result(
        &self,
        repo: &RepoName,
        number: u64,
        uuid: &str,
        head: &Sha,
    ) -> Result<Option<Merge>, Error> {
        let route = route(repo, &format!("pulls/{number}/merge-async/{}", escape(uuid)));
        match self.get::<RawResult>(&route).await {
            Ok(result) => self.understand(repo, number, head, result).await.map(Some),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn merge_head(
        &self,
        repo: &RepoName,
        number: u64,
        head: &Sha,
        order: Order<'_>,
    ) -> Result<Merge, Error> {
        let title = text::cap(order.title, text::TITLE_LIMIT);
        let message = text::cap(&text::neutralise(order.message), text::BODY_LIMIT);
        let body = Body {
            sha: head,
            merge_method: order.method,
            merge_action: None,
            commit_title: &title,
            commit_message: &message,
        };
        if self.merges_async.load(Ordering::Relaxed) || order.stacked {
            match self.put_async(repo, number, &Body { merge_action: Some("default"), ..body }).await {
                Ok(result) => return self.understand(repo, number, head, result).await,
                Err(error) if error.kind() == Kind::NotFound && !order.stacked => {
                    let merge = self.put_merge(repo, number, head, &body).await?;
                    // The pull request was found, so what was not found before is the route.
                    self.merges_async.store(false, Ordering::Relaxed);
                    return Ok(merge);
                }
                // Which permission the route wants is not published: a credential may have that of the other alone.
                Err(error) if error.kind() == Kind::Forbidden && !order.stacked => {}
                Err(error) => return self.refused(repo, number, head, error).await,
            }
        }
        self.put_merge(repo, number, head, &body).await
    }

    async fn put_async(&self, repo: &RepoName, number: u64, body: &Body<'_>) -> Result<RawResult, Error> {
        let route = route(repo, &format!("pulls/{number}/merge-async"));
        let also = [StatusCode::BAD_REQUEST, StatusCode::CONFLICT];
        self.call_also(Method::PUT, &route, Some(body), &also).await?.json()
    }

    async fn put_merge(
        &self,
        repo: &RepoName,
        number: u64,
        head: &Sha,
        body: &Body<'_>,
    ) -> Result<Merge, Error> {
        #[derive(Deserialize)]
        struct Done {
            sha: Option<Sha>,
            merged: bool,
            #[serde(default)]
            message: String,
        }
        let route = route(repo, &format!("pulls/{number}/merge"));
        match self.call(Method::PUT, &route, Some(body)).await {
            Ok(answer) => match answer.json::<Done>()? {
                Done { merged: true, sha: Some(sha), .. } => Ok(Merge::Merged(sha)),
                done => self.explain(repo, number, head, done.message).await,
            },
            Err(error) => self.refused(repo, number, head, error).await,
        }
    }

    async fn understand(
        &self,
        repo: &RepoName,
        number: u64,
        head: &Sha,
        RawResult { status, details }: RawResult,
    ) -> Result<Merge, Error> {
        let RawDetails { message, uuid, expected_head_sha } = details;
        match (status, uuid) {
            (RawStatus::Pending, Some(uuid)) => {
                Ok(Merge::Pending(PendingMerge { uuid, head: expected_head_sha }))
            }
            (RawStatus::Enqueued, _) => Ok(Merge::Enqueued(message)),
            (RawStatus::Merged, _) => self.merged(repo, number, head).await,
            (RawStatus::Pending, None) => Ok(not_yet(message)),
            (RawStatus::Failed, _) => match NotMerged::said(message) {
                Ok(refused) => Ok(Merge::Refused(refused)),
                Err(why) => self.explain(repo, number, head, why).await,
            },
        }
    }

    /// The pull request says by which commit, and at which head, it was merged.
    async fn merged(&self, repo: &RepoName, number: u64, head: &Sha) -> Result<Merge, Error> {
        let pull = self.pull(repo, number).await?;
        Ok(match pull.merged_at(head) {
            Some(sha) => Merge::Merged(sha),
            None if pull.state == PullState::Open => {
                not_yet("GitHub says merged, and the pull request does not show it yet".to_owned())
            }
            None => Merge::Refused(NotMerged::seen("merged at another head".to_owned(), &pull, head)),
        })
    }

    async fn refused(&self, repo: &RepoName, number: u64, head: &Sha, error: Error) -> Result<Merge, Error> {
        match NotMerged::of(error)? {
            Ok(refused) => Ok(Merge::Refused(refused)),
            Err(why) => self.explain(repo, number, head, why).await,
        }
    }

    /// "Pull Request is not mergeable" has many causes, among them that it is merged already.
    async fn explain(&self, repo: &RepoName, number: u64, head: &Sha, why: String) -> Result<Merge, Error> {
        let pull = self.pull(repo, number).await?;
        Ok(match pull.merged_at(head) {
            Some(sha) => Merge::Merged(sha),
            None => Merge::Refused(NotMerged::seen(why, &pull, head)),
        })
    }
}

const fn not_yet(why: String) -> Merge {
    Merge::Refused(NotMerged { meaning: Meaning::NotYet, why })
}

/// The body of the merge call.
#[derive(Serialize, Clone, Copy)]
struct Body<'a> {
    sha: &'a Sha,
    merge_method: MergeMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_action: Option<&'static str>,
    commit_title: &'a str,
    commit_message: &'a str,
}

/// `pull-request-merge-async-result` of GitHub's description.
#[derive(Deserialize)]
struct RawResult {
    status: RawStatus,
    details: RawDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawStatus {
    Pending,
    Merged,
    Enqueued,
    Failed,
}

#[derive(Deserialize)]
struct RawDetails {
    message: String,
    #[serde(default)]
    uuid: Option<String>,
    #[serde(default, deserialize_with = "sha_or_none")]
    expected_head_sha: Option<Sha>,
}

#[cfg(test)]
mod tests;
