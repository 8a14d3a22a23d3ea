//! Reads a model's answer. A block that is truncated, duplicated or unknown invalidates the whole answer, because
//! half of an answer is a change that was never intended.

use super::{
    ANSWER_LIMIT, Act, Answer, Block, FILE_LIMIT, FILES_LIMIT, Intent, Replacement, TITLE_LIMIT, forbidden,
    forbidden_when_new,
};
use crate::{
    path::{PathRejected, RepoPath, collision},
    question::{QUESTION_LIMIT, QUESTIONS_LIMIT},
    visible::without_invisible,
};

const SEARCH: &str = "<<<<<<< SEARCH";
const DIVIDER: &str = "=======";
const REPLACE: &str = ">>>>>>> REPLACE";

/// Why a text is not an answer, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Malformed {
    /// The line of the answer, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The whole text is over [`ANSWER_LIMIT`].
    #[error("the answer has {0} bytes; the limit is {ANSWER_LIMIT}")]
    TooLong(usize),
    /// Postgres text cannot contain it, and no source file needs it.
    #[error("the answer holds a NUL character")]
    Nul,
    /// Neither a block, a question nor a decline: most often prose, or a diff in another format.
    #[error("the answer has no `=== file:`, `=== edit:`, `=== delete:`, `=== ask:` or `=== decline:` line")]
    Nothing,
    /// More than [`FILES_LIMIT`] blocks.
    #[error("the answer has more than {FILES_LIMIT} blocks")]
    TooManyFiles,
    /// One block's content is over [`FILE_LIMIT`].
    #[error("the content for `{0}` is over {FILE_LIMIT} bytes")]
    FileTooLarge(RepoPath),
    /// An invalid path.
    #[error(transparent)]
    Path(#[from] PathRejected),
    /// A path that no agent may touch.
    #[error("`{path}` may not be touched: {rule}")]
    Forbidden {
        /// The path.
        path: RepoPath,
        /// The rule.
        rule: &'static str,
    },
    /// Two blocks for one file, or for names that are one file on a case-insensitive file system.
    #[error("`{0}` and `{1}` are one file; give each file one block")]
    Collision(RepoPath, RepoPath),
    /// The closing line is missing or names another path.
    #[error("the block of `{path}` is not closed: `=== end: {path}` is missing{}", seen.as_ref().map(|seen| format!(" (found `{seen}`)")).unwrap_or_default())]
    Unclosed {
        /// The block's path.
        path: RepoPath,
        /// The last closing line after the block's start, which names another path.
        seen: Option<String>,
    },
    /// An `=== end:` outside of any block.
    #[error("`=== end:` closes nothing")]
    StrayEnd,
    /// An unknown word after `===`.
    #[error("`=== {0}:` is unknown; known are title, file, edit, end, delete, ask and decline")]
    Unknown(String),
    /// Two titles, or one that is empty or over [`TITLE_LIMIT`] characters.
    #[error("one title of 1 to {TITLE_LIMIT} characters is needed")]
    Title,
    /// A decline together with blocks, a second decline, or one without a reason.
    #[error("a decline stands alone and has a reason")]
    Decline,
    /// Questions together with a change, a title or a decline: nobody could say what was meant.
    #[error("questions stand alone: give no title, block or decline with `=== ask:`")]
    Ask,
    /// More questions than [`QUESTIONS_LIMIT`].
    #[error("the answer asks more than {QUESTIONS_LIMIT} questions")]
    TooManyQuestions,
    /// A question without visible text, or one over [`QUESTION_LIMIT`].
    #[error("a question has 1 to {QUESTION_LIMIT} bytes of visible text; this one has {0}")]
    Question(usize),
    /// Something other than SEARCH/REPLACE pairs in an edit block.
    #[error("an edit block holds SEARCH/REPLACE pairs only: {0}")]
    Edit(&'static str),
}

type Parsed<T> = Result<T, Malformed>;

impl Answer {
    /// Reads the whole text; Windows line ends are taken as plain ones.
    ///
    /// # Errors
    /// [`Malformed`] names the first line that is wrong; nothing of such an answer may be used.
    pub fn parse(text: &str) -> Parsed<Self> {
        let fail = |line, problem| Err(Malformed { line, problem });
        if text.len() > ANSWER_LIMIT {
            return fail(1, Problem::TooLong(text.len()));
        }
        if let Some(at) = text.find('\0') {
            return fail(1 + text[..at].matches('\n').count(), Problem::Nul);
        }
        let mut reader = Reader::new(text);
        while let Some((line, text)) = reader.next() {
            reader.read(text).map_err(|problem| problem.at(line))?;
        }
        reader.finish()
    }
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    /// How many lines are read.
    at: usize,
    title: Option<String>,
    explanation: Vec<&'a str>,
    blocks: Vec<Block>,
    decline: Option<String>,
    questions: Vec<String>,
}

/// A problem, at the line that is being read or at another.
enum Fault {
    Here(Problem),
    There(usize, Problem),
}

impl Fault {
    fn at(self, here: usize) -> Malformed {
        match self {
            Self::Here(problem) => Malformed { line: here, problem },
            Self::There(line, problem) => Malformed { line, problem },
        }
    }
}

impl<P: Into<Problem>> From<P> for Fault {
    fn from(problem: P) -> Self {
        Self::Here(problem.into())
    }
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let (lines, explanation, blocks) = (text.lines().collect(), Vec::new(), Vec::new());
        Self { lines, at: 0, title: None, explanation, blocks, decline: None, questions: Vec::new() }
    }

    /// The next line and its number from 1.
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let line = self.lines.get(self.at)?;
        self.at += 1;
        Some((self.at, line))
    }

    fn read(&mut self, line: &'a str) -> Result<(), Fault> {
        let Some((word, rest)) = directive(line) else {
            self.explanation.push(line);
            return Ok(());
        };
        match word {
            "title" => self.read_title(rest),
            "file" => {
                let path = self.open(rest)?;
                if let Some(rule) = forbidden_when_new(&path) {
                    return Err(Problem::Forbidden { path, rule }.into());
                }
                let (_, content) = self.until_end(&path)?;
                let whole: String = content.iter().flat_map(|line| [line, "\n"]).collect();
                self.push(path, Act::Whole(whole))
            }
            "edit" => {
                let path = self.open(rest)?;
                let (start, content) = self.until_end(&path)?;
                let replacements = read_pairs(start, &content)?;
                self.push(path, Act::Edit(replacements))
            }
            "delete" => {
                let path = self.open(rest)?;
                self.push(path, Act::Delete)
            }
            "decline" if rest.is_empty() || self.decline.is_some() => Err(Problem::Decline.into()),
            "decline" => {
                self.decline = Some(rest.to_owned());
                Ok(())
            }
            "ask" => self.read_question(rest),
            "end" => Err(Problem::StrayEnd.into()),
            unknown => Err(Problem::Unknown(unknown.to_owned()).into()),
        }
    }

    fn read_title(&mut self, title: &str) -> Result<(), Fault> {
        if self.title.is_some() || title.is_empty() || title.chars().count() > TITLE_LIMIT {
            return Err(Problem::Title.into());
        }
        self.title = Some(title.to_owned());
        Ok(())
    }

    fn read_question(&mut self, question: &str) -> Result<(), Fault> {
        let question = without_invisible(question).trim().to_owned();
        if !(1..=QUESTION_LIMIT).contains(&question.len()) {
            return Err(Problem::Question(question.len()).into());
        }
        if self.questions.len() == QUESTIONS_LIMIT {
            return Err(Problem::TooManyQuestions.into());
        }
        self.questions.push(question);
        Ok(())
    }

    fn open(&self, path: &str) -> Result<RepoPath, Fault> {
        if self.blocks.len() == FILES_LIMIT {
            return Err(Problem::TooManyFiles.into());
        }
        let path: RepoPath = path.parse().map_err(Problem::Path)?;
        match forbidden(&path) {
            Some(rule) => Err(Problem::Forbidden { path, rule }.into()),
            None => Ok(path),
        }
    }

    /// The lines up to the block's own closing line, and the number of the first of them.
    fn until_end(&mut self, path: &RepoPath) -> Result<(usize, Vec<&'a str>), Fault> {
        let start = self.at;
        let (mut seen, mut size) = (None, 0);
        while let Some((_, line)) = self.next() {
            match directive(line) {
                Some(("end", other)) if other == path.as_str() => {
                    return Ok((start + 1, self.lines[start..self.at - 1].to_vec()));
                }
                Some(("end", _)) => seen = Some(line.chars().take(200).collect()),
                _ => {}
            }
            size += line.len() + 1;
            if size > FILE_LIMIT {
                return Err(Problem::FileTooLarge(path.clone()).into());
            }
        }
        // At the opening line, because that is the block to repair.
        Err(Fault::There(start, Problem::Unclosed { path: path.clone(), seen }))
    }

    fn push(&mut self, path: RepoPath, act: Act) -> Result<(), Fault> {
        self.blocks.push(Block { path, act });
        let paths = self.blocks.iter().map(|block| &block.path);
        match collision(paths) {
            Some((one, other)) => Err(Problem::Collision(one.clone(), other.clone()).into()),
            None => Ok(()),
        }
    }

    fn finish(self) -> Parsed<Answer> {
        let fail = |problem| Err(Malformed { line: self.lines.len().max(1), problem });
        let is_alone = self.title.is_none() && self.decline.is_none() && self.blocks.is_empty();
        let intent = match (self.decline, self.blocks) {
            _ if !self.questions.is_empty() && !is_alone => return fail(Problem::Ask),
            _ if !self.questions.is_empty() => Intent::Ask(self.questions),
            (Some(reason), blocks) if blocks.is_empty() => Intent::Decline(reason),
            (Some(_), _) => return fail(Problem::Decline),
            (None, blocks) if blocks.is_empty() => return fail(Problem::Nothing),
            (None, blocks) => Intent::Blocks(blocks),
        };
        let explanation = self.explanation.join("\n").trim().to_owned();
        Ok(Answer { title: self.title, explanation, intent })
    }
}

/// `=== word: rest`, both trimmed. Other lines with three equal signs are prose.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.strip_prefix("=== ")?.split_once(':')?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word.then(|| (word, rest.trim()))
}

fn read_pairs(start: usize, lines: &[&str]) -> Result<Vec<Replacement>, Fault> {
    let wrong = |at: usize, what| Err(Fault::There(start + at, Problem::Edit(what)));
    let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let find = |from: usize, mark| (from..lines.len()).find(|&at| lines[at].trim_end() == mark);
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim().is_empty() {
            at += 1;
            continue;
        }
        if lines[at].trim_end() != SEARCH {
            return wrong(at, "`<<<<<<< SEARCH` is expected here");
        }
        let Some(end) = find(at, REPLACE) else {
            return wrong(at, "`>>>>>>> REPLACE` is missing");
        };
        if let Some(second) = find(at + 1, SEARCH).filter(|&second| second < end) {
            return wrong(second, "`<<<<<<< SEARCH` stands inside another pair");
        }
        let Some(divider) = find(at, DIVIDER).filter(|&divider| divider < end) else {
            return wrong(at, "`=======` is missing");
        };
        if find(divider + 1, DIVIDER).is_some_and(|second| second < end) {
            return wrong(divider, "two `=======` lines; give the whole file where it holds such a line");
        }
        if divider == at + 1 {
            return wrong(at, "SEARCH is empty; give the whole file to make a new one");
        }
        pairs.push(Replacement {
            search: own(&lines[at + 1..divider]),
            replace: own(&lines[divider + 1..end]),
        });
        at = end + 1;
    }
    if pairs.is_empty() { wrong(0, "there is none") } else { Ok(pairs) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(path: &str, act: Act) -> Block {
        Block { path: path.parse().unwrap(), act }
    }

    fn pair(search: &[&str], replace: &[&str]) -> Replacement {
        let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Replacement { search: own(search), replace: own(replace) }
    }

    const ANSWER: &str = "=== title: feat: Add x\nWhy so.\n=== file: a.py\nx = 1\n\n=== end: b.py\n=== end: a.py\n\
        === edit: docs/API.md\n<<<<<<< SEARCH\nold\n=======\nnew\nlines\n>>>>>>> REPLACE\n\n<<<<<<< SEARCH\ngone\n\
        =======\n>>>>>>> REPLACE\n=== end: docs/API.md\n=== delete: c.py\n=== of course\nDone.";

    #[test]
    fn an_answer_holds_a_title_an_explanation_and_blocks() {
        let answer = Answer::parse(ANSWER).unwrap();
        assert_eq!(answer.title.as_deref(), Some("feat: Add x"));
        assert_eq!(answer.explanation, "Why so.\n=== of course\nDone.");
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
    fn questions_stand_alone() {
        let answer =
            Answer::parse("I cannot tell.\n=== ask: Which limit?\u{202e}\n=== ask:  Of whom? ").unwrap();
        assert_eq!(answer.intent, Intent::Ask(vec!["Which limit?".into(), "Of whom?".into()]));
        assert_eq!(answer.explanation, "I cannot tell.");
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
        check("=== delete: a\n=== end: a", 2, "closes nothing");
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
        check(&edit("<<<<<<< SEARCH\nx\n=======\ny\n"), 2, "REPLACE` is missing");
        check(&edit("<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n"), 2, "`=======` is missing");
        check(&edit("<<<<<<< SEARCH\n=======\ny\n>>>>>>> REPLACE\n"), 2, "SEARCH is empty");
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
            prop::sample::select(vec!["=== ", "file: a", "edit: a", "end: a", "delete: b", "\n", "\n", SEARCH, DIVIDER, REPLACE, "x"]), 0..40
        )) {
            let _ = Answer::parse(&words.concat());
        }

        #[test]
        fn a_cut_answer_never_loses_a_block_silently(cut in 0..ANSWER.len()) {
            if let Ok(Answer { intent: Intent::Blocks(blocks), .. }) = Answer::parse(&ANSWER[..cut]) {
                let Ok(Answer { intent: Intent::Blocks(whole), .. }) = Answer::parse(ANSWER) else { unreachable!() };
                prop_assert!(blocks.iter().all(|block| whole.contains(block) || block.act == Act::Delete));
            }
        }
    }
}
