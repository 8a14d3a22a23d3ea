//! The life of a harness gap's clock: timed by the policy, reminded of, stopped. Each thing that happens is recorded once, with
//! what the issue is owed for it, in one transaction.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{gap::limit_in_words, notice::gap_overdue};
use crate::{
    core::{
        gap::{Clock, REMINDERS, Reading},
        words::seconds_in_words,
    },
    store::{
        self, Connection, Pool,
        gap::{self, Case, Comment, Rule},
        incident,
    },
};

/// Who acts where no person does, as histories name it.
const US: &str = "aspora";

/// Gives a gap the time that the policy says, where it had the usual one, and tells people if it is another.
///
/// # Errors
/// When the database does not answer.
pub async fn time(pool: &Pool, id: Uuid, rule: &Rule) -> Result<(), store::Error> {
    let mut tx = pool.begin().await?;
    if gap::set_rule(&mut tx, id, rule).await? {
        let limit = limit_in_words(rule.limit_minutes);
        let note =
            format!("the policy's `{}` gives {limit}; its issues have the label `{}`", rule.kind, rule.label);
        gap::append(&mut tx, id, US, ("timed", &note), Some("timed")).await?;
        owe_due(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Says which issue of the forge is a gap's.
///
/// # Errors
/// When the database does not answer.
pub async fn has_issue(pool: &Pool, id: Uuid, issue: u64) -> Result<(), store::Error> {
    let issue = i64::try_from(issue).unwrap_or(i64::MAX);
    let mut tx = pool.begin().await?;
    if gap::set_issue(&mut tx, id, issue).await? {
        gap::append(&mut tx, id, US, ("issue", &format!("issue #{issue} is made")), Some("issue")).await?;
        owe_due(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Reminds of what is due by the database's clock, each once; when the next reminder is due.
///
/// # Errors
/// When the database does not answer: then nobody was reminded.
pub async fn remind(pool: &Pool, id: Uuid) -> Result<Option<DateTime<Utc>>, store::Error> {
    let mut tx = pool.begin().await?;
    let Some(row) = gap::get(&mut *tx, id).await? else { return Ok(None) };
    let now = store::now(&mut tx).await?;
    let (clock, (due, next)) = (row.clock(), row.clock().reminders(now));
    // Of several that were missed the last one says it all; the others are recorded, and no comment repeats it.
    for percent in &due {
        let once = format!("reminder-{percent}");
        let (kind, note) = reminder(&clock, *percent, now);
        let is_new = gap::append(&mut tx, id, US, (kind, &note), Some(&once)).await?;
        if is_new && kind == "overdue" {
            gap_overdue(&mut tx, &row, &note, clock.due_at()).await?;
        }
        if is_new && Some(percent) == due.last() {
            let body = format!("⏱️ Harness gap: {note}.");
            gap::owe(&mut tx, id, &Comment { key: once, body }).await?;
        }
    }
    tx.commit().await?;
    Ok(next)
}

/// Stops the clock because a case is merged; whether it ran until then.
///
/// # Errors
/// When the database does not answer.
pub async fn convert(pool: &Pool, id: Uuid, case: Case<'_>) -> Result<bool, store::Error> {
    let mut tx = pool.begin().await?;
    let is_new = gap::convert(&mut tx, id, case).await?;
    if is_new && let Some(row) = gap::get(&mut *tx, id).await? {
        let in_time = match row.clock().read(case.at) {
            Reading::InTime => "in time",
            Reading::Late | Reading::Overdue(_) | Reading::Running(_) => "late",
        };
        let files = case.files.join(", ");
        let note = format!("#{} merged a case, {in_time}: {files}", case.pull);
        gap::append(&mut tx, id, US, ("converted", &note), Some("converted")).await?;
        gap::wake_one(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(is_new)
}

/// Says that a proof was refused, or what the forge's issue was reopened for, and owes the issue a comment if it needs one.
///
/// # Errors
/// When the database does not answer.
pub async fn note(
    pool: &Pool,
    id: Uuid,
    (kind, note): (&str, &str),
    once: Option<&str>,
    comment: Option<&Comment>,
) -> Result<bool, store::Error> {
    let mut tx = pool.begin().await?;
    let is_new = gap::append(&mut tx, id, US, (kind, note), once).await?;
    if let Some(comment) = comment.filter(|_| is_new) {
        gap::owe(&mut tx, id, comment).await?;
    }
    tx.commit().await?;
    Ok(is_new)
}

/// Lays an incident to the run whose merged change caused it.
///
/// # Errors
/// When the database does not answer.
pub async fn blame(pool: &Pool, id: Uuid, run: Uuid, how: &Value) -> Result<bool, store::Error> {
    let mut tx = pool.begin().await?;
    let Some(row) = gap::get(&mut *tx, id).await? else { return Ok(false) };
    let is_new = incident::set_blame(&mut tx, row.incident, run, how).await?;
    if is_new {
        let note = format!("the lines that the fix changes came with run {run}");
        gap::append(&mut tx, id, US, ("blamed", &note), Some("blamed")).await?;
    }
    tx.commit().await?;
    Ok(is_new)
}

/// Owes the issue the comment that says when the case is due; one for each time that it is given.
pub(super) async fn owe_due(tx: &mut Connection, id: Uuid) -> Result<(), store::Error> {
    let Some(row) = gap::get(&mut *tx, id).await? else { return Ok(()) };
    let clock = row.clock();
    let (limit, due) = (limit_in_words(row.limit_minutes), clock.due_at().format("%Y-%m-%d %H:%M UTC"));
    let body = format!("⏱️ Harness gap SLA: a test case must be added within {limit} (by {due}).");
    gap::owe(tx, id, &Comment { key: format!("due-{}", clock.limit_minutes), body }).await
}

/// A reminder as an event's kind and in words.
fn reminder(clock: &Clock, percent: u8, now: DateTime<Utc>) -> (&'static str, String) {
    let due = clock.due_at();
    let at = due.format("%Y-%m-%d %H:%M UTC");
    if Some(&percent) == REMINDERS.last() {
        return ("overdue", format!("the case is overdue since {at}, and no case is merged"));
    }
    let left = u64::try_from((due - now).num_minutes()).unwrap_or(0);
    let left = if left == 0 { "no time".to_owned() } else { seconds_in_words(left * 60) };
    ("reminder", format!("{percent} % of the time are over, {left} left: a case is due by {at}"))
}
