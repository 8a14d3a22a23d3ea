//! The list of requirements, newest first, and the form to submit one.

use std::collections::HashMap;

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
    core::{access::Right, why::why},
    store::{
        self,
        product::Product,
        requirement::{COUNTED, Filter, Row, View},
        standing::{self, Standing},
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
    view: String,
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
    let filter = filter(query, caller)?;
    let page = scope::requirements(pool, caller, &filter).await?;
    let ids: Vec<Uuid> = page.rows.iter().map(|row| row.run_id).collect();
    let standing = standing::of_all(pool, &ids).await?;
    let views = views(app, caller, query, &filter).await?;
    let next = page.next.map(|place| next_address(query, place));
    let holds = scope::holds(app, caller).await?;
    let list = html! {
        @for hold in &holds {
            p.now.waiting { "On hold: " (hold.in_words()) ", by " (hold.by) ", " (words::moment(now, hold.since)) ": " (hold.reason) }
        }
        (table(app, &page.rows, &standing, now, next.is_some()))
        nav.pages aria-label="Pages" {
            @if !query.before.is_empty() { a href=(first(query)) { "Newest" } }
            @if let Some(next) = next { a rel="next" href=(next) { "Older" } }
        }
    };
    let have = Have::parse(&query.have);
    Ok(html! {
        main #main {
            h1 { "Requirements" }
            @if caller.may(Right::Submit) { (form::folded(&products, &RequirementForm::blank(), caller)) }
            (filters(query, &products))
            div #live data-every="4000" {
                (have.panel("views", &views))
                (have.panel("list", &list))
            }
        }
    })
}

fn filter(query: &PageQuery, caller: &Caller) -> Result<Filter, Problem> {
    let some = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    let before = some(&query.before).map(|cursor| {
        place(&cursor)
            .ok_or_else(|| Problem::Unreadable("The address has an invalid place in the list.".to_owned()))
    });
    let state = some(&query.state);
    if let Some(state) = state.as_deref().filter(|state| !STATES.contains(state)) {
        return Err(unknown("state", state, &STATES));
    }
    let view = some(&query.view).map(|text| match text.parse() {
        Ok(view) => Ok((view, scope::reader(caller))),
        Err(_) => Err(unknown("view", &text, &View::ALL.map(View::as_str))),
    });
    if query.text.contains('\0') || query.product.contains('\0') || query.state.contains('\0') {
        return Err(Problem::Unreadable("The search contains a NUL character; remove it.".to_owned()));
    }
    Ok(Filter {
        product: some(&query.product),
        state,
        view: view.transpose()?,
        text: some(&query.text),
        before: before.transpose()?,
        limit: PAGE,
    })
}

/// An address with a word that no filter has.
fn unknown(what: &str, word: &str, known: &[&str]) -> Problem {
    let word: String = word.chars().take(80).collect();
    Problem::Unreadable(format!("There is no {what} `{word}`; the {what}s are {}.", known.join(", ")))
}

/// Links to the views, each with how many requirements it has beside the other filters.
async fn views(
    app: &AppState,
    caller: &Caller,
    query: &PageQuery,
    filter: &Filter,
) -> Result<Markup, Problem> {
    let mut counts = Vec::new();
    for view in View::ALL {
        let filter = Filter { view: Some((view, scope::reader(caller))), ..filter.clone() };
        counts.push((view, scope::count(app.engine.pool(), caller, &filter).await?));
    }
    let address = |view: &str| first(&PageQuery { view: view.to_owned(), ..query.filters() });
    let current = |is: bool| is.then_some("page");
    Ok(html! {
        nav.views aria-label="Views" {
            a href=(address("")) aria-current=[current(query.view.is_empty())] { "All" }
            @for (view, count) in counts {
                a href=(address(view.as_str())) aria-current=[current(query.view == view.as_str())] {
                    (words::view(view)) " " span.count { (count) @if count >= COUNTED { "+" } }
                }
            }
        }
    })
}

impl PageQuery {
    /// The filters alone, from the first page on.
    fn filters(&self) -> Self {
        let Self { product, state, view, text, .. } = self;
        let (product, state) = (product.clone(), state.clone());
        Self { product, state, view: view.clone(), text: text.clone(), ..Self::default() }
    }
}

/// Reads `<microseconds>-<id>`, which is where an earlier page ended.
fn place(cursor: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let (micros, id) = cursor.split_once('-')?;
    Some((DateTime::from_timestamp_micros(micros.parse().ok()?)?, id.parse().ok()?))
}

fn first(query: &PageQuery) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in
        [("product", &query.product), ("state", &query.state), ("view", &query.view), ("text", &query.text)]
    {
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
            @if !query.view.is_empty() { input type="hidden" name="view" value=(query.view); }
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
                    @for state in STATES { option value=(state) selected[state == query.state] { (words::state_name(state)) } }
                }
            }
            label { "Title contains " input type="search" name="text" value=(query.text) maxlength="200"; }
            button { "Show" }
        }
    }
}

fn table(
    app: &AppState,
    rows: &[Row],
    standing: &HashMap<Uuid, Standing>,
    now: DateTime<Utc>,
    has_more: bool,
) -> Markup {
    html! {
        @if rows.is_empty() && has_more {
            p.empty { "No such title among the newest requirements. Look among the older ones." }
        } @else if rows.is_empty() {
            p.empty { "No requirement here. Show another view, or more states and products." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Requirements" {
                table.list {
                    thead { tr {
                        th scope="col" { "State" } th scope="col" { "Requirement" }
                        th scope="col" { "Product" }
                        th scope="col" { "Step" } th scope="col" { "Tier" } th scope="col" { "Pull request" }
                        th scope="col" { "Cost" } th scope="col" { "In this state for" } th scope="col" { "Age" }
                    } }
                    tbody { @for row in rows { (line(app, row, standing.get(&row.run_id), now)) } }
                }
            }
        }
    }
}

fn line(app: &AppState, row: &Row, standing: Option<&Standing>, now: DateTime<Utc>) -> Markup {
    let sentence = standing.map(|it| why(&it.stored.run, it.job.as_ref()).sentence(now));
    let since = standing.map(|it| it.stored.run.state.since().unwrap_or(it.stored.updated_at));
    let spent = standing.map(|it| it.spent).filter(|spent| *spent > 0);
    html! {
        tr id={ "run-" (row.run_id) } {
            td { (words::state(row.ended_as.as_deref().unwrap_or(&row.status))) }
            td.title {
                a href={ "/runs/" (row.run_id) } { (row.title) }
                @if let Some(sentence) = sentence { p.why { bdi { (words::prose(&sentence)) } } }
            }
            td { (row.product) }
            td { (row.step.as_deref().unwrap_or("–")) }
            td {
                @match standing.and_then(|it| it.stored.run.progress.tier) {
                    Some(tier) => (words::tier(tier)),
                    None => "–",
                }
            }
            td {
                @match row.pull {
                    Some(pull) => (words::pull(&app.settings.forge_url, &row.repository, pull)),
                    None => "–",
                }
            }
            td.nowrap { (spent.map_or_else(|| "–".to_owned(), words::dollars)) }
            td.nowrap { @if let Some(since) = since { (words::lasting(now, since)) } @else { "–" } }
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
