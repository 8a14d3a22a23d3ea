//! Reads a diff that a model wrote in place of blocks: a unified one, or the patch format of Codex. Only what applies
//! exactly is taken later, so line numbers and counts do not matter here, except to tell where a hunk ends.

use super::{
    Act, Block, Hunk, Patch, PatchKind, forbidden, forbidden_when_new, lines,
    problem::{Fault, Problem},
};

/// A file of a diff and the index after it.
pub(super) type Parsed = (Result<Block, Fault>, String, usize);

/// What the lines before the hunks of a file say.
#[derive(Default)]
struct Head {
    old: Option<String>,
    new: Option<String>,
    /// Why it cannot be said in blocks.
    refused: Option<&'static str>,
    is_new: bool,
    is_deleted: bool,
}

/// Whether a file of a diff begins at this index.
pub(super) fn begins(lines: &[&str], at: usize) -> bool {
    lines[at].starts_with("diff --git ") || is_pair_of_names(lines, at) || codex(lines[at]).is_some()
}

/// The file of a diff that begins at `start`, its path, and the index after it. Numbers of lines count from `offset`.
pub(super) fn read(lines: &[&str], start: usize, offset: usize) -> Parsed {
    if let Some((verb, path)) = codex(lines[start]) {
        return read_codex(lines, start, offset, (verb, path));
    }
    let (head, body) = head(lines, start);
    let (hunks, end) = hunks(lines, body, offset);
    let path = head.new.clone().or(head.old.clone()).unwrap_or_default();
    let block = hunks.and_then(|hunks| head.block(hunks).map_err(|fault| fault.here(offset + start)));
    (block, path, end)
}

/// The hunks of one file whose path is known already; `None` if the lines are anything else, or of another file.
pub(super) fn hunks_of(path: &str, lines: &[&str]) -> Option<Vec<Hunk>> {
    let first = lines.iter().position(|line| !line.trim().is_empty() && lines::fence(line).is_none())?;
    let (head, body) =
        if is_pair_of_names(lines, first) { head(lines, first) } else { (Head::default(), first) };
    let is_named = [&head.old, &head.new].into_iter().flatten().all(|name| name == path);
    if !is_named || !lines.get(body)?.starts_with("@@") {
        return None;
    }
    let (hunks, end) = hunks(lines, body, 0);
    let hunks =
        hunks.ok().filter(|hunks| !hunks.is_empty() && hunks.iter().all(|hunk| !hunk.old.is_empty()))?;
    let is_all = lines[end..].iter().all(|line| line.trim().is_empty() || lines::is_bare_fence(line));
    is_all.then_some(hunks)
}

fn is_pair_of_names(lines: &[&str], at: usize) -> bool {
    lines[at].starts_with("--- ") && lines.get(at + 1).is_some_and(|next| next.starts_with("+++ "))
}

fn codex(line: &str) -> Option<(&str, &str)> {
    let (verb, path) = line.strip_prefix("*** ")?.split_once(" File: ")?;
    matches!(verb, "Add" | "Update" | "Delete").then(|| (verb, path.trim()))
}

/// The lines before the first hunk, and the index of the first line after them.
fn head(lines: &[&str], start: usize) -> (Head, usize) {
    let (mut head, mut at) = (Head::default(), start);
    while let Some(line) = lines.get(at) {
        if let Some(names) = line.strip_prefix("diff --git ") {
            if at > start {
                break;
            }
            head.names(names);
        } else if is_pair_of_names(lines, at) {
            head.old = name(&line[4..]);
            head.new = name(&lines[at + 1][4..]);
            (head.is_new, head.is_deleted) = (head.old.is_none(), head.new.is_none());
            head.unprefix();
            return (head, at + 2);
        } else if !head.extended(line) {
            break;
        }
        at += 1;
    }
    (head, at)
}

impl Head {
    fn names(&mut self, names: &str) {
        let half = names.len() / 2;
        if names.is_char_boundary(half) && names[half..].starts_with(" b/") {
            (self.old, self.new) = (Some(names[..half].to_owned()), Some(names[half + 1..].to_owned()));
            self.unprefix();
        } else if names.contains(" b/") {
            self.refused = Some(RENAME);
        }
    }

    /// Takes `a/` and `b/` off where both are there.
    fn unprefix(&mut self) {
        let bare = |path: &Option<String>, prefix: &str| match path {
            Some(path) => path.strip_prefix(prefix).map(|path| Some(path.to_owned())),
            None => Some(None),
        };
        if let (Some(old), Some(new)) = (bare(&self.old, "a/"), bare(&self.new, "b/")) {
            (self.old, self.new) = (old, new);
        }
    }

    /// Whether this is a line of git's own between the names; what it says is kept.
    fn extended(&mut self, line: &str) -> bool {
        let is = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
        if is(&["rename ", "copy "]) {
            self.refused = Some(RENAME);
        } else if is(&["old mode ", "new mode "]) {
            self.refused = Some("a file's mode cannot be changed");
        } else if is(&["Binary files ", "GIT binary patch"]) {
            self.refused = Some("a binary file cannot be changed");
        } else if let Some(mode) = line.strip_prefix("new file mode ") {
            self.is_new = true;
            self.old = None;
            if mode.trim() != "100644" {
                self.refused = Some("a new file is a plain one");
            }
        } else if is(&["deleted file mode "]) {
            self.is_deleted = true;
            self.new = None;
        } else {
            return is(&["index ", "similarity index ", "dissimilarity index "]);
        }
        true
    }

    fn block(self, hunks: Vec<Hunk>) -> Result<Block, Problem> {
        let diff = |why: &str| Problem::Diff(why.to_owned());
        if let Some(why) = self.refused {
            return Err(diff(why));
        }
        let (kind, path) = match (self.old, self.new) {
            (Some(old), Some(new)) if old == new => (PatchKind::Change, new),
            (Some(_), Some(_)) => return Err(diff(RENAME)),
            (None, Some(new)) if self.is_new => (PatchKind::Create, new),
            (Some(old), None) if self.is_deleted => (PatchKind::Remove, old),
            _ => return Err(diff("it names no file")),
        };
        block(&path, kind, hunks)
    }
}

const RENAME: &str = "a rename is said as a `=== delete:` and a `=== file:` block";

fn block(path: &str, kind: PatchKind, hunks: Vec<Hunk>) -> Result<Block, Problem> {
    let path: crate::path::RepoPath = path.parse().map_err(Problem::Path)?;
    let when_new = (kind == PatchKind::Create).then(|| forbidden_when_new(&path)).flatten();
    if let Some(rule) = forbidden(&path).or(when_new) {
        return Err(Problem::Forbidden { path, rule });
    }
    let diff = |why: &str| Err(Problem::Diff(why.to_owned()));
    let one_side =
        |hunk: &Hunk| if kind == PatchKind::Create { hunk.old.is_empty() } else { hunk.new.is_empty() };
    match kind {
        PatchKind::Change if hunks.is_empty() => diff("it has no hunk"),
        PatchKind::Change if hunks.iter().any(|hunk| hunk.old.is_empty()) => {
            diff("a hunk without context and removed lines has no place")
        }
        PatchKind::Remove if hunks.is_empty() => Ok(Block { path, act: Act::Delete }),
        PatchKind::Create | PatchKind::Remove if hunks.len() > 1 || !hunks.iter().all(one_side) => {
            diff("a new or deleted file has one hunk, of added or of removed lines")
        }
        PatchKind::Create if hunks.is_empty() => {
            let hunk = Hunk { old: Vec::new(), new: Vec::new(), final_newline: None };
            Ok(Block { path, act: Act::Patch(Patch { kind, hunks: vec![hunk] }) })
        }
        _ => Ok(Block { path, act: Act::Patch(Patch { kind, hunks }) }),
    }
}

/// The name of a side, without its time; `None` for `/dev/null`.
fn name(text: &str) -> Option<String> {
    let name = lines::undecorated(text.split('\t').next().unwrap_or(text));
    (name != "/dev/null").then(|| name.to_owned())
}

fn read_codex(lines: &[&str], start: usize, offset: usize, (verb, path): (&str, &str)) -> Parsed {
    let at = start + 1;
    let is_move = lines.get(at).is_some_and(|line| line.starts_with("*** Move to: "));
    let (hunks, end) = match verb {
        "Delete" => (Ok(Vec::new()), at),
        _ if is_move => (Err(Fault::from(Problem::Diff(RENAME.to_owned()))), at + 1),
        _ => hunks(lines, at, offset),
    };
    let kind = match verb {
        "Add" => PatchKind::Create,
        "Delete" => PatchKind::Remove,
        _ => PatchKind::Change,
    };
    let end = end + lines[end..].iter().take_while(|line| line.starts_with("*** End")).count();
    let read = hunks.and_then(|hunks| block(path, kind, hunks).map_err(|fault| fault.here(offset + start)));
    (read, path.to_owned(), end)
}

impl Problem {
    fn here(self, line: usize) -> Fault {
        Fault::There(line, self)
    }
}

/// One hunk while it is read.
#[derive(Default)]
struct Open {
    hunk: Option<Hunk>,
    /// How many old and new lines the header says, if it does.
    counts: Option<(usize, usize)>,
    /// Blank lines without a sign, which are context only if more follows.
    blank: usize,
    /// Whether the last line was removed or is context, and so on the old side, and whether it is on the new one.
    sides: (bool, bool),
    old_end: Option<bool>,
    new_end: Option<bool>,
}

/// The hunks from this index on, and the index after them.
fn hunks(lines: &[&str], start: usize, offset: usize) -> (Result<Vec<Hunk>, Fault>, usize) {
    let (mut all, mut open, mut at) = (Vec::new(), Open::default(), start);
    while let Some(line) = lines.get(at) {
        // With a space before it, it is a line of context.
        let is_over = (lines::is_bare_fence(line) && !line.starts_with(' '))
            || line.starts_with("*** ")
            || lines::block_line(line).is_some()
            || (begins(lines, at) && !open.expects_more());
        if is_over {
            break;
        }
        if line.starts_with("@@") {
            all.extend(std::mem::take(&mut open).close());
            open = Open { hunk: Some(empty()), counts: counts(line), ..Open::default() };
        } else if !open.take(line) {
            if open.may_end() {
                break;
            }
            let why = "a line of a hunk begins with a space, `+` or `-`".to_owned();
            return (Err(Fault::There(offset + at, Problem::Diff(why))), at + 1);
        }
        at += 1;
    }
    all.extend(open.close());
    (Ok(all), at)
}

fn empty() -> Hunk {
    Hunk { old: Vec::new(), new: Vec::new(), final_newline: None }
}

impl Open {
    /// Takes a line into the hunk; whether it is one of its lines.
    fn take(&mut self, line: &str) -> bool {
        let rest = line.get(1..).unwrap_or_default();
        match line.as_bytes().first() {
            None => self.blank += 1,
            Some(b' ') => self.add(rest, (true, true)),
            Some(b'-') => self.add(rest, (true, false)),
            Some(b'+') => self.add(rest, (false, true)),
            Some(b'\\') if self.hunk.is_some() => {
                self.old_end = if self.sides.0 { Some(false) } else { self.old_end };
                self.new_end = if self.sides.1 { Some(false) } else { self.new_end };
            }
            Some(_) => return false,
        }
        true
    }

    fn add(&mut self, line: &str, sides: (bool, bool)) {
        for _ in 0..std::mem::take(&mut self.blank) {
            self.push("", (true, true));
        }
        self.push(line, sides);
    }

    fn push(&mut self, line: &str, sides: (bool, bool)) {
        let hunk = self.hunk.get_or_insert_with(empty);
        if sides.0 {
            hunk.old.push(line.to_owned());
        }
        if sides.1 {
            hunk.new.push(line.to_owned());
        }
        self.sides = sides;
    }

    fn so_far(&self) -> (usize, usize) {
        self.hunk.as_ref().map_or((0, 0), |hunk| (hunk.old.len(), hunk.new.len()))
    }

    /// Whether prose may follow here: after a blank line, or once the hunk has as many lines as its header says.
    fn may_end(&self) -> bool {
        self.hunk.is_none() || self.blank > 0 || self.counts == Some(self.so_far())
    }

    /// Whether the header says that more lines follow, so that `--- x` may be a removed line.
    fn expects_more(&self) -> bool {
        let (old, new) = self.so_far();
        self.counts.is_some_and(|counts| counts.0 > old || counts.1 > new)
    }

    fn close(self) -> Option<Hunk> {
        let final_newline = match (self.old_end, self.new_end) {
            (None, None) => None,
            (_, new) => Some(new.is_none()),
        };
        let hunk = self.hunk.filter(|hunk| !hunk.old.is_empty() || !hunk.new.is_empty())?;
        Some(Hunk { final_newline, ..hunk })
    }
}

/// How many old and new lines `@@ -1,3 +1,4 @@` says.
fn counts(header: &str) -> Option<(usize, usize)> {
    let mut sides = header.strip_prefix("@@ -")?.split(' ');
    let count = |side: &str| side.split_once(',').map_or(Ok(1), |(_, count)| count.parse()).ok();
    Some((count(sides.next()?)?, count(sides.next()?.strip_prefix('+')?)?))
}
