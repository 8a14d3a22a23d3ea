//! The repository that the answers are for, and the changes that they make to it.

use std::collections::BTreeMap;

/// Texts by path.
pub(crate) type Files = BTreeMap<String, String>;

const CODE: &str =
    "import os\n\n\ndef a():\n    x = 1\n    return x\n\n\ndef b():\n    x = 2\n    return x\n";
const API: &str = "# API\n\nCall it:\n\n```sh\ncurl x\n```\n\n## Errors\n\nNone.\n";

/// The files before the answer.
pub(crate) fn repo() -> Files {
    [
        ("a.py", CODE),
        ("docs/API.md", API),
        ("win.py", "a = 1\r\nb = 2\r\nc = 3\r\n"),
        ("open.txt", "one\ntwo\nthree"),
        ("bom.py", "\u{feff}x = 1\ny = 2\n"),
        ("tabs.go", "func a() {\n\tx := 1\n\n\treturn\n}\n"),
        ("old.py", "gone = 1\n"),
        ("numbers.md", "    1 | one\n    2 | two\n"),
        ("sample.md", "```sh\nls\n```\n"),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into()
}

/// The repository with these files changed; without a text, one is gone.
pub(crate) fn with(changes: &[(&str, Option<&str>)]) -> Files {
    let mut files = repo();
    for (path, text) in changes {
        match text {
            Some(text) => files.insert((*path).to_owned(), (*text).to_owned()),
            None => files.remove(*path),
        };
    }
    files
}

/// A change of one file.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) act: Act,
    pub(crate) after: Option<String>,
}

/// How a change is made.
#[derive(Clone)]
pub(crate) enum Act {
    File(&'static str),
    Edit(Vec<(&'static str, &'static str)>),
    Delete,
}

impl Change {
    /// What the change makes of the repository.
    pub(crate) fn files(&self) -> Files {
        with(&[(self.path, self.after.as_deref())])
    }

    /// The well-formed block.
    pub(crate) fn block(&self) -> String {
        match &self.act {
            Act::File(text) => format!("=== file: {0}\n{text}=== end: {0}\n", self.path),
            Act::Edit(pairs) => {
                let pairs: String = pairs.iter().map(|(search, replace)| pair(search, replace)).collect();
                format!("=== edit: {0}\n{pairs}=== end: {0}\n", self.path)
            }
            Act::Delete => format!("=== delete: {}\n", self.path),
        }
    }

    /// The lines between the block's first and last one.
    pub(crate) fn content(&self) -> String {
        let block = self.block();
        let lines: Vec<&str> = block.lines().collect();
        lines[1..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect()
    }
}

/// A pair in its markers.
pub(crate) fn pair(search: &str, replace: &str) -> String {
    format!("<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n")
}

/// A change for each kind of block and of file.
pub(crate) fn changes() -> Vec<Change> {
    let file = |name, path, text: &'static str| Change {
        name,
        path,
        act: Act::File(text),
        after: Some(text.to_owned()),
    };
    let edit = |name, path: &'static str, pairs: &[(&'static str, &'static str)], after: &str| Change {
        name,
        path,
        act: Act::Edit(pairs.to_vec()),
        after: Some(after.to_owned()),
    };
    let one = CODE.replace("x = 1", "x = 3");
    let two = one.replace("x = 2", "x = 4");
    vec![
        file("a new file", "new.py", "y = 1\n\n\nprint(y)\n"),
        file("a whole file", "a.py", "import sys\n\nprint(sys.argv)\n"),
        file("a new document", "docs/NEW.md", "# New\n\n```sh\nls\n```\n\nEnd.\n"),
        file("a new text", "notes.txt", "=== of note\n\n  two\n"),
        edit("an edit", "a.py", &[("    x = 1\n", "    x = 3\n")], &one),
        edit("two edits", "a.py", &[("    x = 1\n", "    x = 3\n"), ("    x = 2\n", "    x = 4\n")], &two),
        edit(
            "an edit of a document",
            "docs/API.md",
            &[("## Errors\n\nNone.\n", "## Errors\n\n- 400\n- 404\n")],
            &API.replace("None.", "- 400\n- 404"),
        ),
        edit("an edit of Windows lines", "win.py", &[("b = 2\n", "b = 4\n")], "a = 1\r\nb = 4\r\nc = 3\r\n"),
        edit("an edit at an open end", "open.txt", &[("three\n", "3\n")], "one\ntwo\n3"),
        edit("an edit after a mark", "bom.py", &[("x = 1\n", "x = 3\n")], "\u{feff}x = 3\ny = 2\n"),
        edit(
            "an edit of tabs",
            "tabs.go",
            &[("\tx := 1\n\n\treturn\n", "\tx := 2\n\n\treturn\n")],
            "func a() {\n\tx := 2\n\n\treturn\n}\n",
        ),
        Change { name: "a deletion", path: "old.py", act: Act::Delete, after: None },
    ]
}
