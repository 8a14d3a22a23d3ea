//! Where a request comes from: under a name that is ours, and not from a page of another site.
//!
//! A name that a stranger points at this machine (DNS rebinding) would make our pages the stranger's own, in the eyes of
//! a browser. Such a request has the stranger's name as its Host. An address cannot be pointed elsewhere, so that any
//! address will do; of names, those of this machine, of the public URL, and those that are configured.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{error::Error, problem::Kind};
use crate::http::AppState;

/// What browsers say of the page that made them send a request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Probes of a cluster name the server in ways of their own, and learn nothing here.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Refuses a request under a name that is not ours, and a change that a page of another site sends.
pub(crate) async fn check(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !PROBES.contains(&path)
        && let Err(error) = refusal(&app, &request)
    {
        return error.into_response();
    }
    next.run(request).await
}

fn refusal(app: &AppState, request: &Request) -> Result<(), Error> {
    let settings = &app.settings;
    let headers = request.headers();
    // An absolute target overrules the header (RFC 9112, 3.2.2). A client without either is no browser.
    let host = request.uri().host().or_else(|| text(headers, &header::HOST).map(without_port));
    if let Some(host) = host
        && !is_ours(host, &settings.public_url, &settings.hosts)
    {
        let shown: String = host.chars().take(80).collect();
        let detail = format!(
            "{shown:?} is not a name of this server; add it to ASPORA_HOSTS, or set ASPORA_PUBLIC_URL"
        );
        return Err(Error::new(Kind::WrongHost, detail));
    }
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_change && !is_same_origin(headers) {
        return Err(Error::new(Kind::ForeignOrigin, ""));
    }
    Ok(())
}

/// Whether a host, without a port, names this server.
fn is_ours(host: &str, public_url: &str, configured: &[String]) -> bool {
    let host = host.trim_end_matches('.');
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_local =
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    let public = public_url.split_once("://").map(|(_, rest)| without_port(rest));
    let mut names = public.into_iter().chain(configured.iter().map(String::as_str));
    is_address || is_local || names.any(|name| name.eq_ignore_ascii_case(host))
}

/// Whether a change comes from our own page, or from no page: browsers say so, and other clients send neither header.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    match (text(headers, &SEC_FETCH_SITE), text(headers, &header::ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(headers, &header::HOST)
        }
        (None, None) => true,
    }
}

fn without_port(authority: &str) -> &str {
    let authority = authority.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_name_is_not_ours() {
        let hosts = ["hooks.acme.example".to_owned()];
        let check = |host: &str, ours: bool| {
            let host = without_port(host);
            assert_eq!(is_ours(host, "https://aspora.acme.example:8443/x", &hosts), ours, "{host}");
        };
        check("127.0.0.1:8080", true);
        check("[::1]:8080", true);
        check("[::1]", true);
        check("10.1.2.3", true);
        check("localhost:1", true);
        check("a.localhost", true);
        check("Aspora.acme.example", true);
        check("aspora.acme.example.:443", true);
        check("hooks.acme.example", true);
        check("evil.example", false);
        check("aspora.acme.example.evil.example", false);
        check("127.0.0.1.evil.example", false);
        check("localhost.evil.example", false);
        check("", false);
    }

    #[test]
    fn a_change_from_a_page_of_another_site_is_refused() {
        let check = |pairs: &[(&'static str, &'static str)], ours: bool| {
            let headers = pairs.iter().map(|(name, value)| {
                (HeaderName::from_static(name), header::HeaderValue::from_static(value))
            });
            assert_eq!(is_same_origin(&headers.collect()), ours, "{pairs:?}");
        };
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")], false);
        check(&[("origin", "http://a:1"), ("host", "a:1")], true);
        check(&[("origin", "http://evil"), ("host", "a:1")], false);
        check(&[("origin", "null"), ("host", "a:1")], false);
        check(&[], true);
    }
}
