//! What our credential can do in a repository, as far as its kind, its grant and GitHub's refusals say.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use super::{
    Credential, CredentialKind, Error, Forge, Kind,
    credentials::Scope,
    permissions::{Level, NEEDS, Need},
};
use crate::core::requirement::RepoName;

/// What our credential can do in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// The kind of our credential.
    pub kind: CredentialKind,
    /// The App's installation that covers the repository.
    pub installation: Option<u64>,
    /// Whether it may make check runs; without, commit statuses stand in for them.
    pub creates_check_runs: bool,
    /// Whether it may read check runs; without, only commit statuses are known.
    pub reads_check_runs: bool,
    /// Whether what it pushes starts workflows. What the token of GitHub Actions does starts none, and since 2026 the
    /// runs of its pull requests wait for approval (docs.github.com "GITHUB_TOKEN").
    pub starts_workflows: bool,
    /// What an App's installation withholds; empty for a token, which does not say what it may do.
    pub withheld: Vec<&'static Need>,
}

/// What GitHub refused, so that it is not asked for again.
#[derive(Default)]
pub(super) struct Refusals {
    known: Mutex<HashSet<(String, CheckRuns)>>,
}

/// What may be refused about check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CheckRuns {
    Create,
    Read,
}

impl Refusals {
    fn holds(&self, repo: &RepoName, what: CheckRuns) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&(repo.to_string().to_ascii_lowercase(), what))
    }

    /// Forgets what was refused in a repository.
    pub(super) fn forget(&self, repo: &RepoName) {
        let name = repo.to_string().to_ascii_lowercase();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != name);
    }

    fn insert(&self, repo: &RepoName, what: CheckRuns) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((repo.to_string().to_ascii_lowercase(), what))
    }
}

impl Forge {
    /// What our credential can do in this repository.
    ///
    /// # Errors
    /// Those of the calls that find it out.
    pub async fn abilities(&self, repo: &RepoName) -> Result<Abilities, Error> {
        let kind = self.kind();
        let minted = match &self.credentials.credential {
            Credential::App(app) => Some(self.minted(app, &Scope::Repository(repo.clone())).await?),
            Credential::Token(_) => None,
        };
        let installation = minted.as_ref().map(|minted| minted.installation);
        let granted = minted.map(|minted| minted.permissions);
        let withheld: Vec<&Need> = match &granted {
            Some(granted) => NEEDS.iter().filter(|need| need.granted(granted) != Some(need.level)).collect(),
            None => Vec::new(),
        };
        let checks = |level: Level| match &granted {
            Some(granted) => {
                granted.get("checks").and_then(|word| Level::of(word)).is_some_and(|it| it >= level)
            }
            // A person's token never makes check runs; of another we learn it by a refusal.
            None => {
                level == Level::Read || !matches!(kind, CredentialKind::Classic | CredentialKind::FineGrained)
            }
        };
        let starts_workflows = match kind {
            CredentialKind::Installation => self.identity().await?.login != ACTIONS,
            _ => true,
        };
        Ok(Abilities {
            kind,
            installation,
            creates_check_runs: checks(Level::Write) && !self.refusals.holds(repo, CheckRuns::Create),
            // Those of a public repository may be read without the permission, so it is tried.
            reads_check_runs: !self.refusals.holds(repo, CheckRuns::Read),
            starts_workflows,
            withheld,
        })
    }

    /// Who we are and what with, in a few words.
    ///
    /// # Errors
    /// Those of the calls that find it out.
    pub async fn introduce(&self, repo: &RepoName) -> Result<String, Error> {
        let (account, abilities) = (self.identity().await?, self.abilities(repo).await?);
        Ok(match abilities.installation {
            Some(id) => {
                let slug = account.login.trim_end_matches("[bot]");
                format!("as the App `{slug}` (installation {id} on {repo})")
            }
            None => format!("as {}, with {}", account.login, abilities.kind),
        })
    }

    /// The kind of our credential.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        self.credentials.credential.kind()
    }

    /// Remembers a refusal that is about the credential.
    pub(super) fn learn_refusal(&self, repo: &RepoName, what: CheckRuns, error: &Error) {
        if error.kind() == Kind::Forbidden && is_of_credential(error) && self.refusals.insert(repo, what) {
            tracing::info!(%repo, "this credential may not {what:?} check runs of {repo}: {}", error.message());
        }
    }
}

/// The account of `GITHUB_TOKEN` in a workflow.
pub(super) const ACTIONS: &str = "github-actions[bot]";

/// GitHub's words for what a kind of credential, or its grant, does not allow.
fn is_of_credential(error: &Error) -> bool {
    let message = error.message();
    message.contains("You must authenticate via a GitHub App")
        || message.contains("Resource not accessible by")
}
