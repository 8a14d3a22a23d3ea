//! What every page has around its content: head, banner and response headers.

use std::sync::LazyLock;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};

use super::{
    super::{AppState, Settings, middleware::caller::Caller},
    visible,
};
use crate::core::access::Right;

const STYLE: &str = include_str!("style.css");
const LIVE: &str = include_str!("live.js");
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The digest of both assets: a new release has new addresses, so that browsers may cache the old ones for ever.
static DIGEST: LazyLock<String> =
    LazyLock::new(|| hex::encode(&Sha256::digest(format!("{STYLE}\0{LIVE}"))[..6]));

/// A whole page around its `<main>`; its head says who is signed in.
pub(super) fn page(settings: &Settings, caller: Option<&Caller>, title: &str, main: &Markup) -> Response {
    let digest = DIGEST.as_str();
    let whole = html! {
        (DOCTYPE)
        html lang="en" dir="ltr" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Aspora" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href={ "/assets/" (digest) "/style.css" };
                script defer src={ "/assets/" (digest) "/live.js" } {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.home href="/" { "Aspora" }
                    span.muted { "code factory" }
                    span #link-state role="status" hidden {}
                    @if let Some(caller) = caller {
                        (places(caller))
                        (who(caller))
                    }
                }
                (banner(settings))
                (main)
            }
        }
    };
    fragment(&whole)
}

/// The pages that the caller may see.
fn places(caller: &Caller) -> Markup {
    let is_keeper = caller.may(Right::Administer) && caller.principal().products.names().is_none();
    html! {
        nav.places aria-label="Pages of Aspora" {
            a href="/" { "Requirements" }
            a href="/pulls" { "Pull requests" }
            a href="/harness-gaps" { "Harness gaps" }
            a href="/dashboard" { "Dashboard" }
            a href="/products" { "Products" }
            a href="/dead-letters" { "Dead letters" }
            @if is_keeper { a href="/audit" { "Audit log" } }
        }
    }
}

/// Who is signed in, and the way out.
fn who(caller: &Caller) -> Markup {
    let who = caller.principal();
    html! {
        nav.who aria-label="Your account" {
            span { strong { (who.name) } " (" (who.role) ")" }
            @if caller.session().is_some() {
                form method="post" action="/sign-out" { (proof(caller)) button { "Sign out" } }
            }
        }
    }
}

/// The field that shows that a form is of the caller's session.
pub(super) fn proof(caller: &Caller) -> Markup {
    html! {
        @if let Some(token) = caller.session() { input type="hidden" name="csrf" value=(token.form_token()); }
    }
}

/// Markup alone, with the headers of a page. Characters that nobody sees are labelled.
pub(super) fn fragment(markup: &Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, visible::shown(markup.0.clone())).into_response()
}

/// A page that says what is wrong and links to the list.
pub(super) fn problem(
    settings: &Settings,
    caller: Option<&Caller>,
    status: StatusCode,
    title: &str,
    text: &str,
) -> Response {
    let main = html! {
        main #main {
            h1 { (title) }
            p { (text) }
            p {
                @if status == StatusCode::UNAUTHORIZED { a href="/sign-in" { "Sign in" } }
                @else { a href="/" { "To the requirements" } }
            }
        }
    };
    let mut response = page(settings, caller, title, &main);
    *response.status_mut() = status;
    response
}

/// The style sheet or the script.
pub(super) async fn asset(
    State(app): State<AppState>,
    Path((digest, name)): Path<(String, String)>,
) -> Response {
    let (kind, body) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "live.js" => ("text/javascript; charset=utf-8", LIVE),
        _ => {
            let missing = super::Problem::Missing("There is nothing at this address.".to_owned());
            return missing.page(&app.settings, None);
        }
    };
    // While a release is rolled out, a page of the other one requests another digest: serve it, but uncached.
    let keep = if digest == *DIGEST { "public, max-age=31536000, immutable" } else { "no-store" };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, keep),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}

fn banner(settings: &Settings) -> Markup {
    let what = match (settings.forge_is_stand_in, settings.model_is_stand_in) {
        (true, true) => "The forge and the model are stand-ins: no GitHub and no real model is used here.",
        (true, false) => "The forge is a stand-in, not GitHub. The model is real.",
        (false, true) => "The model is a stand-in that follows a script. The forge is real.",
        (false, false) => return html! {},
    };
    html! { p.banner role="note" { (what) } }
}
