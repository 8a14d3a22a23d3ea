//! Issues: one with the label of the policy opens a harness gap, and one of a gap that is closed or opened again is looked at
//! by a worker.

use uuid::Uuid;

use super::ignored;
use crate::{
    api::{Receipt, ReceiptResult},
    core::{
        gap::{DEFAULT_LABEL, TITLE_MARK},
        incident::Report,
    },
    engine::NewGap,
    github::webhook::{IssueNews, NamedRepository},
    http::{AppState, middleware::error::Error},
    store::{self, gap, repository},
};

/// Takes news of an issue.
pub(super) async fn changed(
    app: &AppState,
    named: &NamedRepository,
    news: &IssueNews,
) -> Result<Receipt, Error> {
    let (name, id) = (named.name.to_string(), named.id.and_then(|id| i64::try_from(id).ok()));
    let number = i64::try_from(news.number).unwrap_or(i64::MAX);
    let mut tx = app.engine.pool().begin().await?;
    let names = repository::names(&mut tx, id, &name).await?;
    let names: Vec<String> = names.into_iter().map(|it| it.name).collect();
    let woken = gap::wake(&mut tx, &names, Some(number)).await?;
    if woken > 0 {
        tx.commit().await?;
        return Ok(Receipt::new(
            ReceiptResult::Stored,
            format!("a worker looks at the harness gap of #{number}"),
        ));
    }
    if !news.is_open || !matches!(news.action.as_str(), "opened" | "labeled" | "reopened") {
        return Ok(ignored(format!("issue #{number} is of no harness gap")));
    }
    // The issue of a gap that a worker makes at this moment.
    if let Some(gap) = ours(&news.body)
        && gap::get(&mut *tx, gap).await?.is_some_and(|gap| gap.issue.is_none())
    {
        return Ok(ignored(format!("issue #{number} is made for harness gap {gap}")));
    }
    let labels: Vec<String> = news.labels.iter().map(|label| label.to_lowercase()).collect();
    let found = gap::product_of_label(&mut tx, &names, &labels, DEFAULT_LABEL).await?;
    let Some((product, label)) = found else {
        return Ok(ignored(format!("issue #{number} has no label that opens a harness gap")));
    };
    if !news.is_by_member {
        let why = "an outsider opened it: one who may triage issues has to label it";
        return Ok(ignored(format!("`{label}` on #{number} opens no harness gap, since {why}")));
    }
    let now = store::now(&mut tx).await?;
    let title = news.title.trim();
    let reported = Report {
        key: format!("{}#{number}", name.to_lowercase()),
        title: title.strip_prefix(TITLE_MARK).unwrap_or(title).trim().to_owned(),
        body: news.body.clone(),
        url: news.url.clone(),
        happened_at: None,
    };
    let reported = reported.fitted(now);
    let person = match &news.by {
        Some(login) => store::api_key::person_of_login(app.engine.pool(), login).await?,
        None => None,
    };
    let by = person.as_deref().or(news.by.as_deref()).unwrap_or("ghost");
    let issue = Some((number, news.created_at.unwrap_or(now)));
    let new = NewGap { product: &product, source: "issue", reported: &reported, issue, by };
    let opened = app.engine.open_gap_in(&mut tx, new).await?;
    tx.commit().await?;
    let what = format!("`{label}` on #{number} opens harness gap {}", opened.gap);
    Ok(Receipt::new(if opened.is_new { ReceiptResult::Stored } else { ReceiptResult::Known }, what))
}

/// The gap that the marker of one of our issues names.
fn ours(body: &str) -> Option<Uuid> {
    let (_, rest) = body.split_once("<!-- aspora:gap:")?;
    rest.split(' ').next()?.parse().ok()
}
