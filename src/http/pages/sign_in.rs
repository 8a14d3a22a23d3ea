//! Signing in with a key, and out. On a developer's machine its one person is signed in without being asked.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::{
    Extension,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::{
        AppState,
        middleware::{
            caller::{Caller, RequestId},
            cookie,
            tries::Tries,
        },
        serve::Peer,
    },
    Problem, layout,
    submitted::Submitted,
};
use crate::{
    core::access::{Key, Principal},
    engine::people,
};

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    /// Where to go afterwards.
    #[serde(default)]
    next: String,
}

/// The fields of the form.
#[derive(Deserialize)]
pub(super) struct SignIn {
    #[serde(default)]
    key: String,
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`
pub(super) async fn show(
    State(app): State<AppState>,
    peer: Option<Extension<Peer>>,
    query: Result<Query<PageQuery>, QueryRejection>,
    request: Request,
) -> Response {
    let Query(PageQuery { next }) = query.unwrap_or_default();
    let id = request.extensions().get::<RequestId>().map(|id| id.0.to_string());
    match &app.settings.local_key {
        Some(key) if is_of_this_machine(peer.map(|Extension(peer)| peer.0), request.headers()) => {
            let signed_in = with_key(&app, key, &next, id.as_deref()).await;
            signed_in.unwrap_or_else(|problem| problem.page(&app.settings, None))
        }
        _ => page(&app, &next, None),
    }
}

/// `POST /sign-in`
pub(super) async fn submit(
    State(app): State<AppState>,
    Extension(tries): Extension<Tries>,
    peer: Option<Extension<Peer>>,
    request: Option<Extension<RequestId>>,
    Submitted(form): Submitted<SignIn>,
) -> Response {
    let address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |Extension(Peer(peer))| peer.ip());
    if !tries.may(address, Instant::now()) {
        let mut response = Problem::Closed.page(&app.settings, None);
        response.headers_mut().insert(header::RETRY_AFTER, 60.into());
        return response;
    }
    let id = request.map(|Extension(id)| id.0.to_string());
    let signed_in = match form.key.trim().parse::<Key>() {
        Ok(key) => with_key(&app, &key, &form.next, id.as_deref()).await,
        Err(wrong) => Err(Problem::Anonymous(format!("This {wrong}."))),
    };
    match signed_in {
        Ok(response) => response,
        Err(Problem::Anonymous(why)) => {
            tries.failed(address, Instant::now());
            page(&app, &form.next, Some((StatusCode::UNAUTHORIZED, &why)))
        }
        Err(problem) => problem.page(&app.settings, None),
    }
}

/// `POST /sign-out`
pub(super) async fn leave(
    State(app): State<AppState>,
    caller: Caller,
    Submitted(_): Submitted<serde::de::IgnoredAny>,
) -> Response {
    if let Some(token) = caller.session()
        && let Err(error) = people::sign_out(app.engine.pool(), token, caller.author()).await
    {
        return Problem::from(error).page(&app.settings, Some(&caller));
    }
    let mut response = page(&app, "", None);
    if let Some(gone) = cookie::take(&app.settings.public_url) {
        response.headers_mut().insert(header::SET_COOKIE, gone);
    }
    *response.status_mut() = StatusCode::OK;
    response
}

/// Begins a session of a key's owner, and leads on.
async fn with_key(app: &AppState, key: &Key, next: &str, request: Option<&str>) -> Result<Response, Problem> {
    let pool = app.engine.pool();
    let found = people::authenticate(pool, key).await?;
    let principal: Principal = found.map_err(|refusal| Problem::Anonymous(format!("No: {refusal}.")))?;
    begin_session(app, &principal, next, request).await
}

/// Begins a session of a principal, and leads on.
pub(super) async fn begin_session(
    app: &AppState,
    principal: &Principal,
    next: &str,
    request: Option<&str>,
) -> Result<Response, Problem> {
    let token = people::sign_in(app.engine.pool(), principal, request).await;
    let token = token.map_err(|error| Problem::Failed(error.to_string()))?;
    let mut response = Redirect::to(ours(next)).into_response();
    if let Some(cookie) = cookie::give(&token, &app.settings.public_url) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// An address of this server to lead on to: a path, since `//host` and `/\host` are other servers to a browser.
pub(super) fn ours(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next[1..].starts_with(['/', '\\']);
    if is_path && next.bytes().all(|byte| byte.is_ascii_graphic()) { next } else { "/" }
}

/// Whether a request comes from this machine, and was neither passed on by a proxy nor made by a page of another site
/// behind the person's back.
fn is_of_this_machine(peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or_default();
    let host = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(host, _)| host);
    let is_here = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_passed_on = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name));
    let is_opened = text("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
        && text("sec-fetch-dest").is_none_or(|kind| kind == "document");
    peer.is_some_and(|peer| peer.ip().is_loopback()) && is_here && !is_passed_on && is_opened
}

/// The page to sign in; with a status and a sentence if that has just failed.
pub(super) fn page(app: &AppState, next: &str, wrong: Option<(StatusCode, &str)>) -> Response {
    let address =
        |next: &str| url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    let main = html! {
        main #main {
            h1 { "Sign in" }
            @if let Some((_, wrong)) = wrong { p.error role="alert" { (wrong) } }
            @if let Some(provider) = &app.settings.oidc {
                p { a href={ "/sign-in/oidc?" (address(ours(next))) } { "Sign in with " (provider.host()) } }
                p.muted { "Or with a key:" }
            }
            (form(ours(next)))
            p.muted { "An admin issues keys: " code { "aspora key create --person NAME --role ROLE" } "." }
        }
    };
    let mut response = layout::page(&app.settings, None, "Sign in", &main);
    if let Some((status, _)) = wrong {
        *response.status_mut() = status;
    }
    response
}

fn form(next: &str) -> Markup {
    html! {
        form.sign-in method="post" action="/sign-in" {
            input type="hidden" name="next" value=(next);
            div.field {
                label for="key" { "API key" }
                input #key name="key" type="password" required autocomplete="current-password" spellcheck="false";
            }
            button { "Sign in" }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn one_is_led_to_a_page_of_this_server_alone() {
        let check = |next: &str, expected: &str| assert_eq!(ours(next), expected, "{next:?}");
        check("/runs/1?a=b", "/runs/1?a=b");
        check("/", "/");
        check("", "/");
        check("//evil.example", "/");
        check("/\\evil.example", "/");
        check("https://evil.example", "/");
        check("/a\r\nSet-Cookie: x", "/");
        check("/ä", "/");
    }

    #[test]
    fn only_a_person_at_this_machine_is_signed_in_without_a_key() {
        let check = |peer: &str, pairs: &[(&'static str, &'static str)], expected: bool| {
            let header = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let headers = pairs.iter().map(header).collect();
            assert_eq!(is_of_this_machine(peer.parse().ok(), &headers), expected, "{peer} {pairs:?}");
        };
        let here = "127.0.0.1:5000";
        check(here, &[("host", "127.0.0.1:8080")], true);
        check(here, &[("host", "localhost")], true);
        check("[::1]:5000", &[("host", "[::1]:8080")], true);
        check(here, &[("host", "[::1]")], true);
        check("192.0.2.1:5000", &[("host", "localhost:8080")], false);
        check("", &[("host", "localhost:8080")], false);
        check(here, &[("host", "aspora.example")], false);
        check(here, &[("host", "192.0.2.1:8080")], false);
        check(here, &[("host", "localhost"), ("x-forwarded-for", "192.0.2.1")], false);
        check(here, &[("host", "localhost"), ("sec-fetch-mode", "no-cors")], false);
        check(
            here,
            &[("host", "localhost"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            true,
        );
        check(
            here,
            &[("host", "localhost"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            false,
        );
    }
}
