//! Secrets in texts that others wrote (logs, errors, git's messages), found by their form and left out before anybody
//! is shown the text.

/// How tokens of well-known makers begin, and the fewest characters that follow. Those of GitHub are personal (classic,
/// fine-grained), OAuth, user-to-server, server-to-server and refresh tokens (docs.github.com "About authentication to
/// GitHub"); they are ours, so less is enough to leave them out. No token has a longest form: those of installations
/// have 40 characters or about 520, with dots and dashes.
const PREFIXES: [(&str, usize); 17] = [
    ("aspora_", 16),
    ("ghp_", OURS),
    ("gho_", OURS),
    ("ghu_", OURS),
    ("ghs_", OURS),
    ("ghr_", OURS),
    ("github_pat_", OURS),
    ("glpat-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("sk-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("npm_", 30),
];
/// Fewer characters after the prefix are a word such as `ghs_` in prose, not a token of GitHub.
const OURS: usize = 6;
/// What stands in place of a secret.
const LEFT_OUT: &str = "[secret]";
/// Words after which a secret follows, in lower case.
const ANNOUNCED: [&str; 2] = ["bearer", "basic"];
/// The fewest characters of a secret that a word announces.
const SHORTEST: usize = 12;

/// The text without tokens, private keys, and the passwords of URLs.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.split_inclusive('\n') {
        if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY") {
            in_key = true;
            safe.push_str(LEFT_OUT);
            safe.push('\n');
        }
        if !in_key {
            redact_line(line, &mut safe);
        }
        if line.contains("-----END ") && line.contains("PRIVATE KEY") {
            in_key = false;
        }
    }
    safe
}

fn redact_line(line: &str, safe: &mut String) {
    let mut rest = line;
    let mut announced = false;
    while let Some(start) = rest.find(is_of_token) {
        safe.push_str(&rest[..start]);
        let end = rest[start..].find(|c| !is_of_token(c)).map_or(rest.len(), |length| start + length);
        let (word, tail) = (&rest[start..end], &rest[end..]);
        let is_password = tail.starts_with('@') && safe.ends_with(':') && follows_a_user(safe);
        if is_secret(word) || (announced && word.len() >= SHORTEST) || is_password {
            safe.push_str(LEFT_OUT);
        } else {
            safe.push_str(word);
        }
        announced = ANNOUNCED.iter().any(|known| word.eq_ignore_ascii_case(known));
        rest = tail;
    }
    safe.push_str(rest);
}

/// Whether the text ends with `://user:`.
fn follows_a_user(text: &str) -> bool {
    let user = text.trim_end_matches(':').trim_end_matches(is_of_user);
    user.ends_with("//")
}

const fn is_of_user(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn is_secret(word: &str) -> bool {
    PREFIXES.iter().any(|(prefix, least)| {
        // A name may stand before the token, as in `TOKEN=ghp_…`.
        word.find(prefix).is_some_and(|at| {
            let begins = at == 0 || !word.as_bytes()[at - 1].is_ascii_alphanumeric();
            begins && word.len() - at - prefix.len() >= *least
        })
    })
}

const fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out() {
        let check = |text: &str, safe: &str| assert_eq!(redact(text), safe, "{text}");
        check("token ghp_0123456789abcdefABCDxyz.\n", "token [secret]\n");
        check("ghs_12345_eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl", "[secret]");
        check("key AKIAIOSFODNN7EXAMPLE1 used", "key [secret] used");
        check("Authorization: Bearer abcdefabcdefabcdef", "Authorization: Bearer [secret]");
        check("https://ci:hunter2@example.com/x", "https://ci:[secret]@example.com/x");
        check("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nok\n", "[secret]\nok\n");
        check(
            "FAILED tests/test_a.py::test_x - AssertionError: 0 != 1\n",
            "FAILED tests/test_a.py::test_x - AssertionError: 0 != 1\n",
        );
        check("the prefix ghp_ alone, mask-sk-short, ask-me", "the prefix ghp_ alone, mask-sk-short, ask-me");
        check("bearer of news", "bearer of news");
        check("github_pat_11AA_bb33cc and gho_abcdef1", "[secret] and [secret]");
        check(
            "https://x-access-token:ghs_abcdefgh@github.com/a/b",
            "https://x-access-token:[secret]@github.com/a/b",
        );
        check("the prefix ghs_ alone, and ghs_x", "the prefix ghs_ alone, and ghs_x");
        let long = format!("ghs_12345_{}.{}.{}", "eyJ".repeat(40), "a-_b".repeat(60), "c".repeat(160));
        assert!(long.len() > 500);
        check(&format!("fatal: <{long}>, twice {long}"), "fatal: <[secret]>, twice [secret]");
    }
}
