//! Patterns as a reader of POSIX and of git understands them, written without globset: what the lint passes in
//! silence must mean the same to both.

use proptest::prelude::*;

use super::{Patterns, refusal, warnings};

/// Whether a pattern with braces, `**`, `*` and `?` matches; `p/**` also means `p`, and a plain name means what is
/// below it too, as it does in a list of ignored files.
fn means(pattern: &str, path: &str) -> bool {
    if let Some((start, end)) = pattern.find('{').zip(pattern.find('}')) {
        let inner = pattern[start + 1..end].split(',');
        return inner
            .into_iter()
            .any(|one| means(&[&pattern[..start], one, &pattern[end + 1..]].concat(), path));
    }
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    parts(&pattern, &path)
}

fn parts(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], _) => true,
        (["**"], _) => true,
        (["**", rest @ ..], _) => (0..=path.len()).any(|skip| parts(rest, &path[skip..])),
        (_, []) => false,
        ([first, rest @ ..], [name, below @ ..]) => {
            let (first, name): (Vec<char>, Vec<char>) = (first.chars().collect(), name.chars().collect());
            one(&first, &name) && parts(rest, below)
        }
    }
}

fn one(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len()).any(|skip| one(rest, &name[skip..])),
        (['?', rest @ ..], [_, below @ ..]) => one(rest, below),
        ([first, rest @ ..], [next, below @ ..]) => first == next && one(rest, below),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_pattern_that_passes_in_silence_matches_what_a_reader_expects(
        pattern in r"(a|b|\.py|\*|\*\*|/|\?|\{a,b\}|\{,a\}|\{b/\*\*,a\}){1,7}",
        path in r"[ab]{1,2}(\.py)?(/[ab]{1,2}(\.py)?){0,3}",
    ) {
        if refusal(&pattern).is_none() && warnings(&pattern, &[]).is_empty() {
            let matched = Patterns::new(vec![pattern.clone()]).unwrap().is_match(&path);
            // A file is no folder: what ends in an extension has nothing below it.
            let is_file = !path.split('/').rev().skip(1).any(|part| part.ends_with(".py"));
            prop_assert!(matched == means(&pattern, &path) || !is_file, "`{}` on {}", pattern, path);
        }
    }
}
