//! What the pages share: frame, banner, headers, badges, and Markdown as plain text.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::header;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::dev::github::sessions::Visitor;

const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded or run, except the one style sheet, which is allowed by its digest.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    )
});

/// A whole page around its main part.
pub(super) fn page(visitor: Option<&Visitor>, title: &str, main: &Markup) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · GitHub twin" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.banner {
                    span role="note" { "This is the GitHub twin, a stand-in on this machine." }
                    @if let Some(visitor) = visitor {
                        form.inline method="post" action="/logout" {
                            input type="hidden" name="proof" value=(visitor.proof);
                            "Signed in as " strong { (visitor.login) } " "
                            button.plain { "Sign out" }
                        }
                    } @else { a href="/login" { "Sign in" } }
                }
                main { (main) }
            }
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, whole.into_string()).into_response()
}

/// A state or conclusion, coloured if it is one of GitHub's.
pub(super) fn badge(state: &str) -> Markup {
    let class = match state {
        "open" | "merged" | "success" | "approved" => "badge good",
        "failure" | "timed_out" | "action_required" | "changes requested" | "closed" => "badge bad",
        "queued" | "in_progress" => "badge waiting",
        _ => "badge",
    };
    html! { span class=(class) { (state) } }
}

/// Markdown as plain text, without the comments that GitHub hides.
pub(super) fn prose(markdown: &str) -> Markup {
    let shown = without_hidden(markdown);
    html! {
        @if shown.is_empty() { p.muted { "No text." } } @else { pre.text { (shown) } }
    }
}

/// A time as it is saved, to the second.
pub(super) fn when(at: &str) -> Markup {
    let short = at.get(..19).unwrap_or(at).replace('T', " ");
    html! { time.muted datetime=(at) title=(at) { (short) } }
}

/// An external link; an address that is neither http nor https stays text.
pub(super) fn external(address: &str, label: &str) -> Markup {
    let safe = url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    html! {
        @if safe { a href=(address) rel="noreferrer" { (label) } } @else { code { (address) } }
    }
}

/// GitHub hides a comment up to its end, or to the end of the text if it is not closed.
fn without_hidden(markdown: &str) -> String {
    let mut shown = String::new();
    let mut rest = markdown;
    while let Some((before, hidden)) = rest.split_once("<!--") {
        shown.push_str(before);
        rest = hidden.split_once("-->").map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_comments_are_not_shown() {
        let check = |markdown: &str, shown: &str| assert_eq!(without_hidden(markdown), shown, "{markdown}");
        check("plain\n", "plain");
        check("a<!-- aspora:run:1 -->b", "ab");
        check("a\n<!-- x\ny --><!-- z -->", "a");
        check("a <!-- never closed", "a");
        check("a --> b", "a --> b");
    }

    #[test]
    fn only_http_addresses_become_links() {
        let check = |address: &str, is: bool| {
            assert_eq!(external(address, "x").into_string().contains("href"), is, "{address}");
        };
        check("http://127.0.0.1:1/x", true);
        check("javascript:alert(1)", false);
        check("nothing", false);
    }
}
