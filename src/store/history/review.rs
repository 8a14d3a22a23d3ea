//! Reviews and their findings. Only complete reviews are stored.
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
    Error, Pool, Result,
    job::{Lease, signed},
};

/// A complete review of one head.
#[derive(Debug, Clone)]
pub struct Review {
    /// The head.
    pub head_sha: String,
    /// The reviewer's summary.
    pub summary: String,
    /// When it was completed.
    pub reviewed_at: DateTime<Utc>,
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
    /// `open`, `fixed`, `gone` or `dismissed`.
    pub state: String,
    /// The head on which it was fixed or gone.
    pub state_sha: Option<String>,
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
        }
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
                by: String::new(),
                reason: self.state_note.clone().unwrap_or_default(),
            },
            _ => FindingState::Open,
        })
    }
}

/// Records a complete review and its findings, all or nothing. An existing review of this head stays. Open
/// findings of earlier heads that are not found again become fixed at this one.
///
/// # Errors
/// When the database does not answer.
pub async fn record(
    pool: &Pool,
    lease: &Lease,
    head: &Sha,
    summary: &str,
    findings: &[Finding],
) -> Result<()> {
    let mut tx = pool.begin().await?;
    let new = sqlx::query!(
        "insert into review (run_id, head_sha, turn, summary) values ($1, $2, $3, $4) on conflict do nothing",
        lease.run,
        head.as_str(),
        signed(lease.turn),
        summary
    )
    .execute(&mut *tx)
    .await?;
    if new.rows_affected() == 0 {
        return Ok(());
    }
    for finding in findings {
        sqlx::query!(
            "insert into finding (run_id, head_sha, fingerprint, severity, path, line, message)
             values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
            lease.run,
            head.as_str(),
            finding.fingerprint,
            finding.severity.as_str(),
            finding.path,
            finding.line.map(signed),
            finding.message
        )
        .execute(&mut *tx)
        .await?;
    }
    let again: Vec<String> = findings.iter().map(|finding| finding.fingerprint.clone()).collect();
    sqlx::query!(
        "update finding set state = 'fixed', state_sha = $2
         where run_id = any(lineage($1)) and head_sha <> $2 and state = 'open' and fingerprint <> all ($3)",
        lease.run,
        head.as_str(),
        &again
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// The review of this head.
///
/// # Errors
/// When the database does not answer.
pub async fn of_head(pool: &Pool, run_id: Uuid, head: &str) -> Result<Option<Review>> {
    sqlx::query_as!(
        Review,
        "select head_sha, summary, reviewed_at from review where run_id = any(lineage($1)) and head_sha = $2
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
        "select f.head_sha, f.fingerprint, f.severity, f.path, f.line, f.message, f.state, f.state_sha, f.state_note
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
        "select f.head_sha, f.fingerprint, f.severity, f.path, f.line, f.message, f.state, f.state_sha, f.state_note
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

/// The complete reviews of a run, oldest first, each with the fingerprints of its actionable findings.
///
/// # Errors
/// When the database does not answer.
pub async fn rounds(pool: &Pool, run_id: Uuid) -> Result<Vec<Round>> {
    let rows = sqlx::query!(
        r#"select r.head_sha, array_remove(array_agg(f.fingerprint), null) as "fingerprints!"
           from review r
           left join finding f on f.run_id = r.run_id and f.head_sha = r.head_sha
                and f.severity in ('critical', 'high', 'medium')
           where r.run_id = any(lineage($1))
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
