//! A look at a gap: what is due is recorded, what is owed is said on its issue, and an issue that was closed without a case is
//! reopened.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{convert, merged_case, page};
use crate::{
    activities::{Factory, Failure},
    core::requirement::RepoName,
    engine::gap_clock,
    github::{Issue, Kind, text},
    store::gap::{self, Comment, Row},
};

/// An open gap without a reminder to come is looked at so often, in case a webhook was lost.
const QUIET: TimeDelta = TimeDelta::hours(24);

/// Looks; when to look again, if not only on news.
pub(in crate::activities) async fn tend(
    factory: &Factory,
    id: Uuid,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let pool = &factory.pool;
    let next = gap_clock::remind(pool, id).await?;
    let Some(row) = gap::get(pool, id).await? else { return Ok(None) };
    if let Some(issue) = row.issue.and_then(|issue| u64::try_from(issue).ok()) {
        let repo: RepoName = row.repository.parse().map_err(Failure::last)?;
        reconcile(factory, &row, &repo, issue).await?;
        say(factory, id, &repo, issue).await?;
    }
    let Some(row) = gap::get(pool, id).await?.filter(|row| row.state == "open") else { return Ok(None) };
    let now = crate::store::now(&mut *pool.acquire().await?).await?;
    Ok(next.or_else(|| row.issue.map(|_| now + QUIET)))
}

/// Says on the issue what is owed, each once: a comment whose response was lost is found by its marker.
async fn say(factory: &Factory, id: Uuid, repo: &RepoName, issue: u64) -> Result<(), Failure> {
    for Comment { key, body } in gap::owed(&factory.pool, id).await? {
        let marker = text::Marker::new(&format!("gap:{id}:{key}"));
        let said = match factory.forge.find_comment(repo, issue, &marker).await? {
            Some(comment) => comment,
            None => {
                let body = format!("{body}\n\n{}", page(factory, id));
                factory.forge.create_comment(repo, issue, &marker, &body).await?
            }
        };
        gap::said(&factory.pool, id, &key, i64::try_from(said.id).unwrap_or(i64::MAX)).await?;
    }
    Ok(())
}

/// Brings the issue and the gap together.
async fn reconcile(factory: &Factory, row: &Row, repo: &RepoName, number: u64) -> Result<(), Failure> {
    let issue = match factory.forge.issue(repo, number).await {
        Ok(issue) => issue,
        Err(error) if error.kind() == Kind::NotFound => {
            let note = format!("issue #{number} is gone: the clock goes on here alone");
            gap_clock::note(&factory.pool, row.id, ("issue", &note), Some("gone"), None).await?;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    match (row.state.as_str(), issue.is_open()) {
        ("open", false) => closed_by_others(factory, row, repo, &issue).await,
        ("converted", true) => close(factory, row, repo, number, true).await,
        ("dismissed", true) => close(factory, row, repo, number, false).await,
        _ => Ok(()),
    }
}

/// The issue of an open gap was closed: by a pull request with a case, or it is reopened.
async fn closed_by_others(
    factory: &Factory,
    row: &Row,
    repo: &RepoName,
    issue: &Issue,
) -> Result<(), Failure> {
    let closers = factory.forge.merged_closers(repo, issue.number).await?;
    for pull in &closers {
        if let Some(case) = merged_case(&factory.forge, repo, *pull).await? {
            return convert(factory, row.id, &case).await;
        }
    }
    let why = match closers.as_slice() {
        [] => "no merged pull request closes it".to_owned(),
        [one] => format!("#{one} adds or changes no case below `tests/harness/`"),
        several => {
            let several: Vec<String> = several.iter().map(|number| format!("#{number}")).collect();
            format!("none of {} adds or changes a case below `tests/harness/`", several.join(", "))
        }
    };
    // One comment for each time that it is closed; the act itself repeats without harm.
    let closed_at = issue.closed_at.map(|at| at.timestamp()).unwrap_or_default();
    let once = format!("reopened-{closed_at}");
    let note = format!("issue #{} was closed without a case and is reopened: {why}", issue.number);
    let body = format!(
        "Reopened: {why}. A pull request that closes this issue must add a case that fails without its fix. If there is no \
         gap, say so in Aspora."
    );
    let comment = Comment { key: once.clone(), body };
    gap_clock::note(&factory.pool, row.id, ("reopened", &note), Some(&once), Some(&comment)).await?;
    factory.forge.reopen_issue(repo, issue.number).await?;
    Ok(())
}

/// Closes the issue of a gap that is over, once: who opens it again has a reason.
async fn close(
    factory: &Factory,
    row: &Row,
    repo: &RepoName,
    number: u64,
    is_done: bool,
) -> Result<(), Failure> {
    let said = match is_done {
        true => format!("✅ Harness gap closed with a test case: #{}", row.case_pull.unwrap_or_default()),
        false => format!(
            "No harness gap, says {}: {}",
            text::line(row.dismissed_by.as_deref().unwrap_or("a person")),
            text::line(row.dismissed_for.as_deref().unwrap_or_default())
        ),
    };
    let comment = Comment { key: "closed".to_owned(), body: said };
    let events = gap::events(&factory.pool, row.id).await?;
    if events.iter().any(|event| event.kind == "issue" && event.note.starts_with(CLOSED)) {
        return Ok(());
    }
    factory.forge.close_issue(repo, number, is_done).await?;
    let note = format!("{CLOSED} #{number}");
    gap_clock::note(&factory.pool, row.id, ("issue", &note), Some("closed"), Some(&comment)).await?;
    Ok(())
}

/// How the event begins that says that we closed the issue.
const CLOSED: &str = "closed issue";
