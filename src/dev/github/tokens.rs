//! New tokens: their forms, and minting one for an installation.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde::Deserialize;
use sha2::{Digest as _, Sha512};

use super::{
    apps::{Holder, Token, holds},
    host::Host,
    permissions::{Level, Permissions},
    refusal::Refusal,
    state::State,
};

/// The most repositories that one request may name: GitHub's OpenAPI description.
const MOST_REPOSITORIES: usize = 500;
/// The length of the newer form: changelog of GitHub, 15 May 2026, "about 520 characters".
const LONG: usize = 520;

/// What a request asks of a new installation token.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wish {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<i64>>,
    permissions: Option<BTreeMap<String, String>>,
}

/// How a token is made, apart from what it may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) long: bool,
    /// Milliseconds since 1970.
    pub(crate) now: i64,
    pub(crate) life: i64,
}

/// A token that was just minted.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) token: String,
    /// Milliseconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) permissions: Permissions,
    /// The chosen repositories; `None` means all of the installation.
    pub(crate) repositories: Option<BTreeSet<i64>>,
}

/// Mints a token for an installation of an App, as far as it is granted.
pub(crate) fn mint(
    host: &Host,
    app: i64,
    installation: i64,
    wish: Wish,
    form: Form,
) -> Result<Minted, Refusal> {
    let (repositories, permissions) = host.with_state(|state| granted(state, app, installation, wish))?;
    let token = if form.long { long_installation(app) } else { short_installation() };
    let expires_at = form.now + form.life;
    host.change(|state| {
        let (repositories, permissions) = (repositories.clone(), permissions.clone());
        let holder = Holder::Installation { id: installation, repositories, permissions };
        let is = Token { holder, issued_at: form.now, expires_at: Some(expires_at) };
        state.registry.remember(&token, form.now, is);
        Ok(())
    })?;
    Ok(Minted { token, expires_at, permissions, repositories })
}

/// What a wish gets: no more than the installation has.
fn granted(
    state: &State,
    app: i64,
    installation: i64,
    wish: Wish,
) -> Result<(Option<BTreeSet<i64>>, Permissions), Refusal> {
    let it = state.registry.installations.get(&installation).filter(|it| it.app == app);
    let it = it.ok_or_else(Refusal::not_found)?;
    if it.suspended {
        return Err(Refusal::suspended());
    }
    let unknown = || {
        unprocessable(
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    };
    let mut chosen = BTreeSet::new();
    let (names, ids) = (wish.repositories.unwrap_or_default(), wish.repository_ids.unwrap_or_default());
    if names.len() + ids.len() > MOST_REPOSITORIES {
        return Err(unknown());
    }
    for name in &names {
        let found = state.repositories.get(&format!("{}/{name}", it.account));
        chosen.insert(found.ok_or_else(unknown)?.id);
    }
    chosen.extend(&ids);
    let reached =
        |id: &i64| state.repositories.values().any(|known| known.id == *id && it.covers(&known.owner, *id));
    if !chosen.iter().all(reached) {
        return Err(unknown());
    }
    let permissions = match wish.permissions {
        Some(wished) => narrowed(&it.permissions, wished)?,
        None => it.permissions.clone(),
    };
    Ok(((!chosen.is_empty()).then_some(chosen), permissions))
}

fn narrowed(grant: &Permissions, wished: BTreeMap<String, String>) -> Result<Permissions, Refusal> {
    let beyond = || unprocessable("The permissions requested are not granted to this installation.");
    let one = |(name, level): (String, String)| {
        let level = match &*level {
            "read" => Level::Read,
            "write" => Level::Write,
            "admin" => Level::Admin,
            _ => return Err(beyond()),
        };
        if holds(grant, &name, level) { Ok((name, level)) } else { Err(beyond()) }
    };
    wished.into_iter().map(one).collect()
}

fn unprocessable(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}

/// `ghs_` and 36 characters.
pub(crate) fn short_installation() -> String {
    format!("ghs_{}", letters(36))
}

/// `ghs_`, the App's id, and a JWT.
fn long_installation(app: i64) -> String {
    let head = format!("ghs_{app}_{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#));
    let claims = letters(LONG.saturating_sub(head.len() + 344));
    format!("{head}.{claims}.{}", letters(342))
}

/// `github_pat_`, 22 characters, and 59.
pub(crate) fn fine_grained() -> String {
    format!("github_pat_{}_{}", letters(22), letters(59))
}

/// `ghp_` and 36 characters.
pub(crate) fn classic() -> String {
    format!("ghp_{}", letters(36))
}

/// Random letters and digits.
pub(crate) fn letters(count: usize) -> String {
    let mut text = String::new();
    while text.len() < count {
        let digest = Sha512::digest(uuid::Uuid::new_v4().as_bytes());
        text.extend(URL_SAFE_NO_PAD.encode(digest).chars().filter(char::is_ascii_alphanumeric));
    }
    text.truncate(count);
    text
}
