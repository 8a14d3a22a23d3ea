//! Findings, effects and the history of a run.

use maud::{Markup, html};
use serde_json::Value;

use super::{super::words, view::View};
use crate::{
    core::words::counted,
    store::{effect, review},
};

/// How many events the page lists, newest first; the raw JSON has all of them.
const LISTED: usize = 200;
/// The fields of an effect's result that can hold its id at GitHub or the model.
const REMOTE_IDS: [&str; 6] = ["number", "sha", "id", "head", "check_run", "url"];

/// The findings by head.
pub(super) fn findings(view: &View) -> Markup {
    let heads = view.findings.chunk_by(|a, b| a.head_sha == b.head_sha);
    html! {
        @if !view.findings.is_empty() {
            section {
                h2 { "Findings" }
                @for rows in heads { (findings_of(view, rows)) }
            }
        }
    }
}

fn findings_of(view: &View, rows: &[review::Row]) -> Markup {
    let found: Vec<_> = rows.iter().map(review::Row::finding).collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Findings of one head" { table {
            caption { "On " (view.commit(&rows[0].head_sha)) ": " (crate::core::finding::tally(&found)) }
            thead { tr {
                th scope="col" { "Severity" } th scope="col" { "Where" } th scope="col" { "Message" }
                th scope="col" { "State" }
            } }
            tbody { @for row in rows { tr {
                td { (words::tier_word(&row.severity)) }
                td { code { (row.path) @if let Some(line) = row.line { ":" (line) } } }
                td.message { (row.message) }
                td {
                    (row.state)
                    @if let Some(sha) = &row.state_sha { " at " (view.commit(sha)) }
                    @if let Some(by) = &row.state_by { " by " (by) }
                    @if let Some(note) = &row.state_note { ": " (note) }
                }
            } } }
        } }
    }
}

/// The effects, one row each.
pub(super) fn effects(view: &View) -> Markup {
    html! {
        @if !view.effects.is_empty() {
            section {
                h2 { "Effects" }
                p.muted {
                    "Writes to GitHub and model calls. Each is recorded before it is made, "
                    "so that another attempt can look for its result before it repeats it."
                }
                div.scroll tabindex="0" role="region" aria-label="Effects" { table {
                    thead { tr {
                        th scope="col" { "Key" } th scope="col" { "Kind" } th scope="col" { "Attempts" }
                        th scope="col" { "Recorded" }
                        th scope="col" { "Done" } th scope="col" { "Remote ID" }
                    } }
                    tbody { @for row in &view.effects { (effect_line(row)) } }
                } }
            }
        }
    }
}

fn effect_line(row: &effect::Row) -> Markup {
    html! {
        tr {
            th scope="row" { code { (row.key) } }
            td {
                (row.kind)
                @if let Some(model) = row.result.as_ref().and_then(stood_in) { " by the fallback " (model) }
            }
            td { (row.attempts) }
            td.nowrap { (words::clock(row.intended_at)) }
            td.nowrap {
                @match row.done_at {
                    Some(done) => span title=(words::utc(done)) { "+" (words::span(done - row.intended_at)) },
                    None => span.badge.waiting { "unknown" },
                }
            }
            td { (row.result.as_ref().and_then(remote_id).unwrap_or_else(|| "–".to_owned())) }
        }
    }
}

/// The fallback that answered a model call.
fn stood_in(result: &Value) -> Option<&str> {
    result["fallback_for"].as_str()?;
    result["model"].as_str()
}

fn remote_id(result: &Value) -> Option<String> {
    let shown = REMOTE_IDS.iter().find_map(|key| match &result[*key] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })?;
    let is_sha = shown.len() == 40 && shown.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(if is_sha { shown[..7].to_owned() } else { shown.chars().take(80).collect() })
}

/// The history, newest first.
pub(super) fn history(view: &View) -> Markup {
    let version = usize::try_from(view.stored.version).unwrap_or(0);
    let shown = view.events.len().min(LISTED);
    html! {
        section {
            h2 { "History" }
            div.scroll tabindex="0" role="region" aria-label="History" { table.history {
                thead { tr {
                    th scope="col" { "No." } th scope="col" { "Time (UTC)" } th scope="col" { "Actor" }
                    th scope="col" { "Step" } th scope="col" { "Event" }
                } }
                tbody { @for row in view.events.iter().rev().take(LISTED) { tr id={ "event-" (row.seq) } {
                    td { (row.seq) }
                    td.nowrap { (words::clock(row.at)) }
                    td { (row.actor) }
                    td { (row.step.as_deref().unwrap_or("–")) }
                    td.message { (words::summary(&row.body)) }
                } } }
            } }
            @if version > shown {
                p.muted { (counted(version - shown, "older event")) " not shown here: see the raw JSON." }
            }
        }
    }
}
