//! What one app has put on one head.

use crate::policy::{CheckStatus, Conclusion, StatusState};

/// The signs of one app on one head; those of other apps, accounts and heads are left out by who gathers them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// The name of the reviewer, for what is said of it.
    pub name: String,
    /// The newest run of its check on this head.
    pub check: Option<CheckSign>,
    /// The newest commit status of its check's name on this head.
    pub status: Option<StatusSign>,
    /// Its reviews of this head, oldest first.
    pub reviews: Vec<ReviewSign>,
    /// Its threads at lines of this head, and those of earlier heads whose lines have not changed since.
    pub threads: Vec<ThreadSign>,
}

/// A run of the app's check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSign {
    /// Its progress.
    pub status: CheckStatus,
    /// Its result.
    pub conclusion: Option<Conclusion>,
    /// Title, summary and text, one below the other. Only the app can write them.
    pub text: String,
}

/// A commit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSign {
    /// Its state.
    pub state: StatusState,
    /// One line.
    pub description: String,
}

/// A review of this head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewSign {
    /// Its text; `None` if it was edited afterwards, by anyone: then it is nobody's word.
    pub text: Option<String>,
    /// Whether it asks for changes.
    pub refuses: bool,
}

/// The first comment of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadSign {
    /// The file.
    pub path: String,
    /// The line on this head, from 1; `None` for a whole file.
    pub line: Option<u32>,
    /// Its text as it is now.
    pub text: String,
    /// Whether it was edited afterwards: then its marks are not believed.
    pub edited: bool,
    /// Whether it is about this head; it is an earlier head's otherwise.
    pub is_of_head: bool,
}

impl Signs {
    /// What check and status say, one below the other.
    pub(super) fn reported(&self) -> String {
        let check = self.check.iter().map(|check| check.text.as_str());
        let status = self.status.iter().map(|status| status.description.as_str());
        check.chain(status).collect::<Vec<_>>().join("\n")
    }

    /// The texts of its reviews that nobody edited.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.reviews.iter().filter_map(|review| review.text.as_deref())
    }

    /// Whether check or status is still at work.
    pub(super) fn is_working(&self) -> bool {
        let check = self.check.as_ref().is_some_and(|check| check.status != CheckStatus::Completed);
        check || self.status.as_ref().is_some_and(|status| status.state == StatusState::Pending)
    }

    /// Whether check and status, as far as there are any, have succeeded, and there is one.
    pub(super) fn is_green(&self) -> bool {
        let check = self.check.as_ref().map(|check| check.conclusion == Some(Conclusion::Success));
        let status = self.status.as_ref().map(|status| status.state == StatusState::Success);
        match (check, status) {
            (None, None) => false,
            (check, status) => check.unwrap_or(true) && status.unwrap_or(true),
        }
    }
}
