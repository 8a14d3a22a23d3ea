//! Pull requests: found by their branch, opened, read.

use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize};

use super::{Account, Error, Forge, escape, route, sha_or_none, text, text_or_empty};
use crate::core::{policy::PullState, requirement::RepoName, sha::Sha};

/// A pull request, as GitHub returns it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawPull")]
pub struct Pull {
    /// Its number in the repository.
    pub number: u64,
    /// Open, closed or merged.
    pub state: PullState,
    /// The commit that merged it, once it is merged; before, GitHub returns a test merge.
    pub merge_commit_sha: Option<Sha>,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it merges without conflict; `None` while GitHub works it out.
    pub mergeable: Option<bool>,
    /// Why it could not be merged now; [`MergeState::Unknown`] while GitHub works it out.
    pub merge_state: MergeState,
    /// Who merged it, if it was merged and the account is not deleted.
    pub merged_by: Option<Account>,
    /// Its place in a stack of pull requests, if it is in one.
    pub stack: Option<StackPlace>,
    /// The commit at the tip of its branch.
    pub head_sha: Sha,
    /// Its branch.
    pub head_branch: String,
    /// The tip of the base, which may lag behind the branch itself.
    pub base_sha: Sha,
    /// The branch that it is merged into.
    pub base_branch: String,
    /// Whether the repository of the base is archived: then nobody may merge it.
    pub archived: bool,
    /// Who opened it; `None` if the account was deleted.
    pub author: Option<Account>,
    /// The number of changed files.
    pub changed_files: u64,
    /// The page for people.
    pub url: String,
    /// One line.
    pub title: String,
    /// The description, Markdown.
    pub body: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was merged.
    pub merged_time: Option<DateTime<Utc>>,
}

/// GitHub's `mergeable_state`. @octokit/graphql-schema `MergeStateStatus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeState {
    /// The base has commits that the branch must hold first.
    Behind,
    /// A rule of the base branch is not met, even if we may bypass it.
    Blocked,
    /// Nothing is missing.
    Clean,
    /// It conflicts with the base.
    Dirty,
    /// It is a draft.
    Draft,
    /// As clean; the server (GHES) runs hooks before it accepts the merge.
    HasHooks,
    /// Mergeable, with a check that is not required and not green.
    Unstable,
    /// Not worked out yet, or a word that we do not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The place of a pull request in a stack.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StackPlace {
    /// The number of the stack in the repository.
    #[serde(default)]
    pub number: Option<u64>,
    /// 1 is the bottom, which is merged first.
    #[serde(default)]
    pub position: Option<u64>,
    /// The branch that the whole stack is merged into.
    pub base: StackBase,
}

/// Where a stack is merged into.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StackBase {
    /// The branch.
    #[serde(rename = "ref")]
    pub branch: String,
}

/// A pull request to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPull {
    /// One line; cut at 256 characters.
    pub title: String,
    /// Markdown; cut at 65,536 characters.
    pub body: String,
    /// The branch with the change, in the same repository.
    pub head: String,
    /// The branch to merge it into.
    pub base: String,
}

impl Pull {
    /// The commit that merged this very head, if it was merged, by anyone: the answer of our call may have been lost.
    #[must_use]
    pub fn merged_at(&self, head: &Sha) -> Option<Sha> {
        self.merge_commit_sha.clone().filter(|_| self.state == PullState::Merged && self.head_sha == *head)
    }
}

/// A commit of a pull request, with the accounts that GitHub names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PullCommit {
    /// The commit.
    pub sha: Sha,
    /// The account with the author's address; `None` if none has it.
    #[serde(default)]
    pub author: Option<Account>,
    /// The account with the committer's address; that of GitHub itself for a commit made on its pages.
    #[serde(default)]
    pub committer: Option<Account>,
}

impl Forge {
    /// The commits of a pull request, oldest first; GitHub lists at most 250.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn pull_commits(&self, repo: &RepoName, number: u64) -> Result<Vec<PullCommit>, Error> {
        self.pages(&route(repo, &format!("pulls/{number}/commits")), |page| page).await
    }

    /// The newest pull request of a branch of this repository, open or not.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn find_pull(&self, repo: &RepoName, head_branch: &str) -> Result<Option<Pull>, Error> {
        let mut name = self.name_now(repo).await?;
        let listed: Vec<Listed> = loop {
            let head = escape(&format!("{}:{head_branch}", name.owner()));
            let route = route(repo, &format!("pulls?head={head}&state=all"));
            let listed = self.pages(&route, |page| page).await?;
            // The call itself may show that the repository was renamed or moved.
            match self.name_now(repo).await? {
                now if now == name => break listed,
                now => name = now,
            }
        };
        // GitHub lists every pull request if it does not understand `head`, so the branch is compared here.
        let newest =
            listed.iter().filter(|pull| pull.is_of(&name, head_branch)).map(|pull| pull.number).max();
        match newest {
            // The list leaves out half of the fields.
            Some(number) => self.pull(repo, number).await.map(Some),
            None => Ok(None),
        }
    }

    /// The branches of this repository that have an open pull request.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn open_branches(&self, repo: &RepoName) -> Result<Vec<String>, Error> {
        let listed: Vec<Listed> = self.pages(&route(repo, "pulls?state=open"), |page| page).await?;
        let name = self.name_now(repo).await?;
        Ok(listed.into_iter().filter(|pull| pull.is_from(&name)).map(|pull| pull.head.branch).collect())
    }

    /// The open pull requests that bring this commit. docs.github.com "List pull requests associated with a commit": of a
    /// commit that is not on the default branch only open ones.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn open_pulls_with(&self, repo: &RepoName, head: &Sha) -> Result<Vec<ListedPull>, Error> {
        let listed: Vec<RawListed> =
            self.pages(&route(repo, &format!("commits/{head}/pulls")), |page| page).await?;
        Ok(listed.into_iter().filter(|pull| pull.state == PullState::Open).map(ListedPull::from).collect())
    }

    /// All open pull requests, those that changed last first, 100 a call.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn open_pulls(&self, repo: &RepoName) -> Result<Vec<ListedPull>, Error> {
        let route = route(repo, "pulls?state=open&sort=updated&direction=desc");
        let listed: Vec<RawListed> = self.pages(&route, |page| page).await?;
        Ok(listed.into_iter().map(ListedPull::from).collect())
    }

    /// Opens a pull request.
    ///
    /// # Errors
    /// Those of the call; [`Error::is_already_exists`] if the branch has one, which [`Self::find_pull`] finds.
    pub async fn open_pull(&self, repo: &RepoName, pull: &NewPull) -> Result<Pull, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            title: String,
            body: String,
            head: &'a str,
            base: &'a str,
            maintainer_can_modify: bool,
        }
        let body = Body {
            title: text::cap(&pull.title, text::TITLE_LIMIT),
            body: text::cap(&pull.body, text::BODY_LIMIT),
            head: &pull.head,
            base: &pull.base,
            maintainer_can_modify: false,
        };
        self.post(&route(repo, "pulls"), &body).await
    }

    /// Lets GitHub merge the base into the branch of a pull request, if the branch is still at `head`. GitHub answers
    /// before it does so: look at the branch. It signs the merge as one of its web page (unverified for Apps).
    ///
    /// # Errors
    /// Those of the call; [`super::Kind::Validation`] for another head, a conflict, or a base without a new commit.
    pub async fn update_branch(&self, repo: &RepoName, number: u64, head: &Sha) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            expected_head_sha: &'a Sha,
        }
        #[derive(Deserialize)]
        struct Accepted {}
        let body = Body { expected_head_sha: head };
        let route = route(repo, &format!("pulls/{number}/update-branch"));
        let Accepted {} = self.call(Method::PUT, &route, Some(&body)).await?.json()?;
        Ok(())
    }

    /// Reads a pull request.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn pull(&self, repo: &RepoName, number: u64) -> Result<Pull, Error> {
        self.get(&route(repo, &format!("pulls/{number}"))).await
    }
}

/// A pull request in a list, which has no count of changed files and says nothing of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPull {
    /// Its number in the repository.
    pub number: u64,
    /// The commit at the tip of its branch.
    pub head: Sha,
    /// Its branch.
    pub head_branch: String,
    /// The login of who owns the other repository that has the branch, `ghost` where that is gone; `None` where it is in the
    /// same repository.
    pub fork: Option<String>,
    /// The branch that it is merged into.
    pub base_branch: String,
    /// Who opened it; `None` if the account was deleted.
    pub author: Option<Account>,
    /// One line.
    pub title: String,
    /// The description, Markdown.
    pub body: String,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct RawListed {
    number: u64,
    state: PullState,
    title: String,
    #[serde(default, deserialize_with = "text_or_empty")]
    body: String,
    user: Option<Account>,
    updated_at: DateTime<Utc>,
    head: ListedBranch,
    base: ListedBranch,
    #[serde(default)]
    stack: Option<StackPlace>,
}

#[derive(Deserialize)]
struct ListedBranch {
    #[serde(rename = "ref")]
    name: String,
    sha: Sha,
    #[serde(default)]
    repo: Option<ListedRepo>,
}

#[derive(Deserialize)]
struct ListedRepo {
    id: u64,
    owner: Account,
}

impl From<RawListed> for ListedPull {
    fn from(raw: RawListed) -> Self {
        let is_same = raw.head.repo.as_ref().zip(raw.base.repo.as_ref()).is_some_and(|(a, b)| a.id == b.id);
        let owner = raw.head.repo.map_or_else(|| "ghost".to_owned(), |repo| repo.owner.login);
        Self {
            number: raw.number,
            head: raw.head.sha,
            head_branch: raw.head.name,
            fork: (!is_same).then_some(owner),
            // As of one that is read alone: a stacked one is merged into the base of its stack.
            base_branch: raw.stack.map_or(raw.base.name, |stack| stack.base.branch),
            author: raw.user,
            title: raw.title,
            body: raw.body,
            updated_at: raw.updated_at,
        }
    }
}

/// A pull request in a list, with the fields that are needed to choose one.
#[derive(Deserialize)]
struct Listed {
    number: u64,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<HeadRepo>,
}

#[derive(Deserialize)]
struct HeadRepo {
    full_name: String,
}

impl Listed {
    fn is_of(&self, repo: &RepoName, branch: &str) -> bool {
        self.head.branch == branch && self.is_from(repo)
    }

    fn is_from(&self, repo: &RepoName) -> bool {
        let ours = |head: &HeadRepo| head.full_name.eq_ignore_ascii_case(&repo.to_string());
        self.head.repo.as_ref().is_some_and(ours)
    }
}

#[derive(Deserialize)]
struct RawPull {
    number: u64,
    state: PullState,
    #[serde(default)]
    merged: bool,
    #[serde(default, deserialize_with = "sha_or_none")]
    merge_commit_sha: Option<Sha>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    mergeable: Option<bool>,
    #[serde(default)]
    mergeable_state: MergeState,
    #[serde(default)]
    merged_by: Option<Account>,
    #[serde(default)]
    stack: Option<StackPlace>,
    head: Branch,
    base: Branch,
    user: Option<Account>,
    changed_files: u64,
    html_url: String,
    title: String,
    #[serde(default, deserialize_with = "text_or_empty")]
    body: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(default)]
    merged_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(rename = "ref")]
    name: String,
    sha: Sha,
    #[serde(default)]
    repo: Option<BranchRepo>,
}

#[derive(Deserialize)]
struct BranchRepo {
    #[serde(default)]
    archived: bool,
}

impl From<RawPull> for Pull {
    fn from(raw: RawPull) -> Self {
        Self {
            number: raw.number,
            state: if raw.merged { PullState::Merged } else { raw.state },
            merge_commit_sha: raw.merge_commit_sha.filter(|_| raw.merged),
            draft: raw.draft,
            mergeable: raw.mergeable,
            merge_state: raw.mergeable_state,
            merged_by: raw.merged_by,
            stack: raw.stack.clone(),
            head_sha: raw.head.sha,
            head_branch: raw.head.name,
            base_sha: raw.base.sha,
            // A stacked pull request is based on the one below, and merged into the base of its stack.
            base_branch: raw.stack.as_ref().map_or(raw.base.name, |stack| stack.base.branch.clone()),
            archived: raw.base.repo.is_some_and(|repo| repo.archived),
            author: raw.user,
            changed_files: raw.changed_files,
            url: raw.html_url,
            title: raw.title,
            body: raw.body,
            created_at: raw.created_at,
            updated_at: raw.updated_at,
            merged_time: raw.merged_at,
        }
    }
}
