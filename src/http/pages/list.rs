//! The list of requirements, newest first, and the form to submit one.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{AppState, middleware::caller::Caller, scope},
    Problem,
    form::{self, RequirementForm},
    layout,
    panel::Have,
    words,
};
use crate::{
    core::access::Right,
    store::{
        self,
        product::Product,
        requirement::{Filter, Row},
    },
};

/// The requirements on a page.
const PAGE: i64 = 50;
/// The filters of the list: states of a run, how it may have ended, and whether it was merged unjudged.
const STATES: [&str; 9] =
    ["active", "waiting", "paused", "ended", "succeeded", "blocked", "failed", "cancelled", "unjudged"];

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    #[serde(default)]
    product: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    fragment: String,
    #[serde(default)]
    have: String,
}

/// `GET /`
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let made = match query {
        Ok(Query(query)) => main(&app, &caller, &query).await.map(|main| (query, main)),
        Err(error) => Err(Problem::Unreadable(error.body_text())),
    };
    match made {
        Ok((query, main)) if query.fragment == "1" => layout::fragment(&main),
        Ok((_, main)) => layout::page(&app.settings, Some(&caller), "Requirements", &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn main(app: &AppState, caller: &Caller, query: &PageQuery) -> Result<Markup, Problem> {
    let pool = app.engine.pool();
    let products = scope::products(app, caller).await?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let page = scope::requirements(pool, caller, &filter(query)?).await?;
    let next = page.next.map(|place| next_address(query, place));
    let holds = scope::holds(app, caller).await?;
    let list = html! {
        @for hold in &holds {
            p.now.waiting { "On hold: " (hold.in_words()) ", by " (hold.by) ", " (words::moment(now, hold.since)) ": " (hold.reason) }
        }
        (table(app, &page.rows, now, next.is_some()))
        nav.pages aria-label="Pages" {
            @if !query.before.is_empty() { a href=(first(query)) { "Newest" } }
            @if let Some(next) = next { a rel="next" href=(next) { "Older" } }
        }
    };
    Ok(html! {
        main #main {
            h1 { "Requirements" }
            @if caller.may(Right::Submit) { (form::folded(&products, &RequirementForm::blank(), caller)) }
            (filters(query, &products))
            div #live data-every="4000" { (Have::parse(&query.have).panel("list", &list)) }
        }
    })
}

fn filter(query: &PageQuery) -> Result<Filter, Problem> {
    let some = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    let before = some(&query.before).map(|cursor| {
        place(&cursor)
            .ok_or_else(|| Problem::Unreadable("The address has an invalid place in the list.".to_owned()))
    });
    if query.text.contains('\0') || query.product.contains('\0') || query.state.contains('\0') {
        return Err(Problem::Unreadable("The search contains a NUL character; remove it.".to_owned()));
    }
    Ok(Filter {
        product: some(&query.product),
        state: some(&query.state),
        text: some(&query.text),
        before: before.transpose()?,
        limit: PAGE,
    })
}

/// Reads `<microseconds>-<id>`, which is where an earlier page ended.
fn place(cursor: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let (micros, id) = cursor.split_once('-')?;
    Some((DateTime::from_timestamp_micros(micros.parse().ok()?)?, id.parse().ok()?))
}

fn first(query: &PageQuery) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("product", &query.product), ("state", &query.state), ("text", &query.text)] {
        if !value.is_empty() {
            pairs.append_pair(key, value);
        }
    }
    format!("/?{}", pairs.finish())
}

fn next_address(query: &PageQuery, (at, id): (DateTime<Utc>, Uuid)) -> String {
    let before = format!("{}-{id}", at.timestamp_micros());
    let first = first(query);
    let joint = if first.ends_with('?') { "" } else { "&" };
    format!("{first}{joint}before={before}")
}

fn filters(query: &PageQuery, products: &[Product]) -> Markup {
    html! {
        form.narrow method="get" action="/" role="search" {
            label { "Product "
                select name="product" {
                    option value="" { "all" }
                    @for product in products {
                        option value=(product.name) selected[product.name == query.product] { (product.name) }
                    }
                }
            }
            label { "State "
                select name="state" {
                    option value="" { "all" }
                    @for state in STATES { option value=(state) selected[state == query.state] { (state) } }
                }
            }
            label { "Title contains " input type="search" name="text" value=(query.text) maxlength="200"; }
            button { "Show" }
        }
    }
}

fn table(app: &AppState, rows: &[Row], now: DateTime<Utc>, has_more: bool) -> Markup {
    html! {
        @if rows.is_empty() && has_more {
            p.empty { "No such title among the newest requirements. Look among the older ones." }
        } @else if rows.is_empty() {
            p.empty { "No requirement here. Submit one above, or show more states and products." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Requirements" {
                table.list {
                    thead { tr {
                        th scope="col" { "State" } th scope="col" { "Requirement" }
                        th scope="col" { "Product" }
                        th scope="col" { "Step" } th scope="col" { "Pull request" } th scope="col" { "Age" }
                    } }
                    tbody { @for row in rows { (line(app, row, now)) } }
                }
            }
        }
    }
}

fn line(app: &AppState, row: &Row, now: DateTime<Utc>) -> Markup {
    html! {
        tr id={ "run-" (row.run_id) } {
            td { (words::state(row.ended_as.as_deref().unwrap_or(&row.status))) }
            td.title { a href={ "/runs/" (row.run_id) } { (row.title) } }
            td { (row.product) }
            td { (row.step.as_deref().unwrap_or("–")) }
            td {
                @match row.pull {
                    Some(pull) => (words::pull(&app.settings.forge_url, &row.repository, pull)),
                    None => "–",
                }
            }
            td.nowrap { (words::moment(now, row.created_at)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_is_a_time_and_an_id() {
        let id = Uuid::nil();
        assert_eq!(place(&format!("5-{id}")), Some((DateTime::from_timestamp_micros(5).unwrap(), id)));
        for wrong in ["", "5", "x-y", "5-", "99999999999999999999-00000000-0000-0000-0000-000000000000"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
