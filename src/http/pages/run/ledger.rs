//! The findings and the effects of a run.

use maud::{Markup, html};

use super::{
    super::{layout, words},
    view::{EFFECTS, View},
};
use crate::{
    core::{access::Right, reason, words::counted},
    store::{effect, review},
};

/// The most findings that the page shows, those of the newest heads.
const FINDINGS: usize = 100;

/// The findings by head.
pub(super) fn findings(view: &View) -> Markup {
    let older = view.findings.len().saturating_sub(FINDINGS);
    let heads = view.findings[older..].chunk_by(|a, b| a.head_sha == b.head_sha);
    html! {
        @if !view.findings.is_empty() {
            section {
                h2 { "Findings" }
                @if older > 0 { p.muted { (counted(older, "older finding")) " not shown here." } }
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
                    @if row.state == "open" && view.caller.may(Right::Steer) { (dismissal(view, row)) }
                }
            } } }
        } }
    }
}

/// The form that dismisses an open finding.
fn dismissal(view: &View, row: &review::Row) -> Markup {
    html! {
        details id={ "dismiss-" (row.head_sha) "-" (row.fingerprint) } {
            summary { "Dismiss" }
            form.control method="post" action={ "/runs/" (view.stored.spec.id) "/dismiss" } {
                (layout::proof(&view.caller))
                input type="hidden" name="fingerprint" value=(row.fingerprint);
                input name="reason" aria-label="reason" placeholder="Why?" required maxlength=(reason::LIMIT)
                    autocomplete="off";
                button { "Dismiss" }
            }
        }
    }
}

/// The newest effects, one row each.
pub(super) fn effects(view: &View) -> Markup {
    html! {
        @if !view.effects.is_empty() {
            section {
                h2 { "Effects" }
                p.muted {
                    "Writes to GitHub and model calls, newest first. Each is recorded before it is made, "
                    "so that another attempt can look for its result before it repeats it."
                }
                div.scroll tabindex="0" role="region" aria-label="Effects" { table {
                    thead { tr {
                        th scope="col" { "Key" } th scope="col" { "Kind" } th scope="col" { "Attempts" }
                        th scope="col" { "Recorded" }
                        th scope="col" { "Done" } th scope="col" { "Remote ID" }
                    } }
                    tbody { @for row in view.effects.iter().take(EFFECTS) { (effect_line(row)) } }
                } }
                @if view.effects.len() > EFFECTS { p.muted { "Older effects are in the raw JSON." } }
            }
        }
    }
}

fn effect_line(row: &effect::Brief) -> Markup {
    html! {
        tr id={ "effect-" (row.key) } {
            th scope="row" { code { (row.key) } }
            td {
                (row.kind)
                @if let Some(model) = &row.fallback { " by the fallback " (model) }
            }
            td { (row.attempts) }
            td.nowrap { (words::clock(row.intended_at)) }
            td.nowrap {
                @match row.done_at {
                    Some(done) => span title=(words::utc(done)) { "+" (words::span(done - row.intended_at)) },
                    None => span.badge.waiting { "unknown" },
                }
            }
            td { (row.remote.as_deref().map_or_else(|| "–".to_owned(), remote_id)) }
        }
    }
}

/// A commit by its first seven digits, anything else by at most 80 characters.
fn remote_id(remote: &str) -> String {
    let is_sha = remote.len() == 40 && remote.bytes().all(|byte| byte.is_ascii_hexdigit());
    remote.chars().take(if is_sha { 7 } else { 80 }).collect()
}
