//! Reads the SEARCH/REPLACE pairs of a block: as the rules have them, or else as other tools do.

use std::collections::BTreeSet;

use super::{
    Act, Forgiven, Hunk, Patch, PatchKind, Replacement,
    lines::{self, Mark},
    problem::{Fault, Problem},
};

const EXPECTED: &str = "`<<<<<<< SEARCH` is expected here";

/// The pairs of a block whose first line has the number `start`, as edits or, with an empty SEARCH alone, as a new file.
/// What is read past is added to `forgiven`.
pub(super) fn read(start: usize, lines: &[&str], forgiven: &mut BTreeSet<Forgiven>) -> Result<Act, Fault> {
    let strict = match exact(start, lines) {
        Ok(pairs) => return Ok(Act::Edit(pairs)),
        Err(fault) => fault,
    };
    let mut slips = BTreeSet::new();
    let Some(pairs) = loose(lines, &mut slips) else { return Err(strict) };
    let act = match &pairs[..] {
        [pair] if pair.search.is_empty() && !pair.replace.is_empty() => {
            slips.insert(Forgiven::EmptySearch);
            let hunk = Hunk { old: Vec::new(), new: pair.replace.clone(), final_newline: None };
            Act::Patch(Patch { kind: PatchKind::Create, hunks: vec![hunk] })
        }
        pairs if pairs.iter().any(|pair| pair.search.is_empty()) => return Err(strict),
        _ => Act::Edit(pairs),
    };
    forgiven.extend(slips);
    Ok(act)
}

/// Whether one of the lines opens a pair, in any form.
pub(super) fn are_there(lines: &[&str]) -> bool {
    lines.iter().any(|line| lines::loose_mark(line) == Some(Mark::Search))
}

/// Where the pairs from the first of these lines on are over, as an index: at a block line or at the end, after a whole
/// pair. Nothing else may stand between them but blank lines and fences.
pub(super) fn end(lines: &[&str]) -> Option<usize> {
    let (mut inside, mut whole) = (false, false);
    for (at, line) in lines.iter().enumerate() {
        match lines::loose_mark(line) {
            Some(Mark::Search) if inside => return None,
            Some(Mark::Search) => inside = true,
            Some(_) if inside => (inside, whole) = (false, true),
            _ if inside => {}
            _ if lines::block_line(line).is_some() => return whole.then_some(at),
            _ if line.trim().is_empty() || lines::fence(line).is_some() => {}
            _ => return None,
        }
    }
    (whole && !inside).then_some(lines.len())
}

fn exact(start: usize, lines: &[&str]) -> Result<Vec<Replacement>, Fault> {
    let wrong = |at: usize, what| Err(Fault::There(start + at, Problem::Edit(what)));
    let find = |from: usize, mark| (from..lines.len()).find(|&at| lines::mark(lines[at]) == Some(mark));
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim().is_empty() {
            at += 1;
            continue;
        }
        if lines::mark(lines[at]) != Some(Mark::Search) {
            return wrong(at, EXPECTED);
        }
        let Some(end) = find(at, Mark::Replace) else {
            return wrong(at, "`>>>>>>> REPLACE` is missing");
        };
        if let Some(second) = find(at + 1, Mark::Search).filter(|&second| second < end) {
            return wrong(second, "`<<<<<<< SEARCH` stands inside another pair");
        }
        let Some(divider) = find(at, Mark::Divider).filter(|&divider| divider < end) else {
            return wrong(at, "`=======` is missing");
        };
        if find(divider + 1, Mark::Divider).is_some_and(|second| second < end) {
            return wrong(divider, "two `=======` lines; give the whole file where it holds such a line");
        }
        if divider == at + 1 {
            return wrong(at, "SEARCH is empty; give the whole file to make a new one");
        }
        pairs.push(pair(&lines[at + 1..divider], &lines[divider + 1..end]));
        at = end + 1;
    }
    if pairs.is_empty() { wrong(0, "there is none") } else { Ok(pairs) }
}

/// The pairs with markers in any form, fences around them, and without the closing marker where the next pair or the
/// block's own end closes one. `None` where anything else is unclear.
fn loose(lines: &[&str], slips: &mut BTreeSet<Forgiven>) -> Option<Vec<Replacement>> {
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines::fence(lines[at]).is_some() {
            slips.insert(Forgiven::Fence);
            at += 1;
        } else if lines[at].trim().is_empty() {
            at += 1;
        } else {
            if lines::loose_mark(lines[at]) != Some(Mark::Search) {
                return None;
            }
            let (found, next) = loose_pair(lines, at, slips)?;
            pairs.push(found);
            at = next;
        }
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// The pair that opens at this index, and the index after it.
fn loose_pair(lines: &[&str], at: usize, slips: &mut BTreeSet<Forgiven>) -> Option<(Replacement, usize)> {
    let marks = |line: &&str| matches!(lines::loose_mark(line), Some(Mark::Search | Mark::Replace));
    let end = lines[at + 1..].iter().position(marks).map(|offset| at + 1 + offset);
    let is_closed = end.is_some_and(|end| lines::loose_mark(lines[end]) == Some(Mark::Replace));
    let mut last = end.unwrap_or(lines.len());
    if end.is_none() && wraps(lines, at) {
        last -= lines.iter().rev().take_while(|line| line.trim().is_empty()).count() + 1;
    }
    let divider = divider(lines, at + 1, last)?;
    if !is_closed {
        slips.insert(Forgiven::Unclosed);
    }
    let marked = [Some(at), Some(divider), end.filter(|_| is_closed)];
    if marked.into_iter().flatten().any(|at| lines::mark(lines[at]).is_none()) {
        slips.insert(Forgiven::Marker);
    }
    let next = if is_closed { last + 1 } else { last };
    Some((pair(&lines[at + 1..divider], &lines[divider + 1..last]), next))
}

/// Whether a fence opens right before the pair and closes the block.
fn wraps(lines: &[&str], at: usize) -> bool {
    let opens = at > 0 && lines::fence(lines[at - 1]).is_some();
    let last = lines.iter().rev().find(|line| !line.trim().is_empty());
    opens && last.is_some_and(|line| lines::is_bare_fence(line))
}

/// The only line that can divide the pair: the only exact one or, without any, the only rule of `=`.
fn divider(lines: &[&str], from: usize, to: usize) -> Option<usize> {
    let exact: Vec<usize> = (from..to).filter(|&at| lines::mark(lines[at]) == Some(Mark::Divider)).collect();
    let rules: Vec<usize> = (from..to).filter(|&at| lines::is_rule(lines[at])).collect();
    match (&exact[..], &rules[..]) {
        (&[at], _) | ([], &[at]) => Some(at),
        _ => None,
    }
}

fn pair(search: &[&str], replace: &[&str]) -> Replacement {
    let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Replacement { search: own(search), replace: own(replace) }
}
