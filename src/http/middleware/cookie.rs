//! The cookie of a session.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::core::access::Token;

/// Its name over plain HTTP, as on a developer's machine.
const PLAIN: &str = "aspora_session";
/// Its name over HTTPS: browsers take a cookie with this prefix only with `Secure`, for the whole host, and from the
/// host itself (RFC 6265bis, 4.1.3.2).
const SECURE: &str = "__Host-aspora_session";

/// The name of what a sign-in at the identity provider leaves in the browser, without the prefix.
const SIGN_IN: &str = "aspora_sign_in";

/// The value of a request's cookie.
pub(super) fn read(headers: &HeaderMap) -> Option<String> {
    named(headers, SECURE).or_else(|| named(headers, PLAIN))
}

/// What a sign-in at the identity provider has left in the browser.
pub(crate) fn sign_in(headers: &HeaderMap) -> Option<String> {
    named(headers, &format!("__Host-{SIGN_IN}")).or_else(|| named(headers, SIGN_IN))
}

/// The header that leaves in a browser what ties it to the sign-in that it begins. It comes back when the provider sends
/// the browser here, because that opens a page.
pub(crate) fn begin_sign_in(token: &Token, public_url: &str) -> Option<HeaderValue> {
    set_named(SIGN_IN, token.reveal(), public_url, "; Max-Age=600")
}

/// The header that takes it away.
pub(crate) fn forget_sign_in(public_url: &str) -> Option<HeaderValue> {
    set_named(SIGN_IN, "", public_url, "; Max-Age=0")
}

fn named(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|all| all.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut pairs = pairs;
    pairs.find(|(it, _)| *it == name).map(|(_, value)| value.to_owned())
}

/// The header that gives a browser its session, until the browser is closed.
pub(crate) fn give(token: &Token, public_url: &str) -> Option<HeaderValue> {
    set(token.reveal(), public_url, "")
}

/// The header that takes it away.
pub(crate) fn take(public_url: &str) -> Option<HeaderValue> {
    set("", public_url, "; Max-Age=0")
}

fn set(value: &str, public_url: &str, more: &str) -> Option<HeaderValue> {
    set_named(PLAIN, value, public_url, more)
}

fn set_named(name: &str, value: &str, public_url: &str, more: &str) -> Option<HeaderValue> {
    let (prefix, secure) =
        if public_url.starts_with("https://") { ("__Host-", "; Secure") } else { ("", "") };
    let name = format!("{prefix}{name}");
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}");
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_kept_from_scripts_and_other_sites() {
        let token = Token::new(|| 7);
        let plain = give(&token, "http://127.0.0.1:8080").unwrap();
        let text = plain.to_str().unwrap();
        assert_eq!(text, format!("aspora_session={}; Path=/; HttpOnly; SameSite=Lax", token.reveal()));
        let secure = give(&token, "https://aspora.example").unwrap();
        assert!(secure.to_str().unwrap().starts_with("__Host-aspora_session="));
        assert!(secure.to_str().unwrap().ends_with("; SameSite=Lax; Secure"));
        assert!(plain.is_sensitive() && take("http://a").unwrap().to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let check = |text: &'static str, expected: Option<&str>| {
            let headers = [(header::COOKIE, HeaderValue::from_static(text))].into_iter().collect();
            assert_eq!(read(&headers).as_deref(), expected, "{text}");
        };
        check("a=1; aspora_session=x; b=2", Some("x"));
        check("aspora_session=x; __Host-aspora_session=y", Some("y"));
        check("xaspora_session=x", None);
        check("", None);
    }
}
