//! Reads the lines of an answer, block by block.

use std::collections::BTreeSet;

use super::super::{
    Act, Answer, Block, FILE_LIMIT, FILES_LIMIT, Forgiven, Intent, Malformed, Part, Patch, PatchKind,
    Problem, Reading, Refused, TITLE_LIMIT, WHY_LIMIT, forbidden, forbidden_when_new, lines,
    lines::BlockLine, outside, pairs, patch, problem::Fault, reasoning,
};
use crate::{
    path::{RepoPath, collision},
    question::{QUESTION_LIMIT, QUESTIONS_LIMIT},
    visible::without_invisible,
};

/// An answer while it is read.
pub(super) struct Reader<'a> {
    lines: Vec<&'a str>,
    /// How many lines are read.
    at: usize,
    title: Option<String>,
    why: Vec<String>,
    blocks: Vec<Block>,
    refused: Vec<Refused>,
    decline: Option<String>,
    questions: Vec<String>,
    /// What a closing line may name though it closes nothing: the block line before it.
    closable: Option<&'a str>,
    /// The runs of lines outside of blocks, each by its first index and the one after its last.
    outside: Vec<(usize, usize)>,
    slips: BTreeSet<Forgiven>,
    is_early: bool,
}

/// The lines of a block.
struct Body {
    /// The index of the first one.
    start: usize,
    /// The index after the last one.
    end: usize,
}

/// Where a block ends: the index after its last line, the one where reading goes on, and what is read past.
type End = (usize, usize, Option<Forgiven>);

impl<'a> Reader<'a> {
    pub(super) fn new(lines: Vec<&'a str>, slips: BTreeSet<Forgiven>) -> Self {
        Self {
            lines,
            at: 0,
            title: None,
            why: Vec::new(),
            blocks: Vec::new(),
            refused: Vec::new(),
            decline: None,
            questions: Vec::new(),
            closable: None,
            outside: Vec::new(),
            slips,
            is_early: false,
        }
    }

    /// Reads all lines; also whether the answer may begin later.
    pub(super) fn run(mut self) -> Result<(Reading, bool), Malformed> {
        while let Some(line) = self.lines.get(self.at).copied() {
            self.at += 1;
            let number = self.at;
            match lines::block_line(line) {
                Some(found) => self.block(found).map_err(|fault| fault.at(number))?,
                None => self.prose(line),
            }
        }
        let is_early = self.is_early;
        self.finish().map(|reading| (reading, is_early))
    }

    fn prose(&mut self, line: &str) {
        self.is_early |= reasoning::closes(line);
        match self.outside.last_mut() {
            Some((_, end)) if *end + 1 == self.at => *end = self.at,
            _ => self.outside.push((self.at - 1, self.at)),
        }
    }

    fn block(&mut self, line: BlockLine<'a>) -> Result<(), Fault> {
        if !line.is_exact {
            self.slips.insert(Forgiven::BlockLine);
        }
        let closable = self.closable.replace(line.word);
        match line.word {
            "title" => self.title(line.rest),
            "why" => {
                self.why(line.rest);
                Ok(())
            }
            "file" => self.file(line.rest),
            "edit" => self.edit(line.rest),
            "delete" => self.delete(line.rest),
            "decline" if line.rest.is_empty() || self.decline.is_some() => Err(Problem::Decline.into()),
            "decline" => {
                self.decline = Some(line.rest.to_owned());
                Ok(())
            }
            "ask" => self.question(line.rest),
            "end" => self.stray_end(line.rest, closable),
            unknown => Err(Problem::Unknown(unknown.to_owned()).into()),
        }
    }

    fn title(&mut self, title: &str) -> Result<(), Fault> {
        if self.title.is_some() || title.is_empty() || title.chars().count() > TITLE_LIMIT {
            return Err(Problem::Title.into());
        }
        self.title = Some(title.to_owned());
        Ok(())
    }

    /// The text up to its closing line or the next block line.
    fn why(&mut self, first: &str) {
        let start = self.at;
        let stops = |line: &&str| lines::block_line(line).is_some();
        let rest = &self.lines[start..];
        let mut end = start + rest.iter().position(stops).unwrap_or(rest.len());
        let closing = self.lines.get(end).and_then(|line| lines::block_line(line));
        let is_closed = closing.is_some_and(|end| end.word == "end" && matches!(end.rest, "" | "why"));
        let text = &self.lines[start..end];
        if let Some(change) = outside::changes(text, 0).first().filter(|_| !is_closed) {
            // A change outside of blocks follows; the paragraph before it is the why.
            let blank = text[..change.line].iter().position(|line| line.trim().is_empty());
            end = start + blank.unwrap_or(0);
        }
        let text = [&[first], &self.lines[start..end]].concat().join("\n");
        self.why.push(text.trim().to_owned());
        self.at = end + usize::from(is_closed);
    }

    fn question(&mut self, question: &str) -> Result<(), Fault> {
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

    /// A closing line after a block that has none: of a title, a deletion and so on.
    fn stray_end(&mut self, rest: &str, closable: Option<&str>) -> Result<(), Fault> {
        let label = lines::undecorated(rest);
        let is_deleted = self.blocks.last().is_some_and(|block| block.path.as_str() == label);
        let closes = match closable {
            Some("delete") => is_deleted || label.is_empty(),
            Some(word @ ("title" | "ask" | "decline")) => label == word || label.is_empty(),
            _ => false,
        };
        self.closable = None;
        if !closes {
            return Err(Problem::StrayEnd.into());
        }
        self.slips.insert(Forgiven::BlockLine);
        Ok(())
    }

    fn file(&mut self, rest: &'a str) -> Result<(), Fault> {
        let (line, label) = (self.at, self.label(rest)?);
        let body = self.body(label, false)?;
        let size: usize = self.lines[body.start..body.end].iter().map(|line| line.len() + 1).sum();
        let whole = self.whole(label, &body);
        let block = allowed(label).and_then(|path| match forbidden_when_new(&path) {
            Some(rule) => Err(Problem::Forbidden { path, rule }),
            None if size > FILE_LIMIT => Err(Problem::FileTooLarge(path)),
            None => Ok(Block { path, act: Act::Whole(whole) }),
        });
        self.take(line, label, block.map_err(Fault::from))
    }

    fn edit(&mut self, rest: &'a str) -> Result<(), Fault> {
        let (line, label) = (self.at, self.label(rest)?);
        let body = self.body(label, true)?;
        let content = &self.lines[body.start..body.end];
        let mut slips = BTreeSet::new();
        let act = match pairs::read(body.start + 1, content, &mut slips) {
            Ok(act) => Ok(act),
            Err(fault) => match patch::hunks_of(label, content).filter(|_| !pairs::are_there(content)) {
                Some(hunks) => {
                    slips.insert(Forgiven::Diff);
                    Ok(Act::Patch(Patch { kind: PatchKind::Change, hunks }))
                }
                // It may hold other blocks, which would be lost.
                None if content.iter().any(|line| lines::block_line(line).is_some()) => return Err(fault),
                None => Err(fault),
            },
        };
        let size: usize = content.iter().map(|line| line.len() + 1).sum();
        let path = allowed(label).and_then(|path| match size > FILE_LIMIT {
            true => Err(Problem::FileTooLarge(path)),
            false => Ok(path),
        });
        let block = path.map_err(Fault::from).and_then(|path| Ok(Block { path, act: act? }));
        if block.is_ok() {
            self.slips.extend(slips);
        }
        self.take(line, label, block)
    }

    fn delete(&mut self, rest: &'a str) -> Result<(), Fault> {
        let label = self.label(rest)?;
        let block = allowed(label).map(|path| Block { path, act: Act::Delete });
        self.take(self.at, label, block.map_err(Fault::from))
    }

    /// The path of a block line as it is looked for at the end of the block.
    fn label(&mut self, rest: &'a str) -> Result<&'a str, Fault> {
        if self.blocks.len() + self.refused.len() == FILES_LIMIT {
            return Err(Problem::TooManyFiles.into());
        }
        let label = lines::undecorated(rest);
        if label != rest {
            self.slips.insert(Forgiven::Path);
        }
        let before = self.lines[..self.at - 1].iter().rev().find(|line| !line.trim().is_empty());
        if before.is_some_and(|line| lines::fence(line).is_some()) && self.is_outside(self.at - 2) {
            self.slips.insert(Forgiven::Fence);
        }
        Ok(label)
    }

    fn is_outside(&self, at: usize) -> bool {
        self.outside.iter().any(|(start, end)| (*start..*end).contains(&at))
    }

    /// The content of a `=== file:` block as text. A fence of which one line stands inside of the block and the other
    /// one outside is taken off where the file cannot hold it.
    fn whole(&mut self, label: &str, body: &Body) -> String {
        let mut content = &self.lines[body.start..body.end];
        let next = self.lines[self.at..].iter().find(|line| !line.trim().is_empty());
        let is_fenced_before = body.start >= 2 && lines::fence(self.lines[body.start - 2]).is_some();
        let is_fenced_after = next.is_some_and(|line| lines::is_bare_fence(line));
        let fences = content.iter().filter(|line| lines::fence(line).is_some()).count();
        if lines::is_code(label) && fences == 1 {
            if let ([first, rest @ ..], true) = (content, is_fenced_after)
                && lines::fence(first).is_some()
            {
                content = rest;
                self.slips.insert(Forgiven::Fence);
            } else if let ([rest @ .., last], true) = (content, is_fenced_before)
                && lines::is_bare_fence(last)
            {
                content = rest;
                self.slips.insert(Forgiven::Fence);
            }
        }
        content.iter().flat_map(|line| [*line, "\n"]).collect()
    }

    /// The lines of the block that was just opened; reading goes on after it.
    fn body(&mut self, label: &str, is_edit: bool) -> Result<Body, Fault> {
        let start = self.at;
        let Some((end, next, slip)) = self.end_of(label, is_edit) else {
            return Err(self.unclosed(label));
        };
        // Opened twice and closed once: where the first one ends, or whether it does, nobody can say.
        let opens = |line: &&str| {
            lines::block_line(line).is_some_and(|line| {
                matches!(line.word, "file" | "edit") && lines::undecorated(line.rest) == label
            })
        };
        if self.lines[start..end].iter().any(opens) {
            return Err(self.unclosed(label));
        }
        self.at = next;
        self.slips.extend(slip);
        Ok(Body { start, end })
    }

    /// At the opening line, because that is the block to repair.
    fn unclosed(&self, label: &str) -> Fault {
        let is_end =
            |line: &&&str| lines::block_line(line).is_some_and(|line| line.is_exact && line.word == "end");
        let seen = self.lines[self.at..].iter().rev().find(is_end);
        let seen = seen.map(|line| line.chars().take(200).collect());
        Fault::There(self.at, Problem::Unclosed { path: label.to_owned(), seen })
    }

    fn end_of(&self, label: &str, is_edit: bool) -> Option<End> {
        let rest = self.at..self.lines.len();
        let end = |at: usize| lines::block_line(self.lines[at]).filter(|line| line.word == "end");
        let is_exact = |at: &usize| end(*at).is_some_and(|line| line.is_exact && line.rest == label);
        if let Some(at) = rest.clone().find(is_exact) {
            return Some((at, at + 1, None));
        }
        let is_same = |at: &usize| end(*at).is_some_and(|line| lines::undecorated(line.rest) == label);
        if let [at] = rest.filter(is_same).collect::<Vec<_>>()[..] {
            return Some((at, at + 1, Some(Forgiven::BlockLine)));
        }
        if let Some(end) = self.bare_end() {
            return Some(end);
        }
        if !is_edit {
            return self.fenced_end(label);
        }
        let end = self.at + pairs::end(&self.lines[self.at..])?;
        Some((end, end, Some(Forgiven::Unclosed)))
    }

    /// A closing line without a path, if another block or nothing follows it and no block line stands before it.
    fn bare_end(&self) -> Option<End> {
        let first = (self.at..self.lines.len()).find(|at| lines::block_line(self.lines[*at]).is_some())?;
        let line = lines::block_line(self.lines[first])?;
        let is_bare = line.word == "end" && line.rest.is_empty() && self.is_boundary(first + 1);
        is_bare.then_some((first, first + 1, Some(Forgiven::BlockLine)))
    }

    /// The end of a fence around the whole content, which proves that nothing is missing, of a file that can hold none.
    fn fenced_end(&self, label: &str) -> Option<End> {
        let opened = lines::fence(self.lines.get(self.at)?).filter(|_| lines::is_code(label))?;
        let is_fence = |at: &usize| lines::fence(self.lines[*at]).is_some();
        let close = (self.at + 1..self.lines.len()).find(is_fence)?;
        let is_closed = lines::fence(self.lines[close]).is_some_and(|fence| fence.closes(opened));
        let is_end = is_closed && self.is_boundary(close + 1);
        is_end.then_some((close + 1, close + 1, Some(Forgiven::Unclosed)))
    }

    /// Whether the next line that is neither blank nor a closing fence is a block line, or there is none.
    fn is_boundary(&self, at: usize) -> bool {
        let rest = self.lines.get(at..).unwrap_or_default();
        let next = rest.iter().find(|line| !line.trim().is_empty() && !lines::is_bare_fence(line));
        next.is_none_or(|line| lines::block_line(line).is_some())
    }

    /// Takes a block, or keeps why it cannot be used.
    fn take(&mut self, line: usize, label: &str, block: Result<Block, Fault>) -> Result<(), Fault> {
        let block = match block {
            Ok(block) => block,
            Err(fault) => {
                self.refused.push(Refused { path: label.to_owned(), why: fault.at(line) });
                return Ok(());
            }
        };
        let same = self.blocks.iter_mut().find(|known| known.path == block.path);
        if let Some(Block { act: Act::Edit(known), .. }) = same
            && let Act::Edit(pairs) = block.act
        {
            known.extend(pairs);
            self.slips.insert(Forgiven::SplitEdit);
            return Ok(());
        }
        self.blocks.push(block);
        match collision(self.blocks.iter().map(|block| &block.path)) {
            Some((one, other)) => Err(Fault::There(line, Problem::Collision(one.clone(), other.clone()))),
            None => Ok(()),
        }
    }

    /// Takes changes that stand outside of blocks, if there are no blocks; beside blocks they repeat what those do, or
    /// nobody knows what they are for.
    fn take_outside(&mut self) -> Result<(), Malformed> {
        let runs = std::mem::take(&mut self.outside);
        let found = |(start, end): (usize, usize)| outside::changes(&self.lines[start..end], start + 1);
        let changes: Vec<outside::Found> = runs.into_iter().flat_map(found).collect();
        let blocks = self.blocks.iter().map(|block| block.path.to_string());
        let known: Vec<String> =
            blocks.chain(self.refused.iter().map(|refused| refused.path.clone())).collect();
        let is_alone = self.blocks.is_empty() && self.refused.is_empty();
        for change in changes {
            let outside::Found { path, line, block, slips } = change;
            if is_alone {
                self.slips.extend(slips.into_iter().filter(|_| block.is_ok()));
                self.take(line, &path, block).map_err(|fault| fault.at(line))?;
            } else if !known.contains(&path) {
                let problem = if path.is_empty() { Problem::Loose } else { Problem::Outside(path) };
                return Err(Malformed { line, problem });
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Reading, Malformed> {
        let is_change = self.decline.is_none() && self.questions.is_empty();
        if is_change {
            self.take_outside()?;
        }
        let fail = |problem| Err(Malformed { line: self.lines.len().max(1), problem });
        let has_blocks = !self.blocks.is_empty() || !self.refused.is_empty();
        let is_alone = self.title.is_none() && self.decline.is_none() && !has_blocks;
        let why = cut(self.why.join("\n\n").trim());
        let (title, blocks, refused) = (self.title, self.blocks, self.refused);
        let forgiven = self.slips.into_iter().collect();
        let intent = match self.decline {
            _ if !self.questions.is_empty() && !is_alone => return fail(Problem::Ask),
            _ if !self.questions.is_empty() => Intent::Ask(self.questions),
            Some(reason) if !has_blocks => Intent::Decline(reason),
            Some(_) => return fail(Problem::Decline),
            None if !has_blocks => return fail(Problem::Nothing),
            None if refused.is_empty() => Intent::Blocks(blocks),
            None => return Ok(Reading::Part(Part { title, why, blocks, refused, forgiven })),
        };
        Ok(Reading::Whole(Answer { title, why, intent, forgiven }))
    }
}

fn allowed(label: &str) -> Result<RepoPath, Problem> {
    let path: RepoPath = label.parse().map_err(Problem::Path)?;
    match forbidden(&path) {
        Some(rule) => Err(Problem::Forbidden { path, rule }),
        None => Ok(path),
    }
}

/// At most [`WHY_LIMIT`] bytes.
fn cut(why: &str) -> String {
    why[..why.floor_char_boundary(WHY_LIMIT)].trim_end().to_owned()
}
