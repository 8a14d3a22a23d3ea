//! The dashboard: a few questions about what the factory did, each answered by a plot and by figures that lead to the runs
//! behind them.

mod plot;
mod runs;

use axum::{extract::State, response::Response};
use maud::{Markup, html};

pub(super) use self::runs::show as runs;
use super::{
    super::{
        AppState, board,
        middleware::{caller::Caller, error::Error, extract::Query},
        scope,
    },
    Problem, layout, words,
};
use crate::{
    api::{Asked, Metrics, MetricsFigure, MetricsSection},
    core::{measure::NO_TIER, policy::Tier, words::counted},
    store::product::Product,
};

/// The runs behind a figure, as a page.
const RUNS: &str = "/dashboard/runs";

/// `GET /dashboard`
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query, Error>,
) -> Response {
    match main(&app, &caller, query).await {
        Ok(main) => layout::page(&app.settings, Some(&caller), "Dashboard", &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn main(app: &AppState, caller: &Caller, query: Result<Query, Error>) -> Result<Markup, Problem> {
    let query = query?.only(&["from", "to", "product", "tier"])?;
    let asked = board::asked(app.engine.pool(), &query).await?;
    let products = scope::products(app, caller).await?;
    let (board, uncounted) = board::read(app, caller, &asked).await?;
    let metrics = Metrics::new(asked.clone(), board, uncounted);
    Ok(html! {
        main #main {
            h1 { "Dashboard" }
            p.muted {
                "What happened from " (metrics.from) " to " (metrics.to) ", by days in UTC. A run counts on the day of its merge, "
                "or else of its end. Each number leads to the runs behind it."
                @if uncounted > 0 { " " (counted(uncounted, "run")) " changed and will be counted in a moment." }
            }
            (filters(&asked, &products))
            @for section in &metrics.sections { (question(&asked, section)) }
            p.muted {
                "Raw: " a href={ "/api/v1/metrics?" (asked.query(None)) } { "JSON" } ", "
                a href={ "/api/v1/metrics?format=csv&" (asked.query(None)) } { "CSV" } "."
            }
        }
    })
}

/// The form that chooses the days, the product and the tier.
fn filters(asked: &Asked, products: &[Product]) -> Markup {
    let tiers = Tier::ALL.map(Tier::as_str);
    let (product, tier) = (asked.product.as_deref(), asked.tier.as_deref());
    html! {
        form.narrow method="get" action="/dashboard" role="search" {
            label { "From " input type="date" name="from" value=(asked.range.from()); }
            label { "To " input type="date" name="to" value=(asked.range.to()); }
            label { "Product "
                select name="product" {
                    option value="" { "all" }
                    @for one in products { option value=(one.name) selected[product == Some(one.name.as_str())] { (one.name) } }
                }
            }
            label { "Tier "
                select name="tier" {
                    option value="" { "all" }
                    @for one in tiers { option value=(one) selected[tier == Some(one)] { (one) } }
                    option value=(NO_TIER) selected[tier == Some(NO_TIER)] { "never judged" }
                }
            }
            button { "Show" }
        }
    }
}

/// A question: what stands out, a plot, and every figure.
fn question(asked: &Asked, section: &MetricsSection) -> Markup {
    let id = format!("q-{}", section.name);
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (section.question) }
            dl.strip.headline {
                @for figure in section.figures.iter().filter(|figure| stands_out(&section.name, &figure.name)) {
                    div { dt { (figure.label) } dd { (number(asked, figure)) } }
                }
            }
            (plot::bars(asked, section))
            details {
                summary { "All figures" }
                div.scroll tabindex="0" role="region" aria-label={ "Figures: " (section.question) } { table {
                    thead { tr { th scope="col" { "Figure" } th scope="col" { "Value" } th scope="col" { "Of" } } }
                    tbody { @for figure in &section.figures { tr {
                        th scope="row" { (figure.label) }
                        td { (number(asked, figure)) }
                        td { @match figure.of { Some(of) => (words::thousands(of)), None => "" } }
                    } } }
                } }
            }
        }
    }
}

/// The figures that answer the question by themselves.
fn stands_out(section: &str, figure: &str) -> bool {
    match section {
        "merged" => matches!(figure, "merged" | "ended" | "ended.blocked" | "ended.failed"),
        "alone" => matches!(figure, "auto_merged" | "first_pass" | "rounds.mean"),
        "time" => figure.ends_with(".median") || figure.ends_with(".p90") || figure.ends_with(".met_share"),
        "cost" => matches!(figure, "cost" | "cost.per_merge"),
        "findings" => {
            figure.starts_with("precision.")
                || matches!(figure, "finding.critical" | "finding.high" | "finding.medium")
        }
        "gaps" => matches!(figure, "gap.tracked" | "gap.converted" | "gap.in_time_share" | "gap.median"),
        _ => matches!(figure, "incident" | "merged.unjudged" | "coverage"),
    }
}

/// The number, as a link to the runs behind it.
fn number(asked: &Asked, figure: &MetricsFigure) -> Markup {
    let Some(value) = figure.value else { return html! { span.muted { "no data" } } };
    let text = written(&figure.unit, value);
    if let Some(query) = figure.runs_url.as_deref().and_then(|url| url.strip_prefix("/api/v1/harness-gaps?"))
    {
        return html! { a href={ "/harness-gaps?" (query) } { (text) } };
    }
    let figure = figure.runs_url.as_deref().and_then(|url| {
        let query = url.split_once('?').map(|(_, query)| query)?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "figure")
            .map(|(_, name)| name.into_owned())
    });
    html! {
        @match figure {
            Some(name) => a href=(asked.runs_url(RUNS, &name)) { (text) },
            None => (text),
        }
    }
}

/// A value with its unit.
#[expect(clippy::cast_possible_truncation, reason = "no sum has 2^52")]
pub(super) fn written(unit: &str, value: f64) -> String {
    match unit {
        // Rounded down, so that only all is 100 %.
        "share" => format!("{} %", (value * 1000.0).floor() / 10.0),
        "ms" => words::span(chrono::TimeDelta::milliseconds(value as i64)),
        "usd" => words::dollars((value * 1_000_000.0).round() as i64),
        _ if value.fract() == 0.0 => words::thousands(value as i64),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_in_its_unit_and_a_share_is_never_rounded_up() {
        let check = |unit: &str, value: f64, expected: &str| assert_eq!(written(unit, value), expected);
        check("runs", 12_345.0, "12,345");
        check("number", 1.5, "1.50");
        check("share", 0.9999, "99.9 %");
        check("share", 1.0, "100 %");
        check("ms", 185_000.0, "3 min 5 s");
        check("usd", 1.5, "$1.5000");
    }
}
