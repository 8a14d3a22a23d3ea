//! Reads a model's answer: where it begins, its lines one after another, and what stands outside of its blocks.
//!
//! A well-formed answer is read as it stands. A slip is read past only where one reading is left; a block that cannot be
//! used leaves the others usable, and an answer of which nobody can say where its blocks end is refused as a whole.

mod reader;

use std::{collections::BTreeSet, ops::Range};

use self::reader::Reader;
use super::{ANSWER_LIMIT, Answer, Forgiven, Malformed, Problem, Reading, lines, reasoning};

type Parsed<T> = Result<T, Malformed>;

impl Answer {
    /// Reads the whole text; Windows line ends are taken as plain ones.
    ///
    /// # Errors
    /// [`Malformed`] names the first line that is wrong; nothing of such an answer may be used.
    pub fn parse(text: &str) -> Parsed<Self> {
        match Self::read(text)? {
            Reading::Whole(answer) => Ok(answer),
            Reading::Part(part) => {
                Err(part.refused.into_iter().next().map_or_else(nothing, |first| first.why))
            }
        }
    }

    /// Reads the text as far as it can be read: all of it, or the blocks that can be used and those that cannot.
    ///
    /// # Errors
    /// [`Malformed`] where nobody can say what the blocks are.
    pub fn read(text: &str) -> Parsed<Reading> {
        let fail = |line, problem| Err(Malformed { line, problem });
        if text.len() > ANSWER_LIMIT {
            return fail(1, Problem::TooLong(text.len()));
        }
        if let Some(at) = text.find('\0') {
            return fail(1 + text[..at].matches('\n').count(), Problem::Nul);
        }
        let beginnings = reasoning::answers(text);
        match &beginnings[..] {
            [] => fail(1, Problem::OpenReasoning),
            [only] => from(text, only).map(|found| found.reading),
            several => choose(text, several),
        }
    }
}

fn nothing() -> Malformed {
    Malformed { line: 1, problem: Problem::Nothing }
}

/// What was read from one beginning.
struct Found {
    reading: Reading,
    /// Whether a closing tag of reasoning stands outside of the blocks, so that the answer begins later.
    is_early: bool,
}

/// The one reading with no closing tag outside of its blocks. If there are two, one of the tags is content or ends the
/// reasoning, and nobody can say which.
fn choose(text: &str, beginnings: &[Range<usize>]) -> Parsed<Reading> {
    let mut readings: Vec<Parsed<Found>> = beginnings.iter().map(|range| from(text, range)).collect();
    let fits = |reading: &Parsed<Found>| matches!(reading, Ok(found) if !found.is_early);
    let fitting: Vec<usize> = (0..readings.len()).filter(|&at| fits(&readings[at])).collect();
    match fitting[..] {
        [at] => readings.swap_remove(at).map(|found| found.reading),
        [] => match readings.pop() {
            Some(Err(malformed)) => Err(malformed),
            _ => Err(nothing()),
        },
        _ => Err(Malformed { line: 1, problem: Problem::Reasoning }),
    }
}

/// The answer that begins and ends there.
fn from(text: &str, range: &Range<usize>) -> Parsed<Found> {
    let before = text[..range.start].matches('\n').count();
    let (lines, is_indented) =
        outdented(text[range.clone()].trim_start_matches('\u{feff}').lines().collect());
    let mut slips = BTreeSet::new();
    slips.extend((range.start > 0).then_some(Forgiven::Reasoning));
    slips.extend(is_indented.then_some(Forgiven::Indented));
    Reader::new(lines, slips)
        .run()
        .map(|(reading, is_early)| Found { reading, is_early })
        .map_err(|malformed| Malformed { line: malformed.line + before, ..malformed })
}

/// The lines without an indentation that all of the answer has, as the rules show the format; prose around it has none.
fn outdented(lines: Vec<&str>) -> (Vec<&str>, bool) {
    let is_block = |line: &&str| lines::is_exact(line.trim_start());
    let (Some(first), Some(last)) = (lines.iter().position(is_block), lines.iter().rposition(is_block))
    else {
        return (lines, false);
    };
    let indent = &lines[first][..lines[first].len() - lines[first].trim_start().len()];
    let is_all = |line: &&str| line.starts_with(indent) || line.trim().is_empty();
    let is_plain = indent.is_empty() || lines.iter().any(|line| lines::block_line(line).is_some());
    if is_plain || !lines[first..=last].iter().all(is_all) {
        return (lines, false);
    }
    let within = first..=last;
    let cut = |(at, line): (usize, &&'_ str)| -> usize {
        if within.contains(&at) && line.starts_with(indent) { indent.len() } else { 0 }
    };
    let cuts: Vec<usize> = lines.iter().enumerate().map(|(at, line)| cut((at, line))).collect();
    (lines.into_iter().zip(cuts).map(|(line, cut)| &line[cut..]).collect(), true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Act, Block, FILE_LIMIT, Intent, Replacement, WHY_LIMIT},
        *,
    };
    use crate::question::{QUESTION_LIMIT, QUESTIONS_LIMIT};

    const MARKERS: [&str; 3] = ["<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"];

    fn block(path: &str, act: Act) -> Block {
        Block { path: path.parse().unwrap(), act }
    }

    fn pair(search: &[&str], replace: &[&str]) -> Replacement {
        let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Replacement { search: own(search), replace: own(replace) }
    }

    const ANSWER: &str = "=== title: feat: Add x\n=== why:\nWhy so.\n\nAnd so.\n=== end: why\nI think aloud.\n=== file: a.py\nx = 1\n\n=== end: b.py\n=== end: a.py\n\
        === edit: docs/API.md\n<<<<<<< SEARCH\nold\n=======\nnew\nlines\n>>>>>>> REPLACE\n\n<<<<<<< SEARCH\ngone\n\
        =======\n>>>>>>> REPLACE\n=== end: docs/API.md\n=== delete: c.py\n=== of course\nDone.";

    #[test]
    fn an_answer_holds_a_title_a_why_and_blocks() {
        let answer = Answer::parse(ANSWER).unwrap();
        assert_eq!(answer.title.as_deref(), Some("feat: Add x"));
        assert_eq!(answer.why, "Why so.\n\nAnd so.");
        assert!(answer.forgiven.is_empty());
        let blocks = vec![
            block("a.py", Act::Whole("x = 1\n\n=== end: b.py\n".into())),
            block("docs/API.md", Act::Edit(vec![pair(&["old"], &["new", "lines"]), pair(&["gone"], &[])])),
            block("c.py", Act::Delete),
        ];
        assert_eq!(answer.intent, Intent::Blocks(blocks));
    }

    #[test]
    fn windows_line_ends_read_the_same() {
        assert_eq!(Answer::parse(&ANSWER.replace('\n', "\r\n")), Answer::parse(ANSWER));
    }

    #[test]
    fn a_decline_stands_alone() {
        let answer = Answer::parse("Sorry.\n=== decline: there is no such service\n").unwrap();
        assert_eq!(answer.intent, Intent::Decline("there is no such service".into()));
    }

    #[test]
    fn a_why_ends_at_its_closing_line_or_at_the_next_block() {
        let why = |text: &str| Answer::parse(text).unwrap().why;
        assert_eq!(why("=== why: One line.\n=== delete: a"), "One line.");
        assert_eq!(why("=== why:\n\nOne.\n\nTwo.\n=== delete: a"), "One.\n\nTwo.");
        assert_eq!(why("=== delete: a\n=== why:\nOne.\n=== end: why\nGood luck!"), "One.");
        assert_eq!(why("=== why\nOne.\n=== end\n=== delete: a\n=== why: Two."), "One.\n\nTwo.");
        assert_eq!(why("I think so.\n=== delete: a\nDone."), "");
        assert_eq!(
            why(&format!("=== why: {}é\n=== delete: a", "x".repeat(WHY_LIMIT - 1))).len(),
            WHY_LIMIT - 1
        );
    }

    #[test]
    fn a_block_that_cannot_be_used_leaves_the_others_usable() {
        let part = |text: &str| match Answer::read(text) {
            Ok(Reading::Part(part)) => part,
            other => panic!("{text}: {other:?}"),
        };
        let found = part("=== title: t\n=== edit: a\nx\n=== end: a\n=== delete: b\n=== delete: ../c\n");
        let refused: Vec<_> = found.refused.iter().map(|it| (it.path.as_str(), it.why.line)).collect();
        assert_eq!(refused, [("a", 3), ("../c", 6)]);
        assert_eq!((found.title.as_deref(), found.blocks), (Some("t"), vec![block("b", Act::Delete)]));
        assert_eq!(part("=== file: .git/x\ny\n=== end: .git/x").blocks, []);
        // Where blocks end is not known here, so nothing can be kept.
        assert!(Answer::read("=== delete: b\n=== file: a\nx").is_err());
    }

    #[test]
    fn two_edits_of_one_file_are_one() {
        let pair_of = |search: &str| {
            format!("=== edit: a\n<<<<<<< SEARCH\n{search}\n=======\n>>>>>>> REPLACE\n=== end: a\n")
        };
        let answer = Answer::parse(&(pair_of("x") + &pair_of("y"))).unwrap();
        let pairs = vec![pair(&["x"], &[]), pair(&["y"], &[])];
        assert_eq!(answer.intent, Intent::Blocks(vec![block("a", Act::Edit(pairs))]));
        assert_eq!(answer.forgiven, [Forgiven::SplitEdit]);
    }

    #[test]
    fn what_is_read_past_is_named() {
        let forgiven = |text: &str| Answer::parse(text).unwrap().forgiven;
        assert_eq!(forgiven("Hello\n=== delete: a\nBye"), []);
        assert_eq!(forgiven("<think>x</think>\n=== delete: a"), [Forgiven::Reasoning]);
        assert_eq!(
            forgiven("```\n=== Delete: `a`\n```"),
            [Forgiven::Fence, Forgiven::BlockLine, Forgiven::Path]
        );
        assert_eq!(forgiven("--- a/a\n+++ b/a\n@@ @@\n-x\n"), [Forgiven::Diff]);
    }

    #[test]
    fn questions_stand_alone() {
        let answer =
            Answer::parse("I cannot tell.\n=== ask: Which limit?\u{202e}\n=== ask:  Of whom? ").unwrap();
        assert_eq!(answer.intent, Intent::Ask(vec!["Which limit?".into(), "Of whom?".into()]));
        assert_eq!(answer.why, "");
        assert!(Answer::parse(&"=== ask: x\n".repeat(QUESTIONS_LIMIT)).is_ok());
        assert!(Answer::parse(&format!("=== ask: {}", "x".repeat(QUESTION_LIMIT))).is_ok());
        check(&"=== ask: x\n".repeat(QUESTIONS_LIMIT + 1), QUESTIONS_LIMIT + 1, "more than 5 questions");
        check(&format!("=== ask: {}", "x".repeat(QUESTION_LIMIT + 1)), 1, "this one has 2001");
        check("=== ask: \u{200b}", 1, "this one has 0");
        check("=== ask: x\n=== delete: a", 2, "questions stand alone");
        check("=== ask: x\n=== decline: y", 2, "questions stand alone");
        check("=== title: x\n=== ask: y", 2, "questions stand alone");
    }

    #[track_caller]
    fn check(text: &str, line: usize, says: &str) {
        let wrong = Answer::parse(text).unwrap_err();
        assert_eq!(wrong.line, line, "{wrong}");
        assert!(wrong.to_string().contains(says), "{wrong}");
    }

    #[test]
    fn an_answer_that_is_not_whole_is_no_answer() {
        check("", 1, "no `=== file:`");
        check("Here you are:\n```python\nx\n```", 4, "no `=== file:`");
        check("=== file: a\nx", 1, "`=== end: a` is missing");
        check("=== file: a\nx\n=== end: b\n", 1, "found `=== end: b`");
        check("=== edit: a\n<<<<<<< SEARCH\nx\n", 1, "is missing");
        check("=== delete: a\n=== end: b", 2, "closes nothing");
        check("=== end: a", 1, "closes nothing");
        check("=== files: a\nx\n=== end: a", 1, "`=== files:` is unknown");
        check("=== delete: a\n=== delete: a", 2, "one file");
        check("=== delete: a\n=== file: A\n=== end: A", 2, "one file");
        check("=== delete: a\n=== file: a/b\n=== end: a/b", 2, "one file");
        check("=== decline:", 1, "has a reason");
        check("=== decline: x\n=== delete: a", 2, "stands alone");
        check("=== decline: x\n=== decline: y", 2, "stands alone");
        check("=== title: a\n=== title: b\n=== delete: a", 2, "one title");
        check(&format!("=== title: {}", "x".repeat(201)), 1, "one title");
        check("=== delete: a\nx\0", 2, "NUL");
        check("=== delete: ../a", 1, "is rejected");
        check("=== delete: .github/workflows/ci.yml", 1, "may not be touched");
        check("=== file: a/CODEOWNERS\nx\n=== end: a/CODEOWNERS", 1, "may not be touched");
    }

    #[test]
    fn an_edit_block_holds_pairs_only() {
        let edit = |inside: &str| format!("=== edit: a\n{inside}=== end: a\n");
        check(&edit(""), 2, "there is none");
        check(&edit("x = 1\n"), 2, "is expected here");
        check("=== edit: a\n<<<<<<< SEARCH\nx\n=======\ny\n", 1, "is not closed");
        check(&edit("<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n"), 2, "`=======` is missing");
        check(&edit("<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\n"), 2, "SEARCH is empty");
        let two =
            "<<<<<<< SEARCH\n=======\ny\n>>>>>>> REPLACE\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n";
        check(&edit(two), 2, "SEARCH is empty");
        check(&edit("<<<<<<< SEARCH\nTitle\n=======\ntext\n=======\ny\n>>>>>>> REPLACE\n"), 4, "two");
        check(&edit("<<<<<<< SEARCH\nx\n<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\n"), 4, "inside another");
    }

    #[test]
    fn limits_are_kept() {
        let many: String = (0..257).map(|n| format!("=== delete: f{n}\n")).collect();
        check(&many, 257, "more than 256");
        let whole = |size: usize| format!("=== file: a\n{}\n=== end: a", "x".repeat(size - 1));
        assert!(Answer::parse(&whole(FILE_LIMIT)).is_ok());
        check(&whole(FILE_LIMIT + 1), 1, "is over 1048576 bytes");
        check(&"x".repeat(ANSWER_LIMIT + 1), 1, "the limit is 4194304");
    }

    proptest! {
        #[test]
        fn any_content_comes_through(content in prop::collection::vec(r"[^\r\n\x00]{0,30}", 0..20)) {
            prop_assume!(content.iter().all(|line| line.trim() != "=== end: a"));
            let body: String = content.iter().map(|line| format!("{line}\n")).collect();
            let answer = Answer::parse(&format!("=== file: a\n{body}=== end: a\n")).unwrap();
            prop_assert_eq!(answer.intent, Intent::Blocks(vec![block("a", Act::Whole(body))]));
        }

        #[test]
        fn no_text_makes_it_panic(words in prop::collection::vec(
            prop::sample::select(vec!["=== ", "file: a", "edit: a", "end: a", "delete: b", "\n", "\n", MARKERS[0], MARKERS[1], MARKERS[2], "x"]), 0..40
        )) {
            let _ = Answer::parse(&words.concat());
        }

        #[test]
        fn a_cut_answer_never_changes_a_block(cut in 0..ANSWER.len()) {
            // A closing line that is cut in itself closes nevertheless.
            prop_assume!(!ANSWER[..cut].trim_end().trim_end_matches(':').ends_with("=== end"));
            if let Ok(Answer { intent: Intent::Blocks(blocks), .. }) = Answer::parse(&ANSWER[..cut]) {
                let Ok(Answer { intent: Intent::Blocks(whole), .. }) = Answer::parse(ANSWER) else { unreachable!() };
                // The marker of a pair proves that it is whole; only the last ones can be missing.
                let begins = |block: &Block, whole: &Block| match (&block.act, &whole.act) {
                    (Act::Edit(pairs), Act::Edit(all)) => all.starts_with(pairs),
                    _ => false,
                };
                let is_part = |block: &Block| whole.iter().any(|whole| whole == block || begins(block, whole));
                prop_assert!(blocks.iter().all(|block| is_part(block) || block.act == Act::Delete));
            }
        }
    }
}
