//! The list of the pull requests of others that are judged, newest first.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::{AppState, middleware::caller::Caller, scope},
    Problem, layout, words,
};
use crate::store::{
    self,
    pull::{self, Filter, Listed},
};

/// The runs on a page.
const PAGE: i64 = 50;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    #[serde(default)]
    before: String,
}

/// `GET /pulls`
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let made = match query {
        Ok(Query(query)) => main(&app, &caller, &query.before).await,
        Err(error) => Err(Problem::Unreadable(error.body_text())),
    };
    match made {
        Ok(main) => layout::page(&app.settings, Some(&caller), "Pull requests", &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn main(app: &AppState, caller: &Caller, before: &str) -> Result<Markup, Problem> {
    let before =
        match before {
            "" => None,
            id => Some(id.parse().map_err(|_| {
                Problem::Unreadable("The address has an invalid place in the list.".to_owned())
            })?),
        };
    let pool = app.engine.pool();
    let filter = Filter { products: scope::named(caller, None), state: None, before, limit: PAGE };
    let rows = pull::list(pool, &filter).await?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let is_full = i64::try_from(rows.len()) == Ok(PAGE);
    Ok(html! {
        main #main {
            h1 { "Pull requests of others" }
            p.muted { "Those that people and other programs opened, where their product has them judged." }
            (table(app, &rows, now))
            nav.pages aria-label="Pages" {
                @if before.is_some() { a href="/pulls" { "Newest" } }
                @if let Some(last) = rows.last().filter(|_| is_full) {
                    a rel="next" href={ "/pulls?before=" (last.run_id) } { "Older" }
                }
            }
        }
    })
}

fn table(app: &AppState, rows: &[Listed], now: DateTime<Utc>) -> Markup {
    html! {
        @if rows.is_empty() {
            p.empty { "None here. A product has them judged with " code { "aspora product put … --judging on" } "." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Pull requests" {
                table.list {
                    thead { tr {
                        th scope="col" { "State" } th scope="col" { "Title" } th scope="col" { "Opened by" }
                        th scope="col" { "Product" } th scope="col" { "Tier" } th scope="col" { "Pull request" }
                        th scope="col" { "Age" }
                    } }
                    tbody { @for row in rows { (line(app, row, now)) } }
                }
            }
        }
    }
}

fn line(app: &AppState, row: &Listed, now: DateTime<Utc>) -> Markup {
    html! {
        tr id={ "run-" (row.run_id) } {
            td { (words::state(row.ended_as.as_deref().unwrap_or(&row.status))) }
            td.title {
                a href={ "/runs/" (row.run_id) } { (row.title) }
                @if let Some(reason) = &row.reason { p.why { bdi { (words::prose(reason)) } } }
            }
            td { (row.author_login.as_deref().unwrap_or("ghost")) }
            td { (row.product) }
            td { (row.tier.as_deref().unwrap_or("–")) }
            td { (words::pull(&app.settings.forge_url, &row.repository, row.number)) }
            td.nowrap { (words::moment(now, row.created_at)) }
        }
    }
}
