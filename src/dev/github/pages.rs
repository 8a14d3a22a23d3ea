//! Pages for people, at the addresses that REST answers give as `html_url`.
//!
//! They have no script, and are rendered on each request from the same state and git as the REST answers. A browser
//! sends no token, so pages are shown without one, and only on a loopback address. Who signs in acts by forms, which
//! call what the REST routes call and are judged as these are.

mod acts;
mod diff;
mod editor;
mod fields;
mod forms;
mod layout;
mod repository;
mod sign_in;
mod visits;

use axum::{
    body::to_bytes,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use maud::html;

use self::{fields::Fields, layout::page, repository::RepositoryPages};
use super::{refusal::Refusal, sessions::Visitor, shared::Shared};

/// A form with the whole text of a file.
const LARGEST_FORM: usize = 4 << 20;

/// The address of a page.
pub(super) enum Address {
    All,
    SignIn,
    SignOut,
    /// What comes after the name of a repository that the twin has.
    Of(String, Vec<String>),
}

/// The address that a request names; `None` when it is not that of a page, so that REST or git answers.
pub(super) fn address(shared: &Shared, method: &Method, path: &str) -> Option<Address> {
    let is_act = *method == Method::POST;
    if !shared.pages || !(is_act || matches!(*method, Method::GET | Method::HEAD)) {
        return None;
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        [""] if !is_act => Some(Address::All),
        ["login"] => Some(Address::SignIn),
        ["logout"] if is_act => Some(Address::SignOut),
        [owner, name, rest @ ..] => {
            let repository = format!("{owner}/{name}");
            let is_page = match rest {
                [] | ["pull" | "commit" | "runs", _] => !is_act,
                ["edit"] => true,
                ["pull" | "runs", _, _, ..] => is_act,
                _ => false,
            };
            let is_known = is_page && shared.host.has(&repository);
            is_known.then(|| Address::Of(repository, rest.iter().map(|&part| part.to_owned()).collect()))
        }
        _ => None,
    }
}

/// Answers a request for a page, or from one.
pub(super) async fn answer(shared: &Shared, address: Address, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let visitor = shared.sessions.of(&head.headers, shared.host.clock.now());
    let is_act = head.method == Method::POST;
    let query = Fields::read(head.uri.query().unwrap_or_default().as_bytes());
    let made = match visits::refuse_foreign(shared, &head.method, &head.headers) {
        Err(refusal) => Err(refusal),
        Ok(()) if is_act => {
            let form = match to_bytes(body, LARGEST_FORM).await {
                Ok(bytes) => Fields::read(&bytes),
                Err(_) => {
                    let refusal =
                        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The form is larger than 4 MiB");
                    return refused(visitor.as_ref(), refusal, true);
                }
            };
            act(shared, address, &head.headers, visitor.as_ref(), &form).await
        }
        Ok(()) => show(shared, address, visitor.as_ref(), &query).await,
    };
    made.unwrap_or_else(|refusal| refused(visitor.as_ref(), refusal, is_act))
}

async fn show(
    shared: &Shared,
    address: Address,
    visitor: Option<&Visitor>,
    query: &Fields,
) -> Result<Response, Refusal> {
    match address {
        Address::All => Ok(all(shared, visitor)),
        Address::SignIn => Ok(sign_in::show(visitor, query.get("next"), None)),
        Address::SignOut => Err(Refusal::not_found()),
        Address::Of(name, rest) => {
            let pages = RepositoryPages::of(shared, &name, visitor)?;
            match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                [] => pages.root().await,
                ["pull", number] => pages.pull(&shared.host, number).await,
                ["commit", sha] => pages.commit(sha).await,
                ["runs", id] => pages.run(id),
                ["edit"] => pages.editor(query.get("branch"), query.get("path")).await,
                _ => Err(Refusal::not_found()),
            }
        }
    }
}

async fn act(
    shared: &Shared,
    address: Address,
    headers: &HeaderMap,
    visitor: Option<&Visitor>,
    form: &Fields,
) -> Result<Response, Refusal> {
    if let Address::SignIn = address {
        return Ok(sign_in::submit(shared, form));
    }
    let visitor = visitor.ok_or_else(|| {
        Refusal::new(StatusCode::UNAUTHORIZED, "You must be signed in to do this. Sign in, then do it again.")
    })?;
    if !visitor.proves(form.get("proof")) {
        let message = "This form is not from a page of your session. Load the page again, then send it.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    match address {
        Address::All | Address::SignIn => Err(Refusal::not_found()),
        Address::SignOut => Ok(sign_in::leave(shared, headers)),
        Address::Of(name, rest) => {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            let anchor = acts::perform(shared, &name, &visitor.login, &rest, form).await?;
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, format!("/{name}/{anchor}"))]).into_response())
        }
    }
}

/// The page of a refusal. One of an act shows GitHub's words.
fn refused(visitor: Option<&Visitor>, refusal: Refusal, is_act: bool) -> Response {
    let words = refusal.words();
    let status = refusal.into_response().status();
    let message = match status {
        StatusCode::NOT_FOUND if !is_act => "The twin has nothing at this address.",
        _ if status.is_server_error() => "The twin could not do this; its log says why.",
        _ => "This was refused",
    };
    let body = html! {
        h1 { (message) }
        @if is_act || status == StatusCode::FORBIDDEN { @for line in &words { p.error role="alert" { (line) } } }
        @if status == StatusCode::UNAUTHORIZED { p { a href="/login" { "Sign in" } } }
        p { a href="/" { "Repositories" } }
    };
    let mut answer = page(visitor, message, &body);
    *answer.status_mut() = status;
    answer
}

fn all(shared: &Shared, visitor: Option<&Visitor>) -> Response {
    let pages: Vec<(String, String)> = shared.host.with_state(|state| {
        state.repositories.values().map(|it| (it.full_name(), shared.links.page(it))).collect()
    });
    page(
        visitor,
        "Repositories",
        &html! {
            h1 { "Repositories" }
            ul { @for (name, address) in &pages { li { a href=(address) { (name) } } } }
        },
    )
}
