//! Problems as pages: who asks with a browser gets one, for every address and every failure.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use super::{
    super::{
        AppState,
        middleware::{auth, caller::Caller, caller::RequestId, error::Error},
    },
    layout,
};
use crate::engine::people;

/// Headers of a problem that its page keeps: what to do next, and the id to ask about.
const KEPT: [&str; 4] = ["allow", "retry-after", "www-authenticate", "x-request-id"];

/// Turns a problem into a page, if the request prefers one. Programs get `application/problem+json`, as before.
pub(in super::super) async fn for_browsers(
    State(app): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    if !is_browser(request.headers()) {
        return next.run(request).await;
    }
    let session = auth::session(request.headers());
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<Error>() else { return response };
    let caller = match session {
        // A problem must be shown also when the database does not answer.
        Some(token) => match people::of_session(app.engine.pool(), &token).await {
            Ok(Some(principal)) => Some(Caller::new(principal, RequestId("".into()), Some(token))),
            Ok(None) | Err(_) => None,
        },
        None => None,
    };
    page(&app, caller.as_ref(), &error, &response)
}

/// Browsers name HTML when they load a page; scripts and programs do not.
fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html")
    })
}

fn page(app: &AppState, caller: Option<&Caller>, error: &Error, response: &Response) -> Response {
    let problem = error.problem("", "");
    let mut page =
        layout::problem(&app.settings, caller, response.status(), &problem.title, &sentence(&problem.detail));
    for name in KEPT {
        if let Some(value) = response.headers().get(name) {
            page.headers_mut().insert(name, value.clone());
        }
    }
    page
}

/// A detail as a sentence.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if detail.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_browser_is_who_names_html() {
        let check = |accept: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(is_browser(&headers), expected, "{accept}");
        };
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true);
        check("application/json, Text/HTML;q=0.1", true);
        check("*/*", false);
        check("application/json", false);
        check("text/event-stream", false);
        assert!(!is_browser(&HeaderMap::new()));
    }

    #[test]
    fn a_detail_becomes_a_sentence() {
        assert_eq!(sentence("there is no route /x"), "There is no route /x.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), "");
    }
}
