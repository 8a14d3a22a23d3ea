//! The newest attempts at the jobs of a run.

use maud::{Markup, html};

use super::{super::words, view::View};

/// How many attempts are listed.
const LISTED: usize = 50;

/// The attempts' panel: a fold.
pub(super) fn panel(view: &View) -> Markup {
    let newest = view.attempts.iter().rev().take(LISTED);
    let id = view.stored.spec.id;
    html! {
        @if !view.attempts.is_empty() {
            details #attempts {
                summary { "Newest attempts (" (newest.len()) ")" }
                div.scroll tabindex="0" role="region" aria-label="Attempts" { table {
                    thead { tr {
                        th scope="col" { "Job" } th scope="col" { "Step" } th scope="col" { "Attempt" }
                        th scope="col" { "Worker" }
                        th scope="col" { "Began (UTC)" } th scope="col" { "Took" }
                        th scope="col" { "Ended" } th scope="col" { "Error" }
                    } }
                    tbody { @for row in newest { tr id={ "attempt-" (row.turn) "-" (row.attempt) } {
                        td { (row.turn) } td { (row.step) } td { (row.attempt) } td { (row.worker) }
                        td.nowrap { (words::clock(row.started_at)) }
                        td.nowrap { (words::span(row.ended_at.unwrap_or_else(|| view.coarse_now()) - row.started_at)) }
                        td { (row.ended_as.as_deref().unwrap_or("running")) }
                        td.message { (row.error.as_deref().unwrap_or("–")) }
                    } } }
                } }
                p.muted { "All attempts, a page at a time: " a href={ "/api/v1/runs/" (id) "/attempts" } { "raw JSON" } "." }
            }
        }
    }
}
