//! The diff of one changed file, with coloured lines.

use maud::{Markup, html};

use crate::dev::github::git::Changed;

/// How many bytes of a file's patch a page shows at most.
const LONGEST: usize = 256 * 1024;

/// A changed file with its patch, folded when it is long.
pub(super) fn file(file: &Changed) -> Markup {
    let patch = file.patch.as_deref().unwrap_or("");
    html! {
        details open[patch.len() <= LONGEST] {
            summary {
                code { @if let Some(previous) = &file.previous { (previous) " → " } (file.path) } " "
                span.muted { (file.status) } " "
                span.plus { "+" (file.additions) } " " span.minus { "−" (file.deletions) }
            }
            @if file.patch.is_some() { (lines(patch)) } @else {
                p.muted { "No lines: the file is binary or empty, or was only renamed." }
            }
        }
    }
}

fn lines(patch: &str) -> Markup {
    let shown = &patch[..patch.floor_char_boundary(LONGEST)];
    html! {
        pre.diff {
            @for line in shown.lines() { span class=[class_of(line)] { (line) "\n" } }
        }
        @if shown.len() < patch.len() { p.muted { "The rest is not shown." } }
    }
}

fn class_of(line: &str) -> Option<&'static str> {
    match line.bytes().next() {
        Some(b'+') => Some("plus"),
        Some(b'-') => Some("minus"),
        Some(b'@') => Some("hunk"),
        _ => None,
    }
}
