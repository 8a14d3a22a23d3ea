//! Signing in at the twin, and out.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use maud::html;

use super::{fields::Fields, layout::page};
use crate::dev::github::{sessions::Visitor, shared::Shared};

/// The page to sign in, and then to be led to `next`.
pub(super) fn show(visitor: Option<&Visitor>, next: &str, wrong: Option<&str>) -> Response {
    let main = html! {
        h1 { "Sign in to the GitHub twin" }
        @if let Some(wrong) = wrong { p.error role="alert" { (wrong) } }
        form.narrow method="post" action="/login" {
            input type="hidden" name="next" value=(ours(next));
            label for="login" { "Username" }
            input #login name="login" required autocomplete="username" autocapitalize="none" spellcheck="false";
            label for="password" { "Password" }
            input #password name="password" type="password" required autocomplete="current-password";
            button { "Sign in" }
        }
        p.muted { "The people and their passwords are those that " code { "aspora dev" } " prints when it starts." }
    };
    page(visitor, "Sign in", &main)
}

/// Signs a person in.
pub(super) fn submit(shared: &Shared, form: &Fields) -> Response {
    let login = form.get("login").trim();
    if !shared.members.accepts(login, form.get("password").trim()) {
        let mut answer = show(None, form.get("next"), Some("Incorrect username or password."));
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        return answer;
    }
    let cookie = shared.sessions.begin(login, shared.host.clock.now());
    led(ours(form.get("next")), cookie)
}

/// Signs a person out.
pub(super) fn leave(shared: &Shared, headers: &HeaderMap) -> Response {
    led("/", shared.sessions.end(headers))
}

fn led(to: &str, cookie: String) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to.to_owned()), (header::SET_COOKIE, cookie)]).into_response()
}

/// An address of the twin: a path, since `//host` and `/\host` are other servers to a browser.
fn ours(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next[1..].starts_with(['/', '\\']);
    if is_path && next.bytes().all(|byte| byte.is_ascii_graphic()) { next } else { "/" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_is_led_to_a_page_of_the_twin_alone() {
        let check = |next: &str, expected: &str| assert_eq!(super::ours(next), expected, "{next:?}");
        check("/acme/wealth-product/pull/1", "/acme/wealth-product/pull/1");
        check("", "/");
        check("//evil.example", "/");
        check("/\\evil.example", "/");
        check("https://evil.example", "/");
        check("/a\r\nb", "/");
    }
}
