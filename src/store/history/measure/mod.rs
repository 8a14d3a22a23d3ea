//! Figures of what the factory does: what each run that has ended counts, and the sums of that.
//!
//! Triggers append the runs that are to be counted, in the transaction that moves them. One transaction takes some of these,
//! takes away what each run counted before, adds what it counts now, and deletes what it took. So a run counts once, however
//! often it is counted and wherever a process dies.

mod change;
mod facts;
mod read;
mod rebuild;

pub use self::{
    read::{Behind, Filter, Listed, behind, spread, sums},
    rebuild::{Rebuilt, rebuild},
};

use uuid::Uuid;

use self::change::Change;
use super::retro;
use crate::core::measure::Measure;
use crate::store::{Connection, Pool, Result};

/// The most rows that one transaction takes.
pub const BATCH: i64 = 500;
/// The advisory lock of the transaction that changes the sums; any number that only we use.
const LOCK: i64 = 0x6173_706f_6d65_6173;

/// Counts the runs that are due, at most [`BATCH`]. How many rows were due; 0 also while another process counts.
///
/// # Errors
/// When the database does not answer; nothing is changed then.
pub async fn fold(pool: &Pool) -> Result<usize> {
    let mut tx = pool.begin().await?;
    let taken = fold_in(&mut tx, BATCH).await?;
    tx.commit().await?;
    Ok(taken)
}

/// The same in the caller's transaction, with at most so many rows.
///
/// # Errors
/// When the database does not answer.
pub async fn fold_in(tx: &mut Connection, most: i64) -> Result<usize> {
    let is_ours = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "ours!""#, LOCK);
    if !is_ours.fetch_one(&mut *tx).await? {
        return Ok(0);
    }
    let due = sqlx::query!("select id, run_id from measure_due order by id limit $1", most);
    let due = due.fetch_all(&mut *tx).await?;
    let mut runs: Vec<Uuid> = due.iter().map(|row| row.run_id).collect();
    runs.sort_unstable();
    runs.dedup();
    count(tx, &runs).await?;
    let ids: Vec<i64> = due.iter().map(|row| row.id).collect();
    sqlx::query!("delete from measure_due where id = any($1)", &ids).execute(tx).await?;
    Ok(ids.len())
}

/// How many rows are due.
///
/// # Errors
/// When the database does not answer.
pub async fn count_due(pool: &Pool) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(distinct run_id) as "count!" from measure_due"#).fetch_one(pool).await
}

/// What became of the runs that were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    /// They have ended and count.
    runs: usize,
    /// Of these, those whose history is deleted.
    without_history: usize,
}

/// Counts these runs once more, under the lock, and looks back at them. What a run counted that is deleted by now, it still counts.
async fn count(tx: &mut Connection, runs: &[Uuid]) -> Result<Counted> {
    let mut before = change::stored(tx, runs).await?;
    let all = facts::of(tx, runs).await?;
    let (mut change, mut counted) = (Change::default(), Counted::default());
    for (run, facts) in &all {
        let before = before.remove(run);
        let now = facts.as_ref().map(|facts| Measure::of(facts, before.as_ref()));
        if let Some(facts) = facts {
            counted.runs += 1;
            counted.without_history += usize::from(facts.history.is_none());
        }
        change.replace(*run, before.as_ref(), now);
    }
    change.store(tx).await?;
    retro::look(tx, &all).await?;
    Ok(counted)
}
