//! What the content of a `=== file:` block means: a file, verbatim, unless that cannot be.

use std::{borrow::Cow, collections::BTreeSet};

use super::{Act, Failure, Forgiven, Patch, PatchKind, lines, pairs, patch};

/// What a `=== file:` block does, given the file as it is.
pub(super) enum Meaning<'a> {
    /// The file gets this text.
    Text(Cow<'a, str>),
    /// The content is an edit of the file that is there.
    Edit(Act),
}

/// The meaning of this content. What is read past is added to `slips`.
///
/// A fence from the first line to the last is taken off where the file cannot be meant to have it:
/// - the file is in a language in which no file begins with a fence;
/// - the first line inside of the fence is the first line of the file as it is;
/// - the fences inside match only without it: otherwise one would stay open;
/// - a Markdown file is fenced as `markdown` or `md`. A document that is one sample of its own language could be meant;
///   but models wrap such files, and people do not write them. With any other word, or none, a Markdown file that is one
///   fenced block is taken verbatim, because such files exist.
///
/// A file that begins with a fence as it is keeps it. So does one whose kind is unknown: nothing can be decided about it.
///
/// # Errors
/// When code would begin with a fence nevertheless, or a new file would be edited.
pub(super) fn meaning<'a>(
    path: &str,
    text: &'a str,
    before: Option<&str>,
    slips: &mut BTreeSet<Forgiven>,
) -> Result<Meaning<'a>, Failure> {
    let is_code = lines::is_code(path);
    let mut content = Cow::Borrowed(text);
    if let Some(inner) = unfenced(path, text, before) {
        slips.insert(Forgiven::Fence);
        content = Cow::Borrowed(inner);
    } else if is_code && first(text).is_some_and(|line| lines::fence(line).is_some()) {
        return Err(Failure::Fenced);
    }
    if let Some(edit) = edit(path, &content, before, slips)? {
        return Ok(Meaning::Edit(edit));
    }
    if let Some(bare) = is_code.then(|| unnumbered(&content)).flatten() {
        slips.insert(Forgiven::LineNumbers);
        content = Cow::Owned(bare);
    }
    Ok(Meaning::Text(content))
}

/// The text inside of a fence around all of it, if that is what is meant.
fn unfenced<'a>(path: &str, text: &'a str, before: Option<&str>) -> Option<&'a str> {
    let trimmed = text.trim_matches('\n');
    let (opening, rest) = trimmed.split_once('\n')?;
    let (inner, closing) = match rest.rsplit_once('\n') {
        Some((inner, closing)) => (&rest[..=inner.len()], closing),
        None => ("", rest),
    };
    let opened = lines::fence(opening)?;
    if !lines::fence(closing)?.closes(opened) {
        return None;
    }
    let begins = before.and_then(first);
    if begins.is_some_and(|line| lines::fence(line).is_some()) {
        return None;
    }
    let is_same_start = begins.is_some() && begins == first(inner);
    let is_own =
        lines::is_markdown(path) && matches!(opened.info.to_ascii_lowercase().as_str(), "markdown" | "md");
    let is_code = lines::is_code(path);
    let is_one = is_one(inner, opened) && (is_code || is_same_start || is_own);
    let is_only_reading = !is_code && is_matched(inner) && !is_matched(trimmed);
    (is_one || is_only_reading).then_some(inner)
}

/// Whether no line of the text closes this fence, but for those that close one inside of it.
fn is_one(inner: &str, opened: lines::Fence<'_>) -> bool {
    let mut open = None;
    for fence in inner.lines().filter_map(lines::fence) {
        open = match open {
            None if fence.closes(opened) => return false,
            None => Some(fence),
            Some(inside) if fence.closes(inside) => None,
            inside => inside,
        };
    }
    open.is_none()
}

/// Whether every fence that opens in the text is closed in it.
fn is_matched(text: &str) -> bool {
    let mut open = None;
    for fence in text.lines().filter_map(lines::fence) {
        open = match open {
            None => Some(fence),
            Some(opened) if fence.closes(opened) => None,
            opened => opened,
        };
    }
    open.is_none()
}

fn first(text: &str) -> Option<&str> {
    text.lines().find(|line| !line.trim().is_empty())
}

/// The edit that the content is, if it is one: pairs or hunks of an existing file that holds no such lines itself.
fn edit(
    path: &str,
    content: &str,
    before: Option<&str>,
    slips: &mut BTreeSet<Forgiven>,
) -> Result<Option<Act>, Failure> {
    let lines: Vec<&str> = content.lines().collect();
    let own: Vec<&str> = before.unwrap_or_default().lines().collect();
    if first(content).is_some_and(|line| lines::loose_mark(line).is_some()) {
        let mut read = BTreeSet::new();
        let act = pairs::read(1, &lines, &mut read).ok().filter(|_| !pairs::are_there(&own));
        return match (act, before) {
            (Some(act), Some(_)) => {
                slips.extend(read);
                slips.insert(Forgiven::FileForEdit);
                Ok(Some(act))
            }
            (Some(act @ Act::Patch(_)), None) if lines::is_code(path) => {
                slips.extend(read);
                Ok(Some(act))
            }
            _ if lines::is_code(path) => Err(Failure::PairsForFile),
            _ => Ok(None),
        };
    }
    let hunks = before.filter(|_| lines::is_code(path)).and_then(|_| patch::hunks_of(path, &lines));
    Ok(hunks.map(|hunks| {
        slips.insert(Forgiven::Diff);
        Act::Patch(Patch { kind: PatchKind::Change, hunks })
    }))
}

/// The content without the line numbers of our prompts, if every line has its own.
fn unnumbered(content: &str) -> Option<String> {
    let mut bare = String::new();
    for (at, line) in content.lines().enumerate() {
        let (number, text) = lines::numbered(line)?;
        let is_as_shown = line.starts_with(format!("{number:>5} |").as_str());
        if number != at + 1 || !is_as_shown {
            return None;
        }
        bare.push_str(text);
        bare.push('\n');
    }
    (!bare.is_empty()).then_some(bare)
}
