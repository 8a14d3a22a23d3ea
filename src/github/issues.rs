//! Issues: opened, found again, closed and reopened; and which pull requests close one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Error, Forge, escape, route, text::Marker, text_or_empty};
use crate::core::requirement::RepoName;

/// The pull requests that close an issue, merged ones too. @octokit/graphql-schema: `Issue.closedByPullRequestsReferences`.
const CLOSERS: &str = "query($owner: String!, $name: String!, $number: Int!) { \
    repository(owner: $owner, name: $name) { issue(number: $number) { \
    closedByPullRequestsReferences(first: 50, includeClosedPrs: true) { nodes { number merged } } } } }";

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issue {
    /// Its number.
    pub number: u64,
    /// Its title.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub title: String,
    /// Its text, Markdown.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub body: String,
    /// `open` or `closed`.
    pub state: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was closed last.
    #[serde(default)]
    pub closed_at: Option<DateTime<Utc>>,
    /// Its page.
    #[serde(default)]
    pub html_url: String,
}

/// A file that a pull request changes. docs.github.com "List pull requests files": at most 3,000.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PullFile {
    /// Its path.
    pub filename: String,
    /// `added`, `removed`, `modified`, `renamed`, `copied`, `changed` or `unchanged`.
    pub status: String,
}

/// An issue to be opened.
#[derive(Debug, Clone, Serialize)]
pub struct NewIssue {
    /// Its title.
    pub title: String,
    /// Its text, Markdown.
    pub body: String,
    /// Its labels; one that the repository lacks is made by GitHub.
    pub labels: Vec<String>,
}

impl Issue {
    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == "open"
    }
}

impl Forge {
    /// An issue.
    ///
    /// # Errors
    /// Those of the call; [`Kind::NotFound`](super::Kind::NotFound) where it is gone or was moved.
    pub async fn issue(&self, repo: &RepoName, number: u64) -> Result<Issue, Error> {
        self.get(&route(repo, &format!("issues/{number}"))).await
    }

    /// Our issue with this label and marker, the oldest if there are several, open or closed. The list is asked and not the
    /// search, which lags behind.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn find_issue(
        &self,
        repo: &RepoName,
        label: &str,
        marker: &Marker,
    ) -> Result<Option<Issue>, Error> {
        let us = self.identity().await?.login;
        let list = format!("issues?state=all&labels={}&creator={}", escape(label), escape(&us));
        let issues: Vec<Issue> = self.pages(&route(repo, &list), |page| page).await?;
        Ok(issues.into_iter().filter(|issue| marker.is_in(&issue.body)).min_by_key(|issue| issue.number))
    }

    /// Opens an issue. A second call opens another one: call [`Self::find_issue`] first.
    ///
    /// # Errors
    /// Those of the call; GitHub answers 410 where the repository has no issues.
    pub async fn open_issue(&self, repo: &RepoName, new: &NewIssue) -> Result<Issue, Error> {
        self.post(&route(repo, "issues"), new).await
    }

    /// Reopens an issue.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn reopen_issue(&self, repo: &RepoName, number: u64) -> Result<Issue, Error> {
        let body = json!({"state": "open", "state_reason": "reopened"});
        self.patch(&route(repo, &format!("issues/{number}")), &body).await
    }

    /// Closes an issue: as done, or as one that nothing is done about.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn close_issue(&self, repo: &RepoName, number: u64, is_done: bool) -> Result<Issue, Error> {
        let reason = if is_done { "completed" } else { "not_planned" };
        let body = json!({"state": "closed", "state_reason": reason});
        self.patch(&route(repo, &format!("issues/{number}")), &body).await
    }

    /// The files that a pull request changes, whatever way it was merged.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn pull_files(&self, repo: &RepoName, number: u64) -> Result<Vec<PullFile>, Error> {
        self.pages(&route(repo, &format!("pulls/{number}/files")), |page| page).await
    }

    /// The merged pull requests that close an issue, by their texts or by a link that a person made.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn merged_closers(&self, repo: &RepoName, number: u64) -> Result<Vec<u64>, Error> {
        #[derive(Deserialize)]
        struct Data {
            repository: Option<Repository>,
        }
        #[derive(Deserialize)]
        struct Repository {
            issue: Option<Asked>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Asked {
            closed_by_pull_requests_references: Nodes,
        }
        #[derive(Deserialize)]
        struct Nodes {
            #[serde(default)]
            nodes: Vec<Option<Closer>>,
        }
        #[derive(Deserialize)]
        struct Closer {
            number: u64,
            merged: bool,
        }
        let full = repo.to_string();
        let (owner, name) = full.split_once('/').unwrap_or((&full, ""));
        let variables = json!({"owner": owner, "name": name, "number": number});
        let data: Data = self.ask_about(repo, CLOSERS, variables).await?;
        let issue = data.repository.and_then(|repository| repository.issue);
        let nodes = issue.map(|issue| issue.closed_by_pull_requests_references.nodes).unwrap_or_default();
        Ok(nodes.into_iter().flatten().filter(|closer| closer.merged).map(|closer| closer.number).collect())
    }
}
