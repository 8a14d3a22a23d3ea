//! The words of the house: a few that a native reader stumbles over and that came in easily, and a few that mean
//! one thing here and so must not name another.

use super::{files, text};

/// A word, and what to say in its place.
const BANNED: [(&str, &str); 13] = [
    ("told", "recorded, notified, returned: say what happened"),
    ("whoever", "the caller, the worker, a person: name them"),
    ("somebody", "a person, another worker: name them"),
    ("shall", "must, should, or the present tense"),
    ("mend", "fix, repair"),
    ("mends", "fixes, repairs"),
    ("mended", "fixed, repaired"),
    ("struck", "killed, interrupted: name the fault"),
    ("obey", "run, follow"),
    ("rouse", "wake"),
    ("trying on", "retrying"),
    ("called off", "cancelled"),
    ("lets go", "releases, resumes"),
];

/// A name that has one meaning, and the rooms that may give it to a type.
const RESERVED: [(&str, &[&str]); 6] = [
    // A rate limit is a `Throttle`.
    ("Gate", &["core/src/policy"]),
    // What the policy decides about a head; what an invariant finds is a violation, what GitHub has is a review.
    ("Verdict", &["core/src/policy"]),
    // The log of who did what, when it comes; folding histories again is a replay.
    ("Audit", &[]),
    // Money and tokens; what a rate limit has left is a `RateWindow`.
    ("Budget", &["core/src/budget", "api/", "cli/"]),
    // A path is made of lanes, edges, connections: each has its own word.
    ("Line", &[]),
    // Says nothing of what was looked at.
    ("Look", &[]),
];

const DOCUMENTS: [&str; 7] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/ARCHITECTURE.md",
    "docs/CI.md",
    "docs/GITHUB.md",
    "docs/MODEL.md",
    "docs/openapi.json",
];

#[test]
fn nothing_is_said_in_the_words_that_are_banned() {
    let texts = ["src", "crates", "tests"].into_iter().flat_map(files);
    let documents = DOCUMENTS.map(|name| (name.to_owned(), text(name)));
    let mut strays = Vec::new();
    for (file, text) in texts.chain(documents).filter(|(file, _)| file != "house/words.rs") {
        for (number, line) in text.lines().enumerate() {
            let found = BANNED.iter().filter(|(word, _)| says(line, word));
            strays.extend(found.map(|(word, instead)| {
                format!("{file}:{}: `{word}` ({instead}): {}", number + 1, line.trim())
            }));
        }
    }
    assert!(strays.is_empty(), "{} lines:\n{}", strays.len(), strays.join("\n"));
}

#[test]
fn a_reserved_name_means_one_thing() {
    let mut strays = Vec::new();
    for (file, text) in ["src", "crates"].into_iter().flat_map(files) {
        for line in text.lines() {
            let Some(name) = defined(line) else { continue };
            let reserved = RESERVED.iter().find(|(reserved, _)| *reserved == name);
            if reserved.is_some_and(|(_, homes)| !homes.iter().any(|home| file.starts_with(home))) {
                strays.push(format!("{file}: {}", line.trim()));
            }
        }
    }
    assert!(strays.is_empty(), "these names are taken by another meaning: {strays:#?}");
}

#[test]
fn words_are_found_whole_whatever_their_case_and_also_in_names() {
    let check = |line: &str, word: &str, is_there: bool| assert_eq!(says(line, word), is_there, "{line}");
    check("// It is told at once.", "told", true);
    check("fn what_is_told(", "told", true);
    check("Whoever asks", "whoever", true);
    check("// retold", "told", false);
    check("// recommend", "mend", false);
    check("; trying on", "trying on", true);
    check("#[serde(alias = \"mend\")]", "mend", false);
    assert_eq!(defined("    pub(super) struct Gate {"), Some("Gate"));
    assert_eq!(defined("pub enum Verdict<'a> {"), Some("Verdict"));
    assert_eq!(defined("let gate = Gate::new();"), None);
}

/// Whether a line has this word, in prose or as a part of a name. A name that is recorded or sent is quoted, and
/// may be any.
fn says(line: &str, word: &str) -> bool {
    let line = line.to_lowercase();
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_quoted = before == after && matches!(before, Some('"' | '`'));
        !is_quoted && !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// The type that a line defines.
fn defined(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    matches!(words.next()?, "struct" | "enum" | "trait" | "type").then_some(())?;
    words.next()?.split(|c: char| !c.is_alphanumeric()).next()
}
