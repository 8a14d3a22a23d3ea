//! The board of harness gaps with their clocks, the form that opens one, and the page of each.

mod board;
mod one;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{AppState, middleware::caller::Caller},
    Problem, layout,
    submitted::Submitted,
};
use crate::{
    api::{Gap, GapEvent},
    core::{
        gap::STATES,
        incident::{Report, Wrong},
        reason::Reason,
        requirement::Invalid,
    },
    engine::{self, NotDismissed},
    http::scope,
    store::{
        self,
        gap::{self, Filter},
    },
};

/// The gaps on the board.
const PAGE: i64 = 100;

/// The query of the board.
#[derive(Debug, Default, Deserialize)]
pub(super) struct BoardQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    product: String,
    /// What the form that opens a gap begins with.
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
}

/// The form that opens a gap.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct GapForm {
    #[serde(default)]
    product: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    happened_at: String,
    /// New for every form that is shown: a double click opens one gap.
    #[serde(default)]
    token: String,
}

/// The form that dismisses one.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct DismissForm {
    #[serde(default)]
    reason: String,
}

/// `GET /harness-gaps`
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query<BoardQuery>, QueryRejection>,
) -> Response {
    let made = match query {
        Ok(Query(query)) => board(&app, &caller, &query, &begun(&query), &[]).await,
        Err(error) => Err(Problem::Unreadable(error.body_text())),
    };
    made.unwrap_or_else(|problem| problem.page(&app.settings, Some(&caller)))
}

/// The form as the address fills it in.
fn begun(query: &BoardQuery) -> GapForm {
    let (product, title, body) = (query.product.clone(), query.title.clone(), query.body.clone());
    GapForm { product, title, body, ..GapForm::default() }
}

async fn board(
    app: &AppState,
    caller: &Caller,
    query: &BoardQuery,
    form: &GapForm,
    wrong: &[Invalid],
) -> Result<Response, Problem> {
    let unreadable = |what: &str| Problem::Unreadable(format!("The address has an invalid {what}."));
    let before = match query.before.as_str() {
        "" => None,
        id => Some(id.parse::<Uuid>().map_err(|_| unreadable("place in the list"))?),
    };
    let state = Some(query.state.clone()).filter(|state| !state.is_empty());
    if state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
        return Err(unreadable("state"));
    }
    let pool = app.engine.pool();
    let product = Some(query.product.as_str()).filter(|product| !product.is_empty());
    let filter = Filter { products: scope::named(caller, product), state, before, limit: PAGE };
    let rows = gap::list(pool, &filter).await?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let products = scope::products(app, caller).await?;
    let last = rows.last().filter(|_| i64::try_from(rows.len()) == Ok(PAGE)).map(|row| row.id);
    let gaps: Vec<Gap> = rows.into_iter().map(|row| Gap::new(row, now)).collect();
    let shown = board::Board { gaps: &gaps, now, state: &query.state, last, is_first: before.is_none() };
    let main = board::main(app, caller, &shown, (&products, form, wrong));
    Ok(layout::page(&app.settings, Some(caller), "Harness gaps", &main))
}

/// `POST /harness-gaps`: opens one and shows it, or the form again with what is wrong.
pub(super) async fn open(
    State(app): State<AppState>,
    caller: Caller,
    Submitted(form): Submitted<GapForm>,
) -> Response {
    let made = async {
        let opened = match opened(&app, &caller, &form).await? {
            Ok(id) => id,
            Err(wrong) => {
                let mut page = board(&app, &caller, &BoardQuery::default(), &form, &wrong).await?;
                *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
                return Ok(page);
            }
        };
        Ok(Redirect::to(&format!("/harness-gaps/{opened}")).into_response())
    };
    made.await.unwrap_or_else(|problem: Problem| problem.page(&app.settings, Some(&caller)))
}

async fn opened(
    app: &AppState,
    caller: &Caller,
    form: &GapForm,
) -> Result<Result<Uuid, Vec<Invalid>>, Problem> {
    let pool = app.engine.pool();
    let now = store::now(&mut *pool.acquire().await?).await?;
    let wrong = |field: &'static str, message: &str| vec![Invalid { field, message: message.to_owned() }];
    // What a browser's field for a time sends; the page says that it is UTC.
    let happened_at = match form.happened_at.trim() {
        "" => None,
        text => match chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M") {
            Ok(time) => Some(time.and_utc()),
            Err(_) => return Ok(Err(wrong("happened_at", "is no time: write 2026-11-30T14:05, in UTC"))),
        },
    };
    let reported = Report {
        key: if form.token.is_empty() { Uuid::now_v7().to_string() } else { form.token.clone() },
        title: form.title.clone(),
        // Browsers send line breaks as CR LF.
        body: form.body.replace("\r\n", "\n"),
        url: Some(form.url.trim().to_owned()).filter(|url| !url.is_empty()),
        happened_at,
    };
    let reported = match reported.checked(now) {
        Ok(reported) => reported,
        Err(all) => return Ok(Err(all.into_iter().map(invalid).collect())),
    };
    let unknown = || wrong("product", "is not a product here; choose one from the list");
    if !caller.has(&form.product) {
        return Ok(Err(unknown()));
    }
    let mut tx = pool.begin().await?;
    match app.engine.submit_gap_in(&mut tx, (&form.product, &reported), caller.author()).await {
        Ok(opened) => {
            tx.commit().await?;
            Ok(Ok(opened.gap))
        }
        Err(engine::Error::NoProduct(_)) => Ok(Err(unknown())),
        Err(error) => Err(error.into()),
    }
}

fn invalid(wrong: Wrong) -> Invalid {
    let field = ["title", "url", "happened_at"].into_iter().find(|name| wrong.pointer == format!("/{name}"));
    Invalid { field: field.unwrap_or("title"), message: wrong.message }
}

/// `GET /harness-gaps/{id}`
pub(super) async fn one(State(app): State<AppState>, caller: Caller, Path(id): Path<String>) -> Response {
    page(&app, &caller, &id, &DismissForm::default(), &[])
        .await
        .unwrap_or_else(|problem| problem.page(&app.settings, Some(&caller)))
}

async fn page(
    app: &AppState,
    caller: &Caller,
    id: &str,
    form: &DismissForm,
    wrong: &[Invalid],
) -> Result<Response, Problem> {
    let missing = || Problem::Missing(format!("There is no harness gap {id}."));
    let id: Uuid = id.parse().map_err(|_| missing())?;
    let pool = app.engine.pool();
    let row = gap::get(pool, id).await?.ok_or_else(missing)?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let events = gap::events(pool, id).await?.into_iter().map(GapEvent::from).collect();
    let body = Some(row.body.clone());
    let gap = Gap { body, events: Some(events), ..Gap::new(row, now) };
    let main = one::main(app, caller, (&gap, now), (&form.reason, wrong));
    Ok(layout::page(&app.settings, Some(caller), &gap.title, &main))
}

/// `POST /harness-gaps/{id}/dismiss`
pub(super) async fn dismiss(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Submitted(form): Submitted<DismissForm>,
) -> Response {
    let made = async {
        let gap: Uuid = id.parse().map_err(|_| Problem::Missing(format!("There is no harness gap {id}.")))?;
        let reason: Reason = match form.reason.parse() {
            Ok(reason) => reason,
            Err(wrong) => {
                let mut page = page(&app, &caller, &id, &form, &[wrong]).await?;
                *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
                return Ok(page);
            }
        };
        let mut tx = app.engine.pool().begin().await?;
        match app.engine.dismiss_gap_in(&mut tx, gap, &reason, caller.author()).await? {
            Ok(()) => tx.commit().await?,
            Err(none @ NotDismissed::NoGap(_)) => return Err(Problem::Missing(format!("{none}."))),
            // Another was faster: the page says so.
            Err(NotDismissed::Over(_)) => {}
        }
        Ok(Redirect::to(&format!("/harness-gaps/{gap}")).into_response())
    };
    made.await.unwrap_or_else(|problem: Problem| problem.page(&app.settings, Some(&caller)))
}
