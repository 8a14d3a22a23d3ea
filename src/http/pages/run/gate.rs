//! The last assessment: every check, what is missing, and which pattern decided each path's tier.
//!
//! It renders the recorded JSON, and leaves out what an assessment of another release does not have.

use maud::{Markup, html};
use serde_json::Value;

use super::{super::words, view::View};
use crate::{core::words::counted, store::assessment::Row};

/// The most paths that the page shows; the raw assessment has all of them.
const PATHS: usize = 100;

/// The gate's panel; nothing before the first assessment.
pub(super) fn panel(view: &View) -> Markup {
    html! { @if let Some(row) = &view.assessment { (assessed(view, row)) } }
}

fn assessed(view: &View, row: &Row) -> Markup {
    let head = view.stored.run.progress.head.as_ref().map(crate::core::sha::Sha::as_str);
    let stale = head.is_some_and(|head| head != row.head_sha);
    html! {
        section.stale[stale] {
            h2 { "Gate" }
            @if let Some(head) = head.filter(|_| stale) {
                p.error {
                    "The head " (view.commit(head)) " is not judged yet. What follows is of an older head and does not count."
                }
            }
            p {
                @if row.stage == "verdict" { "Verdict" } @else { "Preflight" } " of " (view.commit(&row.head_sha)) ": "
                strong { (row.decision) } ", tier " (words::tier_word(&row.tier)) ", "
                (words::moment(view.now(), row.assessed_at)) "."
            }
            (decision(&row.report["decision"]))
            (checks(view, list(&row.report["checks"])))
            (parts(list(&row.report["tree"]["children"])))
            (paths(&row.report["classification"]))
        }
    }
}

fn decision(decision: &Value) -> Markup {
    let reasons = list(&decision["reasons"]);
    let waits = list(&decision["on"]);
    html! {
        @if !reasons.is_empty() { ul.reasons { @for reason in reasons { li { (text(reason)) } } } }
        @if !waits.is_empty() { ul.reasons { @for wait in waits { li { (waited_for(wait)) } } } }
    }
}

fn waited_for(wait: &Value) -> String {
    match text(&wait["for"]) {
        "check" => format!("waits for the check {}: {}", text(&wait["name"]), text(&wait["progress"])),
        "approvals" => {
            let who = if wait["human"].as_bool() == Some(true) { " of people" } else { "" };
            format!("waits for approvals{who}: {} missing", wait["missing"])
        }
        "draft" => "waits for the pull request to leave draft".to_owned(),
        other => format!("waits for {other}"),
    }
}

fn checks(view: &View, checks: &[Value]) -> Markup {
    html! {
        @if !checks.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Checks" { table {
                caption { "Checks" }
                thead { tr {
                    th scope="col" { "Check" } th scope="col" { "State" } th scope="col" { "Detail" }
                    th scope="col" { "Since" } th scope="col" { "Demanded by" } th scope="col" { "On" }
                    th scope="col" { "Report" }
                } }
                tbody { @for check in checks { tr {
                    th scope="row" { (text(&check["name"])) }
                    td { (check_state(text(&check["state"]))) }
                    td { (text(&check["detail"])) }
                    td.nowrap { (since(view, check)) }
                    td { @for rule in list(&check["demanded_by"]) { div { (text(rule)) } } }
                    td { (view.commit(text(&check["sha"]))) }
                    td { @if let Some(url) = check["url"].as_str() { (words::link(url, "open")) } @else { "–" } }
                } } }
            } }
        }
    }
}

/// Since when a check is in its state, where that is known.
fn since(view: &View, check: &Value) -> Markup {
    let since = check["since"].as_str().and_then(|at| at.parse().ok());
    html! { @match since { Some(at) => (words::moment(view.now(), at)), None => "–" } }
}

fn check_state(state: &str) -> Markup {
    let (class, word) = match state {
        "passed" => ("badge good", "passed"),
        "failed" => ("badge bad", "failed"),
        "running" => ("badge running", "running"),
        "missing" => ("badge waiting", "missing"),
        "not_applicable" => ("badge", "not applicable"),
        "itself" => ("badge", "this gate"),
        other => ("badge", other),
    };
    html! { span class=(class) { (word) } }
}

fn parts(parts: &[Value]) -> Markup {
    html! {
        @if !parts.is_empty() {
            ul.parts { @for part in parts {
                li {
                    (part_status(text(&part["status"]))) " " strong { (text(&part["name"])) } " "
                    (text(&part["sentence"]))
                }
            } }
        }
    }
}

fn part_status(status: &str) -> Markup {
    let (class, word) = match status {
        "satisfied" => ("badge good", "satisfied"),
        "waiting" => ("badge waiting", "waiting"),
        "failed" => ("badge bad", "failed"),
        "not_applicable" => ("badge", "not required"),
        other => ("badge", other),
    };
    html! { span class=(class) { (word) } }
}

fn paths(classification: &Value) -> Markup {
    let (paths, whole) = (list(&classification["paths"]), list(&classification["whole"]));
    let warnings = list(&classification["warnings"]);
    html! {
        @if !paths.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Paths and tiers" { table {
                caption { "Why this tier" }
                thead { tr { th scope="col" { "Path" } th scope="col" { "Tier" } th scope="col" { "Decided by" } } }
                tbody { @for path in paths.iter().take(PATHS) { tr {
                    th scope="row" { code { (text(&path["path"])) } }
                    td { (words::tier_word(text(&path["tier"]))) }
                    td { @for (place, it) in list(&path["reasons"]).iter().enumerate() {
                        @if place > 0 { br; }
                        (reason(it))
                    } }
                } } }
            } }
        }
        @if paths.len() > PATHS {
            p.muted { (counted(paths.len() - PATHS, "further path")) " not shown here; the raw assessments have all." }
        }
        @for it in whole { p { "The change as a whole: " (words::tier_word(text(&it["tier"]))) " " (reason(it)) } }
        @if !warnings.is_empty() { ul.muted { @for warning in warnings { li { (text(warning)) } } } }
    }
}

fn reason(reason: &Value) -> Markup {
    html! {
        code { (text(&reason["rule"])) }
        @if let Some(product) = reason["product"].as_str() { " of " (product) }
        @if reason["human"].as_bool() == Some(true) { ", requires a person" }
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
