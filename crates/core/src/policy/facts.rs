//! Everything that a judgement depends on, in one value: judged again, recorded facts give the same answer.
//!
//! Every fact is about one head SHA; facts about another are left out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    CHECK_DEADLINE_MINUTES, CheckFact, Ci, CommitStatus, Contents, Contract, EvidenceFacts, MergePreview,
    TestFacts, classify::Scope,
};
use crate::{
    change::Change,
    finding::Finding,
    gap::Proof,
    requirement::{ProductName, RepoName},
    sha::Sha,
};

/// The facts about one head SHA of one pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Which edition of the rules judges these facts: [`EDITION`](super::EDITION) when they are gathered, 0 in
    /// facts from before there were editions. What a later edition allows is not allowed to earlier facts.
    #[serde(default)]
    pub edition: u16,
    /// When the facts were gathered; the judgement reads no other clock.
    pub at: DateTime<Utc>,
    /// The product that the requirement names.
    pub product: ProductName,
    /// Other products registered to the same repository; the change is judged under all of them.
    #[serde(default)]
    pub other_products: Vec<ProductName>,
    /// Who asked for the change.
    pub requester: Requester,
    /// The repository.
    pub repository: RepoName,
    /// The pull request's number.
    pub pull: u64,
    /// The branch that the run's change is for; empty in facts of earlier releases.
    #[serde(default)]
    pub base_branch: String,
    /// The newest commit of the base branch.
    pub base: Sha,
    /// The head that is judged.
    pub head: Sha,
    /// The policy's text at `base`; `None` if there is none.
    pub base_policy: Option<String>,
    /// The policy's text at `head`; `None` if there is none.
    pub head_policy: Option<String>,
    /// The policy's text at each commit where the head forked from the base, each text once, `None` for no
    /// policy. Empty in facts of edition 0: then the head's policy is compared with the base's.
    #[serde(default)]
    pub fork_policies: Vec<Option<String>>,
    /// `git diff --raw` of base...head, for every merge base.
    pub change: Change,
    /// What the merge changes beyond that; `None` in facts of edition 0.
    #[serde(default)]
    pub merge: Option<MergePreview>,
    /// How many files git lists when it pairs renames, as the forge does; `None` in facts of edition 0.
    #[serde(default)]
    pub files_with_renames: Option<u32>,
    /// Bytes of the textual diff of base...head, counted to just over
    /// [`DIFF_LIMIT`](super::DIFF_LIMIT); `None` in facts of edition 0.
    #[serde(default)]
    pub diff_bytes: Option<u64>,
    /// What reading the changed files and the trees found; `None` in facts from before they were read, which are
    /// judged by their listing alone.
    #[serde(default)]
    pub contents: Option<Contents>,
    /// How many changed files the forge counts.
    pub forge_changed_files: u32,
    /// Whether the head contains the newest commit of the base branch.
    pub up_to_date: bool,
    /// When the head was pushed; the deadline of a check counts from here, or from its last progress.
    pub head_since: DateTime<Utc>,
    /// Whether this SHA was the head before and came back: then nothing from before `head_since` counts.
    pub returned: bool,
    /// After this many minutes without progress a check has failed, unless the policy says otherwise.
    #[serde(default = "default_deadline")]
    pub check_deadline_minutes: u32,
    /// Every check run on the head, of all pages.
    pub checks: Vec<CheckFact>,
    /// Every commit status on the head, of all pages.
    pub statuses: Vec<CommitStatus>,
    /// What else is known of the checks; facts recorded by release 0.1.0 have none and are judged as it did.
    #[serde(default)]
    pub ci: Option<Ci>,
    /// Whether the workflow asks for a review of this head, whatever the tier demands.
    #[serde(default)]
    pub review_demanded: bool,
    /// The newest review of the Code Review Agent.
    pub review: Option<Review>,
    /// What was found on other heads and what became of it, for people: it decides nothing.
    #[serde(default)]
    pub earlier_findings: Vec<Found>,
    /// Remediation rounds that are left; at 0 a medium finding no longer blocks the merge.
    pub rounds_left: u32,
    /// Every review by people and bots, including old ones and those given through Aspora.
    pub approvals: Vec<Approval>,
    /// What people who may write ask for and no commit of ours has answered yet. `None` in facts from before it was
    /// read: then a refusal ends the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remarks: Option<Vec<Remark>>,
    /// The open conversations on lines, where the base branch demands that all are resolved; `None` where it does not, or
    /// where what it demands cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversations: Option<Vec<Conversation>>,
    /// The pull request itself.
    pub pull_state: PullFact,
    /// What an earlier release kept of our own run of the tests of a head that others pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_tests: Option<OwnTests>,
    /// Our own runs of the product's tests; `None` in facts of releases that did not judge them, which `own_tests` tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestFacts>,
    /// The browser evidence that came to us; `None` in facts of releases that took none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceFacts>,
    /// What the proof of the case rests on, where the change is for a harness gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// Our own run of the product's tests on a head, in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnTests {
    /// They passed.
    Passed,
    /// They failed.
    Failed,
    /// They could not run, and why.
    NotRun(String),
}

/// An open conversation on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its page.
    pub url: String,
    /// The file.
    pub path: String,
    /// Who began it, by login; empty for a deleted account.
    pub by: String,
}

/// What a person who may write to the repository asks for: a review, a comment on a line, or the command `fix`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Who asks.
    pub by: Person,
    /// What for; its fingerprint names the review or the comment.
    pub finding: Finding,
}

/// Who asked for the change; compared with approvers at `critical`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The owner of the key that sent the requirement.
    pub name: String,
    /// Their login on the forge, if known.
    pub login: Option<String>,
    /// The number of that account when the login was first looked up, which stays when the login goes to another.
    #[serde(default)]
    pub id: Option<u64>,
}

/// An account on the forge. Numbers decide where both are known, since a login can be given up and taken by another
/// account; else logins, which are compared without letter case, as the forge does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The account's number, which survives a rename.
    pub id: Option<u64>,
    /// The account's name.
    pub login: String,
}

/// One review by the Code Review Agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The SHA that was reviewed.
    pub head: Sha,
    /// When the review was complete.
    pub completed_at: DateTime<Utc>,
    /// Why there is no verdict, such as an answer that did not parse: never a clean review.
    pub failed: Option<String>,
    /// Every finding of the pull request that is known at `head`.
    pub findings: Vec<Found>,
    /// What each reviewer said, where it is not the built-in one alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<ReviewedBy>,
}

/// What one reviewer said of a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewedBy {
    /// Its name.
    pub reviewer: String,
    /// Whether its findings are only shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advisory: bool,
    /// Whether it reviewed this head.
    pub complete: bool,
    /// In words: what it found, why it did not review, and who took over.
    pub note: String,
}

/// A finding and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What was found.
    pub finding: Finding,
    /// The SHA it was first found on.
    pub found_on: Sha,
    /// What became of it.
    pub state: FindingState,
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// Still there.
    Open,
    /// A remediation fixed it in this commit.
    FixedAt(Sha),
    /// A later review no longer found it.
    Gone,
    /// A person dismissed it.
    Dismissed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// One review by a person or a bot, on the forge or through Aspora.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The reviewer.
    pub by: Person,
    /// Whether it is by a bot or an app, the factory's own included: it never counts as a person's.
    pub bot: bool,
    /// What the person may do in the repository.
    pub permission: Permission,
    /// What it says.
    pub state: ApprovalState,
    /// The SHA it was given for.
    pub commit: Sha,
    /// When.
    pub submitted_at: DateTime<Utc>,
    /// Where.
    #[serde(default)]
    pub via: Via,
    /// The name of the person here, if it was given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why it counts for nothing as an approval, whatever else is known: its key was revoked, or what the person may do
    /// cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Whether what the person may do cannot be read: then a refusal counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unreadable: bool,
}

/// Where an approval was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// As a review on the forge.
    #[default]
    Forge,
    /// With a key or a session here.
    Aspora,
    /// As a command in a comment on the pull request.
    Comment,
}

impl Via {
    /// The name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forge => "forge",
            Self::Aspora => "aspora",
            Self::Comment => "comment",
        }
    }

    /// Where, in words that follow what was done; nothing for a review on the forge.
    #[must_use]
    pub const fn aside(self) -> &'static str {
        match self {
            Self::Forge => "",
            Self::Aspora => " in Aspora",
            Self::Comment => " by a comment",
        }
    }
}

/// What an account may do in a repository, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Nothing, or an unknown value.
    None,
    /// Read.
    Read,
    /// Label and close.
    Triage,
    /// Push: the least that counts.
    Write,
    /// Push and manage.
    Maintain,
    /// Everything.
    Admin,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Yes.
    Approved,
    /// No, until withdrawn.
    ChangesRequested,
    /// Neither; an earlier review by the same person still counts.
    Commented,
    /// The review was dismissed.
    Dismissed,
}

/// The pull request itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullFact {
    /// Open, closed or merged.
    pub state: PullState,
    /// Whether its author marked it as a draft.
    pub draft: bool,
    /// The branch that it would be merged into; empty in facts of earlier releases.
    #[serde(default)]
    pub base_branch: String,
    /// Whether others opened it and write it: then no commit on its branch is a takeover.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_theirs: bool,
    /// Other open pull requests with this head that would be merged into a base which is judged here. A check belongs to
    /// a commit, so that a success of this one would be theirs too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<u64>,
    /// Who opened it.
    pub author: Person,
    /// Every author and committer of its commits.
    pub committers: Vec<Person>,
    /// Commits on the branch that are not the factory's: a person has taken over.
    pub foreign_commits: Vec<Sha>,
}

/// The state of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullState {
    /// Can be merged.
    Open,
    /// It was closed.
    Closed,
    /// It has been merged.
    Merged,
}

impl PullState {
    /// The name in JSON and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }
}

impl Facts {
    /// Every product that the change is judged under.
    #[must_use]
    pub fn products(&self) -> Vec<ProductName> {
        std::iter::once(&self.product).chain(&self.other_products).cloned().collect()
    }

    /// Which policies apply.
    #[must_use]
    pub fn contract(&self) -> Contract<'_> {
        Contract {
            base: self.base_policy.as_deref(),
            head: self.head_policy.as_deref(),
            forks: &self.fork_policies,
        }
    }

    /// Everything that the merge changes on the base, whether the head's own listing names it or not.
    #[must_use]
    pub fn whole_change(&self) -> Change {
        let beyond = self.merge.iter().flat_map(|merge| &merge.beyond.files);
        Change { files: self.change.files.iter().chain(beyond).cloned().collect() }
    }

    /// Whether the workflow asks for a review of this head and there is none.
    #[must_use]
    pub fn lacks_review(&self) -> bool {
        self.review_demanded && self.review_of_head().is_none()
    }

    pub(super) fn scope<'a>(&'a self, products: &'a [ProductName]) -> Scope<'a> {
        Scope {
            forge_changed_files: Some(self.forge_changed_files),
            files_with_renames: self.files_with_renames,
            diff_bytes: self.diff_bytes,
            merge: self.merge.as_ref(),
            contents: self.contents.as_ref(),
            tests: self.tests.as_ref(),
            ..Scope::new(self.contract(), products)
        }
    }

    /// Whether two accounts are the same. In facts of earlier editions an equal login was enough.
    pub(super) fn is_same_person(&self, one: &Person, other: &Person) -> bool {
        one.is(other) || (self.edition < 2 && one.is_called(&other.login))
    }

    /// Whether this account asked for the change. The requester's name is that of a key's owner, which may be a login.
    pub(super) fn is_requester(&self, person: &Person) -> bool {
        let Requester { name, login, id } = &self.requester;
        let account = login.as_ref().map(|login| Person { id: *id, login: login.clone() });
        person.is_called(name) || account.is_some_and(|account| self.is_same_person(person, &account))
    }

    /// Whether a push voids what was recorded before it, which matters if an old SHA is pushed back.
    pub(super) fn is_void(&self, recorded: DateTime<Utc>) -> bool {
        self.returned && recorded < self.head_since
    }

    /// The review that counts: of this head, and not voided by a push.
    #[must_use]
    pub fn review_of_head(&self) -> Option<&Review> {
        self.review.as_ref().filter(|review| review.head == self.head && !self.is_void(review.completed_at))
    }
}

impl Review {
    /// The open findings.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|found| found.state == FindingState::Open).map(|found| &found.finding)
    }

    /// Open findings that hold up the merge: blocking ones, and all actionable ones while rounds are left.
    pub fn holding(&self, rounds_left: u32) -> impl Iterator<Item = &Finding> {
        self.open().filter(move |finding| finding.holds_merge(rounds_left))
    }
}

impl Person {
    /// Whether it is the same account.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => self.is_called(&other.login),
        }
    }

    pub(super) fn is_called(&self, login: &str) -> bool {
        self.login.to_lowercase() == login.to_lowercase()
    }
}

const fn default_deadline() -> u32 {
    CHECK_DEADLINE_MINUTES
}
