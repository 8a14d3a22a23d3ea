//! Everything counted again, from the runs that still exist.

use chrono::NaiveDate;
use uuid::Uuid;

use super::{BATCH, LOCK, count};
use crate::store::{Connection, Pool, Result};

/// What a rebuild did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The runs that have ended and were counted from their rows.
    pub counted: usize,
    /// Of these, those whose history retention has deleted: what rests on it is as it was.
    pub without_history: usize,
    /// The runs that retention has deleted: what they count is as it was.
    pub deleted: i64,
    /// The first and the last day on which these count.
    pub deleted_days: Option<(NaiveDate, NaiveDate)>,
    /// How many sums differed from what the runs count, and were put right.
    pub corrected: i64,
}

/// Counts every run that has ended again, and then all sums from what the runs count. Counting goes on meanwhile, but for the
/// last part.
///
/// # Errors
/// When the database does not answer; what was counted until then stays, and is right.
pub async fn rebuild(pool: &Pool) -> Result<Rebuilt> {
    let mut rebuilt = Rebuilt::default();
    let mut after = Uuid::nil();
    loop {
        let runs = sqlx::query_scalar!(
            "select id from run where id > $1 and status = 'ended' order by id limit $2",
            after,
            BATCH
        )
        .fetch_all(pool)
        .await?;
        let Some(last) = runs.last() else { break };
        after = *last;
        let mut tx = pool.begin().await?;
        lock(&mut tx).await?;
        let counted = count(&mut tx, &runs).await?;
        tx.commit().await?;
        rebuilt.counted += counted.runs;
        rebuilt.without_history += counted.without_history;
    }
    let mut tx = pool.begin().await?;
    sqlx::query!("set local statement_timeout = 0").execute(&mut *tx).await?;
    lock(&mut tx).await?;
    let open = sqlx::query_scalar!(
        "select m.run from run_measure m join run r on r.id = m.run where r.status <> 'ended'"
    );
    let open = open.fetch_all(&mut *tx).await?;
    count(&mut tx, &open).await?;
    rebuilt.corrected = recount(&mut tx).await?;
    let gone = sqlx::query!(
        r#"select count(*) as "count!", min(day) as first, max(day) as last from run_measure m
           where not exists (select from run r where r.id = m.run)"#
    );
    let gone = gone.fetch_one(&mut *tx).await?;
    tx.commit().await?;
    (rebuilt.deleted, rebuilt.deleted_days) = (gone.count, gone.first.zip(gone.last));
    Ok(rebuilt)
}

async fn lock(tx: &mut Connection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock($1)", LOCK).execute(tx).await.map(|_| ())
}

/// Makes the sums from the rows of the runs; how many were wrong.
async fn recount(tx: &mut Connection) -> Result<i64> {
    let wrong = sqlx::query_file!("src/store/maintenance/invariant/measured.sql", 1_i64);
    let wrong = wrong.fetch_all(&mut *tx).await?.first().map_or(0, |row| row.count);
    if wrong > 0 {
        sqlx::query!("delete from measure_sum").execute(&mut *tx).await?;
        sqlx::query_file!("src/store/history/measure/recount_sums.sql").execute(&mut *tx).await?;
        sqlx::query!("delete from measure_spread").execute(&mut *tx).await?;
        sqlx::query_file!("src/store/history/measure/recount_spread.sql").execute(&mut *tx).await?;
    }
    Ok(wrong)
}
