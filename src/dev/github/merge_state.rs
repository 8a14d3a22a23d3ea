//! What the twin keeps about merging beside the pull requests: settings, test merges, background merges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a pull request becomes a commit on its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A commit with two parents.
    Merge,
    /// One commit on the base with the whole change.
    Squash,
    /// Every commit anew on the base.
    Rebase,
}

impl Method {
    /// GitHub's name of the method, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Merge, Self::Squash, Self::Rebase].into_iter().find(|method| method.as_str() == text)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

/// Everything about merging in one repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Merging {
    /// The methods that the repository allows: `allow_merge_commit`, `allow_squash_merge`, `allow_rebase_merge`.
    pub(crate) methods: Vec<Method>,
    /// How many reads show `mergeable: null` after head or base have moved.
    pub(crate) reads: u32,
    /// The newest test merge of each pull request.
    pub(crate) tests: BTreeMap<i64, TestMerge>,
    /// What tests make `mergeable_state` of each pull request, whatever its rules.
    pub(crate) forced: BTreeMap<i64, String>,
    /// Whether the server has `merge-async`, which GHES lacks up to 3.19.
    pub(crate) has_async: bool,
    /// Whether background merges are held back.
    pub(crate) held: bool,
    /// The background merges that were asked for, oldest first.
    pub(crate) orders: Vec<MergeOrder>,
    /// The stacks of pull requests.
    pub(crate) stacks: Vec<Stack>,
    /// Whether nothing in a queue lands.
    pub(crate) queue_held: bool,
    /// What is in the queues, in their order.
    pub(crate) queue: Vec<Queued>,
    /// The newest removal of each pull request from a queue.
    pub(crate) removals: BTreeMap<i64, Removal>,
    /// Whether the next merge is answered with yes while its commit reaches no branch.
    pub(crate) loses: bool,
}

impl Default for Merging {
    fn default() -> Self {
        Self {
            methods: vec![Method::Merge, Method::Squash, Method::Rebase],
            reads: 1,
            tests: BTreeMap::new(),
            forced: BTreeMap::new(),
            has_async: true,
            held: false,
            orders: Vec::new(),
            stacks: Vec::new(),
            queue_held: false,
            queue: Vec::new(),
            removals: BTreeMap::new(),
            loses: false,
        }
    }
}

impl Merging {
    /// The stack that a pull request is in.
    pub(crate) fn stack_of(&self, number: i64) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.pulls.contains(&number))
    }
}

/// Pull requests that are based on each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stack {
    pub(crate) id: i64,
    pub(crate) number: i64,
    /// The branch that all are merged into.
    pub(crate) base: String,
    /// Their numbers, from the bottom to the top.
    pub(crate) pulls: Vec<i64>,
    pub(crate) created_at: String,
}

/// A pull request in a merge queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Queued {
    pub(crate) pull: i64,
    pub(crate) base_ref: String,
    /// The branch of the merge group.
    pub(crate) branch: String,
    /// The commit that the group is merged onto.
    pub(crate) parent: String,
    pub(crate) head: String,
    /// The commit of the merge group.
    pub(crate) group: String,
}

/// Why a pull request was thrown out of a queue, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Removal {
    pub(crate) reason: String,
    pub(crate) at: String,
}

/// The background computation behind `mergeable` and the test merge in `merge_commit_sha`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TestMerge {
    pub(crate) head: String,
    pub(crate) base: String,
    /// How many more reads show nothing of it.
    pub(crate) reads_left: u32,
    /// `None` for a conflict.
    pub(crate) sha: Option<String>,
}

/// One background merge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MergeOrder {
    pub(crate) uuid: uuid::Uuid,
    pub(crate) pull: i64,
    /// The login of the user who asked for it.
    pub(crate) by: String,
    /// The head that it merges; a push in between cancels it.
    pub(crate) sha: String,
    pub(crate) method: Option<String>,
    pub(crate) action: String,
    pub(crate) title: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) end: Option<OrderEnd>,
    /// Seconds since 1970, of its newest change.
    pub(crate) changed_at: i64,
}

/// How a background merge ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderEnd {
    /// Merged by this commit.
    Merged(String),
    /// Given to the merge queue, which goes on alone.
    Enqueued,
    /// Not merged, for this reason.
    Failed(String),
}
