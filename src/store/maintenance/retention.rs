//! How long each class of rows is kept, and their deletion.
//!
//! A monthly partition is dropped once all its runs have ended and the last end is old enough. A month with an open
//! run stays whole. Rows of small tables are deleted in batches.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::Connection as _;

use crate::store::{
    Connection, Error, Result, blob, deployment,
    dynamic::{Identifier, Statement},
    partition,
    partition::Month,
};

/// How many rows of a small table are deleted at once.
const BATCH: i64 = 10_000;
/// How long a drop waits for locks. Work that comes meanwhile waits behind it, so it is short.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '100ms'";
/// How often a drop is tried that did not get its locks; the next sweep goes on.
const TRIES: u32 = 5;
/// The pause between two tries, in which the work that waited is done.
const PAUSE: Duration = Duration::from_secs(1);

/// A class of rows that are kept for the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Runs with all their rows, and their requirements.
    Runs,
    /// The events and attempts of ended runs.
    History,
    /// The effects of ended runs.
    Effects,
    /// Signals that were taken, or whose run has ended.
    Signals,
    /// Stored responses of Idempotency-Keys, which are valid for a day.
    Answers,
    /// Long texts without references.
    Blobs,
    /// Notices and their deliveries, of runs that have ended.
    Deliveries,
}

impl Class {
    /// All classes, in the order in which they are deleted.
    pub const ALL: [Self; 7] = [
        Self::Answers,
        Self::Signals,
        Self::Deliveries,
        Self::History,
        Self::Effects,
        Self::Runs,
        Self::Blobs,
    ];

    /// The name of the class.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::History => "history",
            Self::Effects => "effects",
            Self::Signals => "signals",
            Self::Answers => "answers",
            Self::Blobs => "blobs",
            Self::Deliveries => "deliveries",
        }
    }

    /// The partitioned tables of the class, `run` last.
    const fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Runs => &partition::TABLES,
            Self::History => &["event", "attempt"],
            Self::Effects => &["effect"],
            Self::Signals | Self::Answers | Self::Blobs | Self::Deliveries => &[],
        }
    }
}

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|class| class.as_str()).collect();
            format!("unknown class `{text}`; the classes are {}", names.join(", "))
        })
    }
}

/// How long a class is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The name of the class.
    pub class: String,
    /// How many days; `None`: for ever.
    pub days: Option<f64>,
    /// When this was set.
    pub updated_at: DateTime<Utc>,
}

/// What was deleted, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// The class.
    pub class: Class,
    /// The table or its partition.
    pub name: String,
    /// How many rows; `None` for a dropped partition.
    pub rows: Option<i64>,
    /// How many bytes, for a dropped partition.
    pub bytes: Option<i64>,
    /// Whether it is still there, as its locks were not available; the next sweep tries again.
    pub is_busy: bool,
}

/// All retention rules.
///
/// # Errors
/// When the database does not answer.
pub async fn rules(executor: impl sqlx::PgExecutor<'_>) -> Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        "select class, extract(epoch from keep)::float8 / 86400 as days, updated_at
         from retention order by class"
    )
    .fetch_all(executor)
    .await
}

/// Sets for how many days a class is kept, at least one; `None`: for ever.
///
/// # Errors
/// When the database does not answer.
pub async fn set(executor: impl sqlx::PgExecutor<'_>, class: Class, days: Option<u32>) -> Result<()> {
    sqlx::query!(
        "insert into retention (class, keep) values ($1, make_interval(days => $2))
         on conflict (class) do update set keep = excluded.keep, updated_at = now()",
        class.as_str(),
        days.map(|days| i32::try_from(days.max(1)).unwrap_or(i32::MAX))
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Deletes everything that was kept long enough. A dry run only reports what would be deleted.
///
/// # Errors
/// When the database does not answer; what was deleted stays deleted, and the next sweep continues.
pub async fn sweep(connection: &mut Connection, is_dry: bool) -> Result<Vec<Swept>> {
    let mut swept = Vec::new();
    for class in Class::ALL {
        let days = sqlx::query_scalar!(
            "select extract(epoch from keep)::float8 / 86400 from retention where class = $1",
            class.as_str()
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(days) = days.flatten() else { continue };
        match class {
            Class::Answers => swept.extend(answers(connection, days, is_dry).await?),
            Class::Signals => {
                swept.extend(signals(connection, days, is_dry).await?);
                if !is_dry {
                    let rows = signed(deployment::sweep(connection, days).await?);
                    swept.extend(swept_rows(class, "deployment", rows));
                }
            }
            Class::Blobs => swept.extend(blobs(connection, days, is_dry).await?),
            Class::Deliveries => swept.extend(notices(connection, days, is_dry).await?),
            Class::History | Class::Effects | Class::Runs => {
                swept.extend(months(connection, class, days, is_dry).await?);
            }
        }
    }
    Ok(swept)
}

/// Drops the partitions of a class that are old enough.
async fn months(connection: &mut Connection, class: Class, days: f64, is_dry: bool) -> Result<Vec<Swept>> {
    let mut swept = Vec::new();
    let now = crate::store::now(connection).await?;
    for month in partition::months(&mut *connection, "run", Some(now)).await? {
        if !is_over(connection, &month, days).await? {
            continue;
        }
        let mut others_are_gone = true;
        for table in class.tables() {
            let name = format!("{table}_{}", month.name);
            let Some(bytes) = size(connection, &name).await? else { continue };
            if *table == "run" && others_are_gone && !is_dry {
                swept.extend(small_tables(connection, &month).await?);
            }
            // The runs of a month are dropped after everything else of that month.
            let is_gone = (*table != "run" || others_are_gone)
                && (is_dry || drop_month(connection, table, &month, days).await?);
            others_are_gone &= is_gone;
            swept.push(Swept { class, name, rows: None, bytes: Some(bytes), is_busy: !is_gone });
        }
    }
    if class == Class::Runs && !is_dry {
        swept.extend(requirements(connection, days).await?);
        swept.extend(pulls(connection, days).await?);
    }
    Ok(swept)
}

/// Whether all runs of a month have ended, and the month and the last end are old enough.
async fn is_over(connection: &mut Connection, month: &Month, days: f64) -> Result<bool> {
    let statement = Statement::new(
        "select coalesce(bool_and(status = 'ended'), true)
            and greatest(max(ended_at), to_date($2, 'YYYY_MM')::timestamp at time zone 'utc' + interval '1 month')
                < now() - make_interval(secs => $1::float8 * 86400)
         from ",
    )
    .identifier(&in_month("run", month)?);
    sqlx::query_scalar(statement.into_sql()).bind(days).bind(&month.name).fetch_one(connection).await
}

/// The partition of a table for a month.
fn in_month(table: &str, month: &Month) -> Result<Identifier> {
    Identifier::new(format!("{table}_{}", month.name))
}

/// Drops a partition, if all runs of its month have ended; false when its locks were not available.
async fn drop_month(connection: &mut Connection, table: &str, month: &Month, days: f64) -> Result<bool> {
    for _ in 0..TRIES {
        match try_drop(connection, table, month, days).await {
            Err(Error::Database(error)) if matches!(error.code().as_deref(), Some("55P03" | "40P01")) => {
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
    Ok(false)
}

async fn try_drop(connection: &mut Connection, table: &str, month: &Month, days: f64) -> Result<bool> {
    let mut tx = connection.begin().await?;
    sqlx::raw_sql(LOCK_TIMEOUT).execute(&mut *tx).await?;
    // From here on no run of this month moves: whether it is over is looked at again, for good.
    let lock = Statement::new("lock table ").identifier(&in_month("run", month)?);
    sqlx::raw_sql(lock.text(" in share row exclusive mode").into_sql()).execute(&mut *tx).await?;
    if !is_over(&mut tx, month, days).await? {
        return Ok(false);
    }
    let drop = Statement::new("drop table if exists ").identifier(&in_month(table, month)?);
    sqlx::raw_sql(drop.into_sql()).execute(&mut *tx).await?;
    sqlx::query!(
        "delete from blob_use where run_id >= $1 and run_id < $2 and place = $3",
        month.from,
        month.to,
        table
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// The size of a table, if it exists.
async fn size(connection: &mut Connection, name: &str) -> Result<Option<i64>> {
    sqlx::query_scalar!("select pg_total_relation_size(to_regclass($1))", name).fetch_one(connection).await
}

/// Deletes the rows of a month's runs from every table that is not partitioned, in batches.
async fn small_tables(connection: &mut Connection, month: &Month) -> Result<Vec<Swept>> {
    // Tables with foreign keys to others of these come first.
    let tables = sqlx::query_scalar!(
        r#"select c.relname::text as "name!" from pg_attribute a join pg_class c on c.oid = a.attrelid
           where a.attname = 'run_id' and a.atttypid = 'uuid'::regtype and c.relkind = 'r'
             and not c.relispartition
             and c.relnamespace = (select relnamespace from pg_class where oid = 'run'::regclass)
           order by (select count(*) from pg_constraint f where f.conrelid = c.oid and f.contype = 'f') desc, 1"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut swept = Vec::new();
    for table in tables {
        let name = Identifier::new(table.as_str())?;
        let delete = Statement::new("delete from ")
            .identifier(&name)
            .text(" where ctid = any (array(select ctid from ")
            .identifier(&name)
            .text(" where run_id >= $1 and run_id < $2 limit $3))");
        let mut rows = 0;
        loop {
            let done = sqlx::query(delete.clone().into_sql())
                .bind(month.from)
                .bind(month.to)
                .bind(BATCH)
                .execute(&mut *connection)
                .await?
                .rows_affected();
            rows += signed(done);
            if done == 0 {
                break;
            }
        }
        swept.extend(swept_rows(Class::Runs, &format!("{table} of {}", month.name), rows));
    }
    Ok(swept)
}

/// Deletes requirements without runs.
async fn requirements(connection: &mut Connection, days: f64) -> Result<Option<Swept>> {
    let mut rows = 0;
    loop {
        let done = sqlx::query!(
            "delete from requirement where id in (
                 select id from requirement q where q.created_at < now() - make_interval(secs => $1::float8 * 86400)
                 and not exists (select from run r where r.requirement_id = q.id)
                 order by q.created_at, q.id limit $2)",
            days,
            BATCH
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        rows += signed(done);
        if done == 0 {
            return Ok(swept_rows(Class::Runs, "requirement", rows));
        }
    }
}

/// Deletes pull requests of others without runs.
async fn pulls(connection: &mut Connection, days: f64) -> Result<Option<Swept>> {
    let mut rows = 0;
    loop {
        let done = sqlx::query!(
            "delete from pull where id in (
                 select id from pull p where p.created_at < now() - make_interval(secs => $1::float8 * 86400)
                 and not exists (select from run r where r.subject_id = p.id)
                 order by p.id limit $2)",
            days,
            BATCH
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        rows += signed(done);
        if done == 0 {
            return Ok(swept_rows(Class::Runs, "pull", rows));
        }
    }
}

/// Deletes stored responses of Idempotency-Keys.
async fn answers(connection: &mut Connection, days: f64, is_dry: bool) -> Result<Option<Swept>> {
    if is_dry {
        let rows = sqlx::query_scalar!(
            r#"select count(*) as "count!" from idempotency
               where created_at < now() - make_interval(secs => $1::float8 * 86400)"#,
            days
        )
        .fetch_one(connection)
        .await?;
        return Ok(swept_rows(Class::Answers, "idempotency", rows));
    }
    let mut rows = 0;
    loop {
        let done = sqlx::query!(
            "delete from idempotency where created_at < now() - make_interval(secs => $1::float8 * 86400)
             and ctid = any (array(select ctid from idempotency
                                   where created_at < now() - make_interval(secs => $1::float8 * 86400) limit $2))",
            days,
            BATCH
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        rows += signed(done);
        if done == 0 {
            return Ok(swept_rows(Class::Answers, "idempotency", rows));
        }
    }
}

/// Deletes signals that were taken or whose run has ended.
async fn signals(connection: &mut Connection, days: f64, is_dry: bool) -> Result<Option<Swept>> {
    if is_dry {
        let rows = sqlx::query_scalar!(
            r#"select count(*) as "count!" from signal
               where received_at < now() - make_interval(secs => $1::float8 * 86400)
                 and (taken_at is not null or not exists (
                      select from run where run.id = signal.run_id and run.status <> 'ended'))"#,
            days
        )
        .fetch_one(connection)
        .await?;
        return Ok(swept_rows(Class::Signals, "signal", rows));
    }
    let mut rows = 0;
    loop {
        let done = sqlx::query!(
            "delete from signal where id in (
                 select id from signal where received_at < now() - make_interval(secs => $1::float8 * 86400)
                 and (taken_at is not null or not exists (
                      select from run where run.id = signal.run_id and run.status <> 'ended'))
                 order by id limit $2)",
            days,
            BATCH
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        rows += signed(done);
        if done == 0 {
            return Ok(swept_rows(Class::Signals, "signal", rows));
        }
    }
}

/// Deletes notices with their deliveries, unless one is still due or the run goes on: a notice that is there is what keeps
/// the same one from being sent again.
async fn notices(connection: &mut Connection, days: f64, is_dry: bool) -> Result<Option<Swept>> {
    let mut rows = 0;
    loop {
        let old = sqlx::query_scalar!(
            "select id from notice n where created_at < now() - make_interval(secs => $1::float8 * 86400)
             and not exists (select from run where run.id = n.run_id and run.status <> 'ended')
             and not exists (select from delivery where delivery.notice = n.id and delivery.state = 'due')
             order by created_at limit $2",
            days,
            BATCH
        )
        .fetch_all(&mut *connection)
        .await?;
        rows += i64::try_from(old.len()).unwrap_or(i64::MAX);
        if is_dry || old.is_empty() {
            return Ok(swept_rows(Class::Deliveries, "notice", rows));
        }
        sqlx::query!("delete from notice where id = any ($1)", &old).execute(&mut *connection).await?;
    }
}

async fn blobs(connection: &mut Connection, days: f64, is_dry: bool) -> Result<Option<Swept>> {
    let rows = if is_dry {
        blob::count_unused(connection, days).await?
    } else {
        signed(blob::sweep(connection, days).await?)
    };
    Ok(swept_rows(Class::Blobs, "blob", rows))
}

fn swept_rows(class: Class, name: &str, rows: i64) -> Option<Swept> {
    let swept = Swept { class, name: name.to_owned(), rows: Some(rows), bytes: None, is_busy: false };
    (rows > 0).then_some(swept)
}

fn signed(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
