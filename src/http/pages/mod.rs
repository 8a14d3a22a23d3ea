//! Pages, rendered on the server and readable without JavaScript.
//!
//! A script only re-fetches what the server renders when the history grows. Maud escapes every text that comes
//! from outside, and no page loads anything but our own two assets.

mod amend;
mod audit;
mod browsers;
mod dashboard;
mod dead_letters;
mod field;
mod form;
mod gaps;
mod layout;
mod list;
mod panel;
mod policy;
mod product;
mod proposals;
mod provider;
mod pulls;
mod run;
mod sign_in;
mod submitted;
mod visible;
mod words;

pub(super) use self::browsers::for_browsers;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode, Uri},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};

use super::{
    AppState, Settings,
    middleware::{
        auth::{self, Denial},
        caller::Caller,
        error::Error,
        tries::Tries,
    },
};
use crate::{
    engine::{self, Denied},
    store,
};

/// The most bytes of a submitted form: a text that is several times too long with every byte percent-encoded, so that its
/// form can say so and keep it.
const FORM_LIMIT: usize = 1024 * 1024;

/// The routes of the pages. None is reached without a row in the table of access.
pub(super) fn router(app: &AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(list::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/sign-in/oidc", get(provider::there))
        .route("/sign-in/oidc/callback", get(provider::back))
        .route("/sign-out", post(sign_in::leave).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/products", get(product::list))
        .route("/products/{name}", get(product::show))
        .route("/dashboard", get(dashboard::show))
        .route("/dashboard/runs", get(dashboard::runs))
        .route("/audit", get(audit::show))
        .route("/dead-letters", get(dead_letters::show))
        .route("/dead-letters/redrive", post(dead_letters::redrive).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route(
            "/products/{name}/policy",
            get(policy::show).post(policy::submit).layer(DefaultBodyLimit::max(FORM_LIMIT)),
        )
        .route("/requirements", post(form::submit).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/requirements/{id}/resubmit", get(amend::resubmit))
        .route(
            "/requirements/{id}/amend",
            get(amend::show).post(amend::submit).layer(DefaultBodyLimit::max(FORM_LIMIT)),
        )
        .route("/runs/{id}/answers", post(run::answer).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/pulls", get(pulls::show))
        .route("/harness-gaps", get(gaps::show).post(gaps::open).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/harness-gaps/{id}", get(gaps::one))
        .route("/harness-gaps/{id}/dismiss", post(gaps::dismiss).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/proposals/{id}/accept", post(proposals::accept).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/proposals/{id}/dismiss", post(proposals::dismiss).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/runs/{id}", get(run::show))
        .route("/runs/{id}/diffs/{number}", get(run::diff))
        .route("/runs/{id}/evidence", get(run::evidence))
        .route("/runs/{id}/evidence/{hash}", get(run::evidence_picture))
        .route("/runs/{id}/evidence/{hash}/{after}", get(run::evidence_difference))
        .route("/runs/{id}/control", post(run::control).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/runs/{id}/opinion", post(run::opine).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route(
            "/runs/{id}/dependencies",
            post(run::say_dependencies).layer(DefaultBodyLimit::max(FORM_LIMIT)),
        )
        .route("/runs/{id}/dismiss", post(run::dismiss).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/assets/{digest}/{name}", get(layout::asset))
        .route_layer(from_fn_with_state(app.clone(), guard))
        .layer(Extension(Tries::default()))
}

/// Lets a request through that may be made, and attaches its caller. Who is not signed in is sent to the sign-in page,
/// and back from there.
async fn guard(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Err(denial) = auth::admit(&app, &mut parts).await else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let is_page =
        parts.method == Method::GET && !parts.uri.query().unwrap_or_default().contains("fragment=1");
    let problem = match denial {
        Denial::Anonymous if is_page => return Redirect::to(&sign_in_address(&parts.uri)).into_response(),
        Denial::Anonymous => Problem::Anonymous("Your session has ended. Sign in again.".to_owned()),
        Denial::BadKey(why) => Problem::Anonymous(format!("This was not done: {why}.")),
        Denial::Forbidden(denied) => Problem::Forbidden(format!("{denied}.")),
        Denial::Missing(what, id) => Problem::Missing(format!("There is no {what} {id}.")),
        Denial::TooMany(_) => Problem::Busy,
        Denial::NoRow => Problem::Missing("There is nothing at this address.".to_owned()),
        Denial::Failed(error) => error.into(),
    };
    problem.page(&app.settings, None)
}

/// The sign-in page that leads back to an address.
fn sign_in_address(uri: &Uri) -> String {
    let here = uri.path_and_query().map_or("/", |it| it.as_str());
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", here).finish();
    format!("/sign-in?{query}")
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
    /// Nobody is signed in.
    Anonymous(String),
    /// The person who is signed in may not do it.
    Forbidden(String),
    /// Too many sign-ins failed.
    Closed,
    /// The person's key has made too many requests.
    Busy,
    /// The form was sent from a page of another site, or of another session.
    Foreign,
    /// The database or the engine did not answer.
    Failed(String),
}

impl Problem {
    /// The address of a run has no id of a run.
    fn not_a_run() -> Self {
        Self::Unreadable("The address has no run's id: a UUID is needed.".to_owned())
    }

    fn page(self, settings: &Settings, caller: Option<&Caller>) -> Response {
        let (status, title, text) = match self {
            Self::Unreadable(text) => (StatusCode::BAD_REQUEST, "Invalid request", text),
            Self::Missing(text) => (StatusCode::NOT_FOUND, "Not found", text),
            Self::Denied(text) => (StatusCode::CONFLICT, "Not allowed in this state", text),
            Self::Anonymous(text) => (StatusCode::UNAUTHORIZED, "Not signed in", text),
            Self::Forbidden(text) => (StatusCode::FORBIDDEN, "Not allowed", text),
            Self::Closed => {
                let text = "Too many sign-ins failed. Try again in a minute.";
                (StatusCode::TOO_MANY_REQUESTS, "Too many tries", text.to_owned())
            }
            Self::Busy => {
                let text = "Your key has made too many requests in this minute. Try again in the next one.";
                (StatusCode::TOO_MANY_REQUESTS, "Too many requests", text.to_owned())
            }
            Self::Foreign => {
                let text =
                    "This form was not sent from a page of your session. Open the page again and send it.";
                (StatusCode::FORBIDDEN, "Forbidden", text.to_owned())
            }
            Self::Failed(error) => {
                tracing::error!(error, "a page could not be shown: {error}");
                let text = "The server could not use its database. Nothing was changed; try again.";
                (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", text.to_owned())
            }
        };
        layout::problem(settings, caller, status, title, &text)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.is_of_the_caller() {
            Self::Unreadable(format!("This was not done: {}.", error.sentence()))
        } else {
            Self::Failed(error.sentence())
        }
    }
}

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Denied(denied @ Denied::OwnPull) => {
                Self::Forbidden(format!("This was not done: {denied}."))
            }
            engine::Error::Denied(denied) => Self::Denied(format!("This was not done: {denied}.")),
            engine::Error::Refused(refused) => Self::Denied(format!("This was not done: {refused}.")),
            engine::Error::Workflow { .. } => Self::Denied(format!("This was not done: {error}.")),
            engine::Error::NoRun(id) => Self::Missing(format!("There is no run {id}.")),
            engine::Error::NoRequirement(id) => Self::Missing(format!("There is no requirement {id}.")),
            error => Self::Failed(error.to_string()),
        }
    }
}
