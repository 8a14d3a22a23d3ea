//! The audit log as a page: what people and keys did, newest first.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::{AppState, middleware::caller::Caller},
    Problem, layout, words,
};
use crate::store::{
    self,
    audit::{Filter, Row, Verification},
};

/// The acts on a page.
const PAGE: i64 = 50;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    #[serde(default)]
    person: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    verify: String,
}

/// `GET /audit`
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let made = match query {
        Ok(Query(query)) => main(&app, &query).await,
        Err(error) => Err(Problem::Unreadable(error.body_text())),
    };
    match made {
        Ok(main) => layout::page(&app.settings, Some(&caller), "Audit log", &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn main(app: &AppState, query: &PageQuery) -> Result<Markup, Problem> {
    let pool = app.engine.pool();
    let unreadable = |_| Problem::Unreadable("The address has an invalid place in the list.".to_owned());
    let before = Some(&query.before).filter(|text| !text.is_empty()).map(|text| text.parse());
    if query.person.contains('\0') {
        return Err(Problem::Unreadable("The name contains a NUL character; remove it.".to_owned()));
    }
    let person = Some(query.person.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
    let filter =
        Filter { person, run: None, before: before.transpose().map_err(unreadable)?, limit: PAGE + 1 };
    let mut rows = store::audit::list(pool, &filter).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > PAGE);
    if more {
        rows.pop();
    }
    let next = rows.last().filter(|_| more).map(|row| address(&query.person, row.seq));
    let verified = if query.verify == "1" { Some(store::audit::verify(pool).await?) } else { None };
    Ok(html! {
        main #main {
            h1 { "Audit log" }
            @if let Some(verified) = verified { (result(&verified)) }
            form.narrow method="get" action="/audit" role="search" {
                label { "Person " input name="person" value=(query.person) maxlength="64"; }
                button { "Show" }
                button name="verify" value="1" { "Verify the chain" }
            }
            (table(&rows))
            @if let Some(next) = next { nav.pages aria-label="Pages" { a rel="next" href=(next) { "Older" } } }
        }
    })
}

fn address(person: &str, before: i64) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    if !person.is_empty() {
        pairs.append_pair("person", person);
    }
    format!("/audit?{}", pairs.append_pair("before", &before.to_string()).finish())
}

fn result(found: &Verification) -> Markup {
    html! {
        @match found {
            Verification::Sound { rows, head } => p.now.good role="status" {
                "All " (rows) " entries are as they were written. The last one's digest is "
                code.id { (hex::encode(head)) } "."
            },
            Verification::Broken { seq, why } => p.now.bad role="alert" { "Entry " (seq) ": " (why) "." },
        }
    }
}

/// A table of acts; also a part of a run's page.
pub(super) fn table(rows: &[Row]) -> Markup {
    html! {
        @if rows.is_empty() { p.empty { "Nobody has done anything yet." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Acts" { table {
                thead { tr {
                    th scope="col" { "No." } th scope="col" { "When" } th scope="col" { "Who" }
                    th scope="col" { "Did" } th scope="col" { "To" } th scope="col" { "Before and after" }
                    th scope="col" { "Why" }
                } }
                tbody { @for row in rows { tr {
                    td { (row.seq) }
                    td.nowrap { (words::utc(row.at)) }
                    td { (row.person) }
                    td { code { (row.act) } }
                    td.cell { (subject(row)) }
                    td.cell { (change(row)) }
                    td.cell { (row.reason.as_deref().unwrap_or("–")) }
                } } }
            } }
        }
    }
}

fn subject(row: &Row) -> Markup {
    html! {
        @match row.run_id {
            Some(run) => a href={ "/runs/" (run) } { code.id { (row.subject) } },
            None => code.id { (row.subject) },
        }
    }
}

fn change(row: &Row) -> Markup {
    html! {
        @if let Some(before) = &row.before { code { (before) } " → " }
        @if let Some(after) = &row.after { code { (after) } }
    }
}
