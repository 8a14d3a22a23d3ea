//! What is worth a message to people: the notices that a run gives, what identifies each, and whom it reaches.
//!
//! A notice follows from where a run stands, not from how it came there: whatever is replayed, polled or done again by
//! a second worker gives the same notice with the same key.

mod content;
mod reach;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::{
    content::Content,
    reach::{Person, Requester, Situation, reaches},
};
use super::{
    policy::PullState,
    run::{Awaited, Park, Pause, PauseCause, Run, State},
    workflow::End,
};

/// For how long a run may wait for people before its product's people are notified again, unless the product says.
pub const ANSWER_HOURS: u16 = 24;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Only a person can bring the run further.
    NeedsYou,
    /// The change is in the base, or was there already.
    Merged,
    /// The run ended without its change, and nobody needs to do anything.
    Failed,
    /// The run is paused, because a budget is used up. Who wants [`NoticeKind::NeedsYou`] gets this too.
    OverBudget,
    /// A wait for people has lasted longer than the product allows.
    Sla,
    /// Something is proposed, because the same came in several runs of a product.
    Proposal,
}

/// Some of the people around a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The person who asked for it.
    Requester,
    /// Those who may approve it: engineers and admins of the product, and of a critical change not its requester.
    Approvers,
    /// Those who keep the product going: its engineers and admins.
    Keepers,
}

/// One thing that people should know of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// What identifies it among the notices of its run: the same place in the run gives the same text.
    pub about: String,
    /// Whom it concerns.
    pub to: &'static [Audience],
    /// What they can do about it, in a sentence.
    pub advice: &'static str,
}

/// A text that names no kind of notice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a kind of notice; the kinds are needs_you, merged, failed, over_budget, sla and proposal")]
pub struct UnknownKind;

impl NoticeKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::NeedsYou, Self::Merged, Self::Failed, Self::OverBudget, Self::Sla, Self::Proposal];

    /// The name in tables and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsYou => "needs_you",
            Self::Merged => "merged",
            Self::Failed => "failed",
            Self::OverBudget => "over_budget",
            Self::Sla => "sla",
            Self::Proposal => "proposal",
        }
    }

    /// In words, before a title.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NeedsYou => "Needs you",
            Self::Merged => "Merged",
            Self::Failed => "Failed",
            Self::OverBudget => "Over budget",
            Self::Sla => "Still waits for people",
            Self::Proposal => "Proposed",
        }
    }

    /// Whether someone who asked for these kinds gets this one; who named none gets all.
    #[must_use]
    pub fn is_wanted(self, kinds: &[Self]) -> bool {
        let stands_for = if self == Self::OverBudget { Self::NeedsYou } else { self };
        kinds.is_empty() || kinds.contains(&self) || kinds.contains(&stands_for)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NoticeKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

impl Notice {
    /// The notice of where a run stands; `None` if nobody needs a message.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        match &run.state {
            State::At { .. } => None,
            State::Waiting { step, park, .. } => of_wait(run, step, park),
            State::Paused(pause) => of_pause(pause),
            State::Ended { end, .. } => of_end(run, *end),
        }
    }

    /// When the wait that this notice is about, noticed at `since`, has lasted too long; `None` if it is about no wait.
    #[must_use]
    pub fn overdue_at(&self, since: DateTime<Utc>, hours: u16) -> Option<DateTime<Utc>> {
        let is_wait = self.kind == NoticeKind::NeedsYou && self.about.starts_with(WAIT);
        is_wait.then(|| since + Duration::hours(i64::from(hours)))
    }

    /// The notice that the wait of this one has lasted too long. It also concerns those who keep the product going.
    #[must_use]
    pub fn overdue(&self) -> Self {
        let to = match self.to {
            [Audience::Requester] => &[Audience::Requester, Audience::Keepers][..],
            [Audience::Approvers] => &[Audience::Approvers, Audience::Keepers],
            _ => &[Audience::Keepers],
        };
        Self { kind: NoticeKind::Sla, to, ..self.clone() }
    }

    /// Whether it is about the base's own checks after the merge.
    #[must_use]
    pub fn is_of_base(&self) -> bool {
        self.about.starts_with(BASE)
    }

    /// What identifies it among all notices of its run.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind, self.about)
    }
}

/// How what identifies a wait begins.
const WAIT: &str = "wait/";

/// How what identifies a broken base begins.
const BASE: &str = "base/";

fn of_wait(run: &Run, step: &str, park: &Park) -> Option<Notice> {
    let (who, to, advice): (_, &'static [Audience], _) = match park.awaited {
        Awaited::Machines => return None,
        Awaited::Approvers => (
            "approvers".to_owned(),
            &[Audience::Approvers],
            "Read the change, then approve it or ask for another.",
        ),
        // Another question is another wait.
        Awaited::Requester => (
            format!("requester/{}", digest(&park.reason)),
            &[Audience::Requester],
            "Open the run and answer; it goes on by itself.",
        ),
        // A count that goes down is the same wait.
        Awaited::Keepers => (
            format!("keepers/{}", digest(&park.reason.replace(|c: char| c.is_ascii_digit(), ""))),
            &[Audience::Keepers],
            "Open the run to see what is missing; it goes on by itself once that is there.",
        ),
    };
    let visit = run.visits.get(step).copied().unwrap_or_default();
    let head = run.progress.head.as_ref().map_or("none", |head| head.as_str());
    let about = format!("{WAIT}{step}.{visit}/{head}/{who}");
    Some(Notice { kind: NoticeKind::NeedsYou, about, to, advice })
}

fn of_pause(pause: &Pause) -> Option<Notice> {
    match pause.cause {
        PauseCause::Person => None,
        // A budget that lets a few calls through and is used up again is one message a day.
        PauseCause::Budget => Some(Notice {
            kind: NoticeKind::OverBudget,
            about: format!("budget/{}", pause.since.format("%Y-%m-%d")),
            to: &[Audience::Requester, Audience::Keepers],
            advice: "Raise the budget, or leave the run paused; it goes on by itself once its next call fits.",
        }),
        PauseCause::Breaker => Some(Notice {
            kind: NoticeKind::NeedsYou,
            about: format!("breaker/{}", pause.since.timestamp_micros()),
            to: &[Audience::Keepers],
            advice: "Read what the model was asked and answered, then resume the run or cancel it.",
        }),
    }
}

fn of_end(run: &Run, end: End) -> Option<Notice> {
    let about = |kind: NoticeKind| match (&run.progress.merged, kind) {
        (Some(sha), NoticeKind::Merged) => sha.as_str().to_owned(),
        // A person who sends it back to work gives it another job.
        _ => format!("end/{}", run.turn),
    };
    if run.progress.broke.is_some() {
        let sha = run.progress.merged.as_ref().map_or("none", |sha| sha.as_str());
        return Some(Notice {
            kind: NoticeKind::NeedsYou,
            about: format!("{BASE}{sha}"),
            to: &[Audience::Requester, Audience::Keepers],
            advice: "Open the run to see what fails; revert the change there, or have it fixed by another requirement.",
        });
    }
    let is_merged = run.progress.after_end == Some(PullState::Merged) || run.progress.merged.is_some();
    let (kind, to, advice): (_, &'static [Audience], _) = match end {
        End::Succeeded => (NoticeKind::Merged, &[Audience::Requester], "There is nothing left to do."),
        _ if is_merged => (
            NoticeKind::Merged,
            &[Audience::Requester, Audience::Keepers],
            "It was merged by hand, after its run had ended; see on the run's page whether it was judged.",
        ),
        End::Blocked if run.progress.after_end == Some(PullState::Closed) => return None,
        End::Blocked => (
            NoticeKind::NeedsYou,
            &[Audience::Requester, Audience::Keepers],
            "Open the run: what it says is missing, then retry it, fork it, or take its branch over.",
        ),
        End::Failed => (
            NoticeKind::Failed,
            &[Audience::Requester],
            "Open the run to read why; submit the requirement again once that is settled.",
        ),
        End::Cancelled => {
            (NoticeKind::Failed, &[Audience::Requester], "Open the run to read who cancelled it, and why.")
        }
    };
    Some(Notice { kind, about: about(kind), to, advice })
}

/// What stands for a text in a key.
fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

#[cfg(test)]
mod tests;
