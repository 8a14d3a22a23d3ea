//! The cases that must be refused: more than one reading, or something that is missing.

use super::{
    Case, Expected,
    repo::{Act, changes},
};

/// An answer, and what its refusal says.
const TABLE: [(&str, &str); 50] = [
    ("", "no `=== file:`"),
    ("Sure, I will do that.", "no `=== file:`"),
    ("```python\nx = 1\n```\n", "no `=== file:`"),
    ("new.py\n```python\nx = 1\n```\n", "no `=== file:`"),
    ("<think>\n=== delete: old.py\n", "reasoning is not closed"),
    ("<think>hm\n=== file: a.py\nx\n=== end: a.py\n", "reasoning is not closed"),
    ("<|channel|>analysis<|message|>=== delete: old.py\n", "reasoning is not closed"),
    (
        "=== why: I think\nso.\n</think>\n=== file: new.py\ny\n=== end: new.py\n",
        "could begin before it or after it",
    ),
    ("=== delete: old.py\n</think>\n", "no `=== file:`"),
    ("=== file: new.py\nx = 1\n", "is not closed"),
    (
        "=== file: new.py\nx\n=== file: b.py\ny\n=== end: b.py\n=== file: new.py\nx\n=== end: new.py\n",
        "`=== end: new.py` is missing",
    ),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n=== file: b.py\ny\n\
         === end: b.py\n=== end: a.py\n",
        "`<<<<<<< SEARCH` is expected",
    ),
    (
        "=== why: It is.\n\n--- a/a.py\n+++ b/a.py\n@@ @@\n-    x = 1\n+    x = 3\n=== delete: old.py\n",
        "a change of `a.py` stands outside",
    ),
    ("=== file: new.py\n```\nx = 1\n", "is not closed"),
    ("=== file: notes.txt\n```\nx\n```\n", "is not closed"),
    ("=== file: new.py\nx\n=== end: other.py\n", "found `=== end: other.py`"),
    ("=== file: new.py\nx\n=== file: more.py\ny\n=== end: more.py\n", "`=== end: new.py` is missing"),
    ("=== file: new.py\nx\n=== file: more.py\ny\n=== end\n", "`=== end: new.py` is missing"),
    ("=== file: new.py\nx\n=== end\nmore\n", "`=== end: new.py` is missing"),
    ("=== file: new.py\n```python\nx = 1\n=== end: new.py\n", "begins with a code fence"),
    (
        "=== file: new.py\n```python\nx = 1\n```\nAs you see:\n```\ny\n```\n=== end: new.py\n",
        "begins with a code fence",
    ),
    ("=== edit: a.py\nx = 3\n=== end: a.py\n", "`<<<<<<< SEARCH` is expected"),
    ("=== edit: a.py\n<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n", "is not closed"),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\n    x = 1\n    x = 3\n>>>>>>> REPLACE\n=== end: a.py\n",
        "`=======` is missing",
    ),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\nx\n=======\ny\n=======\nz\n>>>>>>> REPLACE\n=== end: a.py\n",
        "two `=======`",
    ),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\nx\n======\ny\n======\nz\n>>>>>>> REPLACE\n=== end: a.py\n",
        "`=======` is missing",
    ),
    ("=== edit: a.py\n<<<<<<< SEARCH\n=======\ny\n>>>>>>> REPLACE\n=== end: a.py\n", "the file exists"),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\n    return x\n=======\n    return y\n>>>>>>> REPLACE\n=== end: a.py\n",
        "stands at lines 6, 11",
    ),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\n    6 |     return x\n=======\n    return y\n>>>>>>> REPLACE\n=== end: a.py\n",
        "is not in the file",
    ),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\n    5 |     x = 1\n=======\n    5 |     x = 3\n    y = 1\n>>>>>>> REPLACE\n=== end: a.py\n",
        "begin with a line number",
    ),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\n    4 | def a():\n    x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n=== end: a.py\n",
        "is not in the file",
    ),
    (
        "=== edit: a.py\n<<<<<<< SEARCH\n    4 | def a():\n    9 |     x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n=== end: a.py\n",
        "is not in the file",
    ),
    (
        "=== edit: none.py\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n=== end: none.py\n",
        "there is no such file",
    ),
    (
        "=== file: none.py\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n=== end: none.py\n",
        "holds SEARCH/REPLACE pairs",
    ),
    ("<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n", "no path stands before it"),
    (
        "I change it so:\n<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n",
        "no path stands before it",
    ),
    ("a.py\n<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n", "REPLACE` is missing"),
    (
        "=== delete: old.py\na.py\n<<<<<<< SEARCH\n    x = 1\n=======\n    x = 3\n>>>>>>> REPLACE\n",
        "a change of `a.py` stands outside",
    ),
    (
        "=== delete: old.py\n--- a/a.py\n+++ b/a.py\n@@ -5 +5 @@\n-    x = 1\n+    x = 3\n",
        "a change of `a.py` stands outside",
    ),
    ("--- a/a.py\n+++ b/a.py\n@@ -6 +6 @@\n-    return x\n+    return y\n", "stand at lines 6, 11"),
    ("--- a/a.py\n+++ b/a.py\n@@ -5 +5 @@\n-    x = 7\n+    x = 3\n", "are not in the file"),
    ("--- a/a.py\n+++ b/a.py\n@@ -5 +5 @@\n-   x = 1\n+    x = 3\n", "are not in the file"),
    ("--- a/a.py\n+++ b/a.py\n@@ -5,0 +6 @@\n+    y = 3\n", "has no place"),
    ("--- a/a.py\n+++ b/a.py\n@@ -4,2 +4,2 @@\n def a():\nx = 1\n+    x = 3\n", "begins with a space"),
    (
        "diff --git a/a.py b/c.py\nsimilarity index 100%\nrename from a.py\nrename to c.py\n",
        "a rename is said",
    ),
    ("--- a/a.py\n+++ b/c.py\n@@ -5 +5 @@\n-    x = 1\n+    x = 3\n", "a rename is said"),
    ("diff --git a/a.py b/a.py\nold mode 100644\nnew mode 100755\n", "mode cannot be changed"),
    ("diff --git a/a.png b/a.png\nBinary files a/a.png and b/a.png differ\n", "binary file"),
    ("--- /dev/null\n+++ b/a.py\n@@ -0,0 +1 @@\n+x\n", "the file exists"),
    ("--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-other = 1\n", "not what the diff removes"),
];

/// All of them, and every cut of a well-formed block that loses its end.
pub(crate) fn cases() -> Vec<Case> {
    let case = |(at, (text, says)): (usize, &(&str, &'static str))| Case {
        name: format!("refused {at}: {says}"),
        text: (*text).to_owned(),
        expected: Expected::Refused(says),
    };
    TABLE.iter().enumerate().map(case).chain(cut()).collect()
}

/// A block that is cut, alone and after another one: nothing of the answer is applied.
fn cut() -> Vec<Case> {
    let whole = changes().into_iter().filter(|change| !matches!(change.act, Act::Delete));
    let cases = whole.flat_map(|change| {
        let block = change.block();
        let lines: Vec<&str> = block.lines().collect();
        // After the first line; in the middle of the content; before the last marker or the closing line.
        let last = lines.len() - if matches!(change.act, Act::Edit(_)) { 2 } else { 1 };
        [1, last.div_ceil(2), last].map(|count| {
            let kept = lines[..count].join("\n");
            let text = format!("=== delete: old.py\n{kept}\n");
            let name = format!("{}, cut after {count} lines", change.name);
            (name, text, count)
        })
    });
    let mut seen = std::collections::BTreeSet::new();
    cases
        .filter(|(name, ..)| seen.insert(name.clone()))
        .map(|(name, text, _)| Case { name, text, expected: Expected::Refused("") })
        .collect()
}
