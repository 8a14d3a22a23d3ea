//! Laws of reading and applying, on any text.

use aspora_core::edit::{Act, Answer, Block, Intent, apply};
use proptest::prelude::*;

use super::{outcome, repo::repo};

/// Pieces of which texts that look like answers are made.
const PIECES: [&str; 34] = [
    "=== ",
    "== ",
    "file: a.py",
    "edit: a.py",
    "end: a.py",
    "end",
    "delete: old.py",
    "title: x",
    "why:",
    "File: `a.py`",
    "<<<<<<< SEARCH",
    "=======",
    ">>>>>>> REPLACE",
    "------- SEARCH",
    "+++++++ REPLACE",
    "======",
    "```",
    "```python",
    "    x = 1",
    "    x = 3",
    "    5 |     x = 1",
    "--- a/a.py",
    "+++ b/a.py",
    "@@ -1,2 +1,3 @@",
    "@@",
    "+",
    "-",
    " ",
    "<think>",
    "</think>",
    "*** Begin Patch",
    "*** Update File: a.py",
    "\\ No newline at end of file",
    "é",
];

fn looks_like_an_answer() -> impl Strategy<Value = String> {
    let piece = prop_oneof![prop::sample::select(PIECES.to_vec()), Just("\n"), Just("\n")];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A file's text: lines of code, each with its line end.
fn lines() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ \t]{0,4}[a-z]{1,3}[ =()]{0,3}[0-9]{0,2}", 1..8)
}

fn text(lines: &[String], end: &str) -> String {
    lines.iter().map(|line| format!("{line}{end}")).collect()
}

/// An answer of a whole file and an edit of `b.py` whose first line becomes `new`.
fn answer(whole: &str, first: &str, new: &str) -> String {
    format!(
        "=== title: feat: x\n=== why:\nBecause.\n=== end: why\n=== file: new.py\n{whole}=== end: new.py\n\
         === edit: b.py\n<<<<<<< SEARCH\n{first}\n=======\n{new}\n>>>>>>> REPLACE\n=== end: b.py\n"
    )
}

type Wrapped = fn(&str) -> String;

/// Slips around an answer that change nothing of it.
const WRAPPED: [Wrapped; 9] = [
    |text| format!("<think>hm, `=== file: x`</think>\n{text}"),
    |text| format!("hm\n</think>\n{text}"),
    |text| format!("```\n{text}```\n"),
    |text| format!("Sure!\n\n{text}\nDone."),
    |text| text.replace("=== file", "=== File").replace("=== end", "==== end"),
    |text| text.replace("new.py", "`new.py`").replace("b.py", "**b.py**"),
    |text| text.replace("<<<<<<< SEARCH", "<<<<<< SEARCH").replace(">>>>>>> REPLACE", "+++++++ REPLACE"),
    |text| text.replace("=== end: b.py\n", ""),
    |text| text.replace('\n', "\r\n"),
];

fn files(text: &str, before: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let answer = Answer::parse(text).map_err(|malformed| malformed.to_string())?;
    let applied = apply(&answer, |path| (path.as_str() == "b.py").then(|| before.to_owned()));
    let applied = applied.map_err(|failed| format!("{failed:?}"))?;
    Ok(applied.files.into_iter().map(|file| (file.path.to_string(), file.after)).collect())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = outcome(&text);
    }

    #[test]
    fn no_text_that_looks_like_an_answer_makes_it_panic(text in looks_like_an_answer()) {
        let _ = outcome(&text);
    }

    #[test]
    fn no_answer_loses_a_file_that_it_does_not_name(text in looks_like_an_answer()) {
        if let Ok(files) = outcome(&text) {
            for (path, before) in repo().into_iter().filter(|(path, _)| !text.contains(path.as_str())) {
                prop_assert_eq!(files.get(&path), Some(&before));
            }
        }
    }

    #[test]
    fn a_slip_around_an_answer_changes_no_file(
        whole in lines(), before in lines(), new in "[A-Z]{2,4}", slip in 0..WRAPPED.len()
    ) {
        prop_assume!(before.iter().skip(1).all(|line| line.split_whitespace().ne(before[0].split_whitespace())));
        let (whole, before_text) = (text(&whole, "\n"), text(&before, "\n"));
        let well_formed = answer(&whole, &before[0], &new);
        let expected = files(&well_formed, &before_text);
        prop_assert!(expected.is_ok(), "{expected:?}");
        prop_assert_eq!(files(&WRAPPED[slip](&well_formed), &before_text), expected);
    }

    #[test]
    fn a_well_formed_answer_is_read_without_a_slip(whole in lines(), before in lines(), new in "[A-Z]{2,4}") {
        let answer = Answer::parse(&answer(&text(&whole, "\n"), &before[0], &new)).unwrap();
        prop_assert!(answer.forgiven.is_empty(), "{:?}", answer.forgiven);
        let Intent::Blocks(blocks) = answer.intent else { panic!("blocks") };
        let [Block { act: Act::Whole(content), .. }, _] = &blocks[..] else { panic!("{blocks:?}") };
        prop_assert_eq!(content, &text(&whole, "\n"));
    }

    #[test]
    fn what_is_not_touched_comes_out_byte_for_byte(
        lines in lines(), ends in prop::collection::vec(any::<bool>(), 8), open in any::<bool>(),
        mark in any::<bool>(), at in 0..8usize, as_diff in any::<bool>()
    ) {
        let at = at % lines.len();
        let mut before: String = if mark { "\u{feff}".to_owned() } else { String::new() };
        let mut offsets = Vec::new();
        for (line, is_windows) in lines.iter().zip(&ends) {
            offsets.push(before.len());
            before += &format!("{line}{}", if *is_windows { "\r\n" } else { "\n" });
        }
        if open {
            before.truncate(before.trim_end_matches(['\r', '\n']).len());
        }
        let alike = |line: &String| line.split_whitespace().eq(lines[at].split_whitespace());
        prop_assume!(lines.iter().filter(|line| alike(line)).count() == 1);
        let change = match as_diff {
            true => format!("--- a/b.py\n+++ b/b.py\n@@ @@\n-{}\n+NEW\n", lines[at]),
            false => format!("=== edit: b.py\n<<<<<<< SEARCH\n{}\n=======\nNEW\n>>>>>>> REPLACE\n=== end: b.py\n", lines[at]),
        };
        let after = files(&change, &before).unwrap().remove(0).1.unwrap();
        let end = offsets.get(at + 1).copied().unwrap_or(before.len());
        prop_assert_eq!(&after[..offsets[at]], &before[..offsets[at]]);
        prop_assert!(after.ends_with(&before[end..]));
        prop_assert_eq!(after.ends_with('\n'), before.ends_with('\n'));
    }
}
