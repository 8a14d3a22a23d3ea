//! The data that is not in git: pull requests, reviews, comments, checks, statuses, permissions.
//!
//! It is written to `state.json` as a whole, by write and rename, after every change, so that a twin that was
//! killed continues where it stopped.

mod actions;
mod deliveries;
mod deployments;
mod issues;
mod threads;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    apps::Registry,
    merge_state::Merging,
    permissions::Level,
    protection::{Rules, Ruleset},
};
pub use actions::{CheckSuite, WorkflowRun};
pub use deliveries::Delivery;
pub(crate) use deliveries::{HookOwner, Outgoing};
pub use deployments::{Deployment, DeploymentStatus};
pub use issues::Issue;

/// The data of all repositories.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    last_id: i64,
    pub(crate) repositories: BTreeMap<String, Repository>,
    /// Webhooks that are still to be delivered, oldest first.
    #[serde(default)]
    pub(crate) outgoing: VecDeque<Outgoing>,
    #[serde(default)]
    pub(crate) registry: Registry,
    /// The ids of repositories by the names that they had.
    #[serde(default)]
    pub(crate) old_names: BTreeMap<String, i64>,
}

impl State {
    /// Reads what an earlier twin saved, or starts empty.
    pub(crate) fn load(file: &Path) -> anyhow::Result<Self> {
        match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("read {}: remove it to start empty", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
        }
    }

    /// Replaces the file atomically: a reader sees the old state or the new one.
    pub(crate) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let fresh = file.with_extension("json.new");
        std::fs::write(&fresh, serde_json::to_vec(self)?)
            .and_then(|()| std::fs::rename(&fresh, file))
            .with_context(|| format!("write {}", file.display()))
    }

    pub(crate) fn repository_with_id(&self, id: i64) -> Option<&Repository> {
        self.repositories.values().find(|it| it.id == id)
    }

    /// The repository that had the name in a path such as `/repos/owner/name/…`, unless the name is taken again.
    pub(crate) fn moved(&self, path: &str) -> Option<&Repository> {
        let mut segments = path.strip_prefix("/repos/")?.split('/');
        self.renamed(&format!("{}/{}", segments.next()?, segments.next()?))
    }

    /// The repository that had a name, unless the name is taken again.
    pub(crate) fn renamed(&self, name: &str) -> Option<&Repository> {
        let id = self.old_names.get(name).filter(|_| !self.repositories.contains_key(name))?;
        self.repository_with_id(*id)
    }

    /// An id that no object has yet.
    pub(crate) fn new_id(&mut self) -> i64 {
        self.last_id += 1;
        1_000_000 + self.last_id
    }
}

/// The present, in GitHub's format.
pub(crate) fn now() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One repository, without its commits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) id: i64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) created_at: String,
    pub(crate) pushed_at: String,
    /// The number last given to a pull request or issue.
    pub(crate) last_number: i64,
    pub(crate) pulls: Vec<Pull>,
    pub(crate) issues: Vec<Issue>,
    pub(crate) reviews: Vec<Review>,
    pub(crate) review_comments: Vec<ReviewComment>,
    pub(crate) comments: Vec<Comment>,
    #[serde(default)]
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) check_runs: Vec<CheckRun>,
    pub(crate) statuses: Vec<Status>,
    /// What happened to the heads of pull requests, oldest first.
    #[serde(default)]
    pub(crate) timeline: Vec<TimelineEvent>,
    #[serde(default)]
    pub(crate) suites: Vec<CheckSuite>,
    #[serde(default)]
    pub(crate) workflow_runs: Vec<WorkflowRun>,
    #[serde(default)]
    pub(crate) deployments: Vec<Deployment>,
    /// Of all deployments, oldest first.
    #[serde(default)]
    pub(crate) deployment_statuses: Vec<DeploymentStatus>,
    /// Login to `admin`, `maintain`, `write`, `triage`, `read` or `none`.
    pub(crate) permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) merging: Merging,
    #[serde(default = "yes")]
    pub(crate) private: bool,
    #[serde(default = "main")]
    pub(crate) default_branch: String,
    /// The folder of this machine that it is a copy of.
    #[serde(default)]
    pub(crate) source: Option<String>,
    /// Nobody may write to it.
    #[serde(default)]
    pub(crate) archived: bool,
    /// Classic protection, by branch.
    #[serde(default)]
    pub(crate) protections: BTreeMap<String, Rules>,
    #[serde(default)]
    pub(crate) rulesets: Vec<Ruleset>,
    /// The commits whose signature GitHub verified: its own.
    #[serde(default)]
    pub(crate) verified: BTreeSet<String>,
    /// The logins whose accounts are deleted.
    #[serde(default)]
    pub(crate) deleted_accounts: BTreeSet<String>,
    /// The pull requests whose fork is gone, by number.
    #[serde(default)]
    pub(crate) lost_forks: BTreeSet<i64>,
    /// The files whose diff GitHub would not show, as it does with large ones.
    #[serde(default)]
    pub(crate) hidden_diffs: BTreeSet<String>,
    /// The threads that are resolved, by the id of their first comment, each with who resolved it.
    #[serde(default)]
    pub(crate) resolved: BTreeMap<i64, String>,
}

const fn yes() -> bool {
    true
}

fn main() -> String {
    "main".to_owned()
}

impl Repository {
    pub(crate) fn new(id: i64, owner: &str, name: &str, now: &str) -> Self {
        Self {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            created_at: now.to_owned(),
            pushed_at: now.to_owned(),
            last_number: 0,
            pulls: Vec::new(),
            issues: Vec::new(),
            reviews: Vec::new(),
            review_comments: Vec::new(),
            comments: Vec::new(),
            reactions: Vec::new(),
            check_runs: Vec::new(),
            statuses: Vec::new(),
            timeline: Vec::new(),
            suites: Vec::new(),
            workflow_runs: Vec::new(),
            deployments: Vec::new(),
            deployment_statuses: Vec::new(),
            permissions: BTreeMap::new(),
            merging: Merging::default(),
            private: true,
            default_branch: main(),
            source: None,
            protections: BTreeMap::new(),
            rulesets: Vec::new(),
            archived: false,
            verified: BTreeSet::new(),
            deleted_accounts: BTreeSet::new(),
            lost_forks: BTreeSet::new(),
            hidden_diffs: BTreeSet::new(),
            resolved: BTreeMap::new(),
        }
    }

    /// What a person may do; `None` for one who has no part in the repository.
    pub(crate) fn level_of(&self, login: &str) -> Option<Level> {
        match self.permissions.get(login).map(String::as_str) {
            Some("admin") => Some(Level::Admin),
            Some("maintain" | "write") => Some(Level::Write),
            Some("triage" | "read") => Some(Level::Read),
            _ => (self.owner == login).then_some(Level::Admin),
        }
    }

    /// `owner/name`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(crate) fn pull(&self, number: i64) -> Option<&Pull> {
        self.pulls.iter().find(|pull| pull.number == number)
    }

    pub(crate) fn pull_mut(&mut self, number: i64) -> Option<&mut Pull> {
        self.pulls.iter_mut().find(|pull| pull.number == number)
    }

    /// Records that a pull request changed: comments and reviews change it too, as in the payloads that GitHub publishes as
    /// examples.
    pub(crate) fn touch(&mut self, number: i64) {
        if let Some(pull) = self.pull_mut(number) {
            pull.updated_at = now();
        }
    }

    /// Pull requests and issues share their numbers.
    pub(crate) fn new_number(&mut self) -> i64 {
        self.last_number += 1;
        self.last_number
    }
}

/// One event in the timeline of a pull request. The twin keeps forced pushes only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TimelineEvent {
    pub(crate) id: i64,
    pub(crate) pull: i64,
    /// GitHub's name of the event.
    pub(crate) event: String,
    pub(crate) actor: String,
    /// The head after it.
    pub(crate) commit_id: String,
    pub(crate) created_at: String,
}

/// One pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Unique in the twin.
    pub id: i64,
    /// Unique in the repository, shared with issues.
    pub number: i64,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: Option<String>,
    /// The login of its author.
    pub author: String,
    /// The branch that is merged.
    pub head_ref: String,
    /// The branch into which it is merged.
    pub base_ref: String,
    /// The head as it was last seen; it no longer changes once closed.
    pub head_sha: String,
    /// The base as it was last seen; it no longer changes once closed.
    pub base_sha: String,
    /// Whether it is still open.
    pub open: bool,
    /// Whether it is a draft, which cannot be merged.
    pub draft: bool,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
    /// RFC 3339, UTC; set when closed or merged.
    pub closed_at: Option<String>,
    /// The merge, once merged.
    pub merge: Option<Merge>,
    /// The login of who owns the other repository that has its branch; `None` for a branch of the repository itself.
    #[serde(default)]
    pub fork: Option<String>,
}

impl Pull {
    /// Its branch, if the repository itself has it.
    pub(crate) fn own_branch(&self) -> Option<&str> {
        Some(self.head_ref.as_str()).filter(|_| self.fork.is_none())
    }
}

/// The merge of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The commit on the base branch.
    pub sha: String,
    /// The login of the user who merged.
    pub by: String,
    /// RFC 3339, UTC.
    pub at: String,
}

/// One review of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Unique in the twin.
    pub id: i64,
    /// The pull request's number.
    pub pull: i64,
    /// The login of the reviewer.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED` or `PENDING`.
    pub state: String,
    /// The head that was reviewed; empty once that commit is gone.
    pub commit_id: String,
    /// RFC 3339, UTC; a pending review has none.
    pub submitted_at: Option<String>,
    /// Who edited its text last, if anyone did.
    #[serde(default)]
    pub edited_by: Option<String>,
}

/// One comment on a line of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewComment {
    /// Unique in the twin.
    pub id: i64,
    /// The review it belongs to.
    pub review: i64,
    /// The pull request's number.
    pub pull: i64,
    /// The login of its author.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// The file.
    pub path: String,
    /// The line in the file, of the side.
    pub line: u64,
    /// The first line, for a comment on several.
    pub start_line: Option<u64>,
    /// `RIGHT` or `LEFT`.
    pub side: String,
    /// The line in the patch, counted from its first hunk header.
    pub position: u64,
    /// The hunk of the patch up to the line.
    pub diff_hunk: String,
    /// The head that the comment is about.
    pub commit_id: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The first comment of its thread, if it answers one.
    #[serde(default)]
    pub answers: Option<i64>,
    /// Who edited its text last, if anyone did.
    #[serde(default)]
    pub edited_by: Option<String>,
}

/// One comment in the conversation of a pull request or issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Unique in the twin.
    pub id: i64,
    /// The pull request's or issue's number.
    pub issue: i64,
    /// The login of its author.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
}

/// What a reaction can be. docs.github.com "REST API endpoints for reactions".
pub(crate) const REACTIONS: [&str; 8] =
    ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

/// One reaction to a comment in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Unique in the twin.
    pub id: i64,
    /// The comment.
    pub comment: i64,
    /// The login of who reacted.
    pub author: String,
    /// `+1`, `-1`, `laugh`, `confused`, `heart`, `hooray`, `rocket` or `eyes`.
    pub content: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// One check run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRun {
    /// Unique in the twin.
    pub id: i64,
    /// The slug of the app that reports it.
    pub app: String,
    /// Its suite.
    #[serde(default)]
    pub suite: i64,
    /// The check's name.
    pub name: String,
    /// The commit.
    pub head_sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// Set when completed.
    pub conclusion: Option<String>,
    /// The app's own key for the run.
    pub external_id: Option<String>,
    /// Where people can read more.
    pub details_url: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC; set when completed.
    pub completed_at: Option<String>,
    /// One line for people.
    pub title: Option<String>,
    /// Markdown.
    pub summary: Option<String>,
    /// Markdown, the long part.
    pub text: Option<String>,
    /// The annotations as the app sent them.
    pub annotations: Vec<Value>,
    /// The buttons as the app sent them, at most three. An update without any keeps them: unverified.
    #[serde(default)]
    pub actions: Vec<Value>,
    /// The log, once a job of Actions is over.
    #[serde(default)]
    pub log: Option<String>,
    /// How many steps of a job of Actions are done.
    #[serde(default)]
    pub steps: u32,
}

/// One commit status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Unique in the twin.
    pub id: i64,
    /// The commit.
    pub sha: String,
    /// `error`, `failure`, `pending` or `success`.
    pub state: String,
    /// The status's name.
    pub context: String,
    /// One line.
    pub description: Option<String>,
    /// Where people can read more.
    pub target_url: Option<String>,
    /// The login of the user who set it.
    pub author: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}
