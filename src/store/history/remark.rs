//! What people ask for on the pull request of a run. Those of earlier runs on the same branch count for a fork.

use uuid::Uuid;

use crate::core::{
    finding::{Finding, Severity},
    policy::{Person, Remark},
    sha::Sha,
};
use crate::store::{Connection, Pool, Result};

/// Where a remark is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The text of a review.
    Review,
    /// A comment on a line.
    Line,
    /// A comment with the command `fix`.
    Command,
}

/// A remark with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// Where it is written.
    pub source: Source,
    /// The forge's number of the review or the comment.
    pub id: i64,
    /// What it asks for.
    pub remark: Remark,
}

/// A stored remark.
#[derive(Debug)]
struct Row {
    source: String,
    source_id: i64,
    login: String,
    account: Option<i64>,
    severity: String,
    path: String,
    line: Option<i32>,
    message: String,
}

impl Source {
    /// The name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Line => "line",
            Self::Command => "command",
        }
    }
}

impl Sourced {
    /// A remark of a person; the text of a review or a comment is the same finding on every head.
    #[must_use]
    pub fn new(
        (source, id): (Source, i64),
        by: Person,
        severity: Severity,
        (path, line): (&str, Option<u32>),
        message: &str,
    ) -> Self {
        let fingerprint = format!("{}-{id}", source.as_str());
        // The database's text cannot hold a NUL.
        let (path, message) = (path.to_owned(), message.replace('\0', "\u{fffd}"));
        let finding = Finding { severity, path, line, message, fingerprint, source: None, advisory: false };
        Self { source, id, remark: Remark { by, finding } }
    }
}

impl Row {
    fn remark(self) -> Remark {
        let Ok(severity) = self.severity.parse::<Severity>();
        let finding = Finding {
            severity,
            path: self.path,
            line: self.line.and_then(|line| u32::try_from(line).ok()),
            message: self.message,
            fingerprint: format!("{}-{}", self.source, self.source_id),
            source: None,
            advisory: false,
        };
        let id = self.account.and_then(|account| u64::try_from(account).ok());
        Remark { by: Person { id, login: self.login }, finding }
    }
}

/// Records a remark. One that is known with the same text stays as it is, with what became of it; another text replaces it
/// and is open again.
///
/// # Errors
/// When the database does not answer.
pub async fn put(connection: &mut Connection, run: Uuid, new: &Sourced) -> Result<()> {
    let Remark { by, finding } = &new.remark;
    sqlx::query!(
        "insert into remark (source, source_id, run_id, login, account, severity, path, line, message)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (source, source_id) do update
         set severity = excluded.severity, path = excluded.path, line = excluded.line, message = excluded.message,
             withdrawn = false,
             visit = case when remark.message = excluded.message then remark.visit end,
             addressed_sha = case when remark.message = excluded.message then remark.addressed_sha end
         where (remark.message, remark.withdrawn) is distinct from (excluded.message, false)",
        new.source.as_str(),
        new.id,
        run,
        by.login,
        by.id.and_then(|id| i64::try_from(id).ok()),
        finding.severity.as_str(),
        finding.path,
        finding.line.and_then(|line| i32::try_from(line).ok()),
        finding.message
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Makes the remarks of reviews those that stand now: new ones are recorded, and what is gone is withdrawn.
///
/// # Errors
/// When the database does not answer.
pub async fn sync(pool: &Pool, run: Uuid, standing: &[Sourced]) -> Result<()> {
    let mut tx = pool.begin().await?;
    for remark in standing {
        put(&mut tx, run, remark).await?;
    }
    let named: Vec<String> = standing.iter().map(|it| format!("{}-{}", it.source.as_str(), it.id)).collect();
    sqlx::query!(
        "update remark set withdrawn = true
         where run_id = any(lineage($1)) and source <> 'command' and not withdrawn
               and source || '-' || source_id <> all ($2)",
        run,
        &named
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Whether a remark is known with this text.
///
/// # Errors
/// When the database does not answer.
pub async fn is_known(pool: &Pool, source: Source, id: i64, message: &str) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from remark where source = $1 and source_id = $2 and message = $3) as "known!""#,
        source.as_str(),
        id,
        message
    )
    .fetch_one(pool)
    .await
}

/// The remarks that no commit of ours has answered yet, oldest first, at most 200.
///
/// # Errors
/// When the database does not answer.
pub async fn open(pool: &Pool, run: Uuid) -> Result<Vec<Remark>> {
    let rows = sqlx::query_as!(
        Row,
        "select source, source_id, login, account, severity, path, line, message from remark
         where run_id = any(lineage($1)) and not withdrawn and addressed_sha is null
         order by recorded_at, source, source_id limit 200",
        run
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Row::remark).collect())
}

/// Whether a person asked by a command for a fix that no visit of a step was given yet.
///
/// # Errors
/// When the database does not answer.
pub async fn is_asked(pool: &Pool, run: Uuid) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from remark
               where run_id = any(lineage($1)) and source = 'command' and visit is null
                     and not withdrawn and addressed_sha is null
           ) as "asked!""#,
        run
    )
    .fetch_one(pool)
    .await
}

/// Gives the open remarks to a visit of a step, which is to answer them.
///
/// # Errors
/// When the database does not answer.
pub async fn give(pool: &Pool, run: Uuid, visit: &str) -> Result<()> {
    sqlx::query!(
        "update remark set visit = $2
         where run_id = any(lineage($1)) and not withdrawn and addressed_sha is null",
        run,
        visit
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// The remarks that a visit is to answer, or has answered.
///
/// # Errors
/// When the database does not answer.
pub async fn of_visit(pool: &Pool, run: Uuid, visit: &str) -> Result<Vec<Remark>> {
    let rows = sqlx::query_as!(
        Row,
        "select source, source_id, login, account, severity, path, line, message from remark
         where run_id = any(lineage($1)) and visit = $2
         order by recorded_at, source, source_id limit 200",
        run,
        visit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Row::remark).collect())
}

/// Records the commit that answers the remarks of a visit.
///
/// # Errors
/// When the database does not answer.
pub async fn address(pool: &Pool, run: Uuid, visit: &str, sha: &Sha) -> Result<()> {
    sqlx::query!(
        "update remark set addressed_sha = $3
         where run_id = any(lineage($1)) and visit = $2 and addressed_sha is null",
        run,
        visit,
        sha.as_str()
    )
    .execute(pool)
    .await
    .map(|_| ())
}
