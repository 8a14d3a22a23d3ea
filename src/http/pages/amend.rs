//! The forms that change a requirement after it was submitted: amended while its run lives, submitted again after.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{AppState, middleware::caller::Caller},
    Problem,
    field::field,
    form::{self, RequirementForm},
    layout,
    submitted::Submitted,
};
use crate::{
    core::{
        reason::{self, Reason},
        requirement::Invalid,
    },
    engine::{self, Amendment},
    http::scope,
    store::{
        self,
        amendment::{self, Text},
        requirement,
    },
};

/// The fields of the amendment.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AmendForm {
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    reason: String,
}

/// `GET /requirements/{id}/resubmit`: the form of a new requirement with the text of one that came to nothing.
pub(super) async fn resubmit(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    let page = async {
        let (id, text) = text(&app, &id).await?;
        let products = scope::products(&app, &caller).await?;
        let form = RequirementForm::again(id, &text);
        let main = html! {
            main #main {
                h1 { "Submit again" }
                (form::fields(&products, &form, &[], &caller))
            }
        };
        Ok(layout::page(&app.settings, Some(&caller), "Submit again", &main))
    };
    page.await.unwrap_or_else(|problem: Problem| problem.page(&app.settings, Some(&caller)))
}

/// `GET /requirements/{id}/amend`: the form with the text as it is.
pub(super) async fn show(State(app): State<AppState>, caller: Caller, Path(id): Path<String>) -> Response {
    let page = async {
        let (id, text) = text(&app, &id).await?;
        let form = AmendForm { title: text.title, body: text.body, reason: String::new() };
        Ok(layout::page(&app.settings, Some(&caller), "Amend", &main(id, &form, &[], &caller)))
    };
    page.await.unwrap_or_else(|problem: Problem| problem.page(&app.settings, Some(&caller)))
}

/// `POST /requirements/{id}/amend`: amends it and shows its run, or the form again with what is wrong.
pub(super) async fn submit(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<AmendForm>,
) -> Response {
    amend(&app, &caller, &id, form).await.unwrap_or_else(|problem| problem.page(&app.settings, Some(&caller)))
}

async fn amend(app: &AppState, caller: &Caller, id: &str, form: AmendForm) -> Result<Response, Problem> {
    let (id, _) = text(app, id).await?;
    let rejected = |form: &AmendForm, wrong: &[Invalid]| {
        let main = main(id, form, wrong, caller);
        let mut response = layout::page(&app.settings, Some(caller), "Amend", &main);
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        response
    };
    let reason: Reason = match form.reason.parse() {
        Ok(reason) => reason,
        Err(wrong) => return Ok(rejected(&form, &[wrong])),
    };
    // Browsers send line breaks as CR LF; a requirement has LF.
    let body = form.body.replace("\r\n", "\n");
    let new = Amendment { title: Some(&form.title), body: Some(&body) };
    let mut tx = app.engine.pool().begin().await?;
    match app.engine.amend_in(&mut tx, id, new, caller.author(), &reason).await {
        Err(engine::Error::Invalid(wrong)) => return Ok(rejected(&form, &wrong)),
        done => done?,
    };
    tx.commit().await?;
    let run = requirement::get(app.engine.pool(), id).await?.map(|row| row.run_id);
    let place = run.map_or_else(|| "/".to_owned(), |run| format!("/runs/{run}"));
    Ok(Redirect::to(&place).into_response())
}

async fn text(app: &AppState, id: &str) -> Result<(Uuid, Text), Problem> {
    let missing = || Problem::Missing("There is no such requirement.".to_owned());
    let id: Uuid = id.parse().map_err(|_| missing())?;
    let text = amendment::text(app.engine.pool(), id).await.map_err(|error: store::Error| error.into());
    text.and_then(|text| text.ok_or_else(missing)).map(|text| (id, text))
}

fn main(id: Uuid, form: &AmendForm, wrong: &[Invalid], caller: &Caller) -> Markup {
    html! {
        main #main {
            h1 { "Amend the requirement" }
            @if !wrong.is_empty() {
                p.error role="alert" { "Nothing was changed yet: correct the marked fields." }
            }
            p {
                "Its run goes on with the new text. What was reviewed or approved by the old one is reviewed and "
                "approved again."
            }
            form.requirement method="post" action={ "/requirements/" (id) "/amend" } {
                (layout::proof(caller))
                (form::texts(&form.title, &form.body, wrong))
                (field("reason", "Why", None, wrong, |marks| html! {
                    input #reason name="reason" value=(form.reason) required maxlength=(reason::LIMIT)
                        autocomplete="off" aria-invalid=[marks.invalid]
                        aria-describedby=[marks.described.as_deref()];
                }))
                button { "Amend" }
            }
        }
    }
}
