//! People: their keys are issued and revoked here, each with its row of the audit log, and shown to be theirs.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    core::{
        access::{Key, PersonName, Principal, Products, REQUESTS_PER_MINUTE, Role, Token},
        reason::Reason,
    },
    store::{
        self, Pool,
        api_key::{self, Row},
        audit::{Act, Author, append},
        session,
    },
};

/// How long a session lasts without a request, in minutes: OWASP's Session Management Cheat Sheet has 2 to 5 for
/// valuable applications and 15 to 30 for others; a run takes longer than that to watch.
const IDLE_MINUTES: i32 = 120;
/// How long a session lasts at most, in hours: a working day.
const SESSION_HOURS: i32 = 12;

/// A key to issue.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its owner.
    pub person: PersonName,
    /// The owner's login on the forge; `None` keeps the one that is linked.
    pub forge_login: Option<String>,
    /// What it may do.
    pub role: Role,
    /// The products that it may touch; `None`: all.
    pub products: Option<Vec<String>>,
    /// When it ends by itself; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// How many requests it may make in a minute; `None`: [`REQUESTS_PER_MINUTE`].
    pub requests_per_minute: Option<i32>,
}

/// A key that was issued. This is the only time that it can be shown.
#[derive(Debug)]
pub struct Issued {
    /// The key.
    pub key: Key,
    /// What is stored of it.
    pub row: Row,
}

/// Why a key was not issued. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] store::Error),
    /// A product does not exist.
    #[error("there is no product `{0}`")]
    NoProduct(String),
    /// The login belongs to another person.
    #[error("the login `{login}` is linked to {person}")]
    LoginTaken {
        /// The login.
        login: String,
        /// Whose it is.
        person: String,
    },
    /// The identity belongs to another person.
    #[error("{identity} is {person} here already")]
    IdentityTaken {
        /// What a person is called at the identity provider.
        identity: String,
        /// Whose it is.
        person: String,
    },
    /// No person can have this name.
    #[error("`{0}` cannot be the name of a person")]
    Nameless(String),
    /// The key was revoked.
    #[error("the key was revoked; issue another one")]
    Revoked,
    /// The machine gave no random bytes.
    #[error("this machine gave no random bytes")]
    NoRandom,
}

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such key was issued here.
    #[error("the key is not known here")]
    Unknown,
    /// It has expired.
    #[error("the key expired on {}", .0.format("%Y-%m-%d at %H:%M UTC"))]
    Expired(DateTime<Utc>),
    /// It was revoked.
    #[error("the key was revoked on {}", .0.format("%Y-%m-%d at %H:%M UTC"))]
    Revoked(DateTime<Utc>),
}

/// Issues a key.
///
/// # Errors
/// [`Error`] says what is wrong with it.
pub async fn issue(pool: &Pool, new: &NewKey, by: impl Into<Author<'_>>) -> Result<Issued, Error> {
    let by = by.into();
    let key = Key::new(random()?);
    let mut tx = pool.begin().await?;
    for product in new.products.iter().flatten() {
        if store::product::get(&mut *tx, product).await?.is_none() {
            return Err(Error::NoProduct(product.clone()));
        }
    }
    if let Some(login) = &new.forge_login
        && let Some(person) = api_key::person_of_login(&mut *tx, login).await?
        && person != new.person.as_str()
    {
        return Err(Error::LoginTaken { login: login.clone(), person });
    }
    api_key::put_person(&mut tx, &new.person, new.forge_login.as_deref()).await?;
    let id = Uuid::now_v7();
    let stored = api_key::New {
        id,
        person: &new.person,
        role: new.role,
        products: new.products.as_deref(),
        prefix: key.prefix(),
        digest: key.digest(),
        created_by: by.person,
        expires_at: new.expires_at,
        requests_per_minute: new.requests_per_minute,
    };
    api_key::insert(&mut tx, &stored).await?;
    let row = api_key::get(&mut *tx, id).await?.ok_or(store::Error::RowNotFound)?;
    let (subject, after) = (id.to_string(), Some(view(&row)));
    append(&mut tx, by, Act { act: "key.create", subject: &subject, after, ..Act::default() }).await?;
    tx.commit().await?;
    Ok(Issued { key, row })
}

/// Revokes a key and ends its sessions, and returns it; `None` if it does not exist. A revoked one stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(
    pool: &Pool,
    id: Uuid,
    by: impl Into<Author<'_>>,
    reason: &Reason,
) -> store::Result<Option<Row>> {
    let by = by.into();
    let mut tx = pool.begin().await?;
    let Some(before) = api_key::get(&mut *tx, id).await? else { return Ok(None) };
    if !api_key::revoke(&mut tx, id, by.person).await? {
        return Ok(Some(before));
    }
    let after = api_key::get(&mut *tx, id).await?;
    let subject = id.to_string();
    let act = Act {
        act: "key.revoke",
        subject: &subject,
        before: Some(view(&before)),
        after: after.as_ref().map(view),
        reason: Some(reason.as_str()),
        ..Act::default()
    };
    append(&mut tx, by, act).await?;
    tx.commit().await?;
    Ok(after)
}

/// Whose key this is, and what it may do. Its use is recorded, at most once a minute.
///
/// # Errors
/// When the database does not answer.
pub async fn authenticate(pool: &Pool, key: &Key) -> store::Result<Result<Principal, Refusal>> {
    let row = api_key::of_digest(pool, &key.digest()).await?;
    admit(pool, row).await
}

/// Whose session this is; `None` once it or its key has ended.
///
/// # Errors
/// When the database does not answer.
pub async fn of_session(pool: &Pool, token: &Token) -> store::Result<Option<Principal>> {
    let Some(key) = session::key_of(pool, &token.digest(), IDLE_MINUTES).await? else { return Ok(None) };
    let row = api_key::get(pool, key).await?;
    Ok(admit(pool, row).await?.ok())
}

/// Begins a session of a principal.
///
/// # Errors
/// When the database does not answer or the machine gives no random bytes.
pub async fn sign_in(pool: &Pool, principal: &Principal, request: Option<&str>) -> Result<Token, Error> {
    let token = Token::new(random()?);
    let mut tx = pool.begin().await?;
    session::insert(&mut tx, &token.digest(), principal.key, SESSION_HOURS).await?;
    let by = Author { person: &principal.name, key: Some(principal.key), request };
    let subject = principal.key.to_string();
    append(&mut tx, by, Act { act: "session.begin", subject: &subject, ..Act::default() }).await?;
    tx.commit().await?;
    Ok(token)
}

/// Ends a session.
///
/// # Errors
/// When the database does not answer.
pub async fn sign_out(pool: &Pool, token: &Token, by: Author<'_>) -> store::Result<()> {
    let mut tx = pool.begin().await?;
    session::remove(&mut tx, &token.digest()).await?;
    let subject = by.key.map(|key| key.to_string()).unwrap_or_default();
    append(&mut tx, by, Act { act: "session.end", subject: &subject, ..Act::default() }).await?;
    tx.commit().await
}

pub(super) async fn admit(pool: &Pool, row: Option<Row>) -> store::Result<Result<Principal, Refusal>> {
    let Some(row) = row else { return Ok(Err(Refusal::Unknown)) };
    if let Some(at) = row.revoked_at {
        return Ok(Err(Refusal::Revoked(at)));
    }
    if let Some(at) = row.expires_at.filter(|_| row.is_expired) {
        return Ok(Err(Refusal::Expired(at)));
    }
    // A role of a later release is none that this one knows.
    let Ok(role) = row.role.parse() else { return Ok(Err(Refusal::Unknown)) };
    if row.is_unmarked {
        api_key::mark_used(pool, row.id).await?;
    }
    let products = Products::of(row.products);
    let pace = row.requests_per_minute.and_then(|most| u32::try_from(most).ok());
    Ok(Ok(Principal {
        name: row.person,
        login: row.forge_login,
        key: row.id,
        role,
        products,
        requests_per_minute: pace.unwrap_or(REQUESTS_PER_MINUTE),
    }))
}

fn view(row: &Row) -> Value {
    json!({
        "person": row.person, "forge_login": row.forge_login, "role": row.role, "products": row.products,
        "prefix": row.prefix, "expires_at": row.expires_at, "requests_per_minute": row.requests_per_minute, "revoked": row.revoked_at.is_some(),
    })
}

/// A new random token.
pub(super) fn token() -> Result<Token, Error> {
    Ok(Token::new(random()?))
}

/// Random bytes for a secret.
///
/// # Errors
/// [`Error::NoRandom`] when this machine gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::NoRandom)?;
    Ok(bytes)
}

/// Random bytes: far more than a key takes.
fn random() -> Result<impl FnMut() -> u8, Error> {
    let mut bytes = [0; 512];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::NoRandom)?;
    let mut bytes = bytes.into_iter();
    Ok(move || bytes.next().unwrap_or_default())
}
