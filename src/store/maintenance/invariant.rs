//! What holds at every moment of every run, whatever has happened: asked of the database, not believed.
//!
//! Each invariant is a statement that finds what breaks it, so on a sound database each finds nothing. That
//! the forge has what the effects say, the database cannot show.

use uuid::Uuid;

use crate::store::{Connection, Result};

/// An invariant and what breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// What holds.
    pub says: &'static str,
    /// How often it does not.
    pub count: i64,
    /// The first of those, as many as were asked for.
    pub broken: Vec<Broken>,
}

/// One place where an invariant does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The run, if it is about one.
    pub run: Option<Uuid>,
    /// What is wrong, for people.
    pub what: String,
}

/// Asks one statement after the other; each gives its breaches and how many there are in all.
macro_rules! ask {
    ($connection:expr, $most:expr, $($name:literal, $file:literal, $says:literal;)*) => {{
        let mut verdicts = Vec::new();
        $({
            let rows = sqlx::query_file!($file, $most).fetch_all(&mut *$connection).await?;
            let count = rows.first().map_or(0, |row| row.count);
            let broken = rows.into_iter().map(|row| Broken { run: row.run_id, what: row.what }).collect();
            verdicts.push(Verdict { name: $name, says: $says, count, broken });
        })*
        verdicts
    }};
}

/// Every invariant that the database can show, with at most `most` examples of what breaks each. Reads every
/// run and every event, so on a large database it takes its time.
///
/// # Errors
/// When the database does not answer.
pub async fn check(connection: &mut Connection, most: i64) -> Result<Vec<Verdict>> {
    let mut tx = sqlx::Connection::begin(connection).await?;
    sqlx::query!("set local statement_timeout = 0").execute(&mut *tx).await?;
    let verdicts = ask! { tx, most,
        "one-cause", "src/store/maintenance/invariant/one_cause.sql",
            "a run has its job, its timer, its pause or its end, and only one of them";
        "columns", "src/store/maintenance/invariant/columns.sql", "the columns of a run say what its state says";
        "gapless", "src/store/maintenance/invariant/gapless.sql", "a history has every event from the first to the last";
        "answered-once", "src/store/maintenance/invariant/answered_once.sql", "no job is answered twice";
        "open-attempts", "src/store/maintenance/invariant/open_attempts.sql", "an attempt is open only while its job stands";
        "attempts", "src/store/maintenance/invariant/attempts.sql",
            "no job is tried more often than it may be, and what is given up is a dead letter";
        "effects", "src/store/maintenance/invariant/effects.sql", "of a run that succeeded every act has a known outcome";
        "merged-as-judged", "src/store/maintenance/invariant/merged_as_judged.sql",
            "only a head that was cleared before is merged";
        "one-at-a-branch", "src/store/maintenance/invariant/one_at_a_branch.sql",
            "a branch has one run, and a base branch one merge at a time";
        "nobodys-rows", "src/store/maintenance/invariant/nobodys_rows.sql", "every row belongs to a run";
        "money", "src/store/maintenance/invariant/money.sql", "what is counted as used is the sum of the calls";
        "leases", "src/store/maintenance/invariant/leases.sql", "where a worker is, no lease stays run out";
        "timers", "src/store/maintenance/invariant/timers.sql", "where a worker is, timers fire when they are due";
        "idle-transactions", "src/store/maintenance/invariant/idle_transactions.sql",
            "no transaction of ours is left open";
    };
    tx.commit().await?;
    Ok(verdicts)
}
