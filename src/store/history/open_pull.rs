//! How many pull requests of ours are open in a repository, and the places for more.

use uuid::Uuid;

use crate::store::{Pool, Result};

/// Whether a run may open a pull request: it has taken a place before, or takes one now, because fewer than `most` others
/// have an open pull request in the repository or are about to open one. What is stored counts every pull request of a run
/// that did not merge it as open, unless `open` names the branches with one, as the forge has it.
///
/// Two runs of one repository take turns, so that they cannot both take the last place.
///
/// # Errors
/// When the database does not answer.
pub async fn take_place(
    pool: &Pool,
    run: Uuid,
    repository: &str,
    most: i64,
    open: Option<&[String]>,
) -> Result<bool> {
    let mut tx = pool.begin().await?;
    let has_place = sqlx::query_scalar!("select may_open_pull from run where id = $1", run);
    if has_place.fetch_optional(&mut *tx).await?.unwrap_or_default() {
        return Ok(true);
    }
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('open pulls ' || $1, 0))", repository)
        .execute(&mut *tx)
        .await?;
    // The count must see what was committed while this waited for the lock, so it is a statement of its own.
    let others = sqlx::query_scalar!(
        r#"select count(distinct branch) as "others!" from (
               select branch from run
               where repository = $1 and pull is not null and ended_as is distinct from 'succeeded'
                 and subject_kind <> 'pull'
                 and ($3::text[] is null or branch = any ($3))
               union all
               select branch from run
               where repository = $1 and may_open_pull and pull is null and status <> 'ended'
           ) open
           where branch <> (select branch from run where id = $2)"#,
        repository,
        run,
        open
    )
    .fetch_one(&mut *tx)
    .await?;
    if others >= most {
        return Ok(false);
    }
    sqlx::query!("update run set may_open_pull = true where id = $1", run).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(true)
}
