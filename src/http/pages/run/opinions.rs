//! The forms by which people approve, reject and withdraw, and dismiss findings.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{Problem, layout, panel::Have, submitted::Submitted},
    View,
};
use crate::{
    core::{opinion::Opinion, policy::Via, reason::Reason, requirement::Invalid, sha::Sha},
    engine::{self, Denied, Said},
    http::{AppState, middleware::caller::Caller},
    store,
};

/// The fields of an opinion's form.
#[derive(Debug, Deserialize)]
pub(in super::super) struct OpinionForm {
    opinion: String,
    head: String,
    #[serde(default)]
    reason: String,
}

/// The fields of a dismissal's form.
#[derive(Debug, Deserialize)]
pub(in super::super) struct DismissalForm {
    fingerprint: String,
    #[serde(default)]
    reason: String,
}

/// What became of an opinion.
enum Answer {
    Taken(Uuid),
    /// The run has another head than the form: the page again, with what changed.
    Stale(Uuid, Sha, Option<Sha>),
}

/// `POST /runs/{id}/opinion`: takes it and shows the run again. A form of an older head shows what changed since.
pub(in super::super) async fn submit(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<OpinionForm>,
) -> Response {
    let answer = match opine(&app, &caller, &id, &form).await {
        Ok(Answer::Taken(run)) => return to_run(run),
        Ok(Answer::Stale(run, given, now)) => stale(&app, &caller, run, &given, now.as_ref()).await,
        Err(problem) => Err(problem),
    };
    answer.unwrap_or_else(|problem| problem.page(&app.settings, Some(&caller)))
}

/// `POST /runs/{id}/dismiss`: dismisses a finding and shows the run again.
pub(in super::super) async fn dismiss(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<DismissalForm>,
) -> Response {
    match dismissed(&app, &caller, &id, &form).await {
        Ok(run) => to_run(run),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

fn to_run(run: Uuid) -> Response {
    Redirect::to(&format!("/runs/{run}")).into_response()
}

pub(super) fn why(text: &str) -> Result<Reason, Problem> {
    text.parse().map_err(|wrong: Invalid| {
        Problem::Unreadable(format!("The reason {}. Go back and try again.", wrong.message))
    })
}

/// The login on the forge of who approves something.
pub(super) fn login(caller: &Caller) -> Result<&str, Problem> {
    caller.principal().login.as_deref().ok_or_else(|| {
        let text = "Your key has no login on the forge, so that nobody can say what you may do there. An admin links \
                    one with `aspora key create --forge-login`.";
        Problem::Forbidden(text.to_owned())
    })
}

async fn opine(app: &AppState, caller: &Caller, id: &str, form: &OpinionForm) -> Result<Answer, Problem> {
    let run: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let unreadable = |text: &str| Problem::Unreadable(text.to_owned());
    let opinion =
        Opinion::named(&form.opinion).ok_or_else(|| unreadable("The form says nothing of a head."))?;
    let head: Sha = form.head.parse().map_err(|_| unreadable("The form names no head."))?;
    let reason = match form.reason.trim() {
        "" if opinion != Opinion::Reject => None,
        text => Some(why(text)?),
    };
    let login = login(caller)?;
    let said = Said { head: &head, opinion, via: Via::Aspora, login, account: None, reason: reason.as_ref() };
    match app.engine.opine(run, said, caller.author()).await {
        Ok(_) => Ok(Answer::Taken(run)),
        Err(engine::Error::Denied(Denied::StaleHead { given, now })) => Ok(Answer::Stale(run, given, now)),
        Err(error) => Err(error.into()),
    }
}

async fn stale(
    app: &AppState,
    caller: &Caller,
    run: Uuid,
    given: &Sha,
    now: Option<&Sha>,
) -> Result<Response, Problem> {
    let have = Have::default();
    let view = View::load(app, caller, run, None, &have).await?;
    let main = super::page(&view, &have, &changed(&view, given, now));
    let mut response = layout::page(&app.settings, Some(caller), view.about.title(), &main);
    *response.status_mut() = StatusCode::CONFLICT;
    Ok(response)
}

fn changed(view: &View, given: &Sha, now: Option<&Sha>) -> Markup {
    let repository = &view.stored.spec.repository;
    html! {
        p.now.bad role="alert" #stale {
            "Nothing was recorded: what you looked at, " (view.commit(given.as_str())) ", is not the head now. "
            @if let Some(now) = now {
                "The head is " (view.commit(now.as_str())) ". Look at "
                a href={ (view.forge) "/" (repository) "/compare/" (given) "..." (now) } { "what changed between the two" }
                " or at " a href="#panel-diff" { "the diff of each head" } ", and say it again."
            } @else { "The run has no head." }
        }
    }
}

async fn dismissed(app: &AppState, caller: &Caller, id: &str, form: &DismissalForm) -> Result<Uuid, Problem> {
    let run: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let reason = why(&form.reason)?;
    let found = store::review::findings(app.engine.pool(), run).await?;
    let found = found.into_iter().find(|row| row.fingerprint == form.fingerprint);
    let found = found.ok_or_else(|| Problem::Missing("This run has no such finding.".to_owned()))?;
    app.engine.dismiss(run, caller.author(), (&found.fingerprint, &found.in_words()), &reason).await?;
    Ok(run)
}
