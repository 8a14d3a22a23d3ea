//! A form as an argument of its handler, if a page of this server sent it.

use axum::{
    extract::{Form, FromRequest, Request},
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use serde::de::DeserializeOwned;

use super::{super::AppState, Problem};

/// What browsers say of the page that sent a form.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A form that was not sent from another site; any other is answered with a page that says what is wrong.
pub(super) struct Submitted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Submitted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Response> {
        let is_ours = is_same_origin(request.headers());
        let problem = match Form::from_request(request, app).await {
            Ok(Form(fields)) if is_ours => return Ok(Self(fields)),
            Ok(_) => Problem::Foreign,
            Err(rejection) => Problem::Unreadable(rejection.body_text()),
        };
        Err(problem.page(&app.settings))
    }
}

/// Whether a request comes from our own page. Browsers say so; other clients send neither header, and need no
/// guard, since they hold no cookies of a person.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(SEC_FETCH_SITE), text(header::ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(header::HOST)
        }
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_refused() {
        let check = |pairs: &[(&'static str, &'static str)], ours: bool| {
            let headers = pairs.iter().map(|(name, value)| {
                (HeaderName::from_static(name), header::HeaderValue::from_static(value))
            });
            assert_eq!(is_same_origin(&headers.collect()), ours, "{pairs:?}");
        };
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")], false);
        check(&[("origin", "http://a:1"), ("host", "a:1")], true);
        check(&[("origin", "http://evil"), ("host", "a:1")], false);
        check(&[("origin", "null"), ("host", "a:1")], false);
        check(&[], true);
    }
}
