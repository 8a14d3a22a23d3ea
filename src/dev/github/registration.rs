//! Registering and installing Apps, and issuing tokens, as people do it on GitHub's pages.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Context as _;

use super::{
    accounts::{app_id, bot_of, user_id},
    apps::{App, Holder, Installation, Token},
    event::{Event, RepositoryAction},
    installations, keys,
    permissions::{Level, Permissions},
    state::State,
    tokens,
    twin::Twin,
};

/// How many public keys an App keeps; each start of a process adds one.
const KEYS: usize = 10;

/// An App, with the private key that GitHub shows once.
#[derive(Clone)]
pub struct RegisteredApp {
    /// The App's id, the issuer of its JWTs.
    pub id: i64,
    /// Its name in addresses.
    pub slug: String,
    /// The login under which its installations act.
    pub bot_login: String,
    /// The id of that account, which is not the App's.
    pub bot_id: i64,
    /// PKCS#1, in PEM.
    pub private_key_pem: String,
}

/// Which repositories an installation covers.
#[derive(Debug, Clone)]
pub enum InstallOn {
    /// All repositories of this login, also those to come.
    Owner(String),
    /// These, by `owner/name`; all of one owner.
    Repositories(Vec<String>),
}

/// A token that a person or a workflow gets.
#[derive(Debug, Clone)]
pub enum TokenKind {
    /// A fine-grained personal token for repositories by `owner/name`.
    FineGrained {
        /// Whose token; it may do no more than this person.
        login: String,
        /// By name, such as `contents`.
        permissions: Permissions,
        /// By `owner/name`.
        repositories: Vec<String>,
    },
    /// A classic personal token.
    Classic {
        /// Whose token; it may do no more than this person.
        login: String,
        /// Such as `repo` and `workflow`.
        scopes: Vec<String>,
    },
    /// The `GITHUB_TOKEN` of a job of GitHub Actions.
    Actions {
        /// The repository of the workflow, as `owner/name`.
        repository: String,
        /// What the workflow gives the job; `None`: write access, the old default of a repository.
        permissions: Option<Permissions>,
    },
}

impl Twin {
    /// Registers an App. Doing it again returns the same App with another key; earlier keys stay valid.
    ///
    /// # Errors
    /// When no key can be made or the state cannot be saved.
    pub fn register_app(&self, slug: &str) -> anyhow::Result<RegisteredApp> {
        let (id, key) = (app_id(slug), keys::of_app(slug)?);
        self.shared.host.change(|state| {
            let new = || App { id, slug: slug.to_owned(), keys: Vec::new(), events: BTreeSet::new() };
            let app = state.registry.apps.entry(id).or_insert_with(new);
            app.keys.retain(|old| *old != key.public);
            app.keys.push(key.public);
            let surplus = app.keys.len().saturating_sub(KEYS);
            app.keys.drain(..surplus);
            Ok(())
        })?;
        let bot_login = bot_of(slug);
        Ok(RegisteredApp {
            id,
            slug: slug.to_owned(),
            bot_id: user_id(&bot_login),
            bot_login,
            private_key_pem: key.private_pem,
        })
    }

    /// Subscribes an App to these events, such as `check_run`, and to no others; to none at first.
    ///
    /// # Errors
    /// When the App is unknown.
    pub fn subscribe(&self, app: i64, events: &[String]) -> anyhow::Result<()> {
        self.shared.host.change(|state| {
            let found = state.registry.apps.get_mut(&app);
            found.with_context(|| format!("the twin has no App {app}"))?.events =
                events.iter().cloned().collect();
            Ok(())
        })
    }

    /// Installs an App, or changes its installation on the same account; returns the installation's id.
    ///
    /// # Errors
    /// When the App or a repository is unknown, or the repositories have several owners.
    pub fn install(&self, app: i64, on: &InstallOn, permissions: &Permissions) -> anyhow::Result<i64> {
        let host = &self.shared.host;
        let new = host.change(|state| {
            let (account, repositories) = match on {
                InstallOn::Owner(login) => (login.clone(), None),
                InstallOn::Repositories(names) => {
                    let (owner, _) =
                        names.first().and_then(|name| name.split_once('/')).context("no repository")?;
                    let same = names.iter().all(|name| name.starts_with(&format!("{owner}/")));
                    anyhow::ensure!(same, "an installation has one owner: {names:?}");
                    (owner.to_owned(), Some(ids_of(state, names)?))
                }
            };
            let mut all = state.registry.installations.values();
            let known = all.find(|it| it.app == app && it.account == account).map(|it| it.id);
            let id = known.unwrap_or_else(|| state.new_id());
            let permissions = permissions.clone();
            Ok(Installation { id, app, account, repositories, permissions, suspended: false })
        })?;
        installations::install(host, &new)?;
        Ok(new.id)
    }

    /// Gives a person an account; the password with which they sign in at the pages and push, the same one each time.
    ///
    /// # Errors
    /// When it cannot be kept in the twin's folder.
    pub fn open_account(&self, login: &str) -> anyhow::Result<String> {
        self.shared.members.password_of(login)
    }

    /// Suspends an installation, or resumes it.
    ///
    /// # Errors
    /// When it is unknown.
    pub fn suspend_installation(&self, id: i64, suspended: bool) -> anyhow::Result<()> {
        installations::suspend(&self.shared.host, id, suspended)
    }

    /// Removes an installation; its tokens end at once.
    ///
    /// # Errors
    /// When the state cannot be saved.
    pub fn uninstall(&self, id: i64) -> anyhow::Result<()> {
        installations::remove(&self.shared.host, id)
    }

    /// Issues a token that does not expire by itself; one of GitHub Actions lives as long as an installation's.
    ///
    /// # Errors
    /// When a repository is unknown.
    pub fn issue_token(&self, kind: TokenKind) -> anyhow::Result<String> {
        let (now, life) = (self.shared.credentials.now(), self.shared.credentials.life());
        self.shared.host.change(|state| {
            let mut expires_at = None;
            let (token, holder) = match kind {
                TokenKind::FineGrained { login, permissions, repositories } => {
                    let repositories = ids_of(state, &repositories)?;
                    (tokens::fine_grained(), Holder::FineGrained { login, repositories, permissions })
                }
                TokenKind::Classic { login, scopes } => {
                    (tokens::classic(), Holder::Classic { login, scopes: scopes.into_iter().collect() })
                }
                TokenKind::Actions { repository, permissions } => {
                    let repository = id_of(state, &repository)?;
                    expires_at = Some(now + life);
                    let permissions = permissions.unwrap_or_else(actions_permissions);
                    (tokens::short_installation(), Holder::Actions { repository, permissions })
                }
            };
            // A person's token is older than the first call with it.
            let issued_at = if expires_at.is_some() { now } else { 0 };
            state.registry.remember(&token, now, Token { holder, issued_at, expires_at });
            Ok(token)
        })
    }

    /// Makes a repository public, or private as all are at first.
    ///
    /// # Errors
    /// When it is unknown.
    pub fn set_private(&self, repository: &str, private: bool) -> anyhow::Result<()> {
        let owner = self.shared.host.change(|state| {
            let it = state.repositories.get_mut(repository);
            let it = it.with_context(|| format!("the twin has no repository {repository}"))?;
            it.private = private;
            Ok(it.owner.clone())
        })?;
        let action = if private { RepositoryAction::Privatized } else { RepositoryAction::Publicized };
        self.shared.host.announce(repository, &owner, &Event::Repository(action))
    }

    /// Sets how long tokens live that are minted from now on; an hour by default.
    pub fn token_lifetime(&self, life: Duration) {
        self.shared.credentials.set_life(millis(life));
    }

    /// Answers 401 to a new token until it is this old; at once by default.
    pub fn token_delay(&self, delay: Duration) {
        self.shared.credentials.set_unknown_for(millis(delay));
    }

    /// Moves the clock by which tokens and JWTs expire.
    pub fn advance_clock(&self, by: Duration) {
        self.shared.host.clock.advance(millis(by));
    }

    /// Mints installation tokens of about 520 characters with dots, unless the request asks otherwise.
    pub fn long_tokens(&self, long: bool) {
        self.shared.credentials.set_long(long);
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

fn id_of(state: &State, name: &str) -> anyhow::Result<i64> {
    let it = state.repositories.get(name);
    Ok(it.with_context(|| format!("the twin has no repository {name}"))?.id)
}

fn ids_of(state: &State, names: &[String]) -> anyhow::Result<BTreeSet<i64>> {
    names.iter().map(|name| id_of(state, name)).collect()
}

/// All that docs.github.com "Workflow syntax for GitHub Actions" lets `permissions: write-all` give of what the
/// table names; `workflows` and `administration` are never among it.
fn actions_permissions() -> Permissions {
    let names = ["actions", "checks", "contents", "deployments", "issues", "pull_requests", "statuses"];
    names.map(|name| (name.to_owned(), Level::Write)).into()
}
