//! The generated cases: every slip that can be recovered, for every kind of block, at every place in an answer.

use super::{
    Case, Expected,
    repo::{Act, Change, changes, repo},
};

type OnBlock = fn(&Change) -> Option<String>;
type OnAnswer = fn(&str) -> String;

/// Slips in one block: the block with the slip, where the block can have it.
const BLOCKS: [(&str, OnBlock); 43] = [
    ("nothing", |change| Some(change.block())),
    ("a fence around the block", |change| Some(format!("```\n{}```\n", change.block()))),
    ("a fence with a language", |change| Some(format!("```text\n{}```\n\n", change.block()))),
    ("a fence of tildes", |change| Some(format!("~~~\n{}~~~\n", change.block()))),
    ("a fence in the block", |change| within(change, "```python\n", "```\n")),
    ("a longer fence in the block", |change| within(change, "````\n", "````\n")),
    ("blank lines around the fence", |change| within(change, "\n```\n", "```\n\n")),
    ("a fence that opens before the block", |change| lone_fence(change, true)),
    ("a fence that closes after the block", |change| lone_fence(change, false)),
    ("capitals", |change| {
        Some(change.block().replace("=== e", "=== E").replace("=== f", "=== F").replace("=== d", "=== D"))
    }),
    ("four signs", |change| {
        Some(change.block().replace("=== e", "==== e").replace("=== f", "==== f").replace("=== d", "==== d"))
    }),
    ("two signs", |change| {
        Some(change.block().replace("=== e", "== e").replace("=== f", "== f").replace("=== d", "== d"))
    }),
    ("no space", |change| Some(change.block().replace("=== ", "===").replace("===of", "=== of"))),
    ("a tail", |change| Some(change.block().replace(change.path, &format!("{} ===", change.path)))),
    ("a heading", |change| {
        Some(
            change
                .block()
                .replace("=== e", "## === e")
                .replace("=== f", "## === f")
                .replace("=== d", "## === d"),
        )
    }),
    ("bold lines", |change| on_block_lines(change, |line| format!("**{line}**"))),
    ("lines as code", |change| on_block_lines(change, |line| format!("`{line}`"))),
    ("trailing spaces", |change| on_block_lines(change, |line| format!("{line}   "))),
    ("no colon", |change| on_block_lines(change, |line| line.replacen(':', "", 1))),
    ("a path as code", |change| Some(change.block().replace(change.path, &format!("`{}`", change.path)))),
    ("a bold path", |change| Some(change.block().replace(change.path, &format!("**{}**", change.path)))),
    ("a quoted path", |change| Some(change.block().replace(change.path, &format!("\"{}\"", change.path)))),
    ("a path from here", |change| Some(change.block().replace(change.path, &format!("./{}", change.path)))),
    ("only the opening path decorated", |change| {
        Some(change.block().replacen(change.path, &format!("`{}`", change.path), 1))
    }),
    ("an end without a path", |change| with_end(change, "=== end\n")),
    ("an end with a colon alone", |change| with_end(change, "=== end:\n")),
    ("no end", |change| matches!(change.act, Act::Edit(_)).then(|| with_end(change, "")).flatten()),
    ("no end after a fence", |change| {
        (change.path.ends_with(".py") && matches!(change.act, Act::File(_)))
            .then(|| format!("=== file: {}\n```python\n{}```\n", change.path, change.content()))
    }),
    ("short markers", |change| marks(change, "<<<<<< SEARCH", "======", ">>>>>> REPLACE")),
    ("long markers", |change| marks(change, "<<<<<<<< SEARCH", "========", ">>>>>>>> REPLACE")),
    ("small markers", |change| marks(change, "<<<<<<< search", "=======", ">>>>>>> replace")),
    ("spaces after markers", |change| marks(change, "<<<<<<< SEARCH  ", "=======  ", ">>>>>>> REPLACE\t")),
    ("signs after markers", |change| marks(change, "<<<<<<< SEARCH>", "=======", ">>>>>>> REPLACE>")),
    ("dashes and pluses", |change| marks(change, "------- SEARCH", "=======", "+++++++ REPLACE")),
    ("original and updated", |change| marks(change, "<<<<<<< ORIGINAL", "=======", ">>>>>>> UPDATED")),
    ("no closing marker", |change| edits(change).map(|_| change.block().replace(">>>>>>> REPLACE\n", ""))),
    ("line numbers in SEARCH", |change| {
        sections(change, |search, replace| (numbered(search), replace.to_owned()))
    }),
    ("line numbers in both", |change| {
        sections(change, |search, replace| (numbered(search), numbered(replace)))
    }),
    ("fences in the sections", |change| {
        sections(change, |search, replace| (fenced(search), fenced(replace)))
    }),
    ("a fence in SEARCH", |change| sections(change, |search, replace| (fenced(search), replace.to_owned()))),
    ("edits in a file block", |change| {
        edits(change).map(|_| change.block().replace("=== edit:", "=== file:"))
    }),
    ("two blocks", |change| {
        let pairs = edits(change).filter(|pairs| pairs.len() == 2)?;
        let block = |at: usize| Change { act: Act::Edit(vec![pairs[at]]), ..change.clone() }.block();
        Some(block(0) + &block(1))
    }),
    ("a new file as an empty SEARCH", |change| match change.act {
        Act::File(text) if !repo().contains_key(change.path) => {
            let pair = super::repo::pair("", text);
            Some(format!("=== edit: {0}\n{pair}=== end: {0}\n", change.path))
        }
        _ => None,
    }),
];

/// Slips of the whole answer.
const ANSWERS: [(&str, OnAnswer); 18] = [
    ("nothing", str::to_owned),
    ("a greeting", |text| format!("Sure! Here is the change:\n\n{text}\nLet me know if it works.\n")),
    ("reasoning", |text| format!("<think>\nThe file a.py.\n=== file: draft.py\nx\n</think>\n\n{text}")),
    ("empty reasoning", |text| format!("<think>\n\n</think>\n\n{text}")),
    ("two reasonings", |text| format!("<think>\na\n</think>\n<think>\nb\n</think>\n{text}")),
    ("reasoning in capitals", |text| format!("<THINKING>a draft</THINKING>\n{text}")),
    ("reasoning in brackets", |text| format!("[THINK]hm[/THINK]{text}")),
    ("reasoning without its opening", |text| format!("Okay, so I must edit.\n</think>\n\n{text}")),
    ("a draft in reasoning without its opening", |text| {
        format!("A draft:\n=== delete: bom.py\nNo, better:\n</think>\n{text}")
    }),
    ("channels", |text| {
        format!(
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{text}<|return|>"
        )
    }),
    ("a fence", |text| format!("```\n{text}```\n")),
    ("a fence of four", |text| format!("Here:\n````markdown\n{text}````\n")),
    ("an indentation", |text| {
        text.lines()
            .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") })
            .collect()
    }),
    ("Windows lines", |text| text.replace('\n', "\r\n")),
    ("a mark", |text| format!("\u{feff}{text}")),
    ("no last line break", |text| text.trim_end().to_owned()),
    ("a title and a why", |text| format!("=== title: feat: x\n=== why:\nBecause.\n=== end: why\n{text}")),
    ("a title with an end", |text| format!("=== title: feat: x\n=== end: title\n=== why: Because.\n{text}")),
];

/// All generated cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for change in changes() {
        let blocks = BLOCKS.iter().filter_map(|(slip, on)| Some((*slip, on(&change)?)));
        for (slip, block) in blocks {
            cases.extend(places(&block).map(|(place, text)| case(&change, slip, place, text)));
        }
        for (slip, on) in ANSWERS {
            let placed = places(&change.block());
            cases.extend(
                placed.map(|(place, text)| case(&change, &format!("{slip} around"), place, on(&text))),
            );
        }
        for (slip, diff) in diffs(&change) {
            cases.push(case(&change, slip, "alone", diff));
        }
    }
    cases
}

fn case(change: &Change, slip: &str, place: &str, text: String) -> Case {
    let mut files = change.files();
    if place != "alone" {
        files.insert("other.py".to_owned(), "z = 1\n".to_owned());
    }
    Case { name: format!("{}: {slip}, {place}", change.name), text, expected: Expected::Files(files) }
}

/// The block alone, before and after another one.
fn places(block: &str) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let other = "=== file: other.py\nz = 1\n=== end: other.py\n";
    let texts = [block.to_owned(), format!("{block}{other}"), format!("{other}{block}")];
    ["alone", "first", "last"].into_iter().zip(texts)
}

/// The change as diffs of several kinds, where it can be one.
fn diffs(change: &Change) -> Vec<(&'static str, String)> {
    let before = repo().remove(change.path);
    let shown =
        |text: &Option<String>| text.clone().map(|text| text.replace("\r\n", "\n").replace('\u{feff}', ""));
    let (before, after) = (shown(&before), shown(&change.after));
    let diff = aspora_core::edit::unified_diff(change.path, before.as_deref(), after.as_deref());
    let (from, to) = (format!("a/{}", change.path), format!("b/{}", change.path));
    let plain = diff.replace(&from, change.path).replace(&to, change.path);
    let mode = match (&before, &after) {
        (None, _) => "new file mode 100644\n",
        (_, None) => "deleted file mode 100644\n",
        _ => "",
    };
    let git = format!("diff --git {from} {to}\n{mode}index 1111111..2222222 100644\n{diff}");
    let is_change = before.is_some() && after.is_some();
    let elsewhere = diff.replace("@@ -", "@@ -9");
    let bare: String = diff
        .lines()
        .map(|line| if line.starts_with("@@") { "@@ ... @@\n".to_owned() } else { format!("{line}\n") })
        .collect();
    let mut all = vec![
        ("a diff", diff.clone()),
        ("a diff of git", git.clone()),
        ("a diff in a fence", format!("Here is the diff:\n\n```diff\n{diff}```\n\nIt adds x.\n")),
        ("a diff after a title", format!("=== title: feat: x\n=== why: Because.\n=== end: why\n{git}")),
        ("a diff after a why without an end", format!("=== title: feat: x\n=== why: Because.\nSo.\n\n{git}")),
        ("a diff with times", plain.replace("\n+++ ", "\t2026-01-01 00:00:00\n+++ ")),
    ];
    if is_change {
        all.push(("a diff without prefixes", plain));
        all.push(("a diff with wrong line numbers", elsewhere));
        all.push(("a diff without line numbers", bare.clone()));
        all.push(("a diff in an edit block", format!("=== edit: {0}\n{diff}=== end: {0}\n", change.path)));
        let hunks: String = bare.lines().skip(2).map(|line| format!("{line}\n")).collect();
        all.push((
            "hunks in an edit block",
            format!("=== edit: {0}\n```diff\n{hunks}```\n=== end: {0}\n", change.path),
        ));
        let hunks = hunks.replace("@@ ... @@", "@@").replace("\\ No newline at end of file\n", "");
        all.push((
            "a patch of Codex",
            format!("*** Begin Patch\n*** Update File: {}\n{hunks}*** End Patch\n", change.path),
        ));
    }
    all.extend(loose_pairs(change));
    all
}

/// The pairs after a path, as aider's models write them.
fn loose_pairs(change: &Change) -> Vec<(&'static str, String)> {
    let Some(pairs) = edits(change) else { return Vec::new() };
    let pairs: Vec<String> =
        pairs.into_iter().map(|(search, replace)| super::repo::pair(search, replace)).collect();
    let path = change.path;
    vec![
        ("pairs after a path", format!("I edit it:\n\n{path}\n```python\n{}```\n", pairs.concat())),
        ("pairs after a path in a fence", format!("```\n{path}\n{}```\n", pairs.concat())),
        ("pairs after a why", format!("=== why: Because.\n{path}\n{}", pairs.concat())),
        ("pairs after a bold path", format!("**`{path}`**:\n\n{}", pairs.concat())),
        (
            "pairs, each after its path",
            pairs.iter().map(|pair| format!("### {path}\n```\n{pair}```\n\n")).collect(),
        ),
    ]
}

fn edits(change: &Change) -> Option<Vec<(&'static str, &'static str)>> {
    match &change.act {
        Act::Edit(pairs) => Some(pairs.clone()),
        Act::File(_) | Act::Delete => None,
    }
}

/// A fence around the block's content, where a file of this kind can have lost it.
fn within(change: &Change, before: &str, after: &str) -> Option<String> {
    let is_code = change.path.ends_with(".py") || change.path.ends_with(".go");
    match change.act {
        Act::Delete => None,
        Act::File(_) if !is_code => None,
        _ => {
            let block = change.block();
            let (first, last) = (block.lines().next()?, block.lines().last()?);
            Some(format!("{first}\n{before}{}{after}{last}\n", change.content()))
        }
    }
}

fn lone_fence(change: &Change, opens_before: bool) -> Option<String> {
    if !matches!(change.act, Act::File(_)) || !change.path.ends_with(".py") {
        return None;
    }
    let (path, content) = (change.path, change.content());
    Some(match opens_before {
        true => format!("```python\n=== file: {path}\n{content}```\n=== end: {path}\n"),
        false => format!("=== file: {path}\n```python\n{content}=== end: {path}\n```\n"),
    })
}

fn on_block_lines(change: &Change, on: fn(&str) -> String) -> Option<String> {
    let is_block = |line: &str| line.starts_with("=== ") && line.ends_with(change.path);
    let line = |line: &str| if is_block(line) { on(line) + "\n" } else { format!("{line}\n") };
    Some(change.block().lines().map(line).collect())
}

fn with_end(change: &Change, end: &str) -> Option<String> {
    let own = format!("=== end: {}\n", change.path);
    (!matches!(change.act, Act::Delete)).then(|| change.block().replace(&own, end))
}

fn marks(change: &Change, search: &str, divider: &str, replace: &str) -> Option<String> {
    edits(change)?;
    let block = change.block();
    let marked = block.replace("<<<<<<< SEARCH", search).replace(">>>>>>> REPLACE", replace);
    Some(marked.replace("\n=======\n", &format!("\n{divider}\n")))
}

fn sections(change: &Change, on: fn(&str, &str) -> (String, String)) -> Option<String> {
    let pairs = edits(change)?.into_iter().map(|(search, replace)| on(search, replace));
    let pairs: String = pairs.map(|(search, replace)| super::repo::pair(&search, &replace)).collect();
    Some(format!("=== edit: {0}\n{pairs}=== end: {0}\n", change.path))
}

fn numbered(text: &str) -> String {
    text.lines().enumerate().map(|(at, line)| format!("{:>5} | {line}\n", at + 5)).collect()
}

fn fenced(text: &str) -> String {
    format!("```python\n{text}```\n")
}
