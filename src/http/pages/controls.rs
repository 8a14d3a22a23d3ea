//! What a person can do to a run from its page: only what its state allows, each with a reason.

use axum::{
    extract::{Form, Path, State, rejection::FormRejection},
    http::HeaderMap,
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{super::App, Problem, form::is_ours, view::View};
use crate::{
    core::{
        reason::{self, Reason},
        run::State as Standing,
        workflow::{End, Outcome, Workflow},
    },
    engine::Verb,
};

/// Who somebody at a page is in the history, as long as nobody says who they are.
const ACTOR: &str = "page";

/// What the forms hold.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    verb: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    step: String,
    #[serde(default)]
    outcome: String,
}

/// `POST /runs/{id}/control`: does it and shows the run again, or says why not.
pub(super) async fn submit(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Wish>, FormRejection>,
) -> Response {
    let answered = match form {
        Ok(_) if !is_ours(&headers) => Err(Problem::Foreign),
        Ok(Form(wish)) => obey(&app, &id, wish).await,
        Err(error) => Err(Problem::Unreadable(error.body_text())),
    };
    match answered {
        Ok(run) => Redirect::to(&format!("/runs/{run}")).into_response(),
        Err(problem) => problem.page(&app.settings),
    }
}

/// The run to look at next: this one, or its fork.
async fn obey(app: &App, id: &str, wish: Wish) -> Result<Uuid, Problem> {
    let unreadable = |text: &str| Problem::Unreadable(text.to_owned());
    let id: Uuid = id.parse().map_err(|_| unreadable("The address holds no run's id: a UUID is needed."))?;
    let why: Reason = wish.reason.parse().map_err(|wrong: crate::core::requirement::Invalid| {
        Problem::Unreadable(format!("The reason {}. Go back and try again.", wrong.message))
    })?;
    let verb = match wish.verb.as_str() {
        "pause" => Verb::Pause,
        "resume" => Verb::Resume,
        "cancel" => Verb::Cancel,
        "run-now" => Verb::RunNow,
        "retry" => Verb::Retry(Some(wish.step).filter(|step| !step.is_empty())),
        "skip" => Verb::Skip(outcome(&wish.outcome).ok_or_else(|| unreadable("No step answers that."))?),
        "fork" => return Ok(app.engine.fork(id, &wish.step, ACTOR, &why).await?),
        _ => return Err(unreadable("The form names nothing that can be done to a run.")),
    };
    app.engine.control(id, &verb, ACTOR, &why).await?;
    Ok(id)
}

fn outcome(word: &str) -> Option<Outcome> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

/// The forms for what the run's state allows.
pub(super) fn panel(view: &View) -> Markup {
    let state = &view.stored.run.state;
    let held = view.job.as_ref().is_some_and(|job| job.held);
    let backs_off = view.job.as_ref().is_some_and(|job| job.visible_at > view.now());
    let merged = view.stored.run.progress.merged.is_some();
    let over = matches!(state, Standing::Ended { .. });
    let again = over && !merged && !matches!(state, Standing::Ended { end: End::Succeeded, .. });
    let hurries = !held && (matches!(state, Standing::Waiting { .. }) || backs_off);
    let paused = matches!(state, Standing::Paused { .. });
    if over && !again {
        return html! {};
    }
    html! {
        details.new.controls #controls {
            summary { "Do something with this run" }
            @if !over && !paused { (form(view, "pause", "Pause", &html! {})) }
            @if paused { (form(view, "resume", "Resume", &html! {})) }
            @if hurries && !paused { (form(view, "run-now", "Run now", &html! {})) }
            @if let Some(workflow) = &view.workflow {
                @if !held && !over { (skip(view, workflow)) }
                @if !held { (form(view, "retry", "Retry from", &steps(view, workflow, over))) }
                @if again { (form(view, "fork", "Fork a new run from", &steps(view, workflow, false))) }
            }
            @if !over { (form(view, "cancel", "Cancel", &html! {})) }
        }
    }
}

fn skip(view: &View, workflow: &Workflow) -> Markup {
    let step = view.stored.run.step().and_then(|name| workflow.steps.get(name));
    let Some(step) = step.filter(|step| step.run.is_skippable()) else {
        return html! {};
    };
    let choice = html! {
        select name="outcome" aria-label="outcome" {
            @for outcome in step.on.keys() { option value=(outcome) { (outcome) } }
        }
    };
    form(view, "skip", "Skip this step as", &choice)
}

fn steps(view: &View, workflow: &Workflow, or_where_it_ended: bool) -> Markup {
    let here = view.stored.run.step();
    html! {
        select name="step" aria-label="step" {
            @if or_where_it_ended { option value="" { "where it ended" } }
            @for name in workflow.steps.keys() {
                option value=(name) selected[Some(name.as_str()) == here] { (name) }
            }
        }
    }
}

fn form(view: &View, verb: &str, label: &str, more: &Markup) -> Markup {
    let action = format!("/runs/{}/control", view.stored.spec.id);
    html! {
        form.control method="post" action=(action) {
            input type="hidden" name="verb" value=(verb);
            button { (label) }
            (more)
            input name="reason" aria-label="reason" placeholder="Why?" required maxlength=(reason::LIMIT)
                autocomplete="off";
        }
    }
}
