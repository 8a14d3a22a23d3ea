//! Pages, rendered on the server and readable without JavaScript.
//!
//! A script only re-fetches what the server renders when the history grows. Every text that comes
//! from outside is escaped by maud, and no page runs anything but our own two assets.

mod controls;
mod diagram;
mod diff;
mod form;
mod gate;
mod layout;
mod ledger;
mod list;
mod run;
mod timeline;
mod view;
mod words;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};

use super::{App, Settings};
use crate::{engine, store};

/// The most bytes of a submitted form: a body of 64 KiB whose every byte is percent-encoded, and the rest.
const FORM_LIMIT: usize = 256 * 1024;

/// The pages' routes. Whoever assembles the server also gives [`not_found`] to its router.
pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(list::show))
        .route("/requirements", post(form::submit).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/runs/{id}", get(run::show))
        .route("/runs/{id}/control", post(controls::submit).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/assets/{digest}/{name}", get(layout::asset))
}

/// The page for an address that is none.
pub async fn not_found(State(app): State<App>) -> Response {
    Problem::Missing("There is nothing at this address.".to_owned()).page(&app.settings)
}

/// Why there is another page than the one asked for.
#[derive(Debug)]
enum Problem {
    /// The address or the form cannot be read.
    Unreadable(String),
    /// There is no such thing.
    Missing(String),
    /// The run does not allow what was asked.
    Denied(String),
    /// The form came from a page of somebody else.
    Foreign,
    /// The database or the engine did not answer.
    Failed(String),
}

impl Problem {
    fn page(self, settings: &Settings) -> Response {
        let (status, title, text) = match self {
            Self::Unreadable(text) => (StatusCode::BAD_REQUEST, "This cannot be read", text),
            Self::Missing(text) => (StatusCode::NOT_FOUND, "Not found", text),
            Self::Denied(text) => (StatusCode::CONFLICT, "Not as it stands", text),
            Self::Foreign => {
                let text = "This form was not sent from a page of this server. Send it from there.";
                (StatusCode::FORBIDDEN, "Refused", text.to_owned())
            }
            Self::Failed(error) => {
                tracing::error!(error, "a page could not be made");
                let text = "The server could not read its database. Nothing was changed; try again.";
                (StatusCode::SERVICE_UNAVAILABLE, "Not now", text.to_owned())
            }
        };
        layout::problem(settings, status, title, &text)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Denied(denied) => Self::Denied(format!("This was not done: {denied}.")),
            engine::Error::Refused(refused) => Self::Denied(format!("This was not done: {refused}.")),
            engine::Error::Workflow { .. } => Self::Denied(format!("This was not done: {error}.")),
            engine::Error::NoRun(id) => Self::Missing(format!("There is no run {id}.")),
            error => Self::Failed(error.to_string()),
        }
    }
}
