//! Notices of runs. A trigger records which runs may give one, in the transaction that moves them.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::notice::{Content, NoticeKind};
use crate::store::{Connection, Pool, Result};

/// A run that may give a notice, claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The run.
    pub run_id: Uuid,
    /// How often it had moved when it was claimed.
    pub moves: i32,
}

/// What surrounds a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The title of the requirement, of the pull request that others opened, or of the incident.
    pub title: String,
    /// Who submitted it, as histories name them.
    pub requested_by: Option<String>,
    /// Who asked for it, as the caller said.
    pub requester_name: Option<String>,
    /// The login of who asked for it, or who opened the pull request.
    pub requester_login: Option<String>,
    /// For how many hours its product's runs may wait for people; `None`: the default.
    pub answer_hours: Option<i16>,
    /// Who caused the last event.
    pub actor: String,
}

/// A notice to store.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// The run; `None` for one that only tries a subscription.
    pub run_id: Option<Uuid>,
    /// What identifies it.
    pub key: &'a str,
    /// Its kind.
    pub kind: NoticeKind,
    /// Since when it is so.
    pub at: DateTime<Utc>,
    /// What it says.
    pub content: &'a Content,
}

/// A stored notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// Since when it is so.
    pub at: DateTime<Utc>,
    /// Whether it was stored now.
    pub is_new: bool,
}

/// Claims the run that is due longest. It is due again after half a minute, unless it is done by then.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool) -> Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        "update notice_due set due_at = now() + interval '30 seconds'
         where run_id = (select run_id from notice_due where due_at <= now() order by due_at limit 1
                         for update skip locked)
         returning run_id, moves"
    )
    .fetch_optional(pool)
    .await
}

/// The run needs no further look, or one at `next`; a move since the claim makes it due by itself.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn done(connection: &mut Connection, due: Due, next: Option<DateTime<Utc>>) -> Result<()> {
    if let Some(next) = next {
        sqlx::query!(
            "update notice_due set due_at = $3 where run_id = $1 and moves = $2",
            due.run_id,
            due.moves,
            next
        )
        .execute(connection)
        .await?;
    } else {
        sqlx::query!("delete from notice_due where run_id = $1 and moves = $2", due.run_id, due.moves)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// What surrounds a run at its event with this number; `None` for a run that gives no notices: one about
/// something that this release does not know, or about a pull request whose product only tries its judgement out.
///
/// # Errors
/// When the database does not answer.
pub async fn surroundings(connection: &mut Connection, run: Uuid, seq: i32) -> Result<Option<Surroundings>> {
    sqlx::query_as!(
        Surroundings,
        r#"select coalesce(q.title, t.title, i.title) as "title!", coalesce(q.requested_by, g.opened_by) as requested_by,
                  q.requester_name,
                  coalesce(q.requester_login, t.author_login) as requester_login, p.answer_hours,
                  coalesce(e.actor, '') as "actor!"
           from run r
           join product p on p.name = r.product
           left join requirement q on q.id = r.requirement_id
           left join pull t on t.id = r.subject_id and p.judging = 'on'
           left join harness_gap g on g.id = r.subject_id
           left join incident i on i.id = g.incident
           left join event e on e.run_id = r.id and e.seq = $2
           where r.id = $1 and (q.id is not null or t.id is not null or g.id is not null)"#,
        run,
        seq
    )
    .fetch_optional(connection)
    .await
}

/// Stores a notice, unless it is there; then that one stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn put(connection: &mut Connection, new: &New<'_>) -> Result<Stored> {
    let id = Uuid::now_v7();
    let added = sqlx::query!(
        "insert into notice (id, run_id, key, kind, at, content) values ($1, $2, $3, $4, $5, $6)
         on conflict (key) do nothing",
        id,
        new.run_id,
        new.key,
        new.kind.as_str(),
        new.at,
        Json(new.content) as _
    )
    .execute(&mut *connection)
    .await?;
    if added.rows_affected() == 1 {
        return Ok(Stored { id, at: new.at, is_new: true });
    }
    let row = sqlx::query!("select id, at from notice where key = $1", new.key).fetch_one(connection).await?;
    Ok(Stored { id: row.id, at: row.at, is_new: false })
}
