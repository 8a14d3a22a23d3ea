//! The page of a run: its state, what it waits for, and its whole history.

mod acts;
mod after_merge;
mod approvals;
mod attempts;
mod controls;
mod dependencies;
mod diagram;
mod diff;
mod evidence;
mod gate;
mod header;
mod history;
mod ledger;
mod look_back;
mod opinions;
mod questions;
mod scale;
mod tests;
mod timeline;
mod view;

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use self::view::{About, View, Wanted};
pub(super) use self::{
    controls::submit as control,
    dependencies::submit as say_dependencies,
    diff::show as diff,
    evidence::{show as evidence, show_difference as evidence_difference, show_picture as evidence_picture},
    opinions::{dismiss, submit as opine},
    questions::submit as answer,
};
use super::{
    super::{AppState, middleware::caller::Caller},
    Problem, layout,
    panel::Have,
    words,
};
use crate::{
    api::{Fact, JudgedBy},
    core::{access::Right, run::State as RunState, why::Cause, words::counted, workflow::End},
};

/// How often the page of a run is read again without an event: an attempt that begins makes none.
const WHILE_IT_RUNS: u32 = 5_000;
/// The same where only an event can change anything but the time that has passed.
const WHILE_IT_WAITS: u32 = 30_000;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    #[serde(default)]
    fragment: String,
    #[serde(default)]
    have: String,
    #[serde(default)]
    before: String,
}

/// `GET /runs/{id}`, or with `?fragment=1` only its `<main>`, without the panels that the browser has. An id that is not
/// UTF-8 is answered like one that is not a UUID.
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let Query(query) = query.unwrap_or_default();
    let have = Have::parse(&query.have);
    let id = id.map(|Path(id)| id).unwrap_or_default();
    match load(&app, &caller, &id, &query.before, &have).await {
        Ok(view) if query.fragment == "1" => layout::fragment(&main(&view, &have)),
        Ok(view) => layout::page(&app.settings, Some(&caller), view.about.title(), &main(&view, &have)),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn load(
    app: &AppState,
    caller: &Caller,
    id: &str,
    before: &str,
    have: &Have<'_>,
) -> Result<View, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let before = match before {
        "" => None,
        number => Some(number.parse().ok().filter(|seq: &i32| *seq > 0).ok_or_else(|| {
            Problem::Unreadable(
                "The address has an invalid place in the history: a number is needed.".to_owned(),
            )
        })?),
    };
    View::load(app, caller, id, before, have).await
}

fn main(view: &View, have: &Have<'_>) -> Markup {
    page(view, have, &html! {})
}

/// The content of the page, below a notice.
fn page(view: &View, have: &Have<'_>, notice: &Markup) -> Markup {
    let id = view.stored.spec.id;
    let events = format!("/api/v1/runs/{id}/events");
    let every = match view.stored.run.state {
        RunState::At { .. } => WHILE_IT_RUNS,
        RunState::Waiting { .. } | RunState::Paused { .. } | RunState::Ended { .. } => WHILE_IT_WAITS,
    };
    html! {
        main #main {
            (notice)
            div #live data-events={ (events) "?after=" (view.stored.version) } data-kinds=(Fact::NAMES.join(" "))
                data-every=(every) data-over[view.is_over()] {
                (have.panel("header", &header::panel(view)))
                (have.panel("now", &now(view)))
                @if view.caller.may(Right::ReadPayload) {
                    (have.panel("questions", &questions::panel(view)))
                    (have.panel("dependencies", &dependencies::panel(view)))
                }
                (have.panel("controls", &controls::panel(view)))
                (have.panel("after-merge", &after_merge::panel(view)))
                (have.panel("look-back", &look_back::panel(view)))
                (have.panel("gate", &gate::panel(view)))
                (have.panel("approvals", &approvals::panel(view)))
                (have.keyed("diagram", &view.diagram_key(), || diagram::panel(view)))
                (have.panel("timeline", &timeline::panel(view)))
                (have.panel("attempts", &attempts::panel(view)))
                @if view.caller.may(Right::ReadPayload) {
                    (have.panel("tests", &tests::panel(view)))
                    (have.panel("evidence", &evidence::panel(view)))
                    (have.panel("findings", &ledger::findings(view)))
                    (have.keyed("diff", &view.diff_key(), || diff::panel(view)))
                    (have.panel("effects", &ledger::effects(view)))
                }
                (have.panel("history", &history::panel(view)))
                (have.panel("acts", &acts::panel(view)))
                (have.panel("requirement", &wanted(view)))
            }
            p.muted {
                "Raw: " a href={ "/api/v1/runs/" (id) } { "run" } ", " a href=(events) { "events" } ", "
                a href={ "/api/v1/runs/" (id) "/attempts" } { "attempts" } ", "
                a href={ "/api/v1/runs/" (id) "/effects" } { "effects" } "."
            }
        }
    }
}

fn now(view: &View) -> Markup {
    let class = match &view.stored.run.state {
        RunState::At { .. } => "now",
        RunState::Waiting { .. } | RunState::Paused { .. } => "now waiting",
        RunState::Ended { end: End::Succeeded, .. } => "now good",
        RunState::Ended { .. } => "now bad",
    };
    let error = view.job.as_ref().and_then(|job| job.error.as_ref());
    // The sentence of a job that backs off says its error already.
    let error = error.filter(|_| !matches!(view.cause, Cause::BackingOff { .. } | Cause::Ended { .. }));
    html! {
        p.(class) #now {
            (words::prose(&view.cause.sentence(view.now())))
            @if let Some(error) = error { " Last error: " (error) }
        }
    }
}

/// The requirements beside this one, and what can be done to it now.
fn changes(view: &View, wanted: &Wanted) -> Markup {
    let Wanted { row, links, duplicate_of, .. } = wanted;
    let id = row.id;
    let link = |id: Uuid, word: &str| html! { p { (word) " requirement " code.id { (id) } "." } };
    let can_resubmit = view.is_over() && !view.has_succeeded() && links.superseded_by.is_none();
    html! {
        @if let Some(earlier) = links.supersedes { (link(earlier, "Submitted in place of")) }
        @if let Some(later) = links.superseded_by { (link(later, "Submitted again as")) }
        @if let Some(other) = *duplicate_of { (link(other, "The same text is under way as")) }
        @if view.caller.may(Right::Submit) {
            @if !view.is_over() { p { a href={ "/requirements/" (id) "/amend" } { "Amend" } } }
            @if can_resubmit { p { a href={ "/requirements/" (id) "/resubmit" } { "Edit and submit again" } } }
        }
    }
}

/// What the run is about, in the words of who wrote it.
fn wanted(view: &View) -> Markup {
    match &view.about {
        About::Requirement(wanted) => requirement(view, wanted),
        About::Gap(gap) => html! {
            section {
                h2 { "Harness gap" }
                p.muted {
                    "Opened by " (gap.opened_by) ", reported by " (gap.source) ", " (words::utc(gap.happened_at)) "; "
                    a href={ "/harness-gaps/" (gap.id) } { "its clock and what happened" }
                    @if let Some(issue) = gap.issue { "; issue #" (issue) }
                }
                @if view.caller.may(Right::ReadPayload) { pre.text { (gap.body) } }
            }
        },
        About::Pull(pull, by) => html! {
            section {
                h2 { "Pull request" }
                p.muted { "#" (pull.number) " of " (pull.author_login.as_deref().unwrap_or("ghost")) }
                p #judged-by { (judged(by)) }
                @if view.caller.may(Right::ReadPayload) { pre.text { (pull.body) } }
            }
        },
    }
}

/// By which products' settings a pull request is judged, and what makes them strict.
fn judged(by: &JudgedBy) -> String {
    match by.products.is_empty() {
        true => format!("It is {}.", by.sentence()),
        false => format!("It is judged {}.", by.sentence()),
    }
}

fn requirement(view: &View, wanted: &Wanted) -> Markup {
    let Wanted { row, edition, .. } = wanted;
    html! {
        section {
            h2 { "Requirement" }
            p.muted {
                "Priority " (row.priority) ", submitted by "
                (row.requested_by.as_deref().unwrap_or("an unknown caller"))
                ", " (words::utc(row.created_at))
                @if *edition > 0 { "; amended " (counted(edition.unsigned_abs(), "time")) }
            }
            (changes(view, wanted))
            @if view.caller.may(Right::ReadPayload) { pre.text { (row.body) } }
        }
    }
}
