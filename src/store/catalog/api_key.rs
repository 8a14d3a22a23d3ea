//! API keys and the people who own them. Of a key only its digest is stored.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::access::{PersonName, Role};
use crate::store::{Connection, Pool, Result};

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Its owner.
    pub person: String,
    /// Its owner's login on the forge.
    pub forge_login: Option<String>,
    /// What it may do.
    pub role: String,
    /// The products that it may touch; `None`: all.
    pub products: Option<Vec<String>>,
    /// The part of it that is no secret.
    pub prefix: String,
    /// When it was issued.
    pub created_at: DateTime<Utc>,
    /// Who issued it.
    pub created_by: String,
    /// When it ends by itself; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// What its owner is called at the identity provider, if they sign in there.
    pub identity: Option<String>,
    /// How many requests it may make in a minute; `None`: the default.
    pub requests_per_minute: Option<i32>,
    /// Whether it has expired by now.
    pub is_expired: bool,
    /// Whether its last use was not recorded within the last minute.
    pub is_unmarked: bool,
}

/// A key to store.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// Its id.
    pub id: Uuid,
    /// Its owner, who is stored as well.
    pub person: &'a PersonName,
    /// What it may do.
    pub role: Role,
    /// The products that it may touch; `None`: all.
    pub products: Option<&'a [String]>,
    /// The part of it that is no secret.
    pub prefix: &'a str,
    /// Its digest.
    pub digest: [u8; 32],
    /// Who issues it.
    pub created_by: &'a str,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// How many requests it may make in a minute; `None`: the default.
    pub requests_per_minute: Option<i32>,
}

/// Stores a person, or links another login to a known one; `None` keeps the login that is linked.
///
/// # Errors
/// A unique violation when the login is linked to another person.
pub async fn put_person(
    connection: &mut Connection,
    name: &PersonName,
    forge_login: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "insert into person (name, forge_login) values ($1, $2)
         on conflict (name) do update
         set forge_login = coalesce(excluded.forge_login, person.forge_login),
             forge_account = case when lower(coalesce(excluded.forge_login, person.forge_login))
                                       = lower(person.forge_login) then person.forge_account end",
        name.as_str(),
        forge_login
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The person to whom a login on the forge is linked.
///
/// # Errors
/// When the database does not answer.
pub async fn person_of_login(executor: impl sqlx::PgExecutor<'_>, login: &str) -> Result<Option<String>> {
    sqlx::query_scalar!("select name from person where lower(forge_login) = lower($1)", login)
        .fetch_optional(executor)
        .await
}

/// The login on the forge that is linked to a person; `None` also for a name that is no person's.
///
/// # Errors
/// When the database does not answer.
pub async fn login_of(executor: impl sqlx::PgExecutor<'_>, person: &str) -> Result<Option<String>> {
    let login = sqlx::query_scalar!("select forge_login from person where name = $1", person);
    login.fetch_optional(executor).await.map(Option::flatten)
}

/// The forge's number of the account with this login, where a person is linked to it and the number was asked for.
///
/// # Errors
/// When the database does not answer.
pub async fn account_of(executor: impl sqlx::PgExecutor<'_>, login: &str) -> Result<Option<i64>> {
    let account =
        sqlx::query_scalar!("select forge_account from person where lower(forge_login) = lower($1)", login);
    account.fetch_optional(executor).await.map(Option::flatten)
}

/// Stores a key of a person who is stored already.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, new: &New<'_>) -> Result<()> {
    sqlx::query!(
        "insert into api_key (id, person, role, products, prefix, digest, created_by, expires_at, requests_per_minute)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id,
        new.person.as_str(),
        new.role.as_str(),
        new.products,
        new.prefix,
        &new.digest,
        new.created_by,
        new.expires_at,
        new.requests_per_minute
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The key with a digest, also one that has expired or was revoked.
///
/// # Errors
/// When the database does not answer.
pub async fn of_digest(executor: impl sqlx::PgExecutor<'_>, digest: &[u8; 32]) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select k.id, k.person, p.forge_login, k.role, k.products, k.prefix, k.created_at, k.created_by,
                  k.expires_at, k.revoked_at, k.last_used_at, k.requests_per_minute, k.identity,
                  coalesce(k.expires_at <= now(), false) as "is_expired!",
                  coalesce(k.last_used_at < now() - interval '1 minute', true) as "is_unmarked!"
           from api_key k join person p on p.name = k.person where k.digest = $1"#,
        digest
    )
    .fetch_optional(executor)
    .await
}

/// The key that is linked to an identity and was not revoked, also one that has expired.
///
/// # Errors
/// When the database does not answer.
pub async fn of_identity(executor: impl sqlx::PgExecutor<'_>, identity: &str) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select k.id, k.person, p.forge_login, k.role, k.products, k.prefix, k.created_at, k.created_by,
                  k.expires_at, k.revoked_at, k.last_used_at, k.requests_per_minute, k.identity,
                  coalesce(k.expires_at <= now(), false) as "is_expired!",
                  coalesce(k.last_used_at < now() - interval '1 minute', true) as "is_unmarked!"
           from api_key k join person p on p.name = k.person where k.identity = $1 and k.revoked_at is null"#,
        identity
    )
    .fetch_optional(executor)
    .await
}

/// Links a key to an identity, or to none. Its sessions end.
///
/// # Errors
/// A unique violation when the identity is linked to another key.
pub async fn set_identity(connection: &mut Connection, id: Uuid, identity: Option<&str>) -> Result<()> {
    sqlx::query!("update api_key set identity = $2 where id = $1", id, identity)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("delete from session where key_id = $1", id).execute(connection).await.map(|_| ())
}

/// Whether there is a person of this name.
///
/// # Errors
/// When the database does not answer.
pub async fn has_person(executor: impl sqlx::PgExecutor<'_>, person: &PersonName) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from person where lower(name) = lower($1)) as "any!""#,
        person.as_str()
    )
    .fetch_one(executor)
    .await
}

/// One key by its id.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl sqlx::PgExecutor<'_>, id: Uuid) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select k.id, k.person, p.forge_login, k.role, k.products, k.prefix, k.created_at, k.created_by,
                  k.expires_at, k.revoked_at, k.last_used_at, k.requests_per_minute, k.identity,
                  coalesce(k.expires_at <= now(), false) as "is_expired!",
                  coalesce(k.last_used_at < now() - interval '1 minute', true) as "is_unmarked!"
           from api_key k join person p on p.name = k.person where k.id = $1"#,
        id
    )
    .fetch_optional(executor)
    .await
}

/// All keys, newest first, at most 1,000.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select k.id, k.person, p.forge_login, k.role, k.products, k.prefix, k.created_at, k.created_by,
                  k.expires_at, k.revoked_at, k.last_used_at, k.requests_per_minute, k.identity,
                  coalesce(k.expires_at <= now(), false) as "is_expired!",
                  coalesce(k.last_used_at < now() - interval '1 minute', true) as "is_unmarked!"
           from api_key k join person p on p.name = k.person
           order by k.created_at desc, k.id desc limit 1000"#
    )
    .fetch_all(pool)
    .await
}

/// Whether a key still opens anything, and with it the session of this digest if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn is_open(pool: &Pool, id: Uuid, session: Option<[u8; 32]>) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from api_key
               where id = $1 and revoked_at is null and coalesce(expires_at > now(), true)
                 and ($2::bytea is null
                      or exists (select from session where digest = $2 and expires_at > now()))
           ) as "open!""#,
        id,
        session.as_ref().map(<[u8; 32]>::as_slice)
    )
    .fetch_one(pool)
    .await
}

/// Whether there is any key that is neither revoked nor expired.
///
/// # Errors
/// When the database does not answer.
pub async fn any(pool: &Pool) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from api_key
                          where revoked_at is null and coalesce(expires_at > now(), true)) as "any!""#
    )
    .fetch_one(pool)
    .await
}

/// Revokes a key and ends its sessions; false if it was revoked before, or does not exist.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(connection: &mut Connection, id: Uuid, by: &str) -> Result<bool> {
    let done = sqlx::query!(
        "update api_key set revoked_at = now(), revoked_by = $2 where id = $1 and revoked_at is null",
        id,
        by
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("delete from session where key_id = $1", id).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// Records that a key was used, at most once a minute.
///
/// # Errors
/// When the database does not answer.
pub async fn mark_used(pool: &Pool, id: Uuid) -> Result<()> {
    sqlx::query!(
        "update api_key set last_used_at = now()
         where id = $1 and coalesce(last_used_at < now() - interval '1 minute', true)",
        id
    )
    .execute(pool)
    .await
    .map(|_| ())
}
