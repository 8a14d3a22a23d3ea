//! Who a request comes from: the one place that reads the `Authorization` header.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use base64::Engine as _;
use http::{HeaderMap, StatusCode};

use super::{
    accounts::{ACTIONS_APP, bot_of},
    apps::{Holder, Registry, Token, digest},
    clock::Clock,
    host::Host,
    keys::{self, UNDECODABLE},
    permissions::Permissions,
    refusal::Refusal,
};

/// The life of an installation token: docs.github.com "Generating an installation access token for a GitHub App".
const TOKEN_LIFE_MILLIS: i64 = 3_600_000;

/// How the twin treats credentials.
#[derive(Debug)]
pub(crate) struct Credentials {
    clock: Arc<Clock>,
    life: AtomicI64,
    /// How long a new token is not known yet, in milliseconds.
    unknown_for: AtomicI64,
    long: AtomicBool,
}

/// A caller whose credential is known.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The login under which the caller acts; `None` for nobody, and for an App itself.
    pub(crate) login: Option<String>,
    /// The slug of the App that acts, if one does.
    pub(crate) app: Option<String>,
    pub(crate) kind: Kind,
}

impl Credential {
    /// What a person may do who shows who they are by their password: all that the person may.
    pub(crate) fn of_person(login: &str) -> Self {
        let scopes = ["repo", "workflow"].map(str::to_owned).into();
        Self { login: Some(login.to_owned()), app: None, kind: Kind::Classic { scopes } }
    }
}

/// What a credential is, and what it may do.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Nobody,
    /// An App itself, by its JWT.
    App {
        id: i64,
    },
    Installation {
        id: i64,
        account: String,
        repositories: Option<BTreeSet<i64>>,
        permissions: Permissions,
    },
    Actions {
        repository: i64,
        permissions: Permissions,
    },
    FineGrained {
        repositories: BTreeSet<i64>,
        permissions: Permissions,
    },
    Classic {
        scopes: BTreeSet<String>,
    },
}

impl Credentials {
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self {
            clock,
            life: AtomicI64::new(TOKEN_LIFE_MILLIS),
            unknown_for: AtomicI64::new(0),
            long: AtomicBool::new(false),
        }
    }

    /// The twin's clock, in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn life(&self) -> i64 {
        self.life.load(Ordering::SeqCst)
    }

    pub(crate) fn set_life(&self, millis: i64) {
        self.life.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn set_unknown_for(&self, millis: i64) {
        self.unknown_for.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn are_long(&self) -> bool {
        self.long.load(Ordering::SeqCst)
    }

    pub(crate) fn set_long(&self, long: bool) {
        self.long.store(long, Ordering::SeqCst);
    }

    /// Reads the credential of a request. A route that is only for Apps takes their JWTs, and only these.
    pub(crate) fn read(
        &self,
        headers: &HeaderMap,
        registry: &Registry,
        app_only: bool,
    ) -> Result<Credential, Refusal> {
        let presented = match headers.get("authorization") {
            Some(value) => {
                Some(value.to_str().ok().and_then(secret_of).ok_or_else(Refusal::bad_credentials)?)
            }
            None => None,
        };
        let Some(secret) = presented else {
            let nobody = Credential { login: None, app: None, kind: Kind::Nobody };
            return if app_only { Err(undecodable(UNDECODABLE)) } else { Ok(nobody) };
        };
        if app_only {
            let app = keys::app_of_jwt(registry, &secret, self.now() / 1000).map_err(undecodable)?;
            return Ok(Credential {
                login: None,
                app: Some(app.slug.clone()),
                kind: Kind::App { id: app.id },
            });
        }
        let token = registry.token(&secret).filter(|token| self.is_in_force(token));
        token.map_or_else(|| Err(Refusal::bad_credentials()), |token| of_holder(&token.holder, registry))
    }

    /// Ends the token of a request.
    pub(crate) fn revoke(&self, host: &Host, headers: &HeaderMap) -> Result<(), Refusal> {
        let value = headers.get("authorization").and_then(|value| value.to_str().ok());
        let secret = value.and_then(secret_of).ok_or_else(Refusal::bad_credentials)?;
        host.change(|state| {
            state.registry.tokens.remove(&digest(&secret));
            Ok(())
        })?;
        Ok(())
    }

    /// A new token is not known everywhere at once: octokit/auth-app.js#65.
    fn is_in_force(&self, token: &Token) -> bool {
        let now = self.now();
        let ended = token.expires_at.is_some_and(|end| end <= now);
        !ended && now - token.issued_at >= self.unknown_for.load(Ordering::SeqCst)
    }
}

impl Credential {
    /// Under which name the calls of this credential are counted.
    pub(crate) fn bucket(&self) -> String {
        match &self.kind {
            Kind::Nobody => "address".to_owned(),
            Kind::App { id } => format!("app/{id}"),
            Kind::Installation { id, .. } => format!("installation/{id}"),
            Kind::Actions { repository, .. } => format!("actions/{repository}"),
            Kind::FineGrained { .. } | Kind::Classic { .. } => {
                format!("user/{}", self.login.as_deref().unwrap_or_default())
            }
        }
    }
}

fn of_holder(holder: &Holder, registry: &Registry) -> Result<Credential, Refusal> {
    let person = |login: &String, kind| Credential { login: Some(login.clone()), app: None, kind };
    Ok(match holder {
        Holder::Installation { id, repositories, permissions } => {
            let it = registry.installations.get(id).ok_or_else(Refusal::bad_credentials)?;
            let app = registry.apps.get(&it.app).ok_or_else(Refusal::bad_credentials)?;
            if it.suspended {
                return Err(Refusal::suspended());
            }
            let kind = Kind::Installation {
                id: *id,
                account: it.account.clone(),
                repositories: both(it.repositories.as_ref(), repositories.as_ref()),
                permissions: lesser(&it.permissions, permissions),
            };
            Credential { login: Some(bot_of(&app.slug)), app: Some(app.slug.clone()), kind }
        }
        Holder::Actions { repository, permissions } => Credential {
            login: Some(bot_of(ACTIONS_APP)),
            app: Some(ACTIONS_APP.to_owned()),
            kind: Kind::Actions { repository: *repository, permissions: permissions.clone() },
        },
        Holder::FineGrained { login, repositories, permissions } => {
            let (repositories, permissions) = (repositories.clone(), permissions.clone());
            person(login, Kind::FineGrained { repositories, permissions })
        }
        Holder::Classic { login, scopes } => person(login, Kind::Classic { scopes: scopes.clone() }),
    })
}

/// The repositories that are in both choices, of which `None` is all.
fn both(one: Option<&BTreeSet<i64>>, other: Option<&BTreeSet<i64>>) -> Option<BTreeSet<i64>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.intersection(other).copied().collect()),
        (one, other) => one.or(other).cloned(),
    }
}

/// What both hold, so that a token loses at once what its installation lost.
fn lesser(grant: &Permissions, token: &Permissions) -> Permissions {
    let kept = token.iter().filter_map(|(name, level)| Some((name.clone(), *grant.get(name)?.min(level))));
    kept.collect()
}

fn undecodable(message: &'static str) -> Refusal {
    let status =
        if message == "Integration not found" { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED };
    Refusal::new(status, message)
}

/// The name and the password of a request with basic authentication.
pub(crate) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    match headers.get("authorization")?.to_str().ok()?.split_once(' ')? {
        (scheme, code) if scheme.eq_ignore_ascii_case("basic") => name_and_password(code),
        _ => None,
    }
}

/// The token in `Bearer`, `token`, or basic with any user name.
fn secret_of(value: &str) -> Option<String> {
    match value.split_once(' ')? {
        (scheme, code) if scheme.eq_ignore_ascii_case("basic") => {
            name_and_password(code).map(|(_, password)| password)
        }
        (_, token) => Some(token.trim().to_owned()),
    }
}

fn name_and_password(code: &str) -> Option<(String, String)> {
    let pair = base64::engine::general_purpose::STANDARD.decode(code).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}
