//! Commit statuses, the older way to report on a commit. A status names an account and no app, and anyone who may
//! push may set one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Account, Error, Forge, route, text, text_or_empty};
use crate::core::{policy::StatusState, requirement::RepoName, sha::Sha};

/// The most characters of a commit status's description.
const DESCRIPTION_LIMIT: usize = 140;

/// One status of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommitStatus {
    /// GitHub's number; greater is newer.
    pub id: u64,
    /// The status's name.
    pub context: String,
    /// Its state.
    pub state: StatusState,
    /// One line.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub description: String,
    /// The page for people; may be empty.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub target_url: String,
    /// When it was set.
    pub updated_at: DateTime<Utc>,
    /// Who set it; `None` for a deleted account.
    #[serde(default)]
    pub creator: Option<Account>,
}

/// A commit status to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewStatus {
    /// The status's name.
    pub context: String,
    /// Its state.
    pub state: StatusState,
    /// One line; cut at 140 characters.
    pub description: String,
    /// The page for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

impl Forge {
    /// The newest status of every context and account on a commit. The combined status names no accounts, so all
    /// are listed.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn statuses(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CommitStatus>, Error> {
        let route = route(repo, &format!("commits/{sha}/statuses"));
        let all = self.pages(&route, |page: Vec<CommitStatus>| page).await?;
        Ok(newest(all))
    }

    /// Sets a commit status; idempotent, since only the newest counts.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn set_status(
        &self,
        repo: &RepoName,
        sha: &Sha,
        new: &NewStatus,
    ) -> Result<CommitStatus, Error> {
        let description = text::cap(&new.description, DESCRIPTION_LIMIT);
        let body = NewStatus { description, ..new.clone() };
        self.post(&route(repo, &format!("statuses/{sha}")), &body).await
    }
}

/// The newest by number, whatever order and times the listing has.
fn newest(mut all: Vec<CommitStatus>) -> Vec<CommitStatus> {
    all.sort_by_key(|status| std::cmp::Reverse(status.id));
    let mut seen = BTreeSet::new();
    all.retain(|status| seen.insert((status.context.clone(), status.creator.as_ref().map(|by| by.id))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: u64, context: &str, by: u64) -> CommitStatus {
        serde_json::from_value(serde_json::json!({
            "id": id, "context": context, "state": "success", "description": null, "target_url": null,
            "updated_at": "2026-11-01T00:00:00Z", "creator": {"id": by, "login": format!("u{by}"), "type": "User"},
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_status_of_a_context_and_account_counts() {
        let all = vec![status(1, "ci", 1), status(9, "ci", 1), status(4, "lint", 1), status(5, "ci", 2)];
        let mut ids: Vec<u64> = newest(all).iter().map(|status| status.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [4, 5, 9]);
    }
}
