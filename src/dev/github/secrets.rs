//! Secrets that GitHub's push protection knows by their form. A few of its kinds, under GitHub's names for them.

/// A kind: its name, how it begins, how many characters follow at least, and which.
type Form = (&'static str, &'static str, usize, fn(u8) -> bool);

const KINDS: [Form; 5] = [
    ("GitHub Personal Access Token", "ghp_", 36, is_word),
    ("GitHub Personal Access Token", "github_pat_", 82, is_word),
    ("Slack API Token", "xoxb-", 40, is_word_or_dash),
    ("Stripe API Key", "sk_live_", 24, is_word),
    ("npm Access Token", "npm_", 36, is_word),
];

/// The kind and the line, from 1, of every secret in a text.
pub(crate) fn find(text: &[u8]) -> Vec<(&'static str, usize)> {
    let lines = text.split(|&byte| byte == b'\n').enumerate();
    lines.filter_map(|(at, line)| Some((kind_of(line)?, at + 1))).collect()
}

fn kind_of(line: &[u8]) -> Option<&'static str> {
    let holds = |(_, begin, least, fits): &&(&str, &str, usize, fn(u8) -> bool)| {
        let begin = begin.as_bytes();
        line.windows(begin.len()).enumerate().any(|(at, window)| {
            window == begin
                && line[at + begin.len()..].iter().take_while(|byte| fits(**byte)).count() >= *least
        })
    };
    KINDS.iter().find(holds).map(|(kind, ..)| *kind)
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn is_word_or_dash(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_by_its_form_and_line() {
        let token = format!("a\nKEY = 'ghp_{}'\nghp_short\n", "A1".repeat(18));
        assert_eq!(find(token.as_bytes()), [("GitHub Personal Access Token", 2)]);
        assert!(find(b"npm_config_registry\nsk_live_\n").is_empty());
    }
}
