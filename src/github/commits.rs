//! Commits that GitHub makes, and signs, where a branch accepts signed commits only.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Error, Forge, Kind, route};
use crate::core::{edit::Written, requirement::RepoName, sha::Sha};

/// `createCommitOnBranch`: docs.github.com/graphql/reference/mutations. GitHub is the committer and signs; the author
/// is the owner of the credential.
const MUTATION: &str = "mutation($input: CreateCommitOnBranchInput!) { \
                        createCommitOnBranch(input: $input) { commit { oid } } }";

/// A commit for GitHub to make on top of a branch.
#[derive(Debug, Clone, Copy)]
pub struct BranchCommit<'a> {
    /// The branch, which must exist.
    pub branch: &'a str,
    /// The commit that the branch is at.
    pub parent: &'a Sha,
    /// The whole message, trailers included.
    pub message: &'a str,
    /// The files, each path once. GitHub gives every file the mode of a plain file.
    pub files: &'a [Written],
}

/// The result of asking for a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// The branch is at this commit.
    Made(Sha),
    /// The branch was not at the parent; nothing was made.
    Moved,
}

impl Forge {
    /// Creates a branch at a commit; one that exists already is left as it is. Needs `contents: write`, and
    /// `workflows: write` for a commit that is far from the default branch (vercel/next.js#94596).
    ///
    /// # Errors
    /// Those of the call.
    pub async fn create_branch(&self, repo: &RepoName, branch: &str, at: &Sha) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "ref")]
            reference: String,
            sha: &'a Sha,
        }
        #[derive(Deserialize)]
        struct Created {}
        let body = Body { reference: format!("refs/heads/{branch}"), sha: at };
        match self.post::<Created>(&route(repo, "git/refs"), &body).await {
            Ok(Created {}) => Ok(()),
            Err(error) if error.is_already_exists() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets GitHub make a commit on a branch, if the branch is still at the parent.
    ///
    /// # Errors
    /// [`Kind::Validation`] for a change that GitHub refuses. After an error that [`Error::is_ambiguous`], the commit
    /// may have been made: look at the branch.
    pub async fn commit_on_branch(&self, repo: &RepoName, new: BranchCommit<'_>) -> Result<Committed, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            create_commit_on_branch: Payload,
        }
        #[derive(Deserialize)]
        struct Payload {
            commit: Commit,
        }
        #[derive(Deserialize)]
        struct Commit {
            oid: Sha,
        }
        let name = self.name_now(repo).await?.to_string();
        let variables = Variables { input: Input::new(&name, new) };
        match self.ask_about::<Data>(repo, MUTATION, variables).await {
            Ok(data) => Ok(Committed::Made(data.create_commit_on_branch.commit.oid)),
            Err(error) if error.kind() == Kind::Conflict => Ok(Committed::Moved),
            Err(error) => Err(error),
        }
    }
}

#[derive(Serialize)]
struct Variables<'a> {
    input: Input<'a>,
}

/// GitHub's `CreateCommitOnBranchInput`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    branch: Branch<'a>,
    expected_head_oid: &'a Sha,
    message: Message<'a>,
    file_changes: FileChanges<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Branch<'a> {
    repository_name_with_owner: &'a str,
    branch_name: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    headline: &'a str,
    body: &'a str,
}

#[derive(Serialize, Default)]
struct FileChanges<'a> {
    additions: Vec<Addition<'a>>,
    deletions: Vec<Deletion<'a>>,
}

#[derive(Serialize)]
struct Addition<'a> {
    path: &'a str,
    /// In base64.
    contents: String,
}

#[derive(Serialize)]
struct Deletion<'a> {
    path: &'a str,
}

impl<'a> Input<'a> {
    fn new(repository: &'a str, new: BranchCommit<'a>) -> Self {
        let (headline, body) = new.message.split_once("\n\n").unwrap_or((new.message, ""));
        let mut file_changes = FileChanges::default();
        for file in new.files {
            let path = file.path.as_str();
            match &file.after {
                Some(text) => file_changes.additions.push(Addition { path, contents: STANDARD.encode(text) }),
                None => file_changes.deletions.push(Deletion { path }),
            }
        }
        Self {
            branch: Branch { repository_name_with_owner: repository, branch_name: new.branch },
            expected_head_oid: new.parent,
            message: Message { headline, body: body.trim_end() },
            file_changes,
        }
    }
}
