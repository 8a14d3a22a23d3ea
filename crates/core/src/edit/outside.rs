//! Changes that stand outside of blocks: diffs, and SEARCH/REPLACE pairs after a path.

use std::collections::BTreeSet;

use super::{
    Block, Forgiven, forbidden,
    lines::{self, Mark},
    pairs, patch,
    problem::{Fault, Problem},
};
use crate::path::RepoPath;

/// A change that stands outside of blocks.
pub(super) struct Found {
    /// Its path as it stands there; may be empty.
    pub(super) path: String,
    /// Its first line, from 1.
    pub(super) line: usize,
    pub(super) block: Result<Block, Fault>,
    pub(super) slips: BTreeSet<Forgiven>,
}

/// The changes in lines that belong to no block; the first one has the number `offset`.
pub(super) fn changes(lines: &[&str], offset: usize) -> Vec<Found> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        if patch::begins(lines, at) {
            let (block, path, next) = patch::read(lines, at, offset);
            let slips = BTreeSet::from([Forgiven::Diff]);
            all.push(Found { path, line: offset + at, block, slips });
            at = next.max(at + 1);
        } else if lines::loose_mark(lines[at]) == Some(Mark::Search) {
            let next = end(lines, at);
            all.push(loose(&lines[..next], at, offset));
            at = next;
        } else {
            at += 1;
        }
    }
    all
}

/// The index after the pairs that begin at this one, and after the blank lines and fences that follow them.
fn end(lines: &[&str], start: usize) -> usize {
    let mut inside = false;
    for (at, line) in lines.iter().enumerate().skip(start) {
        match lines::loose_mark(line) {
            Some(Mark::Search) => inside = true,
            Some(_) => inside = false,
            None if inside || line.trim().is_empty() || lines::fence(line).is_some() => {}
            None => return at,
        }
    }
    lines.len()
}

/// The pairs from `at` to the end of these lines, with the path before them.
fn loose(lines: &[&str], at: usize, offset: usize) -> Found {
    let mut slips = BTreeSet::from([Forgiven::LoosePairs]);
    let path = path_before(&lines[..at]);
    let block = match &path {
        None => Err(Problem::Loose.into()),
        Some(path) => block(path, &lines[at..], offset + at, &mut slips),
    };
    let path = path.map(|path| path.to_string()).unwrap_or_default();
    Found { path, line: offset + at, block, slips }
}

fn block(
    path: &RepoPath,
    lines: &[&str],
    start: usize,
    slips: &mut BTreeSet<Forgiven>,
) -> Result<Block, Fault> {
    if let Some(rule) = forbidden(path) {
        return Err(Problem::Forbidden { path: path.clone(), rule }.into());
    }
    // No line closes these, so the last pair must be whole.
    let last = lines.iter().rev().find_map(|line| lines::loose_mark(line));
    if last != Some(Mark::Replace) {
        return Err(Fault::There(start, Problem::Edit("`>>>>>>> REPLACE` is missing")));
    }
    Ok(Block { path: path.clone(), act: pairs::read(start, lines, slips)? })
}

/// The path on the last line before a pair that is neither blank nor a fence.
fn path_before(lines: &[&str]) -> Option<RepoPath> {
    let line = lines.iter().rev().find(|line| !line.trim().is_empty() && lines::fence(line).is_none())?;
    let text = line.trim().trim_start_matches('#').trim_start();
    let path = lines::undecorated(lines::undecorated(text).trim_end_matches(':'));
    let is_path = path.contains(['.', '/']) && !path.contains(char::is_whitespace);
    path.parse().ok().filter(|_| is_path)
}
