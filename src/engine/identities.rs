//! Sign-in at the identity provider: what is kept while a browser is there, and whose key a person of the provider is
//! linked to.

use serde_json::json;
use uuid::Uuid;

use super::people::{self, Error, NewKey, Refusal};
use crate::{
    core::access::{PersonName, Principal, Role, Token},
    store::{
        self, Pool,
        api_key::{self, Row},
        audit::{Act, Author, append},
        sign_in::{self, Row as Begun},
    },
};

/// How long a browser may stay at the provider, in minutes.
const MINUTES: i32 = 10;
/// The most sign-ins that are under way: anyone can begin one.
const MOST: i64 = 10_000;
/// The length of an SHA-256, for the digests of what a browser brings back.
type Digest = [u8; 32];

/// A sign-in that begins.
#[derive(Debug)]
pub struct Beginning {
    /// Goes to the provider and comes back.
    pub state: Token,
    /// Stays in the browser.
    pub browser: Token,
    /// What is kept here.
    pub kept: Begun,
}

/// Begins a sign-in that leads on to a path; `None` while too many are under way.
///
/// # Errors
/// When the database does not answer or the machine gives no random bytes.
pub async fn begin(pool: &Pool, next: &str) -> Result<Option<Beginning>, Error> {
    let (state, browser) = (people::token()?, people::token()?);
    let (nonce, verifier) = (people::token()?.reveal().to_owned(), people::token()?.reveal().to_owned());
    let kept = Begun { nonce, verifier, next: next.to_owned() };
    let mut connection = pool.acquire().await?;
    let (first, second): (Digest, Digest) = (state.digest(), browser.digest());
    let stored = sign_in::insert(&mut connection, &first, &second, &kept, (MINUTES, MOST)).await?;
    Ok(stored.then_some(Beginning { state, browser, kept }))
}

/// Ends a sign-in whose browser is back; `None` if none is under way with this state in this browser. It counts once.
///
/// # Errors
/// When the database does not answer.
pub async fn back(pool: &Pool, state: &Token, browser: &Token) -> store::Result<Option<Begun>> {
    sign_in::take(pool, &state.digest(), &browser.digest()).await
}

/// Who is linked to an identity, by its key; `None` if nobody is.
///
/// # Errors
/// When the database does not answer.
pub async fn principal(pool: &Pool, identity: &str) -> store::Result<Option<Result<Principal, Refusal>>> {
    match api_key::of_identity(pool, identity).await? {
        Some(row) => people::admit(pool, Some(row)).await.map(Some),
        None => Ok(None),
    }
}

/// Links an identity to a key, in place of the one that it had; `None` for the identity takes it away. Returns the key,
/// or `None` if it does not exist.
///
/// # Errors
/// When the key was revoked, the identity is linked to another key, or the database does not answer.
pub async fn link(
    pool: &Pool,
    id: Uuid,
    identity: Option<&str>,
    by: impl Into<Author<'_>>,
) -> Result<Option<Row>, Error> {
    let mut tx = pool.begin().await?;
    let Some(before) = api_key::get(&mut *tx, id).await? else { return Ok(None) };
    if before.revoked_at.is_some() {
        return Err(Error::Revoked);
    }
    if before.identity.as_deref() == identity {
        return Ok(Some(before));
    }
    if let Some(identity) = identity
        && let Some(other) = api_key::of_identity(&mut *tx, identity).await?
    {
        return Err(Error::IdentityTaken { identity: identity.to_owned(), person: other.person });
    }
    api_key::set_identity(&mut tx, id, identity).await?;
    let after = api_key::get(&mut *tx, id).await?;
    let subject = id.to_string();
    let act = Act {
        act: "key.link",
        subject: &subject,
        before: Some(json!({ "identity": before.identity })),
        after: Some(json!({ "identity": identity })),
        ..Act::default()
    };
    append(&mut tx, by.into(), act).await?;
    tx.commit().await?;
    Ok(after)
}

/// Gives a person of the provider, who is linked to no key, one with this role, under the name of their identity.
///
/// # Errors
/// When a person has that name already, or it can be nobody's.
pub async fn welcome(pool: &Pool, identity: &str, role: Role) -> Result<Principal, Error> {
    let taken =
        |person: &str| Error::IdentityTaken { identity: identity.to_owned(), person: person.to_owned() };
    let person: PersonName = identity.parse().map_err(|_| Error::Nameless(identity.to_owned()))?;
    if api_key::has_person(pool, &person).await? {
        return Err(taken(person.as_str()));
    }
    let new = NewKey {
        person,
        forge_login: None,
        role,
        products: None,
        expires_at: None,
        requests_per_minute: None,
    };
    let issued = people::issue(pool, &new, "aspora").await?;
    link(pool, issued.row.id, Some(identity), "aspora").await?;
    let row = api_key::of_identity(pool, identity).await?;
    let admitted = people::admit(pool, row).await?;
    admitted.map_err(|_| taken(new.person.as_str()))
}
