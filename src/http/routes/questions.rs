//! The questions that a run asks people, and their answers.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::json;

use super::{responses::NotFound, runs};
use crate::{
    api::{NewAnswers, Problem, QuestionRound, Questions},
    core::question::Answers,
    engine::{self, Control},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id},
            idempotency::{Once, Outcome, Reply},
        },
    },
    store::{self, Connection, run::StoredRun},
};

/// What a run asked, and who answered what.
#[utoipa::path(get, path = "/api/v1/runs/{id}/questions", tag = "runs", operation_id = "questions", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The rounds of questions.", body = Questions),
    NotFound,
))]
pub(super) async fn list(State(app): State<AppState>, Id(id): Id) -> Result<Json<Questions>, Error> {
    let pool = app.engine.pool();
    let stored = runs::run(pool, id).await?;
    let rounds = store::question::of_run(pool, id).await?;
    Ok(Json(view(&stored, rounds)))
}

/// Answers the open questions of a run: all of them, or none. The run goes on at once. The same answers again change
/// nothing.
#[utoipa::path(post, path = "/api/v1/runs/{id}/answers", tag = "runs", operation_id = "answer_questions", request_body = NewAnswers,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The questions with their answers.", body = Questions),
        NotFound,
        (status = 409, description = "The run has no open question: none was asked, they were answered otherwise or withdrawn, or it ended.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "An answer is missing, empty or too long.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn answer(
    State(app): State<AppState>,
    caller: Caller,
    Id(run): Id,
    headers: HeaderMap,
    extract::Json(new): extract::Json<NewAnswers>,
) -> Result<Outcome, Error> {
    let once = Once::from_headers(&headers, &caller, &format!("POST /api/v1/runs/{run}/answers"), &new)?;
    let answers = read(&new)?;
    let pool = app.engine.pool();
    let stored = runs::run(pool, run).await?;
    once.run(pool, async |tx: &mut Connection| {
        let done = app.engine.answer_questions_in(tx, run, caller.author(), new.round, &answers).await?;
        let last = store::question::last(&mut *tx, run).await?;
        let stored = match done {
            Control::Unchanged => stored,
            Control::Applied => store::run::lock(tx, run).await?.unwrap_or(stored),
        };
        let body = json!(view(&stored, last.into_iter().collect()));
        Ok::<_, Error>(Reply { status: StatusCode::OK, location: None, body })
    })
    .await
}

/// The answers that a caller gives.
fn read(new: &NewAnswers) -> Result<Answers, Error> {
    let each: Vec<(u32, &str)> =
        new.answers.iter().map(|answer| (answer.question, answer.text.as_str())).collect();
    Answers::new(new.text.as_deref(), &each).map_err(|wrong| {
        Error::fields("answer", wrong.into_iter().map(|wrong| (wrong.pointer, wrong.message)))
    })
}

fn view(stored: &StoredRun, rounds: Vec<store::question::Round>) -> Questions {
    let open = rounds.last().filter(|last| engine::asks(stored, last)).map(|last| last.round);
    let rounds = rounds.into_iter().map(QuestionRound::from).collect();
    Questions { run_id: stored.spec.id, open, rounds }
}
