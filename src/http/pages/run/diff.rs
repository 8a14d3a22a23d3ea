//! The changes of each push of a run, as the diff that was recorded with it.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    super::{Problem, layout, words},
    view::View,
};
use crate::{
    core::words::counted,
    http::{AppState, middleware::caller::Caller},
    store::{self, effect},
};

/// The most lines of all diffs that the run's page shows; otherwise each diff has a page of its own.
const SHOWN: usize = 400;
/// The most lines that the page of a diff shows.
const WHOLE: usize = 20_000;

/// The diffs, one fold for each head, oldest first.
pub(super) fn panel(view: &View) -> Markup {
    let lines: usize = view.diffs.iter().map(|diff| diff.text.lines().count()).sum();
    html! {
        @if !view.diffs.is_empty() {
            section {
                h2 { "Diff" }
                @for (number, diff) in (1..).zip(&view.diffs) { (head(view, number, diff, lines <= SHOWN)) }
            }
        }
    }
}

fn head(view: &View, number: usize, diff: &effect::Diff, is_inline: bool) -> Markup {
    let page = format!("/runs/{}/diffs/{number}", view.stored.spec.id);
    html! {
        @if is_inline {
            details id={ "diff-" (number) } {
                summary { (title(diff)) }
                p { "Commits: " (commits(&view.forge, &view.stored.spec.repository, diff)) }
                (text(diff))
            }
        } @else {
            p { a href=(page) { (title(diff)) } ", commits " (commits(&view.forge, &view.stored.spec.repository, diff)) }
        }
    }
}

/// `GET /runs/{id}/diffs/{number}`: one diff, by its place among those of the run, from 1.
pub(in super::super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Response {
    let (id, number) = path.map(|Path(place)| place).unwrap_or_default();
    match load(&app, &id, &number).await {
        Ok(Shown { title, main }) => layout::page(&app.settings, Some(&caller), &title, &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

/// The content of a diff's page.
struct Shown {
    title: String,
    main: Markup,
}

async fn load(app: &AppState, id: &str, number: &str) -> Result<Shown, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let pool = app.engine.pool();
    let stored = store::run::get(pool, id).await?;
    let stored = stored.ok_or_else(|| Problem::Missing(format!("There is no run {id}.")))?;
    let diffs = store::effect::diffs(pool, id).await?;
    let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let diff = place.and_then(|place| diffs.get(place)).ok_or_else(|| {
        Problem::Missing(format!("This run has no such diff; it has {}.", counted(diffs.len(), "diff")))
    })?;
    let main = html! {
        main #main {
            h1 { "Diff " (number) }
            p { (title(diff)) ", commits " (commits(&app.settings.forge_url, &stored.spec.repository, diff)) }
            (text(diff))
            p { a href={ "/runs/" (id) "#panel-diff" } { "To the run" } }
        }
    };
    Ok(Shown { title: format!("Diff {number}"), main })
}

/// What a diff changes, without links, so that it can be in a link or a summary itself.
fn title(diff: &effect::Diff) -> Markup {
    let kinds: Vec<_> = kinds(&diff.text);
    let count = |kind| kinds.iter().filter(|(found, _)| *found == kind).count();
    html! {
        (counted(count(Kind::File) / 2, "file")) " "
        span.plus { "+" (count(Kind::Plus)) } " " span.minus { "−" (count(Kind::Minus)) }
        span.muted { " " (words::clock(diff.at)) }
        @if diff.head.is_none() { " " span.badge.waiting { "not known to be pushed" } }
    }
}

fn commits(forge: &str, repository: &str, diff: &effect::Diff) -> Markup {
    let commit = |sha: &str| words::commit(forge, repository, sha);
    html! { @if let Some(head) = &diff.head { (commit(head)) " on " } (commit(&diff.parent)) }
}

fn text(diff: &effect::Diff) -> Markup {
    let kinds = kinds(&diff.text);
    html! {
        pre.diff dir="ltr" tabindex="0" {
            @for (kind, line) in kinds.iter().take(WHOLE) { span class=[kind.class()] { (line) "\n" } }
        }
        @if kinds.len() > WHOLE { p.muted { (counted(kinds.len() - WHOLE, "further line")) " not shown here." } }
        @if diff.is_cut { p.muted { "The rest was too long to be stored; the forge has it." } }
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
