//! The dependencies that a run asks people about, and what they say.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::json;

use super::{
    controls::Control,
    opinions::login,
    responses::{InvalidReason, NotFound},
    runs,
};
use crate::{
    api::{Dependencies, DependencySet, Problem, SayDependencies},
    core::consent::Consent,
    engine::{self, ConsentSaid},
    http::{
        AppState,
        middleware::{
            error::Error,
            extract::{self, Id},
            idempotency::{Outcome, Reply},
        },
    },
    store::{self, Connection, run::StoredRun},
};

/// The dependencies that a run asked about before it installs them, and who said what.
#[utoipa::path(get, path = "/api/v1/runs/{id}/dependencies", tag = "runs", operation_id = "dependencies", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "Each set that the run asked about.", body = Dependencies),
    NotFound,
))]
pub(super) async fn list(State(app): State<AppState>, Id(id): Id) -> Result<Json<Dependencies>, Error> {
    let pool = app.engine.pool();
    let stored = runs::run(pool, id).await?;
    Ok(Json(view(&stored, store::consent::of_run(pool, id).await?)))
}

/// Says yes or no to the dependencies that a run asks about, and the run goes on at once. A yes is for exactly the files with
/// this digest. Who opened the pull request cannot say it. The same again changes nothing.
#[utoipa::path(post, path = "/api/v1/runs/{id}/dependencies", tag = "runs", operation_id = "say_dependencies", request_body = SayDependencies,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The set with the answer.", body = Dependencies),
        (status = 403, description = "The key may not approve, or its owner opened the pull request (`forbidden`), or no login on the forge is linked to its owner (`no-forge-login`).", body = Problem, content_type = "application/problem+json"),
        NotFound,
        (status = 409, description = "The run asks about no such set now, it was answered otherwise, or the run has ended.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn say(control: Control<SayDependencies>) -> Result<Outcome, Error> {
    let (app, run) = (&control.app, control.run);
    let login = login(control.caller.principal())?;
    let wrong = |_| Error::field("/answer", "must be `yes` or `no`");
    let consent: Consent = control.body.answer.parse().map_err(wrong)?;
    let reason = control.body.reason.as_deref().map(extract::reason).transpose()?;
    let said = ConsentSaid { digest: &control.body.digest, consent, login, reason: reason.as_ref() };
    let once = control.once("dependencies")?;
    let pool = app.engine.pool();
    let stored = runs::run(pool, run).await?;
    once.run(pool, async |tx: &mut Connection| {
        app.engine.consent_in(tx, run, said, control.caller.author()).await?;
        let last = store::consent::last(&mut *tx, run).await?;
        let body = json!(view(&stored, last.into_iter().collect()));
        Ok::<_, Error>(Reply { status: StatusCode::OK, location: None, body })
    })
    .await
}

fn view(stored: &StoredRun, rows: Vec<store::consent::Row>) -> Dependencies {
    let open = rows.last().filter(|last| engine::asks_consent(stored, last)).map(|last| last.digest.clone());
    let asked = rows.into_iter().map(DependencySet::from).collect();
    Dependencies { run_id: stored.spec.id, open, asked }
}
