//! Where a request for a page comes from: under a name of this machine, and for an act from a page of the twin.
//!
//! A stranger's name that points at this machine (DNS rebinding) would make the pages the stranger's own, in the eyes of
//! a browser; such a request has that name as its Host.

use std::net::IpAddr;

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use crate::dev::github::{refusal::Refusal, shared::Shared};

/// Refuses a request under a name that is not the twin's, and an act that a page of another site sends.
pub(super) fn refuse_foreign(shared: &Shared, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = text(headers, "host");
    if host.is_some_and(|host| !is_ours(host, &shared.links.base)) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "This is not a name of the twin."));
    }
    if *method == Method::POST && !is_same_origin(headers) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "A page of another site has sent this form."));
    }
    Ok(())
}

fn is_ours(host: &str, base: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    let name = url.host_str().unwrap_or_default();
    let is_local = name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_local || Url::parse(base).is_ok_and(|base| base.host_str() == Some(name))
}

/// Browsers say which page made them send a form; other clients send neither header, and have no session either.
fn is_same_origin(headers: &HeaderMap) -> bool {
    match (text(headers, "sec-fetch-site"), text(headers, header::ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(headers, "host")
        }
        (None, None) => true,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_ours() {
        let check = |host: &str, ours| assert_eq!(is_ours(host, "https://twin.example:1"), ours, "{host}");
        check("127.0.0.1:4000", true);
        check("[::1]:4000", true);
        check("localhost", true);
        check("twin.example", true);
        check("evil.example:4000", false);
        check("127.0.0.1.evil.example", false);
        check("10.0.0.1", false);
        check("", false);
    }

    #[test]
    fn a_form_of_another_site_is_foreign() {
        let check = |pairs: &[(&'static str, &'static str)], ours| {
            let header = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            assert_eq!(is_same_origin(&pairs.iter().map(header).collect()), ours, "{pairs:?}");
        };
        check(&[], true);
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "same-site"), ("origin", "http://a:1"), ("host", "a:1")], false);
        check(&[("origin", "http://a:1"), ("host", "a:1")], true);
        check(&[("origin", "http://a:2"), ("host", "a:1")], false);
        check(&[("origin", "null"), ("host", "a:1")], false);
    }
}
