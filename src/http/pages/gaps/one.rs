//! The page of one harness gap: its clock, its issue, its run, its case, and what happened.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{
    super::{field::field, layout, words},
    board::{clock, issue_link},
};
use crate::{
    api::Gap,
    core::{access::Right, reason, requirement::Invalid},
    http::{AppState, middleware::caller::Caller},
};

pub(super) fn main(
    app: &AppState,
    caller: &Caller,
    (gap, now): (&Gap, DateTime<Utc>),
    (reason, wrong): (&str, &[Invalid]),
) -> Markup {
    html! {
        main #main {
            h1 { bdi { (gap.title) } }
            p.now { (clock(gap, now)) }
            @if let Some(error) = &gap.error { p.error { "The last look at its issue failed: " (error) } }
            (facts(app, gap))
            @if caller.may(Right::ReadPayload) {
                section {
                    h2 { "What was reported" }
                    @match gap.body.as_deref().filter(|body| !body.is_empty()) {
                        Some(body) => { pre.text { (body) } }
                        None => { p.empty { "Nothing but its title." } }
                    }
                }
            }
            section { h2 { "What happened" } (events(gap)) }
            @if gap.state == "open" && caller.may(Right::Steer) { (dismissal(caller, gap, reason, wrong)) }
        }
    }
}

fn facts(app: &AppState, gap: &Gap) -> Markup {
    let forge = &app.settings.forge_url;
    let usual = if gap.clock.by_policy { "" } else { " (the usual time: the policy was not read yet)" };
    html! {
        dl.strip {
            div { dt { "Product" } dd { (gap.product) } }
            div { dt { "Happened" } dd { (words::utc(gap.happened_at)) ", reported by " (gap.source) ", opened by " (gap.opened_by) } }
            div { dt { "Case due" } dd { (words::utc(gap.clock.due_at)) (usual) } }
            div { dt { "Issue" } dd {
                @if let Some(issue) = gap.issue { (issue_link(forge, &gap.repository, issue)) } @else { "not made yet" }
            } }
            @if let Some(run) = gap.run_id { div { dt { "Run" } dd { a href={ "/runs/" (run) } { code.id { (run) } } } } }
            @if let Some(pull) = gap.case_pull {
                div { dt { "Case" } dd {
                    (words::pull(forge, &gap.repository, pull)) ": "
                    @for path in &gap.case_files { code { (path) } " " }
                } }
            }
            @if let Some(run) = gap.caused_by {
                div { dt { "Caused by" } dd { a href={ "/runs/" (run) } { code.id { (run) } } } }
            }
            @if let Some(url) = &gap.url { div { dt { "More" } dd { (words::link(url, url)) } } }
            @if let (Some(by), Some(why)) = (&gap.dismissed_by, &gap.dismissed_for) {
                div { dt { "No gap" } dd { "says " (by) ": " (why) } }
            }
        }
    }
}

fn events(gap: &Gap) -> Markup {
    html! {
        ol.timeline {
            @for event in gap.events.iter().flatten() {
                li {
                    (words::clock(event.at)) " " span.muted { (event.actor) } " "
                    span { (words::prose(&event.note)) }
                }
            }
        }
    }
}

fn dismissal(caller: &Caller, gap: &Gap, reason: &str, wrong: &[Invalid]) -> Markup {
    html! {
        section {
            h2 { "There is no gap?" }
            p { "The clock is stopped and the issue is closed with your reason. Its run goes on until it is cancelled." }
            form.requirement method="post" action={ "/harness-gaps/" (gap.id) "/dismiss" } {
                (layout::proof(caller))
                (field("reason", "Why", None, wrong, |marks| html! {
                    input #reason name="reason" value=(reason) required maxlength=(reason::LIMIT) autocomplete="off"
                        aria-invalid=[marks.invalid] aria-describedby=[marks.described.as_deref()];
                }))
                button { "Dismiss" }
            }
        }
    }
}
