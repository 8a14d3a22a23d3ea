//! Applies the hunks of a diff: all of them exactly, each at its only place in the file as it is.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    Failure, Hunk, Patch, PatchKind,
    apply::{line_end, without_end},
    place,
};

type Misfit = (Failure, String);

/// The file afterwards; `None` if it is deleted.
pub(super) fn apply(patch: &Patch, before: Option<&str>) -> Result<Option<String>, Misfit> {
    let failed = |failure| Err((failure, String::new()));
    match (patch.kind, before) {
        (PatchKind::Create, None) => {
            let hunk = &patch.hunks[0];
            let text: String = hunk.new.iter().flat_map(|line| [line, "\n"]).collect();
            Ok(Some(with_end(text, hunk.final_newline, "\n")))
        }
        (PatchKind::Create, Some(_)) => failed(Failure::Exists),
        (PatchKind::Change | PatchKind::Remove, None) => failed(Failure::NoSuchFile),
        (PatchKind::Change, Some(before)) => change(&patch.hunks, before).map(Some),
        (PatchKind::Remove, Some(before)) => {
            let is_all =
                patch.hunks.iter().all(|hunk| before.lines().eq(hunk.old.iter().map(String::as_str)));
            if is_all { Ok(None) } else { failed(Failure::NotAsRemoved) }
        }
    }
}

fn change(hunks: &[Hunk], before: &str) -> Result<String, Misfit> {
    let end = line_end(before);
    let mut lines: Vec<String> = before.split_inclusive('\n').map(str::to_owned).collect();
    let bare: Vec<String> = lines.iter().map(|line| without_end(line).to_owned()).collect();
    let mut placed: Vec<(usize, &Hunk)> = Vec::new();
    for (at, hunk) in hunks.iter().enumerate() {
        placed.push((only_place(&bare, hunk, at + 1)?, hunk));
    }
    placed.sort_by_key(|(start, _)| *start);
    if placed.windows(2).any(|two| two[0].0 + two[0].1.old.len() > two[1].0) {
        return Err((Failure::HunksOverlap, String::new()));
    }
    let mut has_end = before.ends_with('\n');
    for (start, hunk) in placed.into_iter().rev() {
        if start + hunk.old.len() == lines.len() {
            has_end = hunk.final_newline.unwrap_or(has_end);
        } else if hunk.final_newline.is_some() {
            return Err((Failure::NotAtTheEnd, String::new()));
        }
        splice(&mut lines, start, hunk, end);
    }
    Ok(with_end(lines.concat(), Some(has_end), end))
}

/// Puts the new lines in the place of the old ones; a line that is in both stays as it is.
fn splice(lines: &mut Vec<String>, start: usize, hunk: &Hunk, end: &str) {
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push_str(end);
    }
    let mut new = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &hunk.old, &hunk.new) {
        match op {
            DiffOp::Equal { old_index, len, .. } => new.extend_from_slice(&lines[start + old_index..][..len]),
            DiffOp::Insert { new_index, new_len, .. } | DiffOp::Replace { new_index, new_len, .. } => {
                new.extend(hunk.new[new_index..][..new_len].iter().map(|line| line.clone() + end));
            }
            DiffOp::Delete { .. } => {}
        }
    }
    lines.splice(start..start + hunk.old.len(), new);
}

fn only_place(bare: &[String], hunk: &Hunk, number: usize) -> Result<usize, Misfit> {
    let fits = |window: &[String]| window == hunk.old;
    let places: Vec<usize> = bare
        .windows(hunk.old.len())
        .enumerate()
        .filter(|(_, window)| fits(window))
        .map(|(at, _)| at)
        .collect();
    let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
    match places[..] {
        [at] => Ok(at),
        [] => Err((Failure::HunkNotFound { hunk: number }, place::nearest(&bare, &hunk.old))),
        _ => {
            let lines: Vec<usize> = places.iter().map(|at| at + 1).collect();
            Err((Failure::HunkAmbiguous { hunk: number, lines }, String::new()))
        }
    }
}

/// The text with or without its final line break, as said; as it is if nothing is said.
fn with_end(mut text: String, final_newline: Option<bool>, end: &str) -> String {
    match final_newline {
        Some(false) if text.ends_with('\n') => {
            text.truncate(without_end(&text).len());
            text
        }
        Some(true) if !text.is_empty() && !text.ends_with('\n') => text + end,
        _ => text,
    }
}
