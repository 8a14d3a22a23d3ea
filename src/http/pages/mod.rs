//! Pages, rendered on the server and readable without JavaScript.
//!
//! A script only re-fetches what the server renders when the history grows. Maud escapes every text that comes
//! from outside, and no page loads anything but our own two assets.

mod form;
mod layout;
mod list;
mod panel;
mod run;
mod submitted;
mod words;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};

use super::{AppState, Settings, middleware::principal::Principal};
use crate::{engine, store};

/// The most bytes of a submitted form: a body of 64 KiB with every byte percent-encoded, and the other fields.
const FORM_LIMIT: usize = 256 * 1024;

/// The routes of the pages; [`not_found`] is their fallback where no other routes are served.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(list::show))
        .route("/requirements", post(form::submit).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/runs/{id}", get(run::show))
        .route("/runs/{id}/diffs/{number}", get(run::diff))
        .route("/runs/{id}/control", post(run::control).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/assets/{digest}/{name}", get(layout::asset))
        .layer(Extension(Principal::Page))
}

/// The page for an unknown address.
pub async fn not_found(State(app): State<AppState>) -> Response {
    Problem::Missing("There is nothing at this address.".to_owned()).page(&app.settings)
}

/// Why the requested page cannot be shown.
#[derive(Debug)]
enum Problem {
    /// The address or the form is invalid.
    Unreadable(String),
    /// The page or the run does not exist.
    Missing(String),
    /// The run's state does not allow the control.
    Denied(String),
    /// The form was sent from a page of another site.
    Foreign,
    /// The database or the engine did not answer.
    Failed(String),
}

impl Problem {
    /// The address of a run has no id of a run.
    fn not_a_run() -> Self {
        Self::Unreadable("The address has no run's id: a UUID is needed.".to_owned())
    }

    fn page(self, settings: &Settings) -> Response {
        let (status, title, text) = match self {
            Self::Unreadable(text) => (StatusCode::BAD_REQUEST, "Invalid request", text),
            Self::Missing(text) => (StatusCode::NOT_FOUND, "Not found", text),
            Self::Denied(text) => (StatusCode::CONFLICT, "Not allowed in this state", text),
            Self::Foreign => {
                let text = "This form was not sent from a page of this server.";
                (StatusCode::FORBIDDEN, "Forbidden", text.to_owned())
            }
            Self::Failed(error) => {
                tracing::error!(error, "a page could not be shown: {error}");
                let text = "The server could not use its database. Nothing was changed; try again.";
                (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", text.to_owned())
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
