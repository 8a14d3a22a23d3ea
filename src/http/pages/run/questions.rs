//! What the run asks, with a form for the answers, and what was asked and answered before.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    super::{Problem, layout, submitted::Submitted, words},
    view::View,
};
use crate::{
    core::{
        access::Right,
        question::{ANSWER_LIMIT, Answers, Wrong},
    },
    engine::{self, Denied},
    http::{AppState, middleware::caller::Caller},
    store::question::{self, Round},
};

/// The fields of the form: `round`, `text` for all questions, and `answer_1` to `answer_5`.
type Fields = BTreeMap<String, String>;

/// The questions' panel: the open ones first, with a form for those who may answer.
pub(super) fn panel(view: &View) -> Markup {
    let Some((last, earlier)) = view.rounds.split_last() else { return html! {} };
    let is_open = engine::asks(&view.stored, last);
    html! {
        section #questions {
            h2 { "Questions" }
            @if is_open {
                p { "The run waits for answers; silence is none." }
                @if view.caller.may(Right::Submit) {
                    (form(view.stored.spec.id, last, &Fields::new(), &[], &view.caller))
                } @else { (asked(last)) }
            } @else { (asked(last)) }
            @for round in earlier.iter().rev() { (asked(round)) }
        }
    }
}

fn asked(round: &Round) -> Markup {
    let answers = round.answers.as_deref().unwrap_or_default();
    let is_for_each = answers.len() == round.questions.len();
    html! {
        ol.questions {
            @for (place, question) in round.questions.iter().enumerate() {
                li {
                    (question)
                    @if let Some(answer) = answers.get(place).filter(|_| is_for_each) { pre.text { (answer) } }
                }
            }
        }
        @if !is_for_each { @for answer in answers { pre.text { (answer) } } }
        p.muted {
            "Round " (round.round) ", asked " (words::utc(round.asked_at))
            @if let (Some(by), Some(at)) = (&round.answered_by, round.answered_at) {
                "; answered by " (by) ", " (words::utc(at))
            }
            @if let Some(at) = round.withdrawn_at { "; withdrawn, since the requirement was amended, " (words::utc(at)) }
        }
    }
}

fn form(run: Uuid, round: &Round, given: &Fields, wrong: &[Wrong], caller: &Caller) -> Markup {
    let is_single = round.questions.len() == 1;
    html! {
        form.requirement method="post" action={ "/runs/" (run) "/answers" } {
            (layout::proof(caller))
            input type="hidden" name="round" value=(round.round);
            @for (place, question) in round.questions.iter().enumerate() {
                @let name = format!("answer_{}", place + 1);
                div.field {
                    label for=(name) { (place + 1) ". " (question) }
                    (text_area(&name, given, wrong))
                }
            }
            @if !is_single {
                div.field {
                    label for="text" { "Or one answer to all of them" }
                    (text_area("text", given, wrong))
                }
            }
            p.hint #answers-hint { "At most " (ANSWER_LIMIT) " bytes in all." }
            @for wrong in wrong { p.error #answers-error role="alert" { "The answer " (wrong.message) } }
            button { "Answer" }
        }
    }
}

fn text_area(name: &str, given: &Fields, wrong: &[Wrong]) -> Markup {
    let text = given.get(name).map_or("", String::as_str);
    let (invalid, described) = match wrong.is_empty() {
        true => (None, "answers-hint"),
        false => (Some("true"), "answers-hint answers-error"),
    };
    html! {
        textarea id=(name) name=(name) rows="3" aria-invalid=[invalid] aria-describedby=(described) { "\n" (text) }
    }
}

/// `POST /runs/{id}/answers`: answers the open questions and shows the run again, or the form with what is wrong.
pub(in super::super) async fn submit(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(fields): Submitted<Fields>,
) -> Response {
    answer(&app, &caller, &id, &fields)
        .await
        .unwrap_or_else(|problem| problem.page(&app.settings, Some(&caller)))
}

async fn answer(app: &AppState, caller: &Caller, id: &str, fields: &Fields) -> Result<Response, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let round = fields.get("round").and_then(|round| round.parse().ok());
    let wrong = match read(fields) {
        Ok(answers) => match app.engine.answer_questions(id, caller.author(), round, &answers).await {
            Err(engine::Error::Answers(wrong)) => vec![wrong],
            done => {
                done?;
                return Ok(Redirect::to(&format!("/runs/{id}")).into_response());
            }
        },
        Err(wrong) => wrong,
    };
    let open = question::last(app.engine.pool(), id).await?.filter(Round::is_open);
    let open = open.ok_or_else(|| Problem::from(engine::Error::from(Denied::NoQuestion)))?;
    let main = html! {
        main #main {
            h1 { "Questions" }
            p.error role="alert" { "Nothing was answered yet." }
            (form(id, &open, fields, &wrong, caller))
        }
    };
    let mut response = layout::page(&app.settings, Some(caller), "Questions", &main);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The answers in a form. Browsers send line breaks as CR LF, and empty fields too.
fn read(fields: &Fields) -> Result<Answers, Vec<Wrong>> {
    let text = |name: &str| {
        let text = fields.get(name).map(|text| text.replace("\r\n", "\n")).unwrap_or_default();
        Some(text).filter(|text| !text.trim().is_empty())
    };
    let each = (1..=5_u32).filter_map(|number| Some((number, text(&format!("answer_{number}"))?)));
    let each: Vec<(u32, String)> = each.collect();
    let each: Vec<(u32, &str)> = each.iter().map(|(number, text)| (*number, text.as_str())).collect();
    Answers::new(text("text").as_deref(), &each)
}
