//! The dependencies that the run asks about before it installs them, with a form for a yes or a no.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{Problem, layout, submitted::Submitted, words},
    opinions,
    view::View,
};
use crate::{
    api::DependencySet,
    core::{access::Right, consent::Consent},
    engine::{self, ConsentSaid},
    http::{AppState, middleware::caller::Caller},
    store::consent::Row,
};

/// The fields of the form.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Form {
    digest: String,
    answer: String,
    #[serde(default)]
    reason: String,
}

/// The panel: the newest set first, with a form for those who may approve.
pub(super) fn panel(view: &View) -> Markup {
    let Some((last, earlier)) = view.consents.split_last() else { return html! {} };
    let is_open = engine::asks_consent(&view.stored, last);
    html! {
        section #dependencies {
            h2 { "Dependencies" }
            @if is_open {
                p { "The product asks before these are installed. A yes is for exactly these files; another set asks again." }
            }
            (set(last, is_open))
            @if is_open && view.caller.may(Right::Approve) { (form(view.stored.spec.id, last, &view.caller)) }
            @for row in earlier.iter().rev() { (set(row, false)) }
        }
    }
}

fn set(row: &Row, is_open: bool) -> Markup {
    let set = DependencySet::from(row.clone());
    html! {
        ul.dependencies {
            @for package in &set.packages { li { (package.sentence) } }
            @for file in &set.files { li.muted { "file " (file.sentence()) } }
        }
        p.muted {
            "Set " code { (set.digest) } ", asked " (words::utc(set.asked_at))
            @match (&set.answer, &set.answered_by, set.answered_at) {
                (Some(answer), Some(by), Some(at)) => {
                    "; " (answer) " by " (by) ", " (words::utc(at))
                    @if let Some(reason) = &set.reason { ": " (reason) }
                }
                _ if is_open => "; nobody has answered yet",
                _ => "; nobody answered",
            }
        }
    }
}

fn form(run: Uuid, row: &Row, caller: &Caller) -> Markup {
    html! {
        form method="post" action={ "/runs/" (run) "/dependencies" } {
            (layout::proof(caller))
            input type="hidden" name="digest" value=(row.digest);
            div.field {
                label for="consent-reason" { "Reason" }
                input #consent-reason name="reason";
            }
            button name="answer" value="yes" { "Yes, install them" }
            button name="answer" value="no" { "No, do without them" }
        }
    }
}

/// `POST /runs/{id}/dependencies`: takes the answer and shows the run again.
pub(in super::super) async fn submit(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<Form>,
) -> Response {
    match say(&app, &caller, &id, &form).await {
        Ok(run) => Redirect::to(&format!("/runs/{run}")).into_response(),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn say(app: &AppState, caller: &Caller, id: &str, form: &Form) -> Result<Uuid, Problem> {
    let run: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let wrong = |_| Problem::Unreadable("The form says neither yes nor no.".to_owned());
    let consent: Consent = form.answer.parse().map_err(wrong)?;
    let reason = match form.reason.trim() {
        "" => None,
        text => Some(opinions::why(text)?),
    };
    let login = opinions::login(caller)?;
    let said = ConsentSaid { digest: &form.digest, consent, login, reason: reason.as_ref() };
    app.engine.consent(run, said, caller.author()).await?;
    Ok(run)
}
