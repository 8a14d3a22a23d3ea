//! Whether a request may be made: each is looked up in the table of `core::access`, and what has no row is answered to
//! nobody. Routers put this before all of their routes, so that no handler can forget it.

use std::time::Instant;

use axum::{
    extract::{FromRequestParts as _, MatchedPath, RawPathParams},
    http::{HeaderMap, Method, header, request::Parts},
};

use super::{
    caller::{Caller, RequestId},
    cookie,
    error::Error,
    pace::{Allowance, Paces},
    problem::Kind,
};
use crate::{
    core::access::{self, Access, Denied, Key, Principal, Products, Right, Scope, Thing, Token},
    engine::people,
    http::AppState,
    store::{self, Pool},
};

/// Why a request may not be made.
#[derive(Debug)]
pub(crate) enum Denial {
    /// It has no key and no session.
    Anonymous,
    /// Its key opens nothing.
    BadKey(String),
    /// Its role or its products are not enough.
    Forbidden(Denied),
    /// What it is about does not exist, or not for this key.
    Missing(&'static str, String),
    /// No row of the table is about this route.
    NoRow,
    /// Its key has made as many requests in this minute as it may.
    TooMany(Allowance),
    /// The database did not answer.
    Failed(store::Error),
}

/// What a request shows of who makes it.
enum Credential {
    Key(Key),
    Session(Token),
}

/// Attaches the caller to a request that may be made, and says how many more the caller may make.
///
/// # Errors
/// [`Denial`] says why it may not.
pub(crate) async fn admit(app: &AppState, parts: &mut Parts) -> Result<Option<Allowance>, Denial> {
    let path = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let row = path.as_deref().and_then(|path| access::route(parts.method.as_str(), path));
    let Some(row) = row else {
        tracing::error!("no row of the access table is about {} {path:?}", parts.method);
        return Err(Denial::NoRow);
    };
    let needed = match row.access {
        Access::Anyone | Access::Signed => return Ok(None),
        Access::Known => None,
        Access::May(right, scope) => Some((right, scope)),
    };
    let pool = app.engine.pool();
    let caller = caller(pool, parts).await?;
    let allowance = count(parts, caller.principal());
    if let Some(allowance) = allowance.filter(|it| !it.admitted) {
        return Err(Denial::TooMany(allowance));
    }
    if let Some((right, scope)) = needed {
        check(pool, caller.principal(), right, scope, parts).await?;
    }
    parts.extensions.insert(caller);
    Ok(allowance)
}

/// Counts a request of a key; not in a router that counts none.
fn count(parts: &Parts, principal: &Principal) -> Option<Allowance> {
    let paces = parts.extensions.get::<Paces>()?;
    Some(paces.take(principal.key, principal.requests_per_minute, Instant::now()))
}

/// Who makes a request.
async fn caller(pool: &Pool, parts: &Parts) -> Result<Caller, Denial> {
    let request = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(|| RequestId("".into()));
    match credential(parts)? {
        Credential::Key(key) => {
            let found = people::authenticate(pool, &key).await?;
            let principal = found.map_err(|refusal| Denial::BadKey(refusal.to_string()))?;
            Ok(Caller::new(principal, request, None))
        }
        Credential::Session(token) => {
            let principal = people::of_session(pool, &token).await?.ok_or(Denial::Anonymous)?;
            Ok(Caller::new(principal, request, Some(token)))
        }
    }
}

/// The key of a request; otherwise its session. A session changes nothing over REST: browsers send a cookie along
/// with requests that other pages made them send, and only the forms of our own pages carry what proves otherwise.
fn credential(parts: &Parts) -> Result<Credential, Denial> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let key = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, key)) = key else {
            return Err(Denial::BadKey(
                "the scheme must be Bearer: `Authorization: Bearer <key>`".to_owned(),
            ));
        };
        let key = key.trim().parse::<Key>();
        return key.map(Credential::Key).map_err(|wrong| Denial::BadKey(format!("the key {wrong}")));
    }
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    if changes && parts.uri.path().starts_with("/api/") {
        return Err(Denial::Anonymous);
    }
    session(&parts.headers).map(Credential::Session).ok_or(Denial::Anonymous)
}

/// The session that a request's cookie names.
pub(crate) fn session(headers: &HeaderMap) -> Option<Token> {
    cookie::read(headers).as_deref().and_then(Token::read)
}

async fn check(
    pool: &Pool,
    principal: &Principal,
    right: Right,
    scope: Scope,
    parts: &mut Parts,
) -> Result<(), Denial> {
    principal.check(right, scope).map_err(Denial::Forbidden)?;
    let (Products::Only(_), Scope::One(thing)) = (&principal.products, scope) else { return Ok(()) };
    // What is no name of such a thing is refused by the handler.
    let Some(name) = named(thing, parts).await else { return Ok(()) };
    match product(pool, thing, &name).await? {
        Some(product) if principal.products.has(&product) => Ok(()),
        _ => Err(missing(thing, name)),
    }
}

/// What the path names.
async fn named(thing: Thing, parts: &mut Parts) -> Option<String> {
    let parameter = match thing {
        Thing::Run | Thing::Requirement | Thing::Gap | Thing::Proposal => "id",
        Thing::Product | Thing::Schedule => "name",
    };
    let all = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    all.iter().find(|(name, _)| *name == parameter).map(|(_, value)| value.to_owned())
}

/// The product to which a thing belongs.
async fn product(pool: &Pool, thing: Thing, name: &str) -> Result<Option<String>, Denial> {
    Ok(match (thing, name.parse()) {
        (Thing::Run, Ok(id)) => store::scope::of_run(pool, id).await?,
        (Thing::Requirement, Ok(id)) => store::scope::of_requirement(pool, id).await?,
        (Thing::Gap, Ok(id)) => store::scope::of_gap(pool, id).await?,
        (Thing::Proposal, Ok(id)) => store::scope::of_proposal(pool, id).await?,
        (Thing::Run | Thing::Requirement | Thing::Gap | Thing::Proposal, Err(_)) => None,
        (Thing::Product, _) => Some(name.to_owned()),
        (Thing::Schedule, _) if name.contains('\0') => None,
        (Thing::Schedule, _) => store::scope::of_schedule(pool, name).await?,
    })
}

/// The same answer as for a thing that does not exist.
fn missing(thing: Thing, name: String) -> Denial {
    match thing {
        Thing::Run => Denial::Missing("run", name),
        Thing::Requirement => Denial::Missing("requirement", name),
        Thing::Gap => Denial::Missing("harness gap", name),
        Thing::Proposal => Denial::Missing("proposal", name),
        Thing::Product => Denial::Missing("product", format!("`{name}`")),
        Thing::Schedule => Denial::Missing("schedule", format!("`{name}`")),
    }
}

impl From<store::Error> for Denial {
    fn from(error: store::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Anonymous => Self::new(Kind::Unauthenticated, ""),
            Denial::BadKey(why) => Self::new(Kind::BadKey, why),
            Denial::Forbidden(denied) => Self::new(Kind::Forbidden, denied.to_string()),
            Denial::Missing(what, id) => Self::not_found(what, id),
            Denial::NoRow => Self::internal(),
            Denial::TooMany(allowance) => {
                let wait = allowance.reset.as_secs().max(1);
                let detail = format!("the key has made its requests of this minute; try again in {wait} s");
                Self::new(Kind::TooManyRequests, detail)
            }
            Denial::Failed(error) => error.into(),
        }
    }
}
