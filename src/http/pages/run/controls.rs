//! The controls of a run on its page: only those that its state allows, each with a reason.

use axum::{
    extract::{self, Path},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{Problem, layout, submitted::Submitted},
    view::View,
};
use crate::{
    core::{
        access::{self, Right},
        reason::{self, Reason},
        requirement::Invalid,
        workflow::Outcome,
    },
    engine::Verb,
    http::{AppState, middleware::caller::Caller},
};

/// The fields of the forms.
#[derive(Debug, Deserialize)]
pub(in super::super) struct ControlForm {
    verb: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    step: String,
    #[serde(default)]
    outcome: String,
}

/// `POST /runs/{id}/control`: applies the control and shows the run again, or says why it cannot.
pub(in super::super) async fn submit(
    extract::State(app): extract::State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<ControlForm>,
) -> Response {
    match apply(&app, &caller, &id, form).await {
        Ok(run) => Redirect::to(&format!("/runs/{run}")).into_response(),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

/// The run to show next: this one, its fork, or the one that reverts it.
async fn apply(app: &AppState, caller: &Caller, id: &str, form: ControlForm) -> Result<Uuid, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let why: Reason = form.reason.parse().map_err(|wrong: Invalid| {
        Problem::Unreadable(format!("The reason {}. Go back and try again.", wrong.message))
    })?;
    if is_steering(&form.verb) && !caller.may(Right::Steer) {
        let denied = access::Denied::Role { role: caller.principal().role, right: Right::Steer };
        return Err(Problem::Forbidden(format!("{denied}.")));
    }
    if form.verb == "fork" {
        return Ok(app.engine.fork(id, &form.step, caller.author(), &why).await?);
    }
    if form.verb == "revert" {
        if !caller.may(Right::Submit) {
            let denied = access::Denied::Role { role: caller.principal().role, right: Right::Submit };
            return Err(Problem::Forbidden(format!("{denied}.")));
        }
        return Ok(app.engine.revert(id, caller.author(), &why).await?.run);
    }
    app.engine.control(id, &verb(form)?, caller.author(), &why).await?;
    Ok(id)
}

/// Whether a control sends a run elsewhere; the others only stop it and let it go on.
fn is_steering(verb: &str) -> bool {
    matches!(verb, "skip" | "retry" | "fork")
}

fn verb(form: ControlForm) -> Result<Verb, Problem> {
    let unreadable = |text: &str| Problem::Unreadable(text.to_owned());
    match form.verb.as_str() {
        "pause" => Ok(Verb::Pause),
        "resume" => Ok(Verb::Resume),
        "cancel" => Ok(Verb::Cancel),
        "run-now" => Ok(Verb::RunNow),
        "retry" => Ok(Verb::Retry(Some(form.step).filter(|step| !step.is_empty()))),
        "skip" => match outcome(&form.outcome) {
            Some(outcome) => Ok(Verb::Skip(outcome)),
            None => Err(unreadable("No step has this outcome.")),
        },
        _ => Err(unreadable("The form names no control of a run.")),
    }
}

fn outcome(word: &str) -> Option<Outcome> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

/// The forms of the controls that the run's state allows, of those that the caller may use.
pub(super) fn panel(view: &View) -> Markup {
    let offer = &view.offer;
    let here = view.stored.run.step();
    let (control, steer) = (view.caller.may(Right::Control), view.caller.may(Right::Steer));
    if !(control && (offer.cancel || offer.resume)
        || steer && !(offer.retry.is_empty() && offer.fork.is_empty()))
    {
        return html! {};
    }
    let none = html! {};
    html! {
        details.new.controls #controls {
            summary { "Control this run" }
            @if control && offer.pause { (form(view, "pause", "Pause", &none)) }
            @if control && offer.resume { (form(view, "resume", "Resume", &none)) }
            @if control && offer.run_now { (form(view, "run-now", "Run now", &none)) }
            @if steer && !offer.skip.is_empty() { (form(view, "skip", "Skip this step as", &outcomes(&offer.skip))) }
            @if steer && !offer.retry.is_empty() {
                (form(view, "retry", "Retry from", &steps(&offer.retry, offer.retry_from.as_deref().or(here), view.is_over())))
            }
            @if steer && !offer.fork.is_empty() {
                (form(view, "fork", "Fork a new run from", &steps(&offer.fork, offer.fork_from.as_deref(), false)))
            }
            @if control && offer.cancel { (form(view, "cancel", "Cancel", &none)) }
        }
    }
}

fn outcomes(all: &[Outcome]) -> Markup {
    html! {
        select name="outcome" aria-label="outcome" {
            @for outcome in all { option value=(outcome) { (outcome) } }
        }
    }
}

/// The steps that a control can name; where the run ended comes first, if it is one of them.
fn steps(all: &[String], best: Option<&str>, or_where_it_ended: bool) -> Markup {
    html! {
        select name="step" aria-label="step" {
            @if or_where_it_ended && best.is_some() { option value="" { "where it ended" } }
            @for name in all { option value=(name) selected[!or_where_it_ended && Some(name.as_str()) == best] { (name) } }
        }
    }
}

pub(super) fn form(view: &View, verb: &str, label: &str, more: &Markup) -> Markup {
    let action = format!("/runs/{}/control", view.stored.spec.id);
    html! {
        form.control method="post" action=(action) {
            (layout::proof(&view.caller))
            input type="hidden" name="verb" value=(verb);
            button { (label) }
            (more)
            input name="reason" aria-label="reason" placeholder="Why?" required maxlength=(reason::LIMIT)
                autocomplete="off";
        }
    }
}
