//! The proposals of a product on its page, with the forms that accept and dismiss them.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{AppState, middleware::caller::Caller},
    Problem, layout,
    submitted::Submitted,
    words,
};
use crate::{
    api::FiledProposal,
    core::{
        access::Right,
        reason::{self, Reason},
        requirement::Invalid,
        retro::{NOTE_LIMIT, ProposalKind, UnknownKind},
        words::counted,
    },
    engine::{Accepting, Error, NotDecided},
    store::{
        self, Pool,
        retro::proposal::{self, Filter, Row},
    },
};

/// The proposals on the page.
const SHOWN: i64 = 50;

/// The form that accepts one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AcceptForm {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    kind: String,
}

/// The form that dismisses one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct DismissForm {
    #[serde(default)]
    reason: String,
}

/// The newest proposals of a product.
pub(super) async fn load(pool: &Pool, product: &str) -> store::Result<Vec<FiledProposal>> {
    let filter = Filter { products: Some(vec![product.to_owned()]), limit: SHOWN, ..Filter::default() };
    Ok(proposal::list(pool, &filter).await?.into_iter().map(FiledProposal::from).collect())
}

/// The section of the page.
pub(super) fn section(caller: &Caller, all: &[FiledProposal]) -> Markup {
    let (open, decided): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.state == "open");
    html! {
        section #proposals {
            h2 { "Proposals" }
            p.muted { "What came in three runs within thirty days, and what would avoid it. A note in prompts is shown to the models "
                "that write and fix changes of this product; anything else is for people to do." }
            @if open.is_empty() { p.empty { "None is open." } }
            @for it in open { (one(caller, it)) }
            @if !decided.is_empty() {
                h3 { "Decided" }
                @for it in decided { (one(caller, it)) }
            }
        }
    }
}

fn one(caller: &Caller, it: &FiledProposal) -> Markup {
    html! {
        article id={ "proposal-" (it.id) } {
            h3 { bdi { (words::prose(&it.title)) } }
            p { (words::prose(it.note.as_deref().unwrap_or(&it.body))) }
            p.muted {
                (kind(it)) ", filed " (words::utc(it.filed_at)) " for " code { bdi { (it.cause) } } "; " (counted(it.runs.len(), "run")) ": "
                @for run in &it.runs { a href={ "/runs/" (run) } { code.id { (run) } } " " }
            }
            @if let (Some(by), Some(why), Some(at)) = (&it.decided_by, &it.reason, it.decided_at) {
                p { strong { (it.state) } " by " (by) ", " (words::utc(at)) ": " bdi { (why) } }
            }
            @if it.kind == "harness_case" && it.state != "dismissed" && caller.may(Right::Submit) {
                p { a href=(gap_form(it)) { "Open a harness gap for it" } }
            }
            @if caller.may(Right::Steer) {
                @if it.state == "open" { (accepting(caller, it)) }
                @if it.state != "dismissed" { (dismissing(caller, it)) }
            }
        }
    }
}

fn kind(it: &FiledProposal) -> &str {
    let word = it.accepted_as.as_deref().unwrap_or(&it.kind);
    match word.parse::<ProposalKind>() {
        Ok(kind) => kind.words(),
        Err(_) => word,
    }
}

/// The form of a harness gap, filled in.
fn gap_form(it: &FiledProposal) -> String {
    let runs: Vec<String> = it.runs.iter().map(|run| format!("- run {run}")).collect();
    let body = format!("{}\n\nIt came in these runs:\n{}", it.body, runs.join("\n"));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("product", &it.product)
        .append_pair("title", &it.title)
        .append_pair("body", &body)
        .finish();
    format!("/harness-gaps?{query}#open")
}

fn accepting(caller: &Caller, it: &FiledProposal) -> Markup {
    html! {
        form.control method="post" action={ "/proposals/" (it.id) "/accept" } {
            (layout::proof(caller))
            button { "Accept" }
            select name="kind" aria-label="as" {
                @for kind in ProposalKind::ALL {
                    option value=(kind.as_str()) selected[kind.as_str() == it.kind] { "as " (kind.words()) }
                }
            }
            input name="text" aria-label="text" value=(it.body) required maxlength=(NOTE_LIMIT) autocomplete="off";
            (why())
        }
    }
}

fn dismissing(caller: &Caller, it: &FiledProposal) -> Markup {
    html! {
        form.control method="post" action={ "/proposals/" (it.id) "/dismiss" } {
            (layout::proof(caller))
            button { "Dismiss" }
            (why())
        }
    }
}

fn why() -> Markup {
    html! {
        input name="reason" aria-label="reason" placeholder="Why?" required maxlength=(reason::LIMIT) autocomplete="off";
    }
}

/// `POST /proposals/{id}/accept`
pub(super) async fn accept(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<AcceptForm>,
) -> Response {
    let made = async {
        let (id, reason) = (named(&id)?, why_of(&form.reason)?);
        let kind = Some(form.kind.as_str()).filter(|kind| !kind.is_empty());
        let text = Some(form.text.as_str()).filter(|text| !text.is_empty());
        let accepting = Accepting {
            kind: kind
                .map(str::parse)
                .transpose()
                .map_err(|wrong: UnknownKind| unreadable("kind", &wrong.to_string()))?,
            text: text
                .map(str::parse)
                .transpose()
                .map_err(|wrong: Invalid| unreadable("text", &wrong.message))?,
        };
        let mut tx = app.engine.pool().begin().await?;
        let decided = app.engine.accept_proposal_in(&mut tx, id, &accepting, &reason, caller.author()).await;
        let shown = shown(decided)?;
        tx.commit().await?;
        Ok(shown)
    };
    made.await.unwrap_or_else(|problem: Problem| problem.page(&app.settings, Some(&caller)))
}

/// `POST /proposals/{id}/dismiss`
pub(super) async fn dismiss(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<DismissForm>,
) -> Response {
    let made = async {
        let (id, reason) = (named(&id)?, why_of(&form.reason)?);
        let mut tx = app.engine.pool().begin().await?;
        let decided = app.engine.dismiss_proposal_in(&mut tx, id, &reason, caller.author()).await;
        let shown = shown(decided)?;
        tx.commit().await?;
        Ok(shown)
    };
    made.await.unwrap_or_else(|problem: Problem| problem.page(&app.settings, Some(&caller)))
}

fn named(id: &str) -> Result<Uuid, Problem> {
    id.parse().map_err(|_| Problem::Missing(format!("There is no proposal {id}.")))
}

fn why_of(text: &str) -> Result<Reason, Problem> {
    text.parse().map_err(|wrong: Invalid| unreadable("reason", &wrong.message))
}

fn unreadable(field: &str, message: &str) -> Problem {
    Problem::Unreadable(format!("The {field} {message}. Go back and try again."))
}

/// The place on the product's page where a decided proposal is.
fn shown(decided: Result<Result<Row, NotDecided>, Error>) -> Result<Response, Problem> {
    match decided? {
        Ok(row) => {
            Ok(Redirect::to(&format!("/products/{}#proposal-{}", row.product, row.id)).into_response())
        }
        Err(none @ NotDecided::NoProposal(_)) => Err(Problem::Missing(format!("{none}."))),
        Err(over @ NotDecided::Over(_)) => Err(Problem::Denied(format!("{over}; nothing has changed."))),
    }
}
