//! The board: the clocks that run, the most urgent first, then what is over; and the form that opens a gap.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    super::{
        field::{Limit, field},
        layout, words,
    },
    GapForm,
};
use crate::{
    api::Gap,
    core::{
        access::Right,
        gap::STATES,
        incident::{BODY_LIMIT, TITLE_LIMIT},
        requirement::Invalid,
    },
    http::{AppState, middleware::caller::Caller},
    store::product::Product,
};

/// What the board shows.
pub(super) struct Board<'a> {
    pub(super) gaps: &'a [Gap],
    pub(super) now: DateTime<Utc>,
    /// The filter; empty for all.
    pub(super) state: &'a str,
    /// The last gap, if there are older ones.
    pub(super) last: Option<Uuid>,
    pub(super) is_first: bool,
}

pub(super) fn main(
    app: &AppState,
    caller: &Caller,
    board: &Board<'_>,
    (products, form, wrong): (&[Product], &GapForm, &[Invalid]),
) -> Markup {
    let (mut open, over): (Vec<&Gap>, Vec<&Gap>) = board.gaps.iter().partition(|gap| gap.state == "open");
    open.sort_by_key(|gap| gap.clock.due_at);
    let older = board.last.map(|last| format!("/harness-gaps?state={}&before={last}", board.state));
    html! {
        main #main {
            h1 { "Harness gaps" }
            p.muted {
                "Incidents that no case of a product's harness would have caught. The clock of each runs until a case is "
                "merged that fails without its fix; pausing its run does not stop it."
            }
            nav.filters aria-label="States" {
                a href="/harness-gaps" aria-current=[board.state.is_empty().then_some("page")] { "All" } " "
                @for state in STATES {
                    a href={ "/harness-gaps?state=" (state) } aria-current=[(board.state == state).then_some("page")] { (state) } " "
                }
            }
            @if caller.may(Right::Submit) {
                details open[!wrong.is_empty()] {
                    summary { "Open a harness gap" }
                    (fields(caller, products, form, wrong))
                }
            }
            @if board.gaps.is_empty() { p.empty { "None here." } }
            @if !open.is_empty() { h2 { "Open" } (table(app, &open, board.now)) }
            @if !over.is_empty() { h2 { "Over" } (table(app, &over, board.now)) }
            nav.pages aria-label="Pages" {
                @if !board.is_first { a href={ "/harness-gaps?state=" (board.state) } { "Newest" } }
                @if let Some(older) = older { a rel="next" href=(older) { "Older" } }
            }
        }
    }
}

fn table(app: &AppState, gaps: &[&Gap], now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Harness gaps" {
            table.list {
                thead { tr {
                    th scope="col" { "Clock" } th scope="col" { "Incident" } th scope="col" { "Product" }
                    th scope="col" { "Issue" } th scope="col" { "Run" } th scope="col" { "Case" } th scope="col" { "Caused by" }
                } }
                tbody { @for gap in gaps { (line(app, gap, now)) } }
            }
        }
    }
}

fn line(app: &AppState, gap: &Gap, now: DateTime<Utc>) -> Markup {
    let forge = &app.settings.forge_url;
    html! {
        tr id={ "gap-" (gap.id) } {
            td { (clock(gap, now)) }
            td.title { a href={ "/harness-gaps/" (gap.id) } { bdi { (gap.title) } } }
            td { (gap.product) }
            td { @if let Some(issue) = gap.issue { (issue_link(forge, &gap.repository, issue)) } @else { "–" } }
            td { @if let Some(run) = gap.run_id { a href={ "/runs/" (run) } { "run" } } @else { "–" } }
            td { @if let Some(pull) = gap.case_pull { (words::pull(forge, &gap.repository, pull)) } @else { "–" } }
            td { @if let Some(run) = gap.caused_by { a href={ "/runs/" (run) } { "run" } } @else { "–" } }
        }
    }
}

/// The page of an issue of the forge.
pub(super) fn issue_link(forge: &str, repository: &str, issue: i64) -> Markup {
    words::link(&format!("{forge}/{repository}/issues/{issue}"), &format!("#{issue}"))
}

/// What a clock shows, as a word, a bar and times.
pub(super) fn clock(gap: &Gap, now: DateTime<Utc>) -> Markup {
    let due = gap.clock.due_at;
    match (gap.state.as_str(), gap.clock.reading.as_str()) {
        ("dismissed", _) => html! { span.state { "dismissed" } },
        (_, "in_time") => html! { span.state.good { "in time" } },
        (_, "late") => html! { span.state.bad { "late" } },
        (_, "overdue") => html! {
            span.state.bad { "overdue" } " "
            span.nowrap { "since " (words::moment(now, due)) }
        },
        _ => html! {
            @let used = gap.clock.used_percent.unwrap_or_default();
            meter min="0" max="100" high="75" optimum="0" value=(used) { (used) " %" } " "
            span.nowrap { (words::span(due - now)) " left" }
        },
    }
}

fn fields(caller: &Caller, products: &[Product], form: &GapForm, wrong: &[Invalid]) -> Markup {
    let token = if form.token.is_empty() { Uuid::now_v7().to_string() } else { form.token.clone() };
    html! {
        form.requirement method="post" action="/harness-gaps" {
            (layout::proof(caller))
            input type="hidden" name="token" value=(token);
            @if !wrong.is_empty() { p.error role="alert" { "Nothing was opened yet: correct the marked fields." } }
            (field("product", "Product", None, wrong, |marks| html! {
                select #product name="product" required aria-invalid=[marks.invalid]
                    aria-describedby=[marks.described.as_deref()] {
                    @for product in products {
                        option value=(product.name) selected[product.name == form.product] { (product.name) }
                    }
                }
            }))
            (field("title", "What went wrong", Some(Limit::Characters(TITLE_LIMIT)), wrong, |marks| html! {
                input #title name="title" value=(form.title) required data-limit=[marks.limit] data-unit=[marks.unit]
                    aria-invalid=[marks.invalid] aria-describedby=[marks.described.as_deref()];
            }))
            (field("body", "What is known of it", Some(Limit::Bytes(BODY_LIMIT)), wrong, |marks| html! {
                textarea #body name="body" rows="6" data-limit=[marks.limit] data-unit=[marks.unit]
                    aria-invalid=[marks.invalid] aria-describedby=[marks.described.as_deref()] { (form.body) }
            }))
            (field("url", "Where it is reported in full", None, wrong, |marks| html! {
                input #url name="url" type="url" value=(form.url) aria-invalid=[marks.invalid]
                    aria-describedby=[marks.described.as_deref()];
            }))
            (field("happened_at", "When it happened, in UTC; empty: now", None, wrong, |marks| html! {
                input #happened_at name="happened_at" type="datetime-local" value=(form.happened_at)
                    aria-invalid=[marks.invalid] aria-describedby=[marks.described.as_deref()];
            }))
            button { "Open" }
        }
    }
}
