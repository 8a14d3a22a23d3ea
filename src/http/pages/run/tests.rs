//! Our own runs of the product's tests: a row each, with the end of their output in a fold.

use maud::{Markup, html};

use super::{super::words, view::View};
use crate::api::TestRun;

/// How many are listed.
const LISTED: usize = 30;

/// The panel of test runs; nothing where there were none.
pub(super) fn panel(view: &View) -> Markup {
    html! {
        @if !view.tests.is_empty() {
            section #tests {
                h2 { "Tests" }
                div.scroll tabindex="0" role="region" aria-label="Test runs" { table {
                    thead { tr {
                        th scope="col" { "Commit" } th scope="col" { "What was tested" }
                        th scope="col" { "Result" } th scope="col" { "Command" } th scope="col" { "Took" }
                    } }
                    tbody { @for run in view.tests.iter().take(LISTED) { (row(view, run)) } }
                } }
                @for run in view.tests.iter().take(LISTED).filter(|run| !run.is_clean()) { (log(run)) }
            }
        }
    }
}

fn row(view: &View, run: &TestRun) -> Markup {
    html! { tr {
        td { (view.commit(&run.commit)) }
        td { (run.what()) }
        td.message { (run.sentence) }
        td { code { (run.command.join(" ")) } @if let Some(exit) = run.exit { " → " (exit) } }
        td.nowrap { (format!("{:.1} s", run.seconds)) }
    } }
}

fn log(run: &TestRun) -> Markup {
    let name = format!("tests-{}-{}", &run.commit[..run.commit.len().min(12)], run.purpose);
    html! {
        @if !run.red_log().is_empty() {
            details id=(name) {
                summary { "Output of the tests of " code { (run.commit.get(..7).unwrap_or(&run.commit)) } " (" (run.what()) ", " (words::utc(run.at)) ")" }
                pre.text { (run.red_log()) }
            }
        }
    }
}
