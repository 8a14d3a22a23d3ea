//! What people say of heads through Aspora. Rows are appended, and the latest of a person counts.
//!
//! What was said to earlier runs on the same branch counts for a fork, as reviews do.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::{opinion::Opinion, policy::Via, sha::Sha};
use crate::store::{Connection, Pool, Result, audit::Author};

/// An opinion to store.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The run.
    pub run: Uuid,
    /// The head that it is about.
    pub head: &'a Sha,
    /// Who says it.
    pub by: Author<'a>,
    /// Their login on the forge.
    pub login: &'a str,
    /// The forge's number of that account, if it is known.
    pub account: Option<i64>,
    /// Where it is said.
    pub via: Via,
    /// What is said.
    pub opinion: Opinion,
    /// Why.
    pub reason: Option<&'a str>,
}

/// A stored opinion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number, in ascending order.
    pub id: i64,
    /// The head that it is about.
    pub head_sha: String,
    /// Who said it.
    pub person: String,
    /// Their login on the forge.
    pub forge_login: String,
    /// The forge's number of that account, if it is known.
    pub forge_account: Option<i64>,
    /// `aspora` or `comment`.
    pub via: String,
    /// `approve`, `reject` or `withdraw`.
    pub opinion: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the key that said it was revoked since.
    pub is_revoked: bool,
}

impl Row {
    /// What was said; a `check` of the column allows only what is known.
    #[must_use]
    pub fn opinion(&self) -> Opinion {
        Opinion::named(&self.opinion).unwrap_or(Opinion::Withdraw)
    }

    /// Where it was said.
    #[must_use]
    pub fn via(&self) -> Via {
        if self.via == Via::Comment.as_str() { Via::Comment } else { Via::Aspora }
    }
}

/// Stores an opinion; its number.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, new: &New<'_>) -> Result<i64> {
    sqlx::query_scalar!(
        "insert into opinion (run_id, head_sha, person, key_id, forge_login, forge_account, via, opinion, reason)
         values ($1, $2, $3, $4, $5,
                 coalesce($6, (select forge_account from person where lower(forge_login) = lower($5))),
                 $7, $8, $9)
         returning id",
        new.run,
        new.head.as_str(),
        new.by.person,
        new.by.key,
        new.login,
        new.account,
        new.via.as_str(),
        new.opinion.as_str(),
        new.reason
    )
    .fetch_one(connection)
    .await
}

/// The latest opinion of each person about a run, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn latest(executor: impl sqlx::PgExecutor<'_>, run_id: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select o.id, o.head_sha, o.person, o.forge_login, o.forge_account, o.via, o.opinion, o.reason, o.at,
                  coalesce(k.revoked_at is not null, false) as "is_revoked!"
           from (select distinct on (person, lower(forge_login)) * from opinion
                 where run_id = any(lineage($1))
                 order by person, lower(forge_login), id desc) o
           left join api_key k on k.id = o.key_id
           order by o.id"#,
        run_id
    )
    .fetch_all(executor)
    .await
}

/// Stores the number of the account that has this login, for the person and the opinions without one. What is known
/// stays.
///
/// # Errors
/// When the database does not answer.
pub async fn identify(pool: &Pool, login: &str, account: i64) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "update person set forge_account = $2 where lower(forge_login) = lower($1) and forge_account is null",
        login,
        account
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update opinion set forge_account = $2 where lower(forge_login) = lower($1) and forge_account is null",
        login,
        account
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
