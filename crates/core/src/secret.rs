//! GitHub's tokens in texts that others wrote: found by their form, and left out.

use std::borrow::Cow;

/// How GitHub's tokens begin: personal (classic, fine-grained), OAuth, user-to-server, server-to-server, refresh.
/// docs.github.com "About authentication to GitHub".
const PREFIXES: [&str; 6] = ["ghp_", "github_pat_", "gho_", "ghu_", "ghs_", "ghr_"];
/// What stands in place of a token.
const REDACTED: &str = "[token]";
/// Fewer characters after the prefix are a word such as `ghs_` in prose, not a token.
const SHORTEST: usize = 6;

/// The text with every token of GitHub replaced. A token has no longest form: those of installations have 40
/// characters or about 520, with dots and dashes.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let Some(first) = next(text) else { return Cow::Borrowed(text) };
    let (mut safe, mut rest, mut found) = (String::with_capacity(text.len()), text, Some(first));
    while let Some((start, end)) = found {
        safe.push_str(&rest[..start]);
        safe.push_str(REDACTED);
        rest = &rest[end..];
        found = next(rest);
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

/// Where the first token starts and ends.
fn next(text: &str) -> Option<(usize, usize)> {
    let of_prefix = |prefix: &str| {
        text.match_indices(prefix).find_map(|(start, _)| {
            let body = &text[start + prefix.len()..];
            let length = body.find(|c: char| !is_of_token(c)).unwrap_or(body.len());
            // A sentence may end right behind a token.
            let length = body[..length].trim_end_matches(['.', '-']).len();
            (length >= SHORTEST).then_some((start, start + prefix.len() + length))
        })
    };
    PREFIXES.iter().filter_map(|prefix| of_prefix(prefix)).min()
}

const fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_token_is_left_out() {
        let check = |text: &str, safe: &str| assert_eq!(redact(text), safe, "{text}");
        check("bad ghp_0123456789abcdefABCD.", "bad [token].");
        check("github_pat_11AA_bb33cc and gho_abcdef1", "[token] and [token]");
        check(
            "https://x-access-token:ghs_abcdefgh@github.com/a/b",
            "https://x-access-token:[token]@github.com/a/b",
        );
        check("the prefix ghs_ alone, and ghs_x", "the prefix ghs_ alone, and ghs_x");
        check("nothing", "nothing");
        let long = format!("ghs_12345_{}.{}.{}", "eyJ".repeat(40), "a-_b".repeat(60), "c".repeat(160));
        assert!(long.len() > 500);
        check(&format!("fatal: <{long}>, twice {long}"), "fatal: <[token]>, twice [token]");
    }
}
