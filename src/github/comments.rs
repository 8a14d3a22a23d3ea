//! Comments on an issue or a pull request (which GitHub counts among the issues).

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{Account, Error, Forge, route, text::Marker, text_or_empty};
use crate::core::requirement::RepoName;

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawComment")]
pub struct Comment {
    /// GitHub's number.
    pub id: u64,
    /// The author; `None` if the account was deleted.
    pub user: Option<Account>,
    /// The app that posted it, if one did.
    pub app_id: Option<u64>,
    /// Markdown.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was last edited.
    pub updated_at: DateTime<Utc>,
}

impl Forge {
    /// Every comment on an issue or a pull request, oldest first.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn comments(&self, repo: &RepoName, number: u64) -> Result<Vec<Comment>, Error> {
        self.pages(&route(repo, &format!("issues/{number}/comments")), |page| page).await
    }

    /// The comments that were written or edited since a time, oldest first; without one, every comment.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn comments_since(
        &self,
        repo: &RepoName,
        number: u64,
        since: Option<DateTime<Utc>>,
    ) -> Result<Vec<Comment>, Error> {
        let Some(since) = since else { return self.comments(repo, number).await };
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        self.pages(&route(repo, &format!("issues/{number}/comments?since={since}")), |page| page).await
    }

    /// Reacts to a comment. A second call changes nothing: GitHub keeps one reaction of a kind for each account.
    ///
    /// # Errors
    /// Those of the call; [`Kind::NotFound`](super::Kind::NotFound) if the comment is gone.
    pub async fn react(&self, repo: &RepoName, comment: u64, content: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Reaction<'a> {
            content: &'a str,
        }
        let route = route(repo, &format!("issues/comments/{comment}/reactions"));
        self.post::<IgnoredAny>(&route, &Reaction { content }).await.map(|_| ())
    }

    /// Our comment with this marker, the oldest if there are several. A comment of another account that quotes
    /// the marker does not count.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn find_comment(
        &self,
        repo: &RepoName,
        number: u64,
        marker: &Marker,
    ) -> Result<Option<Comment>, Error> {
        let us = self.identity().await?;
        let comments = self.comments(repo, number).await?;
        let ours = |comment: &Comment| {
            comment.user.as_ref().is_some_and(|user| user.id == us.id) && marker.is_in(&comment.body)
        };
        Ok(comments.into_iter().filter(ours).min_by_key(|comment| comment.id))
    }

    /// Makes our comment with this marker say this: the one that is there is edited, and only one is ever posted.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn keep_comment(
        &self,
        repo: &RepoName,
        number: u64,
        marker: &Marker,
        body: &str,
    ) -> Result<Comment, Error> {
        match self.find_comment(repo, number, marker).await? {
            Some(comment) if comment.body == marker.mark(body) => Ok(comment),
            Some(comment) => {
                let body = Body { body: marker.mark(body) };
                self.patch(&route(repo, &format!("issues/comments/{}", comment.id)), &body).await
            }
            None => self.create_comment(repo, number, marker, body).await,
        }
    }

    /// Posts a comment. A second call posts another one: call [`Self::find_comment`] first.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn create_comment(
        &self,
        repo: &RepoName,
        number: u64,
        marker: &Marker,
        body: &str,
    ) -> Result<Comment, Error> {
        let body = Body { body: marker.mark(body) };
        self.post(&route(repo, &format!("issues/{number}/comments")), &body).await
    }
}

#[derive(Serialize)]
struct Body {
    body: String,
}

#[derive(Deserialize)]
struct RawComment {
    id: u64,
    user: Option<Account>,
    #[serde(default, rename = "performed_via_github_app")]
    app: Option<App>,
    #[serde(default, deserialize_with = "text_or_empty")]
    body: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

impl From<RawComment> for Comment {
    fn from(raw: RawComment) -> Self {
        Self {
            id: raw.id,
            user: raw.user,
            app_id: raw.app.map(|app| app.id),
            body: raw.body,
            created_at: raw.created_at,
            updated_at: raw.updated_at,
        }
    }
}
