//! Threads of comments on lines, and reviews with whether they were edited: REST has neither whether a thread is resolved
//! nor who edited a text.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{Error, Forge, PAGE_LIMIT, sha_or_none};
use crate::core::{policy::ApprovalState, requirement::RepoName, sha::Sha};

/// @octokit/graphql-schema: `PullRequest.reviewThreads`. Of a thread 100 comments are read; whether there are more is known.
const THREADS: &str = "query($owner: String!, $name: String!, $number: Int!, $after: String) { \
    repository(owner: $owner, name: $name) { pullRequest(number: $number) { \
    reviewThreads(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { \
    id isResolved resolvedBy { login } path line originalLine \
    comments(first: 100) { totalCount nodes { \
    author { __typename login } body lastEditedAt url originalCommit { oid } \
    pullRequestReview { fullDatabaseId } } } } } } } }";

/// @octokit/graphql-schema: `PullRequest.reviews`.
const REVIEWS: &str = "query($owner: String!, $name: String!, $number: Int!, $after: String) { \
    repository(owner: $owner, name: $name) { pullRequest(number: $number) { \
    reviews(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { \
    fullDatabaseId author { __typename login } body state submittedAt lastEditedAt commit { oid } } } } } }";

/// Which permission it needs is not documented; `contents: write` and `pull_requests: write` are reported to suffice.
const RESOLVE: &str = "mutation($input: ResolveReviewThreadInput!) { \
                       resolveReviewThread(input: $input) { thread { id isResolved } } }";

/// One thread.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawThread")]
pub struct Thread {
    /// GitHub's id of it in GraphQL.
    pub id: String,
    /// Whether it is resolved.
    pub is_resolved: bool,
    /// Who resolved it, by login; `None` also where GitHub does not say.
    pub resolved_by: Option<String>,
    /// The file.
    pub path: String,
    /// The line on the head; where that has none, the line on the commit that it was written for.
    pub line: Option<u32>,
    /// Its comments, oldest first, at most 100.
    pub comments: Vec<ThreadComment>,
    /// How many comments it has.
    pub total: usize,
}

/// One comment of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawComment")]
pub struct ThreadComment {
    /// The author; `None` if the account was deleted.
    pub author: Option<Writer>,
    /// Markdown, as it is now.
    pub body: String,
    /// Whether its text was edited after it was written.
    pub is_edited: bool,
    /// Its page.
    pub url: String,
    /// The commit that it was written for.
    pub commit: Option<Sha>,
    /// The review that it belongs to.
    pub review: Option<u64>,
}

/// Who wrote a comment or a review.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawWriter")]
pub struct Writer {
    /// The login; that of an App is its slug, without `[bot]` (vfarcic/dot-agent-deck#292).
    pub login: String,
    /// Whether GitHub says that it is an App. Nobody else can have the login of one with this type.
    pub is_bot: bool,
}

/// One review, with whether it was edited.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawReview")]
pub struct GivenReview {
    /// GitHub's number.
    pub id: Option<u64>,
    /// The author; `None` if the account was deleted.
    pub author: Option<Writer>,
    /// Markdown, as it is now.
    pub body: String,
    /// What it says; `None` for a draft.
    pub state: Option<ApprovalState>,
    /// When it was submitted.
    pub submitted_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Whether its text was edited after it was submitted.
    pub is_edited: bool,
    /// The commit that it is about.
    pub commit: Option<Sha>,
}

impl Writer {
    /// Whether it is the App with this slug, and not an account that looks like it.
    #[must_use]
    pub fn is_app(&self, slug: &str) -> bool {
        self.is_bot && self.login.eq_ignore_ascii_case(slug)
    }
}

impl Thread {
    /// The first comment, which began it.
    #[must_use]
    pub fn first(&self) -> Option<&ThreadComment> {
        self.comments.first()
    }
}

impl Forge {
    /// Every thread of a pull request, oldest first.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn threads(&self, repo: &RepoName, number: u64) -> Result<Vec<Thread>, Error> {
        self.connection(repo, number, THREADS).await
    }

    /// Every review of a pull request, oldest first, with whether it was edited.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn given_reviews(&self, repo: &RepoName, number: u64) -> Result<Vec<GivenReview>, Error> {
        self.connection(repo, number, REVIEWS).await
    }

    /// Resolves a thread; one that is resolved stays so.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn resolve_thread(&self, repo: &RepoName, thread: &str) -> Result<(), Error> {
        let _: serde::de::IgnoredAny =
            self.ask_about(repo, RESOLVE, json!({"input": {"threadId": thread}})).await?;
        Ok(())
    }

    /// All pages of a connection of a pull request.
    async fn connection<T: DeserializeOwned>(
        &self,
        repo: &RepoName,
        number: u64,
        query: &str,
    ) -> Result<Vec<T>, Error> {
        #[derive(Serialize)]
        struct Variables<'a> {
            owner: &'a str,
            name: &'a str,
            number: u64,
            after: Option<String>,
        }
        let full = repo.to_string();
        let (owner, name) = full.split_once('/').unwrap_or((&full, ""));
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..PAGE_LIMIT {
            let variables = Variables { owner, name, number, after: after.take() };
            let answer: Data<T> = self.ask_about(repo, query, variables).await?;
            let Connection { page_info, nodes } = answer.repository.pull_request.connection;
            all.extend(nodes);
            after = page_info.end_cursor.filter(|_| page_info.has_next_page);
            if after.is_none() {
                return Ok(all);
            }
        }
        Err(Error::unreadable(
            "POST /graphql".to_owned(),
            &format!("over {PAGE_LIMIT} pages of {full}#{number}"),
        ))
    }
}

#[derive(Deserialize)]
struct Data<T> {
    repository: OfRepository<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfRepository<T> {
    pull_request: OfPull<T>,
}

#[derive(Deserialize)]
struct OfPull<T> {
    #[serde(alias = "reviewThreads", alias = "reviews")]
    connection: Connection<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection<T> {
    page_info: PageInfo,
    nodes: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawThread {
    id: String,
    is_resolved: bool,
    resolved_by: Option<Login>,
    path: String,
    line: Option<u32>,
    original_line: Option<u32>,
    comments: Comments,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comments {
    total_count: usize,
    nodes: Vec<ThreadComment>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawComment {
    author: Option<Writer>,
    body: String,
    last_edited_at: Option<String>,
    url: String,
    original_commit: Option<Commit>,
    pull_request_review: Option<OfReview>,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(deserialize_with = "sha_or_none")]
    oid: Option<Sha>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfReview {
    full_database_id: Option<BigInt>,
}

/// GitHub's `BigInt`: a number in text. `databaseId` has no room for the numbers of today's reviews.
#[derive(Deserialize)]
#[serde(untagged)]
enum BigInt {
    Text(String),
    Number(u64),
}

impl BigInt {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => Some(*number),
        }
    }
}

#[derive(Deserialize)]
struct RawWriter {
    #[serde(rename = "__typename")]
    kind: String,
    login: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReview {
    full_database_id: Option<BigInt>,
    author: Option<Writer>,
    body: String,
    #[serde(deserialize_with = "super::reviews::state")]
    state: Option<ApprovalState>,
    submitted_at: Option<chrono::DateTime<chrono::Utc>>,
    last_edited_at: Option<String>,
    commit: Option<Commit>,
}

impl From<RawThread> for Thread {
    fn from(raw: RawThread) -> Self {
        Self {
            id: raw.id,
            is_resolved: raw.is_resolved,
            resolved_by: raw.resolved_by.map(|by| by.login),
            path: raw.path,
            line: raw.line.or(raw.original_line),
            comments: raw.comments.nodes,
            total: raw.comments.total_count,
        }
    }
}

impl From<RawComment> for ThreadComment {
    fn from(raw: RawComment) -> Self {
        Self {
            author: raw.author,
            body: raw.body,
            is_edited: raw.last_edited_at.is_some(),
            url: raw.url,
            commit: raw.original_commit.and_then(|commit| commit.oid),
            review: raw.pull_request_review.and_then(|review| review.full_database_id?.number()),
        }
    }
}

impl From<RawWriter> for Writer {
    fn from(raw: RawWriter) -> Self {
        Self { login: raw.login, is_bot: raw.kind == "Bot" }
    }
}

impl From<RawReview> for GivenReview {
    fn from(raw: RawReview) -> Self {
        Self {
            id: raw.full_database_id.and_then(|id| id.number()),
            author: raw.author,
            body: raw.body,
            state: raw.state,
            submitted_at: raw.submitted_at,
            is_edited: raw.last_edited_at.is_some(),
            commit: raw.commit.and_then(|commit| commit.oid),
        }
    }
}
