//! The changes of each push of a run, as the diff that was recorded with it.

use maud::{Markup, html};

use super::{super::words, view::View};
use crate::{core::words::counted, store::effect};

/// The diffs, one fold for each head, oldest first.
pub(super) fn panel(view: &View) -> Markup {
    html! {
        @if !view.diffs.is_empty() {
            section {
                h2 { "Diff" }
                @for (number, diff) in view.diffs.iter().enumerate() { (head(view, number, diff)) }
            }
        }
    }
}

fn head(view: &View, number: usize, diff: &effect::Diff) -> Markup {
    let kinds: Vec<_> = kinds(&diff.text);
    let count = |kind| kinds.iter().filter(|(found, _)| *found == kind).count();
    let files = count(Kind::File) / 2;
    html! {
        details id={ "diff-" (number) } {
            summary {
                @match &diff.head {
                    Some(head) => (view.commit(head)),
                    None => span.badge.waiting { "not known to be pushed" },
                }
                " on " (view.commit(&diff.parent)) ": "
                (counted(files, "file")) " "
                span.plus { "+" (count(Kind::Plus)) } " " span.minus { "−" (count(Kind::Minus)) }
                span.muted { " " (words::clock(diff.at)) }
            }
            pre.diff tabindex="0" {
                @for (kind, line) in &kinds { span class=[kind.class()] { (line) "\n" } }
            }
            @if diff.is_cut { p.muted { "The rest was too long to be stored; the forge has it." } }
        }
    }
}

/// What a line of a unified diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Hunk,
    Plus,
    Minus,
    Same,
}

impl Kind {
    const fn class(self) -> Option<&'static str> {
        match self {
            Self::File => Some("file"),
            Self::Hunk => Some("hunk"),
            Self::Plus => Some("plus"),
            Self::Minus => Some("minus"),
            Self::Same => None,
        }
    }
}

/// The lines with their kinds. A hunk's header counts its lines, which tells a removed line of dashes from a
/// file's name.
fn kinds(diff: &str) -> Vec<(Kind, &str)> {
    let (mut old, mut new) = (0_u64, 0_u64);
    let kind = |line| {
        let within = old > 0 || new > 0;
        let kind = match str::bytes(line).next() {
            Some(b'+') if within => Kind::Plus,
            Some(b'-') if within => Kind::Minus,
            Some(b'+' | b'-') => Kind::File,
            Some(b'@') if !within => Kind::Hunk,
            Some(b'\\') => return (Kind::Same, line),
            _ => Kind::Same,
        };
        match kind {
            Kind::Hunk => (old, new) = lengths(line).unwrap_or_default(),
            Kind::Plus => new = new.saturating_sub(1),
            Kind::Minus => old = old.saturating_sub(1),
            Kind::Same => (old, new) = (old.saturating_sub(1), new.saturating_sub(1)),
            Kind::File => {}
        }
        (kind, line)
    };
    // Not `lines`: a carriage return is part of its line.
    diff.split_terminator('\n').map(kind).collect()
}

/// How many old and new lines a hunk has, from `@@ -1,2 +3,4 @@`; a count of one is left out.
fn lengths(header: &str) -> Option<(u64, u64)> {
    let mut ranges = header.split(' ').skip(1);
    let mut length = || match ranges.next()?.split_once(',') {
        Some((_, count)) => count.parse().ok(),
        None => Some(1),
    };
    Some((length()?, length()?))
}

#[cfg(test)]
mod tests {
    use super::{Kind::*, *};

    #[track_caller]
    fn check(diff: &str, expected: &[Kind]) {
        let found: Vec<Kind> = kinds(diff).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(found, expected, "{diff}");
    }

    #[test]
    fn each_line_of_a_diff_is_what_its_hunk_says() {
        check("", &[]);
        check("--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+a\n", &[File, File, Hunk, Plus]);
        check(
            "--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n--- x\n+++ y\n z\n",
            &[File, File, Hunk, Minus, Plus, Same],
        );
        check(
            "@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n--- a/x\n",
            &[Hunk, Minus, Plus, Same, File],
        );
        check("@@ nonsense\n+a\n", &[Hunk, File]);
    }
}
