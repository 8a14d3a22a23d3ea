//! Well-formed answers that look like slips: each must come out byte for byte.

use super::{
    Case, Expected,
    repo::{pair, repo, with},
};

/// A path, and a content that is meant as it stands.
const FILES: [(&str, &str); 22] = [
    ("or.js", "1 | 2\n2 | 4\n"),
    ("one.rb", "1 | x\n"),
    ("new.md", "```sh\nls\n```\n"),
    ("new.md", "```\nls\n```\n"),
    ("new.md", "```sh\nls\n```\n\nText.\n\n```sh\nls\n```\n"),
    ("new.md", "    1 | one\n    2 | two\n"),
    ("sample.md", "```sh\nls -l\n```\n"),
    ("sample.md", "```markdown\n# Sample\n```\n"),
    ("notes.txt", "```\nls\n```\n"),
    ("notes", "```\nls\n```\n"),
    ("fixture.txt", "<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n"),
    ("change.patch", "--- a/a.py\n+++ b/a.py\n@@ -5 +5 @@\n-    x = 1\n+    x = 3\n"),
    ("parser.py", "CLOSE = \"</think>\"\nOPEN = \"<think>\"\n"),
    ("parser.py", "<think>\n"),
    ("parser.py", "TEXT = \"\"\"\n</think>\n\"\"\"\n"),
    ("answer.txt", "=== title: x\n=== file: a.py\nx = 1\n=== end: a.py\n"),
    ("answer.txt", "=== end\n=== end: other.txt\n== end\n"),
    ("doc.py", "\"\"\"\n```\nx\n```\n\"\"\"\n"),
    ("conflict.py", "x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> main\n"),
    ("table.md", "1 | 2\n--- | ---\n3 | 4\n"),
    ("empty.py", ""),
    ("blank.py", "\n\n\t\n  \n"),
];

/// Edits whose sections look like slips, with the file as it is before and after them.
fn edits() -> Vec<(&'static str, String, String)> {
    let numbers = repo()["numbers.md"].clone();
    let api = repo()["docs/API.md"].clone();
    vec![
        // The file holds such lines itself.
        ("numbers.md", pair("    2 | two\n", "    2 | deux\n"), numbers.replace("two", "deux")),
        ("numbers.md", pair("    2 | two\n", "two\n"), numbers.replace("    2 | two", "two")),
        ("numbers.md", pair("    1 | one\n    2 | two\n", "    2 | two\n"), "    2 | two\n".to_owned()),
        (
            "docs/API.md",
            pair("```sh\ncurl x\n```\n", "```sh\ncurl x -v\n```\n"),
            api.replace("curl x", "curl x -v"),
        ),
        (
            "docs/API.md",
            pair("```sh\ncurl x\n```\n", "curl x\n"),
            api.replace("```sh\ncurl x\n```", "curl x"),
        ),
        ("docs/API.md", pair("None.\n", "```\nnone\n```\n"), api.replace("None.", "```\nnone\n```")),
        (
            "docs/API.md",
            pair("None.\n", "Title\n=====\n\n======\n"),
            api.replace("None.", "Title\n=====\n\n======"),
        ),
        ("docs/API.md", pair("None.\n", "    1 | none\n"), api.replace("None.", "    1 | none")),
    ]
}

/// All of them, alone and between other blocks.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, (path, content)) in FILES.iter().enumerate() {
        let block = format!("=== file: {path}\n{content}=== end: {path}\n");
        cases.extend(placed(&format!("{path} {at}, verbatim"), path, &block, content));
    }
    for (at, (path, pairs, after)) in edits().iter().enumerate() {
        let block = format!("=== edit: {path}\n{pairs}=== end: {path}\n");
        cases.extend(placed(&format!("{path}, edit {at}, verbatim"), path, &block, after));
    }
    cases
}

fn placed(name: &str, path: &str, block: &str, after: &str) -> [Case; 2] {
    let (before, behind) = ("=== title: x\n=== delete: old.py\n", "=== file: z.py\nz\n=== end: z.py\nBye.\n");
    let case = |place: &str, text: String, changes: &[(&str, Option<&str>)]| Case {
        name: format!("{name}, {place}"),
        text,
        expected: Expected::Files(with(changes)),
    };
    [
        case("alone", block.to_owned(), &[(path, Some(after))]),
        case(
            "between others",
            format!("{before}{block}{behind}"),
            &[(path, Some(after)), ("old.py", None), ("z.py", Some("z\n"))],
        ),
    ]
}
