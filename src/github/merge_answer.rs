//! What GitHub's reasons not to merge mean. Every sentence that is known has its meaning; any other is a
//! person's, with the sentence.

use super::{Error, Kind, MergeState, Pull};
use crate::core::{policy::PullState, sha::Sha};

/// A merge that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMerged {
    /// What follows from it.
    pub meaning: Meaning,
    /// GitHub's own sentence, or ours where GitHub gave none.
    pub why: String,
}

/// What follows from a merge that was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The head is not the one that was judged: back to the gate.
    HeadMoved,
    /// It passes by itself: look again shortly.
    NotYet,
    /// A rule of the base branch is not met: wait for what it demands, never around it.
    RulesUnmet,
    /// The branch must first hold the newest commits of its base.
    Behind,
    /// It conflicts with the base.
    Conflict,
    /// It is a draft: wait until it is not.
    Draft,
    /// It was closed, or merged at another head.
    Closed,
    /// The branch takes merges from its merge queue alone.
    QueueOnly,
    /// The repository does not allow this merge method: a person must choose another.
    Method,
    /// The credential may not do this: a person must permit it.
    NotPermitted,
    /// A sentence that we do not know: a person must read it.
    Unknown,
}

/// Sentences of GitHub, in lower case, and their meanings; the first one that is found counts. Sources:
/// docs.github.com "REST API endpoints for pull requests" and "Troubleshooting required status checks",
/// NixOS/nixpkgs-merge-bot#179, RakuenSoftware/aimee#2460, chdsbd/kodiak#641, objectstack-ai/objectui#3243,
/// prow's merge (kubernetes-sigs/prow `pkg/github/client.go`).
const SENTENCES: [(&str, Meaning); 21] = [
    ("head branch was modified", Meaning::HeadMoved),
    ("base branch was modified", Meaning::NotYet),
    ("merge already in progress", Meaning::NotYet),
    ("made through the merge queue", Meaning::QueueOnly),
    ("still a draft", Meaning::Draft),
    ("merge commits are not allowed", Meaning::Method),
    ("merges are not allowed", Meaning::Method),
    ("is not an allowed merge method", Meaning::Method),
    ("required status check", Meaning::RulesUnmet),
    ("not set by the expected github app", Meaning::RulesUnmet),
    ("approving review", Meaning::RulesUnmet),
    ("review is required", Meaning::RulesUnmet),
    ("changes have been requested", Meaning::RulesUnmet),
    ("must not contain merge commits", Meaning::Method),
    ("rebase merges cannot be automatically signed", Meaning::Method),
    ("must have verified signatures", Meaning::NotPermitted),
    ("conversation must be resolved", Meaning::RulesUnmet),
    ("rule violations found", Meaning::RulesUnmet),
    ("refusing to allow", Meaning::NotPermitted),
    ("resource not accessible", Meaning::NotPermitted),
    ("not authorized", Meaning::NotPermitted),
];

impl NotMerged {
    /// The meaning of an answer that refuses a merge; `None` where the pull request must be read to know. An
    /// answer that is about the call and not about the merge stays an error.
    pub(super) fn of(error: Error) -> Result<Result<Self, String>, Error> {
        let why = error.message().to_owned();
        match error.kind() {
            // GitHub returns this briefly while it reads the branch's protection (prow).
            Kind::Conflict if why.to_ascii_lowercase().contains("not authorized to push") => {
                Ok(Ok(Self { meaning: Meaning::NotYet, why }))
            }
            Kind::Conflict | Kind::MethodNotAllowed => Ok(Self::said(why)),
            Kind::Forbidden => Ok(Ok(Self { meaning: Meaning::NotPermitted, why })),
            Kind::Validation => Ok(Ok(Self { meaning: Meaning::Unknown, why })),
            Kind::Timeout
            | Kind::Connection
            | Kind::Server
            | Kind::RateLimited
            | Kind::Held
            | Kind::Unauthorized
            | Kind::NotFound
            | Kind::Gone
            | Kind::Moved
            | Kind::Refused
            | Kind::Unreadable
            | Kind::Unsent => Err(error),
        }
    }

    /// The meaning of a sentence, or the sentence where the pull request must be read to know.
    pub(super) fn said(why: String) -> Result<Self, String> {
        let text = why.to_ascii_lowercase();
        match SENTENCES.iter().find(|(sentence, _)| text.contains(sentence)) {
            Some((_, meaning)) => Ok(Self { meaning: *meaning, why }),
            None => Err(why),
        }
    }

    /// What a sentence such as "Pull Request is not mergeable" means for this pull request, which has not
    /// been merged at `head`.
    pub(super) fn seen(why: String, pull: &Pull, head: &Sha) -> Self {
        let meaning = if pull.state != PullState::Open {
            Meaning::Closed
        } else if pull.head_sha != *head {
            Meaning::HeadMoved
        } else {
            hindrance(pull).unwrap_or(Meaning::Unknown)
        };
        Self { meaning, why }
    }
}

/// What hinders the merge of an open pull request as GitHub shows it now; `None` if nothing does.
#[must_use]
pub fn hindrance(pull: &Pull) -> Option<Meaning> {
    if pull.draft {
        return Some(Meaning::Draft);
    }
    match (pull.mergeable, pull.merge_state) {
        (Some(false), _) | (_, MergeState::Dirty) => Some(Meaning::Conflict),
        (_, MergeState::Draft) => Some(Meaning::Draft),
        (_, MergeState::Behind) => Some(Meaning::Behind),
        (_, MergeState::Blocked) => Some(Meaning::RulesUnmet),
        (None, _) | (_, MergeState::Unknown) => Some(Meaning::NotYet),
        (Some(true), MergeState::Clean | MergeState::HasHooks | MergeState::Unstable) => None,
    }
}
