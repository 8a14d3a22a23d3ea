//! Dead letters as a page: jobs that used up their attempts, and a form to send their runs back to work.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse as _, Redirect, Response},
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::{AppState, middleware::caller::Caller, scope},
    Problem, layout,
    submitted::Submitted,
    words,
};
use crate::{
    core::{
        access::Right,
        reason::{self, Reason},
        requirement::Invalid,
        words::counted,
    },
    engine::{self, Control},
    store::{
        self,
        dead_letter::{Filter, Row},
        product::Product,
    },
};

/// The letters on a page.
const PAGE: i64 = 50;
/// The most letters of one redrive.
const MOST: i64 = 1000;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    #[serde(default)]
    product: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    before: String,
    /// How many were redriven, after the form was sent.
    #[serde(default)]
    redriven: String,
    #[serde(default)]
    refused: String,
}

/// The fields of the form.
#[derive(Debug, Deserialize)]
pub(super) struct RedriveForm {
    /// One letter; empty: those that match the filter.
    #[serde(default)]
    id: String,
    #[serde(default)]
    product: String,
    #[serde(default)]
    error: String,
    /// How many matched when the page was shown.
    #[serde(default)]
    expect: String,
    #[serde(default)]
    reason: String,
}

/// `GET /dead-letters`
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let made = match query {
        Ok(Query(query)) => main(&app, &caller, &query).await,
        Err(error) => Err(Problem::Unreadable(error.body_text())),
    };
    match made {
        Ok(main) => layout::page(&app.settings, Some(&caller), "Dead letters", &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

/// `POST /dead-letters/redrive`: redrives what is meant and shows the list again.
pub(super) async fn redrive(
    State(app): State<AppState>,
    caller: Caller,
    Submitted(form): Submitted<RedriveForm>,
) -> Response {
    match redrive_all(&app, &caller, &form).await {
        Ok((done, refused)) => {
            let pairs = [("product", form.product.as_str()), ("error", &form.error)];
            let mut address = url::form_urlencoded::Serializer::new(String::new());
            address.extend_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
            address.append_pair("redriven", &done.to_string()).append_pair("refused", &refused.to_string());
            Redirect::to(&format!("/dead-letters?{}", address.finish())).into_response()
        }
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn main(app: &AppState, caller: &Caller, query: &PageQuery) -> Result<Markup, Problem> {
    let pool = app.engine.pool();
    let unreadable = |_| Problem::Unreadable("The address has an invalid place in the list.".to_owned());
    let before = Some(&query.before).filter(|text| !text.is_empty()).map(|text| text.parse::<i64>());
    let filter = filter(&query.product, &query.error)?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let before = before.transpose().map_err(unreadable)?;
    let mut rows = scope::dead_letters(pool, caller, &filter, before, PAGE + 1).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > PAGE);
    if more {
        rows.pop();
    }
    let all = scope::dead_letters(pool, caller, &filter, None, MOST + 1).await?.len();
    let products = scope::products(app, caller).await?;
    Ok(html! {
        main #main {
            h1 { "Dead letters" }
            p.muted { "Jobs that used up their attempts. A redrive sends the run back to the step that failed." }
            (result(query))
            (filters(query, &products))
            (table(&rows, caller, now))
            @if let Some(last) = rows.last().filter(|_| more) {
                nav.pages aria-label="Pages" { a rel="next" href=(older(query, last.id)) { "Older" } }
            }
            @if caller.may(Right::Steer) && all > 0 { (redrive_matching(query, all, caller)) }
        }
    })
}

fn filter(product: &str, error: &str) -> Result<Filter, Problem> {
    if product.contains('\0') || error.contains('\0') {
        return Err(Problem::Unreadable("The search contains a NUL character; remove it.".to_owned()));
    }
    let some = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Filter { product: some(product), error_contains: some(error), ..Filter::default() })
}

fn result(query: &PageQuery) -> Markup {
    let count = |text: &str| text.parse::<u32>().ok();
    html! {
        @if let Some(done) = count(&query.redriven) {
            p.now.good role="status" {
                (counted(done, "dead letter")) " redriven"
                @if let Some(refused) = count(&query.refused).filter(|refused| *refused > 0) {
                    "; " (counted(refused, "run")) " refused it, as their pages say"
                }
                "."
            }
        }
    }
}

fn older(query: &PageQuery, before: i64) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("product", &query.product), ("error", &query.error)] {
        if !value.is_empty() {
            pairs.append_pair(name, value);
        }
    }
    format!("/dead-letters?{}", pairs.append_pair("before", &before.to_string()).finish())
}

fn filters(query: &PageQuery, products: &[Product]) -> Markup {
    html! {
        form.narrow method="get" action="/dead-letters" role="search" {
            label { "Product "
                select name="product" {
                    option value="" { "all" }
                    @for product in products {
                        option value=(product.name) selected[product.name == query.product] { (product.name) }
                    }
                }
            }
            label { "Error contains " input type="search" name="error" value=(query.error) maxlength="200"; }
            button { "Show" }
        }
    }
}

fn table(rows: &[Row], caller: &Caller, now: DateTime<Utc>) -> Markup {
    html! {
        @if rows.is_empty() { p.empty { "No dead letter here." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Dead letters" { table {
                thead { tr {
                    th scope="col" { "No." } th scope="col" { "Run" } th scope="col" { "Product" }
                    th scope="col" { "Step" } th scope="col" { "Last error" } th scope="col" { "Gave up" }
                    @if caller.may(Right::Steer) { th scope="col" { "Redrive" } }
                } }
                tbody { @for row in rows { tr {
                    td { (row.id) }
                    td { a href={ "/runs/" (row.run_id) } { code.id { (row.run_id) } } }
                    td { (row.product) }
                    td { (row.step) }
                    td.message { bdi { (row.error) } }
                    td.nowrap { (words::moment(now, row.died_at)) " after " (counted(row.attempts, "attempt")) }
                    @if caller.may(Right::Steer) { td { (redrive_one(row.id, caller)) } }
                } } }
            } }
        }
    }
}

fn redrive_one(id: i64, caller: &Caller) -> Markup {
    html! {
        form.control method="post" action="/dead-letters/redrive" {
            (layout::proof(caller))
            input type="hidden" name="id" value=(id);
            input name="reason" required maxlength=(reason::LIMIT) placeholder="Why" aria-label={ "Why redrive " (id) };
            button { "Redrive" }
        }
    }
}

/// The form for all that match. It carries how many those are, and is refused if that has changed.
fn redrive_matching(query: &PageQuery, all: usize, caller: &Caller) -> Markup {
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    html! {
        section {
            h2 { "All that match" }
            @if all > most { p { "Over " (most) " match; narrow the search to redrive them together." } } @else {
                form.control method="post" action="/dead-letters/redrive" {
                    (layout::proof(caller))
                    input type="hidden" name="product" value=(query.product);
                    input type="hidden" name="error" value=(query.error);
                    input type="hidden" name="expect" value=(all);
                    input name="reason" required maxlength=(reason::LIMIT) placeholder="Why" aria-label="Why redrive all that match";
                    button { "Redrive " (all) }
                }
            }
        }
    }
}

/// How many were redriven, and how many runs refused it.
async fn redrive_all(app: &AppState, caller: &Caller, form: &RedriveForm) -> Result<(u32, u32), Problem> {
    let why: Reason = form.reason.parse().map_err(|wrong: Invalid| {
        Problem::Unreadable(format!("The reason {}. Go back and try again.", wrong.message))
    })?;
    let (mut done, mut refused) = (0, 0);
    for id in meant(app, caller, form).await? {
        match app.engine.redrive(id, caller.author(), &why).await {
            Ok(Control::Applied) => done += 1,
            Ok(Control::Unchanged) => {}
            Err(engine::Error::Store(error)) => return Err(error.into()),
            Err(_) => refused += 1,
        }
    }
    Ok((done, refused))
}

/// The letters that are meant: one, or as many as match the filter and as the page showed.
async fn meant(app: &AppState, caller: &Caller, form: &RedriveForm) -> Result<Vec<i64>, Problem> {
    let pool = app.engine.pool();
    if !form.id.is_empty() {
        let missing = || Problem::Missing("There is no such dead letter.".to_owned());
        let id: i64 = form.id.parse().map_err(|_| missing())?;
        let product = store::scope::of_dead_letter(pool, id).await?;
        return product.filter(|product| caller.has(product)).map(|_| vec![id]).ok_or_else(missing);
    }
    let rows =
        scope::dead_letters(pool, caller, &filter(&form.product, &form.error)?, None, MOST + 1).await?;
    if form.expect.parse::<usize>().ok() != Some(rows.len()) {
        return Err(Problem::Denied(format!(
            "{} match by now, not {}; nothing was redriven. Open the list again.",
            counted(rows.len(), "dead letter"),
            form.expect.chars().take(20).collect::<String>()
        )));
    }
    Ok(rows.into_iter().map(|row| row.id).collect())
}
