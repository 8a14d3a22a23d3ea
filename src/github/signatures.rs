//! Which branches accept signed commits only, as they were read a moment ago.

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

/// What was read of branches, by repository and name.
#[derive(Default)]
pub(super) struct Signatures {
    known: Mutex<HashMap<(String, String), (bool, Instant)>>,
}

impl Signatures {
    pub(super) fn known(&self, repo: &RepoName, branch: &str) -> Option<bool> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&key(repo, branch))
            .filter(|(_, read)| read.elapsed() < BELIEVED)
            .map(|(demanded, _)| *demanded)
    }

    pub(super) fn learn(&self, repo: &RepoName, branch: &str, demanded: bool) {
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

    #[test]
    fn a_branch_is_known_until_its_repository_is_forgotten() {
        let signatures = Signatures::default();
        let (repo, other): (RepoName, RepoName) = ("acme/w".parse().unwrap(), "acme/v".parse().unwrap());
        signatures.learn(&repo, "main", true);
        signatures.learn(&other, "main", false);
        assert_eq!(signatures.known(&"ACME/w".parse().unwrap(), "main"), Some(true));
        assert_eq!(signatures.known(&repo, "next"), None);
        signatures.forget(&repo);
        assert_eq!((signatures.known(&repo, "main"), signatures.known(&other, "main")), (None, Some(false)));
    }

    #[test]
    fn no_more_than_a_thousand_branches_are_known() {
        let signatures = Signatures::default();
        let repo = "acme/w".parse().unwrap();
        (0..=MOST).for_each(|n| signatures.learn(&repo, &n.to_string(), true));
        assert_eq!(signatures.known.lock().unwrap().len(), 1);
    }
}
