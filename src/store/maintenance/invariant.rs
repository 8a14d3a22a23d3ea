//! Checks of the invariants that hold for every run at every moment.
//!
//! Each invariant is a query for its violations, so on a sound database each finds nothing. Whether the forge has what
//! the effects say, the database cannot show.

use uuid::Uuid;

use crate::store::{Connection, Result};

/// The check of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the invariant.
    pub name: &'static str,
    /// The invariant, for people.
    pub rule: &'static str,
    /// How many violations there are.
    pub count: i64,
    /// The first violations, up to the requested number.
    pub violations: Vec<Violation>,
}

/// A violation of an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The run, if the violation concerns one.
    pub run: Option<Uuid>,
    /// What is wrong, for people.
    pub what: String,
}

/// Runs one query after the other; each returns its first violations and the number of all.
macro_rules! checks {
    ($connection:expr, $most:expr, $($name:literal, $file:literal, $rule:literal;)*) => {{
        let mut checks = Vec::new();
        $({
            let rows = sqlx::query_file!($file, $most).fetch_all(&mut *$connection).await?;
            let count = rows.first().map_or(0, |row| row.count);
            let violations =
                rows.into_iter().map(|row| Violation { run: row.run_id, what: row.what }).collect();
            checks.push(Check { name: $name, rule: $rule, count, violations });
        })*
        checks
    }};
}

/// Checks every invariant, with at most `most` violations of each. Reads every run and every event, so it is slow on
/// a large database.
///
/// # Errors
/// When the database does not answer.
pub async fn check(connection: &mut Connection, most: i64) -> Result<Vec<Check>> {
    let mut tx = sqlx::Connection::begin(connection).await?;
    sqlx::query!("set local statement_timeout = 0").execute(&mut *tx).await?;
    let checks = checks! { tx, most,
        "one-cause", "src/store/maintenance/invariant/one_cause.sql",
            "a run has its job, its timer, its pause or its end, and only one of them";
        "columns", "src/store/maintenance/invariant/columns.sql", "the columns of a run agree with its state";
        "gapless", "src/store/maintenance/invariant/gapless.sql", "a history has every event from the first to the last";
        "answered-once", "src/store/maintenance/invariant/answered_once.sql", "no job is answered twice";
        "open-attempts", "src/store/maintenance/invariant/open_attempts.sql", "an attempt is open only while its job exists";
        "attempts", "src/store/maintenance/invariant/attempts.sql",
            "no job has more attempts than its limit, and one that used them up is a dead letter";
        "effects", "src/store/maintenance/invariant/effects.sql", "every effect of a run that succeeded has a result";
        "merged-as-judged", "src/store/maintenance/invariant/merged_as_judged.sql",
            "only a head that was cleared before is merged";
        "one-at-a-branch", "src/store/maintenance/invariant/one_at_a_branch.sql",
            "a branch has one run, and a base branch one merge at a time";
        "nobodys-rows", "src/store/maintenance/invariant/nobodys_rows.sql", "every row belongs to a run";
        "money", "src/store/maintenance/invariant/money.sql", "the totals of a budget are the sums of its calls";
        "measured", "src/store/maintenance/invariant/measured.sql",
            "the sums of figures are what the runs count";
        "leases", "src/store/maintenance/invariant/leases.sql", "where a worker is connected, no lease stays expired";
        "timers", "src/store/maintenance/invariant/timers.sql", "where a worker is connected, timers fire when they are due";
        "idle-transactions", "src/store/maintenance/invariant/idle_transactions.sql",
            "no transaction of ours is left open and idle";
    };
    tx.commit().await?;
    Ok(checks)
}
