//! Signing in at the identity provider: the way there, and the way back.

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{
    super::{
        AppState,
        middleware::{caller::RequestId, cookie},
        oidc::{Error, Provider, Sent, shown},
    },
    Problem, sign_in,
};
use crate::{
    core::access::{Principal, Token},
    engine::{identities, people},
    store,
};

/// Where the provider sends browsers back to, below the public URL.
const CALLBACK: &str = "/sign-in/oidc/callback";

/// The query of the way there.
#[derive(Debug, Default, Deserialize)]
pub(super) struct There {
    /// Where to lead on to.
    #[serde(default)]
    next: String,
}

/// The query of the way back: OpenID Connect Core 1.0, 3.1.2.5 and 3.1.2.6.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Back {
    code: Option<String>,
    #[serde(default)]
    state: String,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /sign-in/oidc`
pub(super) async fn there(
    State(app): State<AppState>,
    query: Result<Query<There>, QueryRejection>,
) -> Response {
    let Some(provider) = app.settings.oidc.as_deref() else { return none(&app) };
    let Query(There { next }) = query.unwrap_or_default();
    match lead_there(&app, provider, sign_in::ours(&next)).await {
        Ok(response) => response,
        Err(why) => why.page(&app, &next),
    }
}

/// `GET /sign-in/oidc/callback`
pub(super) async fn back(
    State(app): State<AppState>,
    request: Option<Extension<RequestId>>,
    headers: HeaderMap,
    query: Result<Query<Back>, QueryRejection>,
) -> Response {
    let Some(provider) = app.settings.oidc.as_deref() else { return none(&app) };
    let Query(back) = query.unwrap_or_default();
    let id = request.map(|Extension(id)| id.0.to_string());
    let mut response = match lead_back(&app, provider, &headers, back, id.as_deref()).await {
        Ok(response) => response,
        Err(why) => why.page(&app, ""),
    };
    if let Some(gone) = cookie::forget_sign_in(&app.settings.public_url) {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    response
}

async fn lead_there(app: &AppState, provider: &Provider, next: &str) -> Result<Response, Why> {
    let begun = identities::begin(app.engine.pool(), next).await.map_err(|error| failed(&error))?;
    let busy = || {
        Why::Page(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many sign-ins are under way. Try again later.".to_owned(),
        )
    };
    let begun = begun.ok_or_else(busy)?;
    let redirect_uri = callback(app);
    let address = provider.address(begun.state.reveal(), sent(&redirect_uri, &begun.kept)).await?;
    let mut response = Redirect::to(&address).into_response();
    if let Some(cookie) = cookie::begin_sign_in(&begun.browser, &app.settings.public_url) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn lead_back(
    app: &AppState,
    provider: &Provider,
    headers: &HeaderMap,
    back: Back,
    request: Option<&str>,
) -> Result<Response, Why> {
    let pool = app.engine.pool();
    let lost = || {
        let text = "This sign-in was not begun in this browser, was used already, or took over ten minutes. Sign in again.";
        Why::Page(StatusCode::BAD_REQUEST, text.to_owned())
    };
    let state = Token::read(&back.state).ok_or_else(lost)?;
    let browser = cookie::sign_in(headers).as_deref().and_then(Token::read).ok_or_else(lost)?;
    let kept = identities::back(pool, &state, &browser).await.map_err(Problem::from)?.ok_or_else(lost)?;
    provider.check_issuer(back.iss.as_deref()).await?;
    let code = match (back.code, back.error) {
        (Some(code), None) => code,
        (_, error) => {
            let said = [error, back.error_description].into_iter().flatten().map(|text| shown(&text));
            return Err(Error::Refused(said.collect::<Vec<_>>().join(": ")).into());
        }
    };
    let mut connection = pool.acquire().await.map_err(Problem::from)?;
    let now = store::now(&mut connection).await.map_err(Problem::from)?;
    drop(connection);
    let redirect_uri = callback(app);
    let identity = provider.redeem(&code, sent(&redirect_uri, &kept), now).await?;
    let principal = principal(app, provider, &identity).await?;
    Ok(sign_in::begin_session(app, &principal, &kept.next, request).await?)
}

/// Whose session begins: who is linked to the identity, or with a default role everyone who signs in.
async fn principal(app: &AppState, provider: &Provider, identity: &str) -> Result<Principal, Why> {
    let pool = app.engine.pool();
    let unknown = |why: &str| {
        let command = "aspora key link KEY IDENTITY";
        let text = format!(
            "{identity} has signed in at {}, but {why}. An admin links an identity to a key: {command}.",
            provider.host()
        );
        Why::Page(StatusCode::FORBIDDEN, text)
    };
    match identities::principal(pool, identity).await.map_err(Problem::from)? {
        Some(Ok(principal)) => Ok(principal),
        Some(Err(refusal)) => Err(unknown(&refusal.to_string())),
        None => match provider.default_role() {
            None => Err(unknown("is linked to nobody here")),
            Some(role) => match identities::welcome(pool, identity, role).await {
                Ok(principal) => Ok(principal),
                Err(error @ (people::Error::IdentityTaken { .. } | people::Error::Nameless(_))) => {
                    Err(unknown(&error.to_string()))
                }
                Err(error) => Err(failed(&error)),
            },
        },
    }
}

fn sent<'a>(redirect_uri: &'a str, kept: &'a store::sign_in::Row) -> Sent<'a> {
    Sent { redirect_uri, nonce: &kept.nonce, verifier: &kept.verifier }
}

fn callback(app: &AppState) -> String {
    format!("{}{CALLBACK}", app.settings.public_url)
}

fn none(app: &AppState) -> Response {
    let text = "No identity provider is set up; sign in with a key.";
    sign_in::page(app, "", Some((StatusCode::NOT_FOUND, text)))
}

/// Why nobody is signed in.
enum Why {
    /// The sign-in page shows it.
    Page(StatusCode, String),
    Problem(Problem),
}

impl Why {
    fn page(self, app: &AppState, next: &str) -> Response {
        match self {
            Self::Page(status, text) => sign_in::page(app, next, Some((status, &text))),
            Self::Problem(problem) => problem.page(&app.settings, None),
        }
    }
}

fn failed(error: &people::Error) -> Why {
    Why::Problem(Problem::Failed(error.to_string()))
}

impl From<Problem> for Why {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Down(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Setup(_) => StatusCode::BAD_GATEWAY,
            Error::Refused(_) | Error::Token(_) => StatusCode::FORBIDDEN,
        };
        tracing::warn!("a sign-in at the identity provider failed: {error}");
        let text = error.to_string();
        let first = text.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        Self::Page(status, format!("{first}{}.", text.get(1..).unwrap_or_default()))
    }
}
