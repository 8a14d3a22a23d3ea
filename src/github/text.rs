//! Text that is sent to GitHub: neutralised, cut to size, marked as ours.
//!
//! A model's text may mention people, close issues, load images, hide comments and contain links.
//! [`neutralise`] breaks each such sequence with a zero-width space, which works in prose, in code and in
//! commit messages alike, so nothing here has to parse Markdown.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The most characters of a title.
pub const TITLE_LIMIT: usize = 256;
/// The most characters of a description, a review or a comment.
pub const BODY_LIMIT: usize = 65_536;

const BREAK: char = '\u{200b}';
const CUT: &str = "… (cut)";

/// Foreign text, changed so that GitHub only shows it: no mention, no closed issue, no image, no link, no HTML,
/// no comment, no command to a bot. Invisible and direction-changing characters are dropped. Idempotent.
#[must_use]
pub fn neutralise(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    let visible: Vec<char> = text.chars().filter_map(visible).collect();
    let mut line_is_blank = true;
    for (at, &c) in visible.iter().enumerate() {
        let rest = &visible[at + 1..];
        if c == '/' && line_is_blank && rest.first().is_some_and(|next| next.is_alphabetic()) {
            safe.push(BREAK);
        }
        if c == '.' && ends_in_www(&safe) {
            safe.push(BREAK);
        }
        safe.push(c);
        if is_dangerous(c, rest, &visible[..at]) {
            safe.push(BREAK);
        }
        line_is_blank = c == '\n' || (line_is_blank && c.is_whitespace());
    }
    safe
}

/// As [`neutralise`], on one line, for titles: white space becomes single spaces.
#[must_use]
pub fn line(text: &str) -> String {
    neutralise(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text, cut with a note at the end if it is longer than `limit` characters.
#[must_use]
pub fn cap(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept = limit.saturating_sub(CUT.chars().count());
    text.chars().take(kept).chain(CUT.chars()).take(limit).collect()
}

/// An invisible comment that names the effect which a text on GitHub belongs to.
///
/// By it we find our own texts again. It proves nothing, since anyone can copy it, so the finders also compare
/// the author.
#[derive(Clone, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// `<!-- aspora:key -->`.
    #[must_use]
    pub fn new(effect_key: &str) -> Self {
        Self(format!("<!-- aspora:{} -->", inert(effect_key)))
    }

    /// `<!-- aspora:key:proof -->`; the proof can only be made with the secret.
    #[must_use]
    pub fn signed(effect_key: &str, secret: &SecretString) -> Self {
        let key = inert(effect_key);
        let mut mac = keyed(secret);
        mac.update(key.as_bytes());
        let proof = hex::encode(&mac.finalize().into_bytes()[..16]);
        Self(format!("<!-- aspora:{key}:{proof} -->"))
    }

    /// Whether the text contains this very marker.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        text.contains(&self.0)
    }

    /// The text with the marker below it, within [`BODY_LIMIT`].
    #[must_use]
    pub fn mark(&self, text: &str) -> String {
        let room = BODY_LIMIT.saturating_sub(self.0.len() + 2);
        format!("{}\n\n{}", cap(text, room), self.0)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Marker({})", self.0)
    }
}

/// HMAC-SHA256 with this secret, of any length.
pub(super) fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"))
}

/// Whether `c` must be separated from what follows it.
fn is_dangerous(c: char, rest: &[char], before: &[char]) -> bool {
    let next = rest.first().copied().unwrap_or('\n');
    match c {
        // A mention, or an address that becomes a link.
        '@' => !next.is_whitespace(),
        // `closes #1`, `owner/repo#1`.
        '#' => next.is_alphanumeric(),
        // `GH-1`, another way to write `#1`.
        '-' => next.is_ascii_digit() && ends_in(before, "gh"),
        // An entity could stand for any of the others.
        '&' => next.is_alphanumeric() || next == '#',
        // A tag, a comment, an autolink.
        '<' => next.is_alphabetic() || matches!(next, '/' | '!' | '?'),
        // `https://…`, which needs no brackets to become a link.
        ':' => rest.starts_with(&['/', '/']),
        '!' => next == '[',
        // `[text](where)` and `[name]: where`.
        ']' => matches!(next, '(' | ':'),
        _ => false,
    }
}

fn ends_in_www(text: &str) -> bool {
    let end: Vec<char> = text.chars().rev().take(3).collect();
    ends_in(&end, "www")
}

fn ends_in(text: &[char], end: &str) -> bool {
    let from = text.len().saturating_sub(end.len());
    text[from..].iter().collect::<String>().eq_ignore_ascii_case(end)
}

/// A visible character or white space; every kind of line break becomes `\n`.
fn visible(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        '\u{2028}' | '\u{2029}' | '\u{85}' => Some('\n'),
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => None,
        _ if c.is_control() => None,
        _ => Some(c),
    }
}

/// The key, unable to end the comment that holds it: other characters become `%NN`.
fn inert(key: &str) -> String {
    let mut safe = String::new();
    for byte in key.bytes() {
        match byte {
            b'-' if safe.ends_with('-') => safe.push_str("%2D"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b':' => {
                safe.push(char::from(byte));
            }
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `|` is the break in what is expected.
    #[test]
    fn active_sequences_are_broken_and_plain_text_is_kept() {
        let check = |text: &str, expected: &str| {
            assert_eq!(neutralise(text), expected.replace('|', "\u{200b}"), "{text:?}");
        };
        check("plain text, 50 % of it\n\ttabs stay", "plain text, 50 % of it\n\ttabs stay");
        check("ping @octocat and @org/team", "ping @|octocat and @|org/team");
        check("mail a@b.com", "mail a@|b.com");
        check("meet @ noon", "meet @ noon");
        check("closes #1, fixes a/b#22", "closes #|1, fixes a/b#|22");
        check("Resolves GH-12 and gh-3", "Resolves GH-|12 and gh-|3");
        check("step-3, x-1", "step-3, x-1");
        check("# Heading\n## Second", "# Heading\n## Second");
        check("&commat;octocat &#64;octocat &#x40;x", "&|commat;octocat &|#|64;octocat &|#|x40;x");
        check("a && b & c", "a && b & c");
        check("<!-- hidden -->", "<|!-- hidden -->");
        check("<img src=x onerror=y></a>", "<|img src=x onerror=y><|/a>");
        check("if a < b { c <= d }", "if a < b { c <= d }");
        check("![pixel](https://evil.example/p.png)", "!|[pixel]|(https:|//evil.example/p.png)");
        check("[click](javascript:alert(1))", "[click]|(javascript:alert(1))");
        check("[a][b]\n[b]: //evil.example", "[a][b]\n[b]|: //evil.example");
        check("see WWW.evil.example", "see WWW|.evil.example");
        check("<https://evil.example>", "<|https:|//evil.example>");
        check("let x: u8 = a[0];", "let x: u8 = a[0];");
        check("/merge\n  /lgtm\na / b /c", "|/merge\n  |/lgtm\na / b /c");
        check("@\u{200b}\u{202e}octocat\r\n\u{0}x", "@|octocat\nx");
        check("c\u{ad}loses #\u{2060}1", "closes #|1");
        check("\u{1b}[31mred", "[31mred");
        check("e\u{e0041}nd@", "end@|".trim_end_matches('|'));
    }

    proptest! {
        #[test]
        fn no_active_sequence_survives_and_neutralising_is_idempotent(text in r"([@#&<:!\]\[(/.wgGhH1a \n-]|\PC|\u{200b}){0,60}") {
            let safe = neutralise(&text);
            for live in ["](", "]:", "![", "<!", "</", "<?", "://", "#1", "@a", "www.", "&#", "&a", "gh-1"] {
                prop_assert!(!safe.to_lowercase().contains(live), "{live} in {safe:?}");
            }
            prop_assert_eq!(neutralise(&safe), safe);
        }

        #[test]
        fn a_cut_text_is_within_its_limit(text in r"\PC{0,40}", limit in 0_usize..40) {
            let cut = cap(&text, limit);
            prop_assert!(cut.chars().count() <= limit);
            prop_assert!(cut == text || text.chars().count() > limit);
        }
    }

    #[test]
    fn a_title_is_one_line() {
        assert_eq!(line(" Add\r\n  risk\u{2028}checker\t@x "), "Add risk checker @\u{200b}x");
    }

    #[test]
    fn a_marker_matches_only_itself_and_its_key_cannot_end_the_comment() {
        let marker = Marker::new("run/7:review:1");
        assert_eq!(marker.to_string(), "<!-- aspora:run/7:review:1 -->");
        assert!(marker.is_in(&marker.mark(&"x".repeat(BODY_LIMIT))));
        assert_eq!(marker.mark(&"x".repeat(BODY_LIMIT)).chars().count(), BODY_LIMIT);
        assert!(!Marker::new("run/7:review:11").is_in(&marker.mark("text")));
        assert_eq!(Marker::new("a-->@b--c").to_string(), "<!-- aspora:a-%2D%3E%40b-%2Dc -->");
        assert!(!marker.is_in(&neutralise(&marker.mark("text"))), "a model cannot write a marker");
    }

    #[test]
    fn a_proof_needs_the_secret() {
        let signed = |key, secret: &str| Marker::signed(key, &secret.to_owned().into());
        assert_eq!(signed("k", "one"), signed("k", "one"));
        assert_ne!(signed("k", "one"), signed("k", "two"));
        assert_ne!(signed("k", "one"), signed("l", "one"));
        assert!(!Marker::new("k").is_in(&signed("k", "one").to_string()));
    }
}
