//! The runs behind a figure of the dashboard, newest first.

use axum::{extract::State, response::Response};
use maud::{Markup, html};

use super::RUNS;
use crate::{
    api::{Asked, MetricsRun, MetricsRuns},
    http::{
        AppState, board,
        middleware::{caller::Caller, error::Error, extract::Query},
        pages::{Problem, layout, words},
    },
};

/// The runs on a page.
const PAGE: i32 = 50;

/// `GET /dashboard/runs`
pub(in super::super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query, Error>,
) -> Response {
    match main(&app, &caller, query).await {
        Ok(main) => layout::page(&app.settings, Some(&caller), "Runs behind a figure", &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn main(app: &AppState, caller: &Caller, query: Result<Query, Error>) -> Result<Markup, Problem> {
    let query = query?.only(&["figure", "from", "to", "product", "tier", "cursor"])?;
    let asked = board::asked(app.engine.pool(), &query).await?;
    let page = board::behind(app, caller, &asked, &query, PAGE).await?;
    let figure = query.text("figure").unwrap_or_default();
    Ok(html! {
        main #main {
            h1 { "Runs behind " code { (figure) } }
            p.muted {
                "From " (asked.range.from()) " to " (asked.range.to()) ", by days in UTC"
                @if let Some(product) = &asked.product { ", of " (product) }
                @if let Some(tier) = &asked.tier { ", of tier " (tier) }
                ". " a href={ "/dashboard?" (asked.query(None)) } { "To the dashboard" } "."
            }
            (table(figure, &page))
            nav.pages aria-label="Pages" { (older(&asked, figure, &page)) }
        }
    })
}

fn older(asked: &Asked, figure: &str, page: &MetricsRuns) -> Markup {
    html! {
        @if let Some(cursor) = &page.next_cursor {
            a rel="next" href={ (asked.runs_url(RUNS, figure)) "&cursor=" (cursor) } { "Older" }
        }
    }
}

fn table(figure: &str, page: &MetricsRuns) -> Markup {
    html! {
        @if page.items.is_empty() { p.empty { "No run adds to this figure in these days." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Runs" { table.list {
                thead { tr {
                    th scope="col" { "Run" } th scope="col" { "Product" } th scope="col" { "Tier" }
                    th scope="col" { "Adds" } th scope="col" { "Counts at" }
                } }
                tbody { @for run in &page.items { (line(figure, run)) } }
            } }
        }
    }
}

fn line(figure: &str, run: &MetricsRun) -> Markup {
    html! {
        tr {
            td.title {
                @if run.is_deleted { span.muted { "deleted by retention: " code { (run.run_id) } } } @else {
                    a href={ "/runs/" (run.run_id) } { (run.title.as_deref().unwrap_or("a run without a title")) }
                }
            }
            td { (run.product) }
            td { @match &run.tier { Some(tier) => (words::tier_word(tier)), None => "–" } }
            td.nowrap { (adds(figure, run.amount)) }
            td.nowrap { time datetime=(run.counted_at.to_rfc3339()) { (run.counted_at.format("%Y-%m-%d %H:%M:%S")) } }
        }
    }
}

/// What a run adds, in the unit of the figure.
fn adds(figure: &str, amount: i64) -> String {
    let head = figure.split_once('.').map_or(figure, |(head, _)| head);
    match head {
        _ if figure.ends_with(".met") => words::thousands(amount),
        "cycle" | "first_pull" | "spent" | "step" => words::span(chrono::TimeDelta::milliseconds(amount)),
        "cost" | "cost_of_merged" => words::dollars(amount),
        _ => words::thousands(amount),
    }
}
