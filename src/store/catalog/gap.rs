//! Harness gaps: incidents without a case, and their clocks.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::core::{gap::Clock, measure::GapSums};
use crate::store::{Connection, Pool, Result};

pub use super::gap_duty::{
    Comment, Due, Event, append, claim, events, looked, owe, owed, postpone, said, wake, wake_one,
};

/// A gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The id, which its runs name.
    pub id: Uuid,
    /// The incident.
    pub incident: Uuid,
    /// The product.
    pub product: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// The rule of the policy that gives the time.
    pub kind: String,
    /// The label of its issue.
    pub label: String,
    /// The time that it has, in minutes.
    pub limit_minutes: i32,
    /// The digest of the policy that says so; `None` for the default.
    pub policy_digest: Option<String>,
    /// When its clock began.
    pub started_at: DateTime<Utc>,
    /// Its issue, once it is known.
    pub issue: Option<i64>,
    /// `open`, `converted` or `dismissed`.
    pub state: String,
    /// When its clock was stopped.
    pub stopped_at: Option<DateTime<Utc>>,
    /// The merged pull request with the case.
    pub case_pull: Option<i64>,
    /// Its commit on the base.
    pub case_sha: Option<String>,
    /// The files of cases that it added or changed.
    pub case_files: Vec<String>,
    /// Who opened it.
    pub opened_by: String,
    /// Who said that it is none.
    pub dismissed_by: Option<String>,
    /// Why.
    pub dismissed_for: Option<String>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// Why the last look at it failed.
    pub error: Option<String>,
    /// What went wrong, in one line.
    pub title: String,
    /// What was reported.
    pub body: String,
    /// Where it is reported in full.
    pub url: Option<String>,
    /// Who reported it: `person`, `issue`, `sentry`, `sender` or `checks`.
    pub source: String,
    /// What the sender knows the incident by.
    pub key: String,
    /// When the incident happened.
    pub happened_at: DateTime<Utc>,
    /// The run whose merged change caused the incident, as far as that is known.
    pub caused_by: Option<Uuid>,
    /// The newest run about it.
    pub run: Option<Uuid>,
}

impl Row {
    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let limit_minutes = u32::try_from(self.limit_minutes).unwrap_or(1);
        Clock { started_at: self.started_at, limit_minutes, stopped_at: self.stopped_at }
    }
}

/// A gap to open.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The incident, which is stored.
    pub incident: Uuid,
    /// The product.
    pub product: &'a str,
    /// Its repository.
    pub repository: &'a str,
    /// When the clock began.
    pub started_at: DateTime<Utc>,
    /// Its issue, if the forge has one.
    pub issue: Option<i64>,
    /// Who opens it.
    pub opened_by: &'a str,
    /// The rule for it.
    pub rule: &'a Rule,
}

/// The rule for the gaps of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name in the policy.
    pub kind: String,
    /// The label of issues.
    pub label: String,
    /// The time from the incident to the merged case, in minutes.
    pub limit_minutes: i32,
    /// The digest of the policy; `None` for the default.
    pub policy_digest: Option<String>,
}

/// Opens a gap, unless the incident has one or the issue is one's: the id, and whether it is new.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, new: New<'_>) -> Result<(Uuid, bool)> {
    let id = Uuid::now_v7();
    let inserted = sqlx::query_scalar!(
        "insert into harness_gap (id, incident, product, repository, kind, label, limit_minutes, policy_digest, started_at,
                                  issue, opened_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict do nothing
         returning id",
        id,
        new.incident,
        new.product,
        new.repository,
        new.rule.kind,
        new.rule.label,
        new.rule.limit_minutes,
        new.rule.policy_digest,
        new.started_at,
        new.issue,
        new.opened_by
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = inserted {
        return Ok((id, true));
    }
    let known = sqlx::query_scalar!(
        "select id from harness_gap
         where incident = $1 or (lower(repository) = lower($2) and issue = $3)
         order by incident <> $1 limit 1",
        new.incident,
        new.repository,
        new.issue
    )
    .fetch_one(connection)
    .await?;
    Ok((known, false))
}

/// Which gaps are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of these products.
    pub products: Option<Vec<String>>,
    /// Only those that are `open`, `overdue`, `converted` or `dismissed`.
    pub state: Option<String>,
    /// Only those that were opened before this one.
    pub before: Option<Uuid>,
    /// The most of them.
    pub limit: i64,
}

/// Gaps, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, filter: &Filter) -> Result<Vec<Row>> {
    let (products, state) = (filter.products.as_deref(), filter.state.as_deref());
    sqlx::query_file_as!(
        Row,
        "src/store/catalog/gap_list.sql",
        None::<Uuid>,
        products,
        state,
        filter.before,
        filter.limit
    )
    .fetch_all(pool)
    .await
}

/// One gap.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl sqlx::PgExecutor<'_>, id: Uuid) -> Result<Option<Row>> {
    sqlx::query_file_as!(
        Row,
        "src/store/catalog/gap_list.sql",
        Some(id),
        None::<&[String]>,
        None::<String>,
        None::<Uuid>,
        1_i64
    )
    .fetch_optional(executor)
    .await
}

/// What became of the gaps that were opened in a range of days, by day in UTC.
///
/// # Errors
/// When the database does not answer.
pub async fn sums(
    pool: &Pool,
    (from, to): (NaiveDate, NaiveDate),
    products: Option<&[String]>,
) -> Result<Vec<(NaiveDate, GapSums)>> {
    let rows = sqlx::query!(
        r#"select (created_at at time zone 'UTC')::date as "day!", count(*) as "tracked!",
                  count(*) filter (where state = 'converted') as "converted!",
                  count(*) filter (where state = 'converted' and stopped_at <= started_at + limit_minutes * interval '1 minute')
                      as "in_time!",
                  count(*) filter (where state = 'dismissed') as "dismissed!",
                  count(*) filter (where state = 'open' and started_at + limit_minutes * interval '1 minute' <= now())
                      as "overdue!"
           from harness_gap
           where created_at >= $1::date at time zone 'UTC' and created_at < ($2::date + 1) at time zone 'UTC'
             and ($3::text[] is null or product = any($3))
           group by 1 order by 1"#,
        from,
        to,
        products
    )
    .fetch_all(pool)
    .await?;
    let sums = rows.into_iter().map(|row| {
        let (tracked, converted, in_time) = (row.tracked, row.converted, row.in_time);
        (row.day, GapSums { tracked, converted, in_time, dismissed: row.dismissed, overdue: row.overdue })
    });
    Ok(sums.collect())
}

/// The median time from the incident to the merged case, of the gaps that were opened in a range of days, in milliseconds.
///
/// # Errors
/// When the database does not answer.
pub async fn median(
    pool: &Pool,
    (from, to): (NaiveDate, NaiveDate),
    products: Option<&[String]>,
) -> Result<Option<f64>> {
    sqlx::query_scalar!(
        r#"select percentile_cont(0.5) within group (order by extract(epoch from stopped_at - started_at)::float8 * 1000)
           from harness_gap
           where state = 'converted' and created_at >= $1::date at time zone 'UTC'
             and created_at < ($2::date + 1) at time zone 'UTC' and ($3::text[] is null or product = any($3))"#,
        from,
        to,
        products
    )
    .fetch_one(pool)
    .await
}

/// The rule for the gaps of a product, as a worker read it last.
///
/// # Errors
/// When the database does not answer.
pub async fn rule(connection: &mut Connection, product: &str) -> Result<Option<Rule>> {
    sqlx::query_as!(
        Rule,
        "select kind, label, limit_minutes, policy_digest from harness_gap_rule where product = $1",
        product
    )
    .fetch_optional(connection)
    .await
}

/// Keeps the rule that a worker has read; whether it is another one than before.
///
/// # Errors
/// When the database does not answer.
pub async fn keep_rule(pool: &Pool, product: &str, rule: &Rule) -> Result<bool> {
    let kept = sqlx::query!(
        "insert into harness_gap_rule (product, kind, label, limit_minutes, policy_digest) values ($1, $2, $3, $4, coalesce($5, ''))
         on conflict (product) do update
            set kind = excluded.kind, label = excluded.label, limit_minutes = excluded.limit_minutes,
                policy_digest = excluded.policy_digest, read_at = now()
            where (harness_gap_rule.kind, harness_gap_rule.label, harness_gap_rule.limit_minutes, harness_gap_rule.policy_digest)
                  is distinct from (excluded.kind, excluded.label, excluded.limit_minutes, excluded.policy_digest)",
        product,
        rule.kind,
        rule.label,
        rule.limit_minutes,
        rule.policy_digest
    )
    .execute(pool)
    .await?;
    Ok(kept.rows_affected() > 0)
}

/// The product of a repository whose issues with one of these labels open gaps, and the first such label.
///
/// # Errors
/// When the database does not answer.
pub async fn product_of_label(
    connection: &mut Connection,
    repositories: &[String],
    labels: &[String],
    usual: &str,
) -> Result<Option<(String, String)>> {
    let row = sqlx::query!(
        r#"select product.name, coalesce(rule.label, $3) as "label!"
           from product left join harness_gap_rule rule on rule.product = product.name
           where lower(product.repository) in (select lower(name) from unnest($1::text[]) as its (name))
             and product.removed_at is null and lower(coalesce(rule.label, $3)) = any($2)
           order by product.name limit 1"#,
        repositories,
        labels,
        usual
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.name, row.label)))
}

/// Gives an open gap the time and the label that the policy says; whether they are other ones. Its reminders are those of the
/// new time.
///
/// # Errors
/// When the database does not answer.
pub async fn set_rule(connection: &mut Connection, id: Uuid, rule: &Rule) -> Result<bool> {
    let changed = sqlx::query!(
        "update harness_gap set kind = $2, label = $3, limit_minutes = $4, policy_digest = $5, look_at = least(look_at, now())
         where id = $1 and state = 'open' and policy_digest is null",
        id,
        rule.kind,
        rule.label,
        rule.limit_minutes,
        rule.policy_digest
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Says which issue is a gap's.
///
/// # Errors
/// When the database does not answer.
pub async fn set_issue(connection: &mut Connection, id: Uuid, issue: i64) -> Result<bool> {
    let set = sqlx::query!(
        "update harness_gap set issue = $2, look_at = least(look_at, now()), news = news + 1 where id = $1 and issue is null",
        id,
        issue
    )
    .execute(connection)
    .await?;
    Ok(set.rows_affected() > 0)
}

/// The case that stops a clock.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The merged pull request.
    pub pull: i64,
    /// Its commit on the base.
    pub sha: Option<&'a str>,
    /// The files of cases that it added or changed.
    pub files: &'a [String],
    /// When it was merged.
    pub at: DateTime<Utc>,
}

/// Stops the clock of an open gap because its case is merged; whether it was open.
///
/// # Errors
/// When the database does not answer.
pub async fn convert(connection: &mut Connection, id: Uuid, case: Case<'_>) -> Result<bool> {
    let converted = sqlx::query!(
        "update harness_gap set state = 'converted', stopped_at = $2, case_pull = $3, case_sha = $4, case_files = $5
         where id = $1 and state = 'open'",
        id,
        case.at,
        case.pull,
        case.sha,
        case.files
    )
    .execute(connection)
    .await?;
    Ok(converted.rows_affected() > 0)
}

/// Stops the clock of an open gap because a person says that it is none; whether it was open.
///
/// # Errors
/// When the database does not answer.
pub async fn dismiss(connection: &mut Connection, id: Uuid, by: &str, reason: &str) -> Result<bool> {
    let dismissed = sqlx::query!(
        "update harness_gap
         set state = 'dismissed', stopped_at = now(), dismissed_by = $2, dismissed_for = $3, news = news + 1, look_at = now()
         where id = $1 and state = 'open'",
        id,
        by,
        reason
    )
    .execute(connection)
    .await?;
    Ok(dismissed.rows_affected() > 0)
}
