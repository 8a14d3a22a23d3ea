//! Subscriptions: where people want to be notified, and of what. Addresses and secrets leave this file only for a delivery.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A subscription as lists show it: without its address and its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Who made it.
    pub owner: String,
    /// Whether it reaches its owner alone, with what concerns them; otherwise a place, with everything.
    pub personal: bool,
    /// `webhook`, `slack` or `email`.
    pub target: String,
    /// What may be shown of the address.
    pub shown: String,
    /// Only these products; `None`: all.
    pub products: Option<Vec<String>>,
    /// Only these kinds of notices; `None`: all.
    pub kinds: Option<Vec<String>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when its target is gone: nothing is sent.
    pub gone_at: Option<DateTime<Utc>>,
    /// Deliveries that are due, also later.
    pub due: i64,
    /// Deliveries that were given up.
    pub dead: i64,
    /// What went wrong last, if the last attempt failed.
    pub error: Option<String>,
}

/// A subscription to store.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// Its id.
    pub id: Uuid,
    /// Who makes it; a person who is stored already.
    pub owner: &'a str,
    /// Whether it reaches its owner alone.
    pub personal: bool,
    /// `webhook`, `slack` or `email`.
    pub target: &'a str,
    /// The whole address.
    pub address: &'a str,
    /// What may be shown of it.
    pub shown: &'a str,
    /// What webhooks are signed with, 24 to 64 bytes.
    pub secret: Option<&'a [u8]>,
    /// Only these products; `None`: all.
    pub products: Option<&'a [String]>,
    /// Only these kinds; `None`: all.
    pub kinds: Option<&'a [String]>,
}

/// A subscription that a notice of a product may be for, with what its owner may do there.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its id.
    pub id: Uuid,
    /// Who made it.
    pub owner: String,
    /// The owner's login on the forge.
    pub login: Option<String>,
    /// Whether it reaches its owner alone.
    pub personal: bool,
    /// `webhook`, `slack` or `email`.
    pub target: String,
    /// The whole address.
    pub address: String,
    /// Only these kinds; `None`: all.
    pub kinds: Option<Vec<String>>,
    /// Whether a key of the owner may see runs of the product.
    pub reads: bool,
    /// Whether a key of the owner may send runs of the product elsewhere.
    pub steers: bool,
}

/// Stores a subscription.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, new: &New<'_>) -> Result<()> {
    sqlx::query!(
        "insert into subscription (id, owner, personal, target, address, shown, secret, products, kinds)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id,
        new.owner,
        new.personal,
        new.target,
        new.address,
        new.shown,
        new.secret,
        new.products,
        new.kinds
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// One subscription.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Option<Row>> {
    sqlx::query_file_as!(Row, "src/store/catalog/subscription_list.sql", Some(id), None::<String>)
        .fetch_optional(executor)
        .await
}

/// The subscriptions of this person, or all of them, oldest first, at most 1,000.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, owner: Option<&str>) -> Result<Vec<Row>> {
    sqlx::query_file_as!(Row, "src/store/catalog/subscription_list.sql", None::<Uuid>, owner)
        .fetch_all(pool)
        .await
}

/// How many subscriptions a person has.
///
/// # Errors
/// When the database does not answer.
pub async fn count_of(connection: &mut Connection, owner: &str) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from subscription where owner = $1"#, owner)
        .fetch_one(connection)
        .await
}

/// Removes a subscription with its deliveries; false if there was none.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(connection: &mut Connection, id: Uuid) -> Result<bool> {
    let done = sqlx::query!("delete from subscription where id = $1", id).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// Lets a subscription be tried again at once, also if its target was gone.
///
/// # Errors
/// When the database does not answer.
pub async fn try_again(connection: &mut Connection, id: Uuid) -> Result<()> {
    sqlx::query!("update subscription set quiet_until = null, gone_at = null where id = $1", id)
        .execute(connection)
        .await
        .map(|_| ())
}

/// The subscriptions that a notice of a product may be for.
///
/// # Errors
/// When the database does not answer.
pub async fn candidates(connection: &mut Connection, product: &str) -> Result<Vec<Candidate>> {
    sqlx::query_as!(
        Candidate,
        r#"select s.id, s.owner, p.forge_login as login, s.personal, s.target, s.address, s.kinds,
                  coalesce(k.reads, false) as "reads!", coalesce(k.steers, false) as "steers!"
           from subscription s
           join person p on p.name = s.owner
           left join lateral (
               select true as reads, bool_or(role in ('engineer', 'admin')) as steers
               from api_key
               where person = s.owner and revoked_at is null and coalesce(expires_at > now(), true)
                 and (products is null or $1 = any (products))
               having count(*) > 0
           ) k on true
           where s.gone_at is null and (s.products is null or $1 = any (s.products))
           order by s.created_at, s.id"#,
        product
    )
    .fetch_all(connection)
    .await
}
