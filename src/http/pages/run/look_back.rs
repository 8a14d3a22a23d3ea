//! Looking back at a run that has ended: its rounds, what was for nothing, where the time went, and what would have avoided it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use maud::{Markup, html};

use super::{super::words, view::View};
use crate::{
    api::{Lesson, LookBack, Wasted},
    core::words::counted,
};

/// The panel; nothing while the run goes on.
pub(super) fn panel(view: &View) -> Markup {
    html! { @if let Some(it) = &view.look_back { section #look-back { h2 { "Looking back" } (content(view, it)) } } }
}

fn content(view: &View, it: &LookBack) -> Markup {
    let product = &view.stored.spec.product;
    html! {
        p.(if it.state == "ready" { "now" } else { "empty" }) { (words::prose(&it.sentence)) "." }
        @if let Some(lessons) = it.lessons.as_ref().filter(|lessons| !lessons.is_empty()) {
            ul { @for one in lessons { (lesson(product, one)) } }
        }
        @if let Some(waste) = &it.waste { (wasted(waste)) }
        @if let Some(time) = &it.time_ms { (times(time)) }
        @if let Some(at) = it.looked_at { p.muted { "Looked at " (words::utc(at)) "." } }
    }
}

fn lesson(product: &str, it: &Lesson) -> Markup {
    html! { li {
        code { bdi { (it.cause) } } ": " (words::prose(&it.happened)) "."
        " It would have been avoided by " (words::prose(&it.avoid)) "."
        @if let Some(cost) = cost(it) { span.muted { " Cost: " (cost) "." } }
        @if let Some(said) = &it.said { p.muted { "Said: " bdi { (said) } } }
        @if let (Some(id), Some(state)) = (it.proposal_id, &it.proposal_state) {
            " " a href={ "/products/" (product) "#proposal-" (id) } { "Proposal" } " (" (state) ")."
        }
    } }
}

fn cost(it: &Lesson) -> Option<String> {
    let parts = [
        (it.rounds > 0).then(|| counted(it.rounds, "round")),
        (it.calls > 0).then(|| counted(it.calls, "model call")),
        (it.wait_ms > 0).then(|| format!("{} of waiting", span(it.wait_ms))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn wasted(waste: &BTreeMap<String, Wasted>) -> Markup {
    let parts: Vec<_> = waste.iter().filter(|(_, part)| part.calls > 0 || part.ms > 0).collect();
    html! { @if !parts.is_empty() {
        h3 { "For nothing" }
        div.scroll tabindex="0" role="region" aria-label="For nothing" { table {
            thead { tr {
                th scope="col" { "What" } th scope="col" { "Calls" } th scope="col" { "Tokens" } th scope="col" { "Cost" }
                th scope="col" { "Time of attempts" }
            } }
            tbody { @for (name, part) in parts { tr {
                td { (named(name)) } td { (part.calls) } td { (words::thousands(part.tokens)) }
                td { (price(*part)) } td { (span(part.ms)) }
            } } }
        } }
    } }
}

/// What a part cost; tokens without a known price cost nobody knows what.
fn price(part: Wasted) -> String {
    if part.tokens > 0 && part.micro_dollars == 0 {
        return "no price known".to_owned();
    }
    words::dollars(part.micro_dollars)
}

/// A part of the waste in words.
fn named(part: &str) -> &str {
    match part {
        "unusable" => "answers that were not taken",
        "failed" => "attempts that failed, calls without an answer",
        "rounds" => "rounds of remediation",
        "in_vain" => "the rest of a run without its change",
        other => other,
    }
}

fn times(time: &BTreeMap<String, i64>) -> Markup {
    let mut parts: Vec<_> = time.iter().collect();
    parts.sort_by_key(|(_, ms)| std::cmp::Reverse(**ms));
    html! { @if !parts.is_empty() {
        h3 { "Where the time went" }
        div.scroll tabindex="0" role="region" aria-label="Where the time went" { table {
            thead { tr { th scope="col" { "What" } th scope="col" { "Time" } } }
            tbody { @for (cause, ms) in parts { tr { td { (cause.replace('_', " ")) } td { (span(*ms)) } } } }
        } }
    } }
}

fn span(ms: i64) -> String {
    words::span(TimeDelta::milliseconds(ms))
}
