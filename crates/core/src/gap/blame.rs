//! Which pull request brought a commit, by the message that a forge gives it.

/// The pull request that a commit's message names: `Merge pull request #7 from …`, or `fix: … (#7)` of a squash. docs.github.com
/// "About merge methods on GitHub".
#[must_use]
pub fn blamed_pull(message: &str) -> Option<i64> {
    let title = message.lines().next()?.trim_end();
    let merged = title.strip_prefix("Merge pull request #").and_then(|rest| rest.split(' ').next());
    let squashed = || title.strip_suffix(')')?.rsplit_once("(#").map(|(_, number)| number);
    merged.or_else(squashed)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::blamed_pull;

    #[test]
    fn merges_and_squashes_name_their_pull_request_and_nothing_else_does() {
        for (message, expected) in [
            ("Merge pull request #7 from acme/branch\n\nfix", Some(7)),
            ("fix: Round down (#12)\n\nBody (#3)", Some(12)),
            ("fix: Round down (#12) again", None),
            ("fix #12", None),
            ("", None),
        ] {
            assert_eq!(blamed_pull(message), expected, "{message}");
        }
    }
}
