//! How long files and functions may be. The figures are those of good code of this field (bors, the crate
//! registry, steno): most functions fit on a third of a screen, and a file over 500 lines holds two things.

use super::files;

/// The longest file, in lines.
const FILE: usize = 500;
/// The median function, in lines from its signature to its brace.
const MEDIAN: usize = 10;
/// Nine of ten functions are no longer than this.
const NINE_OF_TEN: usize = 25;

#[test]
fn no_file_is_longer_than_500_lines() {
    let long: Vec<String> = ["src", "crates", "tests"]
        .into_iter()
        .flat_map(files)
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE)
        .map(|(file, lines)| format!("{file}: {lines}"))
        .collect();
    assert!(long.is_empty(), "split these by what they hold: {long:#?}");
}

#[test]
fn most_functions_fit_on_a_third_of_a_screen() {
    let mut all: Vec<usize> =
        ["src", "crates"].into_iter().flat_map(files).flat_map(|(_, text)| functions(&text)).collect();
    all.sort_unstable();
    let (median, ninth) = (all[all.len() / 2], all[all.len() * 9 / 10]);
    assert!(
        median <= MEDIAN && ninth <= NINE_OF_TEN,
        "of {} functions the median has {median} lines, nine of ten have at most {ninth}",
        all.len()
    );
}

#[test]
fn a_function_is_counted_from_its_signature_to_its_brace() {
    let text = "fn short() {}\n\nimpl X {\n    pub const fn long(\n        self,\n    ) -> u8 {\n        1\n    }\n}\n";
    assert_eq!(functions(text), [1, 5]);
    assert_eq!(functions("trait T {\n    fn declared(&self);\n}\n"), [] as [usize; 0]);
}

/// The lengths of the functions of a formatted file: a function ends where its indentation comes back.
fn functions(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| is_signature(line));
    starts.filter_map(|(at, line)| length(&lines[at..], indent(line))).collect()
}

fn is_signature(line: &str) -> bool {
    let code = line.trim_start();
    let before = code.split("fn ").next().unwrap_or_default();
    code.len() > before.len()
        && before
            .split_whitespace()
            .all(|word| matches!(word, "pub" | "const" | "async" | "unsafe") || word.starts_with("pub("))
        || code.starts_with("pub(in ") && code.contains(" fn ")
}

fn length(lines: &[&str], indent_of_it: usize) -> Option<usize> {
    if lines[0].ends_with('}') {
        return Some(1);
    }
    let end = lines
        .iter()
        .skip(1)
        .position(|line| !line.is_empty() && indent(line) == indent_of_it && closes(line));
    // A declaration without a body ends with its semicolon.
    let declared = lines.iter().position(|line| line.ends_with(';') && indent(line) == indent_of_it);
    let end = end? + 1;
    declared.is_none_or(|declared| declared > end).then_some(end + 1)
}

/// A signature over several lines has `) -> T {` at its own indentation, which closes nothing.
fn closes(line: &str) -> bool {
    line.trim() == "}"
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
