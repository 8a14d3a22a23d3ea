//! Who approved or refused the head, where, and whether it counts; how many are missing and who can give them; and the
//! forms by which the person who looks at the page says so.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    super::{layout, words},
    gate::{list, text},
    view::View,
};
use crate::{
    core::{access::Right, opinion::Opinion, reason, sha::Sha},
    store::opinion::Row,
};

/// The panel; nothing before the run has a head.
pub(super) fn panel(view: &View) -> Markup {
    let Some(head) = view.stored.run.progress.head.as_ref().map(Sha::as_str) else {
        return html! {};
    };
    let judged = view.assessment.as_ref().filter(|row| row.head_sha == head);
    let report = judged.map_or(&Value::Null, |row| &row.report["approvals"]);
    let unjudged = view.opinions.iter().filter(|row| judged.is_none_or(|judged| row.at > judged.assessed_at));
    let unjudged: Vec<&Row> = unjudged.collect();
    html! {
        section #approvals {
            h2 { "Approvals of " (view.commit(head)) }
            (needed(view, report))
            (people(view, list(&report["people"])))
            @if !unjudged.is_empty() {
                ul.parts { @for row in unjudged { li {
                    span.badge.waiting { "not judged yet" } " "
                    (row.person) " (" (row.forge_login) ") " (row.opinion().done()) " "
                    (view.commit(&row.head_sha)) ", " (words::moment(view.now(), row.at))
                    @if let Some(reason) = &row.reason { ": " (reason) }
                } } }
            }
            (forms(view, head))
        }
    }
}

/// How many are missing, which rule asks for them, and who can give them.
fn needed(view: &View, report: &Value) -> Markup {
    let (Some(needed), Some(counted_)) = (report["needed"].as_u64(), report["counted"].as_u64()) else {
        return html! { p.muted { "How many approvals this head needs is known once it is judged." } };
    };
    let missing = needed.saturating_sub(counted_);
    let human = report["human"].as_bool() == Some(true);
    html! {
        p {
            (counted_) " of " (needed) @if human { " approvals by people" } @else { " approvals" }
            @if !list(&report["demanded_by"]).is_empty() {
                " (" @for (place, rule) in list(&report["demanded_by"]).iter().enumerate() {
                    @if place > 0 { "; " } (text(rule))
                } ")"
            }
            "."
            @if missing > 0 {
                " " (missing) " more: who may write to " (view.stored.spec.repository)
                " can give it on the forge or here" (barred(view)) ". A push voids it."
            }
        }
    }
}

/// Who cannot, of those that the recorded facts name.
fn barred(view: &View) -> Markup {
    let Some(row) = &view.assessment else { return html! {} };
    let requester = text(&row.facts["requester"]["name"]);
    let author = text(&row.facts["pull_state"]["author"]["login"]);
    html! {
        ", but not a bot, not who wrote it"
        @if !author.is_empty() { " (" (author) ")" }
        @if row.tier == "critical" && !requester.is_empty() { ", and not who asked for it (" (requester) ")" }
    }
}

fn people(view: &View, people: &[Value]) -> Markup {
    html! {
        @if !people.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Approvals" { table {
                thead { tr {
                    th scope="col" { "Who" } th scope="col" { "Where" } th scope="col" { "Counts" }
                    th scope="col" { "Why" } th scope="col" { "When" }
                } }
                tbody { @for said in people { tr {
                    th scope="row" {
                        (text(&said["login"]))
                        @if let Some(name) = said["name"].as_str() { " (" (name) ")" }
                    }
                    td { (place(text(&said["via"]))) }
                    td { (counts(said)) }
                    td.message { (text(&said["why"])) }
                    td.nowrap {
                        @if let Some(at) = text(&said["at"]).parse().ok() { (words::moment(view.now(), at)) }
                    }
                } } }
            } }
        }
    }
}

fn place(via: &str) -> &str {
    match via {
        "forge" => "the forge",
        "aspora" => "here",
        "comment" => "a comment",
        other => other,
    }
}

fn counts(said: &Value) -> Markup {
    let refuses = said["state"] == "changes_requested";
    html! {
        @match (said["counts"].as_bool() == Some(true), refuses) {
            (true, false) => span.badge.good { "approves" },
            (true, true) => span.badge.bad { "refuses" },
            (false, _) => span.badge { "does not count" },
        }
    }
}

/// The buttons, for who may press them.
fn forms(view: &View, head: &str) -> Markup {
    let own = own(view).filter(|row| row.opinion() != Opinion::Withdraw);
    let can_withdraw = view.offer.withdraw && own.is_some();
    if !view.caller.may(Right::Approve) || !(view.offer.judge || can_withdraw) {
        return html! {};
    }
    if view.caller.principal().login.is_none() {
        return html! {
            p.muted {
                "You cannot approve or reject here: your key has no login on the forge. An admin links it with "
                code { "aspora key create --forge-login" } "."
            }
        };
    }
    let has_said = |opinion| own.is_some_and(|row| row.opinion() == opinion && row.head_sha == head);
    let void = void(view);
    html! {
        p { "What the change does: " a href="#panel-diff" { "the diff of each head" } "." }
        @if let Some(why) = &void { p.muted { "Your approval would not count: " (why) "." } }
        div.controls {
            @if view.offer.judge && void.is_none() && !has_said(Opinion::Approve) {
                (form(view, head, Opinion::Approve, "Approve"))
            }
            @if view.offer.judge && !has_said(Opinion::Reject) { (form(view, head, Opinion::Reject, "Reject")) }
            @if can_withdraw { (form(view, head, Opinion::Withdraw, "Withdraw what you said")) }
        }
    }
}

/// What the caller said last.
fn own(view: &View) -> Option<&Row> {
    view.opinions.iter().rev().find(|row| row.person == view.caller.actor())
}

/// Why an approval of the caller would not count, as far as the recorded facts say.
fn void(view: &View) -> Option<&'static str> {
    let row = view.assessment.as_ref()?;
    let who = view.caller.principal();
    let login = who.login.as_deref().unwrap_or_default();
    let is = |value: &Value, name: &str| text(value).eq_ignore_ascii_case(name) && !name.is_empty();
    let (requester, pull) = (&row.facts["requester"], &row.facts["pull_state"]);
    if row.tier == "critical" && (is(&requester["name"], &who.name) || is(&requester["login"], login)) {
        return Some("you asked for the change, and it is critical");
    }
    if is(&pull["author"]["login"], login)
        || list(&pull["committers"]).iter().any(|committer| is(&committer["login"], login))
    {
        return Some("you wrote it");
    }
    None
}

fn form(view: &View, head: &str, opinion: Opinion, label: &str) -> Markup {
    let action = format!("/runs/{}/opinion", view.stored.spec.id);
    let must_say_why = opinion == Opinion::Reject;
    let hint = if must_say_why { "Why?" } else { "Why? (optional)" };
    html! {
        form.control method="post" action=(action) {
            (layout::proof(&view.caller))
            input type="hidden" name="opinion" value=(opinion);
            input type="hidden" name="head" value=(head);
            button { (label) " " (&head[..7]) }
            input name="reason" aria-label="reason" placeholder=(hint) required[must_say_why] maxlength=(reason::LIMIT)
                autocomplete="off";
        }
    }
}
