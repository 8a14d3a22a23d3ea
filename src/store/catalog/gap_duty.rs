//! What harness gaps ask of workers: looks that are due, comments that their issues are owed; and what happened to them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// What happened to a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// A person, `webhook`, or `aspora`.
    pub actor: String,
    /// What kind of thing.
    pub kind: String,
    /// In a sentence for people.
    pub note: String,
}

/// A comment that is owed to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// What it is, such as `reminder-50`.
    pub key: String,
    /// What it says, Markdown.
    pub body: String,
}

/// A gap that a worker looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The gap.
    pub id: Uuid,
    /// The news of it by now.
    pub news: i32,
    /// How many looks failed in a row, this one included.
    pub attempts: i32,
}

/// Claims the gap that is due longest. It is due again after two minutes, unless the look ends by then.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool) -> Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        "update harness_gap set attempts = attempts + 1, look_at = now() + interval '2 minutes'
         where id = (select id from harness_gap
                     where look_at <= now() and not exists (select from hold where scope = 'all')
                     order by look_at limit 1
                     for update skip locked)
         returning id, news, attempts"
    )
    .fetch_optional(pool)
    .await
}

/// Ends a look: the next one is at that time, or only when there are news; at once, if some came meanwhile.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn looked(pool: &Pool, due: &Due, next: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query!(
        "update harness_gap
         set attempts = 0, error = null, looked = $2,
             look_at = case when news = $2 then coalesce($3::timestamptz, 'infinity') else now() end
         where id = $1",
        due.id,
        due.news,
        next
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Records why a look failed, and when the next one is due.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn postpone(pool: &Pool, due: &Due, wait: Duration, error: &str) -> Result<()> {
    sqlx::query!(
        "update harness_gap set look_at = now() + make_interval(secs => $2), error = $3 where id = $1",
        due.id,
        wait.as_secs_f64(),
        error
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Makes gaps due because the forge has news: of this issue, or of any in the repository; how many there are.
///
/// # Errors
/// When the database does not answer.
pub async fn wake(connection: &mut Connection, repositories: &[String], issue: Option<i64>) -> Result<u64> {
    sqlx::query!(
        "update harness_gap set news = news + 1, look_at = least(look_at, now())
         where lower(repository) in (select lower(name) from unnest($1::text[]) as its (name))
           and issue is not null and ($2::bigint is null and state = 'open' or issue = $2)",
        repositories,
        issue
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}

/// Makes one gap due.
///
/// # Errors
/// When the database does not answer.
pub async fn wake_one(connection: &mut Connection, id: Uuid) -> Result<()> {
    sqlx::query!("update harness_gap set news = news + 1, look_at = least(look_at, now()) where id = $1", id)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Appends what happened, unless it may happen once and did; whether it is new.
///
/// # Errors
/// When the database does not answer.
pub async fn append(
    connection: &mut Connection,
    id: Uuid,
    actor: &str,
    (kind, note): (&str, &str),
    once: Option<&str>,
) -> Result<bool> {
    let appended = sqlx::query!(
        "insert into harness_gap_event (gap, actor, kind, note, once) values ($1, $2, $3, $4, $5) on conflict do nothing",
        id,
        actor,
        kind,
        note,
        once
    )
    .execute(connection)
    .await?;
    Ok(appended.rows_affected() > 0)
}

/// What happened to a gap, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn events(pool: &Pool, id: Uuid) -> Result<Vec<Event>> {
    sqlx::query_as!(
        Event,
        "select at, actor, kind, note from harness_gap_event where gap = $1 order by id limit 500",
        id
    )
    .fetch_all(pool)
    .await
}

/// Owes the issue a comment, once for each key.
///
/// # Errors
/// When the database does not answer.
pub async fn owe(connection: &mut Connection, id: Uuid, comment: &Comment) -> Result<()> {
    sqlx::query!(
        "insert into harness_gap_comment (gap, key, body) values ($1, $2, $3) on conflict do nothing",
        id,
        comment.key,
        comment.body
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The comments that are owed, in their order.
///
/// # Errors
/// When the database does not answer.
pub async fn owed(pool: &Pool, id: Uuid) -> Result<Vec<Comment>> {
    sqlx::query_as!(
        Comment,
        "select key, body from harness_gap_comment where gap = $1 and comment is null order by owed_at, key",
        id
    )
    .fetch_all(pool)
    .await
}

/// Records that a comment is there.
///
/// # Errors
/// When the database does not answer; the comment is then found by its marker.
pub async fn said(pool: &Pool, id: Uuid, key: &str, comment: i64) -> Result<()> {
    sqlx::query!("update harness_gap_comment set comment = $3 where gap = $1 and key = $2", id, key, comment)
        .execute(pool)
        .await
        .map(|_| ())
}
