//! Repositories that were renamed or moved: GitHub knows each by a number that stays.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{Error, Forge, Kind, credentials::Scope, escape, route};
use crate::core::requirement::RepoName;

/// How long a repository's name is believed before git uses it again.
const BELIEVED: Duration = Duration::from_secs(60);

/// A repository as GitHub has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// GitHub's number of it; it stays when the repository is renamed or moved.
    pub id: u64,
    /// Its name now.
    pub name: RepoName,
}

/// How git reaches a repository.
#[derive(Debug, Clone)]
pub struct GitAccess {
    /// The repository's name now.
    pub name: RepoName,
    /// The password; the user is `x-access-token`.
    pub token: SecretString,
}

/// What is known of repositories, by the names that we use.
#[derive(Default)]
pub(super) struct Names {
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Default, Clone)]
struct Known {
    /// The number, once a redirect named it.
    id: Option<u64>,
    current: Option<(Repository, Instant)>,
}

impl Names {
    /// Records that a call about a repository was sent on to `/repositories/<id>/…`.
    pub(super) fn moved(&self, repo: &RepoName, to: &Url) {
        let mut segments = to.path_segments().into_iter().flatten().skip_while(|it| *it != "repositories");
        let Some(id) = segments.nth(1).and_then(|id| id.parse().ok()) else { return };
        self.with(repo, |known| {
            if known.id != Some(id) {
                tracing::info!(%repo, repository.id = id, "{repo} was renamed or moved; it is number {id}");
                *known = Known { id: Some(id), current: None };
            }
        });
    }

    /// The number of a repository that was renamed or moved.
    pub(super) fn id_of(&self, repo: &RepoName) -> Option<u64> {
        self.with(repo, |known| known.id)
    }

    fn current(&self, repo: &RepoName) -> Option<Repository> {
        self.with(repo, |known| known.current.clone())
            .filter(|(_, read)| read.elapsed() < BELIEVED)
            .map(|(repository, _)| repository)
    }

    fn with<T>(&self, repo: &RepoName, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        act(known.entry(repo.to_string().to_ascii_lowercase()).or_default())
    }
}

impl Forge {
    /// The repository as it is now, under whatever name; read at most once a minute.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn repository(&self, repo: &RepoName) -> Result<Repository, Error> {
        #[derive(Deserialize)]
        struct Raw {
            id: u64,
            full_name: RepoName,
        }
        if let Some(repository) = self.names.current(repo) {
            return Ok(repository);
        }
        let raw: Raw = self.get(&format!("/repos/{repo}")).await?;
        let repository = Repository { id: raw.id, name: raw.full_name };
        self.names.with(repo, |known| known.current = Some((repository.clone(), Instant::now())));
        Ok(repository)
    }

    /// The content of a file on a branch; `None` if there is none. GitHub sends up to 1 MB in this way.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn file(&self, repo: &RepoName, branch: &str, path: &str) -> Result<Option<Vec<u8>>, Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            content: String,
        }
        let path: Vec<String> = path.split('/').map(escape).collect();
        let at = route(repo, &format!("contents/{}?ref={}", path.join("/"), escape(branch)));
        let raw: Raw = match self.get(&at).await {
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            answer => answer?,
        };
        let text: String = raw.content.split_whitespace().collect();
        // What is not base64 is no file's content, and its reader refuses it.
        Ok(Some(STANDARD.decode(text).unwrap_or_default()))
    }

    /// Forgets what is known of a repository: its token, what was refused there, and its name. The next call finds all
    /// of it out again.
    pub async fn forget(&self, repo: &RepoName) {
        self.credentials.tokens.forget(&repo.to_string()).await;
        self.refusals.forget(repo);
        self.branches.forget(repo);
        self.names.with(repo, |known| known.current = None);
    }

    /// What keeps everyone, or us, from working on a repository, in words that follow "waiting for"; `None` if GitHub
    /// shows it and it is not archived. It is asked anew, whatever was known before.
    ///
    /// # Errors
    /// Those of the call that say nothing about the repository.
    pub async fn barrier(&self, repo: &RepoName) -> Result<Option<String>, Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            archived: bool,
        }
        self.forget(repo).await;
        match self.get::<Raw>(&format!("/repos/{repo}")).await {
            Ok(raw) if raw.archived => {
                Ok(Some(format!("{repo} to be unarchived, since nobody may write to an archived repository")))
            }
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Gone) => Ok(Some(format!(
                "{repo}, which GitHub does not show to us: it was deleted, or we may no longer see it"
            ))),
            Err(error) if error.kind() == Kind::Forbidden => {
                Ok(Some(format!("access to {repo}: {}", error.message())))
            }
            Err(error) => Err(error),
        }
    }

    /// The name of a repository that calls were redirected for; the one that we use of any other.
    pub(super) async fn name_now(&self, repo: &RepoName) -> Result<RepoName, Error> {
        match self.names.id_of(repo) {
            Some(_) => Ok(self.repository(repo).await?.name),
            None => Ok(repo.clone()),
        }
    }

    /// How git reaches the repository now. Ask for each operation, since a token may live for an hour only.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn git_access(&self, repo: &RepoName) -> Result<GitAccess, Error> {
        let name = self.repository(repo).await?.name;
        let token = self.token(&Scope::Repository(repo.clone())).await?;
        Ok(GitAccess { name, token })
    }
}
