//! The history of a run, newest first, some events at a time.

use maud::{Markup, html};

use super::{super::words, view::View};
use crate::core::words::counted;

/// The history's panel.
pub(super) fn panel(view: &View) -> Markup {
    let first = view.listed.first().map_or(0, |row| row.seq);
    let last = view.listed.last().map_or(0, |row| row.seq);
    let (older, newer) = (first.saturating_sub(1).max(0), view.stored.version.saturating_sub(last).max(0));
    let page = format!("/runs/{}", view.stored.spec.id);
    html! {
        section {
            h2 { "History" }
            div.scroll tabindex="0" role="region" aria-label="History" { table.history {
                thead { tr {
                    th scope="col" { "No." } th scope="col" { "Time (UTC)" } th scope="col" { "Actor" }
                    th scope="col" { "Step" } th scope="col" { "Event" }
                } }
                tbody { @for row in view.listed.iter().rev() { tr id={ "event-" (row.seq) } {
                    td { (row.seq) }
                    td.nowrap { (words::clock(row.at)) }
                    td { (row.actor) }
                    td { (row.step.as_deref().unwrap_or("–")) }
                    td.message { (words::summary(&row.body)) }
                } } }
            } }
            nav.pages aria-label="Pages of the history" {
                @if newer > 0 { a href={ (page) "#panel-history" } { "Newest events" } }
                @if older > 0 {
                    a rel="next" href={ (page) "?before=" (first) "#panel-history" } { (counted(older, "older event")) }
                }
            }
        }
    }
}
