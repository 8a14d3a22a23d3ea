//! Reviews and their findings. A review is complete, or it failed and says why: then it found nothing that counts.
//!
//! Reviews by earlier runs on the same branch count for a fork.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::{
    circles::Round,
    finding::{Finding, Severity},
    policy::{FindingState, Found},
    sha::Sha,
};
use crate::store::{
    Connection, Error, Pool, Result,
    job::{Lease, signed},
};

/// A review of one head.
#[derive(Debug, Clone)]
pub struct Review {
    /// The head.
    pub head_sha: String,
    /// The reviewer's summary.
    pub summary: String,
    /// When it was completed.
    pub reviewed_at: DateTime<Utc>,
    /// Why it failed; `None` for a complete one.
    pub failed: Option<String>,
    /// The edition of the requirement's text that it judged the change by.
    pub edition: i32,
}

/// A review to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The head.
    pub head: &'a Sha,
    /// The reviewer's summary.
    pub summary: &'a str,
    /// Why it failed; `None` for a complete one.
    pub failed: Option<&'a str>,
    /// What it found.
    pub findings: &'a [Finding],
    /// The fingerprints of earlier findings whose lines changed since.
    pub changed: &'a [String],
    /// A review of this head from before this time does not count any more and is replaced.
    pub not_before: Option<DateTime<Utc>>,
    /// The edition of the requirement's text that it judged the change by; one of an earlier edition is replaced.
    pub edition: i32,
}

impl<'a> New<'a> {
    /// A complete review of a head that is reviewed for the first time, by a text that was never amended.
    #[must_use]
    pub const fn complete(head: &'a Sha, summary: &'a str, findings: &'a [Finding]) -> Self {
        Self { head, summary, failed: None, findings, changed: &[], not_before: None, edition: 0 }
    }
}

/// A finding and its state.
#[derive(Debug, Clone)]
pub struct Row {
    /// The head on which it was found.
    pub head_sha: String,
    /// Identifies the finding across heads.
    pub fingerprint: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// The file.
    pub path: String,
    /// The line on that head.
    pub line: Option<i32>,
    /// What is wrong.
    pub message: String,
    /// The reviewer that found it, by its name.
    pub source: Option<String>,
    /// Whether it is only shown.
    pub advisory: bool,
    /// `open`, `fixed`, `gone` or `dismissed`.
    pub state: String,
    /// The head on which it was fixed, gone or dismissed.
    pub state_sha: Option<String>,
    /// Who dismissed it.
    pub state_by: Option<String>,
    /// Why it was dismissed.
    pub state_note: Option<String>,
}

impl Row {
    /// The finding itself.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let Ok(severity) = self.severity.parse::<Severity>();
        Finding {
            severity,
            path: self.path.clone(),
            line: self.line.and_then(|line| u32::try_from(line).ok()),
            message: self.message.clone(),
            fingerprint: self.fingerprint.clone(),
            source: self.source.clone(),
            advisory: self.advisory,
        }
    }

    /// Where it is and what it says.
    #[must_use]
    pub fn in_words(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line} {}", self.path, self.message)
    }

    fn found(self) -> Result<Found> {
        Ok(Found { finding: self.finding(), found_on: sha(&self.head_sha)?, state: self.state()? })
    }

    /// A `check` of the column allows only these states.
    fn state(&self) -> Result<FindingState> {
        Ok(match self.state.as_str() {
            "fixed" => FindingState::FixedAt(sha(self.state_sha.as_deref().unwrap_or_default())?),
            "gone" => FindingState::Gone,
            "dismissed" => FindingState::Dismissed {
                by: self.state_by.clone().unwrap_or_default(),
                reason: self.state_note.clone().unwrap_or_default(),
            },
            _ => FindingState::Open,
        })
    }
}

/// Records a review and its findings, all or nothing. An existing review of this head stays, unless it failed or no longer
/// counts. Open findings that a complete review does not find again are `fixed` if their lines changed, and
/// otherwise `gone`, at its head. What a person dismissed stays dismissed when it is found again.
///
/// # Errors
/// When the database does not answer.
pub async fn record(pool: &Pool, lease: &Lease, new: &New<'_>) -> Result<()> {
    let mut tx = pool.begin().await?;
    let recorded = sqlx::query!(
        "insert into review (run_id, head_sha, turn, summary, failed, edition) values ($1, $2, $3, $4, $5, $7)
         on conflict (run_id, head_sha) do update
         set turn = excluded.turn, summary = excluded.summary, failed = excluded.failed, reviewed_at = now(),
             edition = excluded.edition
         where review.reviewed_at < $6 or review.edition < excluded.edition or review.failed is not null",
        lease.run,
        new.head.as_str(),
        signed(lease.turn),
        new.summary,
        new.failed,
        new.not_before,
        new.edition
    )
    .execute(&mut *tx)
    .await?;
    if recorded.rows_affected() == 0 {
        return Ok(());
    }
    for finding in new.findings {
        insert(&mut tx, lease.run, new.head, finding).await?;
    }
    if new.failed.is_none() {
        close(&mut tx, lease.run, new).await?;
    }
    tx.commit().await
}

/// Adds findings to the review of a head that came after it; those that are known stay as they are. How many were new.
///
/// # Errors
/// When the database does not answer.
pub async fn add(pool: &Pool, run_id: Uuid, head: &Sha, findings: &[Finding]) -> Result<usize> {
    let mut tx = pool.begin().await?;
    let known = sqlx::query_scalar!(
        "select fingerprint from finding where run_id = any(lineage($1)) and head_sha = $2",
        run_id,
        head.as_str()
    )
    .fetch_all(&mut *tx)
    .await?;
    let home = sqlx::query_scalar!(
        "select run_id from review where run_id = any(lineage($1)) and head_sha = $2
         order by reviewed_at desc limit 1",
        run_id,
        head.as_str()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let new: Vec<&Finding> =
        findings.iter().filter(|finding| !known.contains(&finding.fingerprint)).collect();
    let Some(home) = home.filter(|_| !new.is_empty()) else { return Ok(0) };
    for finding in &new {
        insert(&mut tx, home, head, finding).await?;
    }
    tx.commit().await?;
    Ok(new.len())
}

async fn insert(connection: &mut Connection, run_id: Uuid, head: &Sha, finding: &Finding) -> Result<()> {
    sqlx::query!(
        "insert into finding (run_id, head_sha, fingerprint, severity, path, line, message,
                              source, advisory, state, state_sha, state_by, state_note)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9,
                coalesce(known.state, 'open'), known.state_sha, known.state_by, known.state_note
         from (select) as one left join lateral (
             select state, state_sha, state_by, state_note from finding
             where run_id = any(lineage($1)) and fingerprint = $3 and state = 'dismissed' limit 1
         ) as known on true
         on conflict (run_id, head_sha, fingerprint) do update
         set state = 'open', state_sha = null where finding.state in ('gone', 'fixed')",
        run_id,
        head.as_str(),
        finding.fingerprint,
        finding.severity.as_str(),
        finding.path,
        finding.line.map(signed),
        finding.message,
        finding.source,
        finding.advisory
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Closes the open findings that this review did not find again.
async fn close(connection: &mut Connection, run_id: Uuid, new: &New<'_>) -> Result<()> {
    let again: Vec<String> = new.findings.iter().map(|finding| finding.fingerprint.clone()).collect();
    sqlx::query!(
        "update finding set state = case when fingerprint = any($4) then 'fixed' else 'gone' end, state_sha = $2
         where run_id = any(lineage($1)) and state = 'open' and fingerprint <> all ($3)",
        run_id,
        new.head.as_str(),
        &again,
        new.changed
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Dismisses the open findings with this fingerprint; how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn dismiss(
    connection: &mut Connection,
    run_id: Uuid,
    fingerprint: &str,
    by: &str,
    reason: &str,
) -> Result<u64> {
    sqlx::query!(
        "update finding set state = 'dismissed', state_sha = head_sha, state_by = $3, state_note = $4
         where run_id = any(lineage($1)) and state = 'open' and fingerprint = $2",
        run_id,
        fingerprint,
        by,
        reason
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}

/// The review of this head.
///
/// # Errors
/// When the database does not answer.
pub async fn of_head(pool: &Pool, run_id: Uuid, head: &str) -> Result<Option<Review>> {
    sqlx::query_as!(
        Review,
        "select head_sha, summary, reviewed_at, failed, edition from review where run_id = any(lineage($1)) and head_sha = $2
         order by reviewed_at desc limit 1",
        run_id,
        head
    )
    .fetch_optional(pool)
    .await
}

/// All findings of a run, by review, most severe first.
///
/// # Errors
/// When the database does not answer.
pub async fn findings(pool: &Pool, run_id: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select f.head_sha, f.fingerprint, f.severity, f.path, f.line, f.message, f.source, f.advisory, f.state, f.state_sha,
                f.state_by, f.state_note
         from finding f join review r on r.run_id = f.run_id and r.head_sha = f.head_sha
         where f.run_id = any(lineage($1))
         order by r.reviewed_at, array_position(array['critical', 'high', 'medium', 'low', 'info'], f.severity),
                  f.path, f.line",
        run_id
    )
    .fetch_all(pool)
    .await
}

/// The findings of one head and their states, most severe first.
///
/// # Errors
/// When the database does not answer, or a stored SHA is malformed.
pub async fn findings_of_head(pool: &Pool, run_id: Uuid, head: &Sha) -> Result<Vec<Found>> {
    let rows = sqlx::query_as!(
        Row,
        "select f.head_sha, f.fingerprint, f.severity, f.path, f.line, f.message, f.source, f.advisory, f.state, f.state_sha,
                f.state_by, f.state_note
         from finding f join review r on r.run_id = f.run_id and r.head_sha = f.head_sha
         where f.run_id = any(lineage($1)) and f.head_sha = $2
         order by r.reviewed_at, array_position(array['critical', 'high', 'medium', 'low', 'info'], f.severity),
                  f.path, f.line",
        run_id,
        head.as_str()
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Row::found).collect()
}

/// What the reviews of other heads than this found, and what became of it; of one fingerprint the newest.
///
/// # Errors
/// When the database does not answer, or a stored SHA is malformed.
pub async fn findings_of_other_heads(pool: &Pool, run_id: Uuid, head: &Sha) -> Result<Vec<Found>> {
    let mut newest: Vec<Found> = Vec::new();
    for row in findings(pool, run_id).await?.into_iter().filter(|row| row.head_sha != head.as_str()) {
        let found = row.found()?;
        match newest.iter_mut().find(|known| known.finding.fingerprint == found.finding.fingerprint) {
            Some(known) => *known = found,
            None => newest.push(found),
        }
    }
    Ok(newest)
}

/// The complete reviews of a run, oldest first, each with the fingerprints of its actionable findings.
///
/// # Errors
/// When the database does not answer.
pub async fn rounds(pool: &Pool, run_id: Uuid) -> Result<Vec<Round>> {
    let rows = sqlx::query!(
        r#"select r.head_sha, array_remove(array_agg(f.fingerprint), null) as "fingerprints!"
           from review r
           left join finding f on f.run_id = r.run_id and f.head_sha = r.head_sha
                and f.severity in ('critical', 'high', 'medium') and not f.advisory
           where r.run_id = any(lineage($1)) and r.failed is null
           group by r.head_sha, r.reviewed_at order by r.reviewed_at"#,
        run_id
    )
    .fetch_all(pool)
    .await?;
    let round = |head, findings: Vec<String>| Round { head, findings: findings.into_iter().collect() };
    Ok(rows.into_iter().map(|row| round(row.head_sha, row.fingerprints)).collect())
}

fn sha(text: &str) -> Result<Sha> {
    text.parse().map_err(|error| Error::Decode(Box::new(error)))
}
