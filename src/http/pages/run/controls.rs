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
        job::JobState,
        reason::{self, Reason},
        requirement::Invalid,
        run::State,
        workflow::{End, Outcome, Workflow},
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

/// The run to show next: this one, or its fork.
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

/// The controls that a run's state allows, of those that the caller may use.
struct Allowed {
    pause: bool,
    resume: bool,
    run_now: bool,
    skip: bool,
    retry: bool,
    fork: bool,
    cancel: bool,
}

impl Allowed {
    fn of(view: &View) -> Self {
        let (state, job) = (&view.stored.run.state, view.job.as_ref());
        let job = job.map(|job| job.state);
        let is_free = job != Some(JobState::Running);
        let backs_off = matches!(job, Some(JobState::Scheduled | JobState::RateLimited));
        let has_ended = matches!(state, State::Ended { .. });
        let is_paused = matches!(state, State::Paused { .. });
        let (control, steer) = (view.caller.may(Right::Control), view.caller.may(Right::Steer));
        let is_done = matches!(state, State::Ended { end: End::Succeeded, .. })
            || view.stored.run.progress.merged.is_some();
        Self {
            pause: control && !has_ended && !is_paused,
            resume: control && is_paused,
            run_now: control
                && is_free
                && !is_paused
                && (matches!(state, State::Waiting { .. }) || backs_off),
            skip: steer && is_free && !has_ended,
            retry: steer && is_free && !(has_ended && is_done),
            fork: steer && has_ended && !is_done,
            cancel: control && !has_ended,
        }
    }

    /// A run that has not ended can be cancelled, and any other that is not done be forked, by those who may.
    const fn is_nothing(&self) -> bool {
        !self.cancel && !self.fork
    }
}

/// The forms of the controls that the run's state allows.
pub(super) fn panel(view: &View) -> Markup {
    let allowed = Allowed::of(view);
    if allowed.is_nothing() {
        return html! {};
    }
    html! {
        details.new.controls #controls {
            summary { "Control this run" }
            @if allowed.pause { (form(view, "pause", "Pause", &html! {})) }
            @if allowed.resume { (form(view, "resume", "Resume", &html! {})) }
            @if allowed.run_now { (form(view, "run-now", "Run now", &html! {})) }
            @if let Some(workflow) = &view.workflow {
                @if allowed.skip { (skip(view, workflow)) }
                @if allowed.retry { (form(view, "retry", "Retry from", &steps(view, workflow, allowed.fork))) }
                @if allowed.fork { (form(view, "fork", "Fork a new run from", &steps(view, workflow, false))) }
            }
            @if allowed.cancel { (form(view, "cancel", "Cancel", &html! {})) }
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
            (layout::proof(&view.caller))
            input type="hidden" name="verb" value=(verb);
            button { (label) }
            (more)
            input name="reason" aria-label="reason" placeholder="Why?" required maxlength=(reason::LIMIT)
                autocomplete="off";
        }
    }
}
