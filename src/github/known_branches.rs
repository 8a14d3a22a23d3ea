//! What branches demand, as it was read a moment ago.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::core::requirement::RepoName;

/// How long it is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many branches are known at once; then all are forgotten.
const MOST: usize = 1_000;

/// What is remembered of a branch's demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demanded {
    /// Whether every commit must be signed.
    pub(super) signatures: bool,
    /// Whether all conversations on lines must be resolved.
    pub(super) conversations: bool,
}

/// What was read of branches, by repository and name.
#[derive(Default)]
pub(super) struct KnownBranches {
    known: Mutex<HashMap<(String, String), (Demanded, Instant)>>,
}

impl KnownBranches {
    pub(super) fn known(&self, repo: &RepoName, branch: &str) -> Option<Demanded> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&key(repo, branch))
            .filter(|(_, read)| read.elapsed() < BELIEVED)
            .map(|(demanded, _)| *demanded)
    }

    pub(super) fn learn(&self, repo: &RepoName, branch: &str, demanded: Demanded) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key(repo, branch), (demanded, Instant::now()));
    }

    /// Forgets the branches of a repository.
    pub(super) fn forget(&self, repo: &RepoName) {
        let (name, _) = key(repo, "");
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| *known != name);
    }
}

fn key(repo: &RepoName, branch: &str) -> (String, String) {
    (repo.to_string().to_ascii_lowercase(), branch.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn signed(signatures: bool) -> Demanded {
        Demanded { signatures, conversations: false }
    }

    #[test]
    fn a_branch_is_known_until_its_repository_is_forgotten() {
        let branches = KnownBranches::default();
        let (repo, other): (RepoName, RepoName) = ("acme/w".parse().unwrap(), "acme/v".parse().unwrap());
        branches.learn(&repo, "main", signed(true));
        branches.learn(&other, "main", signed(false));
        assert_eq!(branches.known(&"ACME/w".parse().unwrap(), "main"), Some(signed(true)));
        assert_eq!(branches.known(&repo, "next"), None);
        branches.forget(&repo);
        assert_eq!(
            (branches.known(&repo, "main"), branches.known(&other, "main")),
            (None, Some(signed(false)))
        );
    }

    #[test]
    fn no_more_than_a_thousand_branches_are_known() {
        let branches = KnownBranches::default();
        let repo = "acme/w".parse().unwrap();
        (0..=MOST).for_each(|n| branches.learn(&repo, &n.to_string(), signed(true)));
        assert_eq!(branches.known.lock().unwrap().len(), 1);
    }
}
