//! Whether a change of a Python file may make a case weaker.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::lines::{
    code, defined, has_word, indentation, is_assertion, is_balanced, is_comment, is_plain, shown,
};

/// What takes a case away without deleting it.
const SKIPS: [&str; 9] = [
    "skip",
    "Skip",
    "xfail",
    "expectedFailure",
    "expected_failure",
    "__test__",
    "load_tests",
    "pytestmark",
    "collect_ignore",
];
/// What ends the run of all cases.
const STOPS: [&str; 5] = ["_exit", "exit(", "quit(", "os.kill", "SystemExit"];
/// What changes more than the line in which it stands.
const REACHES: [&str; 23] = [
    "setattr",
    "delattr",
    "__",
    "globals",
    "locals(",
    "exec(",
    "eval(",
    "import ",
    "del ",
    "global ",
    "nonlocal ",
    "patch",
    "sys.",
    "os.",
    "signal",
    "subprocess",
    "thread",
    ":=",
    "yield",
    "await",
    ";",
    "lambda",
    "vars(",
];
/// Where a failed assertion is not a failed case.
const CATCHES: [&str; 6] = ["assertRaises", "raises(", "suppress", "try:", "assertWarns", "assertLogs"];

/// Why the change may make a case weaker; empty if it does not.
pub(super) fn weakenings(before: Option<&str>, after: &str) -> Vec<String> {
    let Some(before) = before else {
        // A new file weakens the others only if it ends their run.
        return stop(after)
            .map(|stop| format!("it holds `{stop}`, which can end the run of all cases"))
            .into_iter()
            .collect();
    };
    if !is_plain(before) || !is_plain(after) {
        return vec!["it holds characters with which its lines are not what they look like".to_owned()];
    }
    let split = |text| -> Vec<String> { str::lines(text).map(|line| line.trim_end().to_owned()).collect() };
    let (old, new) = (split(before), split(after));
    let sides = Sides { before, after, old: &old, new: &new };
    let mut reasons = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        reasons.extend(match op {
            DiffOp::Equal { .. } => None,
            DiffOp::Delete { old_index, old_len, new_index } => {
                sides.hunk((old_index, old_len), (new_index, 0))
            }
            DiffOp::Insert { old_index, new_index, new_len } => {
                sides.hunk((old_index, 0), (new_index, new_len))
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                sides.hunk((old_index, old_len), (new_index, new_len))
            }
        });
    }
    reasons
}

fn stop(text: &str) -> Option<&'static str> {
    STOPS.into_iter().find(|stop| code(text).any(|line| line.contains(stop)))
}

struct Sides<'a> {
    before: &'a str,
    after: &'a str,
    old: &'a [String],
    new: &'a [String],
}

impl Sides<'_> {
    /// Why one hunk may make a case weaker.
    fn hunk(&self, old: (usize, usize), new: (usize, usize)) -> Option<String> {
        let of = |lines: &[String], (at, count): (usize, usize)| -> Vec<String> {
            lines[at..at + count].iter().filter(|line| !is_comment(line)).cloned().collect()
        };
        let (removed, added) = (of(self.old, old), of(self.new, new));
        match (removed.as_slice(), added.as_slice()) {
            ([], []) => None,
            ([], added) => self.addition(added, new),
            ([one], [other]) if has_more_values(one, other) => None,
            (removed, added) => Some(replaced(removed, added)),
        }
    }

    fn addition(&self, added: &[String], (at, count): (usize, usize)) -> Option<String> {
        let has = |words: &[&'static str]| {
            words.iter().find(|word| added.iter().any(|line| line.contains(**word))).copied()
        };
        if let Some(skip) = has(&SKIPS) {
            return Some(format!("adds a mark that takes cases away: `{skip}`"));
        }
        if let Some(reach) = has(&STOPS).or_else(|| has(&REACHES)) {
            return Some(format!("adds `{}`, which can change other cases", reach.trim()));
        }
        let next = self.new[at + count..].iter().find(|line| !is_comment(line));
        let previous = self.new[..at].iter().rev().find(|line| !is_comment(line));
        if added.iter().all(|line| is_assertion(line) && !line.ends_with('\\')) {
            let caught = CATCHES.iter().find(|word| self.after.contains(**word));
            return caught
                .map(|word| format!("adds an assertion to a file with `{word}`, which may catch it"));
        }
        let fits = self.are_new_cases(added)
            && previous.is_none_or(|line| !line.trim_start().starts_with('@'))
            && next.is_none_or(|line| indentation(line) <= indentation(&added[0]));
        (!fits).then(|| {
            format!("adds {}, which cannot be shown to leave every case as strict", shown(&added[0]))
        })
    }

    /// Whether the lines are whole new cases: functions named `test…`, and classes of them, by names that the file
    /// did not have.
    fn are_new_cases(&self, added: &[String]) -> bool {
        let (Some(first), Some(last)) = (added.first(), added.last()) else { return false };
        let margin = indentation(first);
        let begins = |line: &str| defined(line).is_some() || line.trim_start().starts_with('@');
        let is_new = |(name, class): (&str, bool)| {
            (class || name.starts_with("test")) && !has_word(self.before, name) && {
                self.new.iter().filter(|line| defined(line).is_some_and(|(known, _)| known == name)).count()
                    == 1
            }
        };
        begins(first)
            && added.iter().any(|line| defined(line).is_some())
            && indentation(last) > margin
            && added
                .iter()
                .all(|line| indentation(line) > margin || (indentation(line) == margin && begins(line)))
            && added.iter().filter_map(|line| defined(line)).all(is_new)
            && !added.iter().any(|line| assigns_elsewhere(line))
            && has_plain_classes(added)
    }
}

/// Whether classes hold nothing but functions: other statements of theirs run before any case does.
fn has_plain_classes(lines: &[String]) -> bool {
    let begins = |line: &str| defined(line).is_some() || line.trim_start().starts_with('@');
    lines.iter().enumerate().filter(|(_, line)| defined(line).is_some_and(|(_, class)| class)).all(
        |(at, class)| {
            let body = lines[at + 1..].iter().take_while(|line| indentation(line) > indentation(class));
            let level = body.clone().map(|line| indentation(line)).min();
            class.ends_with(':')
                && body.filter(|line| Some(indentation(line)) == level).all(|line| begins(line))
        },
    )
}

/// Whether a line assigns an attribute or an item of something that is not the case itself.
fn assigns_elsewhere(line: &str) -> bool {
    let Some((left, right)) = line.split_once('=') else { return false };
    let is_comparison = right.starts_with('=') || left.ends_with(['!', '<', '>']);
    let target = left.trim_end_matches(['+', '-', '*', '/', '|', '&', ' ']).trim();
    let is_place = target.contains(['.', '[']) && !target.contains('(');
    is_place && !is_comparison && !target.starts_with("self.")
}

/// Whether a line that tries several values tries more of them now.
fn has_more_values(old: &str, new: &str) -> bool {
    let tries = ["for ", "@pytest.mark.parametrize(", "@parameterized"];
    if !tries.iter().any(|word| old.trim_start().starts_with(word)) || !is_balanced(old) || !is_balanced(new)
    {
        return false;
    }
    let prefix: usize =
        old.chars().zip(new.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let rest = &old[prefix..];
    let Some(inserted) = new[prefix..].strip_suffix(rest) else { return false };
    let is_in_list = old[..prefix].contains('[') && rest.contains(']');
    let even = |mark: char| old[..prefix].matches(mark).count().is_multiple_of(2);
    let is_outside_of_texts = even('"') && even('\'');
    let inserted = inserted.trim();
    let joins = inserted.starts_with(',') || inserted.ends_with(',');
    is_in_list && is_outside_of_texts && joins && are_literals(inserted)
}

/// Whether a text holds nothing but numbers, texts, `None`, `True` and `False`, and what is between them.
fn are_literals(text: &str) -> bool {
    let mut outside = String::new();
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (_, '\\') => return false,
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, c) => outside.push(c),
        }
    }
    let is_value = |word: &str| {
        matches!(word, "" | "None" | "True" | "False" | "b" | "r") || word.bytes().all(|b| b.is_ascii_digit())
    };
    quote.is_none() && outside.split([',', ' ', '(', ')', '.', '-']).all(is_value)
}

/// What a hunk that takes lines away does, as far as that can be named.
fn replaced(removed: &[String], added: &[String]) -> String {
    let is_gone = |line: &&String| !added.iter().any(|new| new == *line);
    let cases = removed
        .iter()
        .filter_map(|line| defined(line))
        .filter(|(name, _)| !added.iter().any(|line| defined(line).is_some_and(|(new, _)| new == *name)));
    let skip = SKIPS.iter().find(|skip| added.iter().any(|line| line.contains(**skip)));
    if let Some((name, _)) = cases.into_iter().next() {
        return format!("takes away or renames the case `{name}`");
    }
    if let Some(skip) = skip {
        return format!("adds a mark that takes cases away: `{skip}`");
    }
    if let Some(line) = removed.iter().filter(|line| is_assertion(line)).find(is_gone) {
        return match added.iter().find(|line| is_assertion(line)) {
            Some(new) if is_trivial(new) => {
                format!("puts the trivial {} in place of {}", shown(new), shown(line))
            }
            Some(new) => format!("puts {} in place of {}", shown(new), shown(line)),
            None => format!("removes the assertion {}", shown(line)),
        };
    }
    let tries = |line: &&String| line.contains("parametrize") || line.trim_start().starts_with("for ");
    if let Some(line) = removed.iter().find(tries) {
        return format!("changes what a case is tried with: {}", shown(line));
    }
    let line = removed.iter().find(is_gone).or(removed.first()).map_or("", String::as_str);
    format!("changes {}, which cannot be shown to keep its case as strict", shown(line))
}

/// Whether an assertion can hardly fail.
fn is_trivial(line: &str) -> bool {
    let compact: String = line.split_whitespace().collect();
    let whole = ["assertTrue", "assertTrue(1)", "assertTrue(True)", "assert1", "assertNotFalse"];
    let arguments = compact.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    let same = arguments.split_once(',').is_some_and(|(one, other)| one == other);
    same || whole.iter().any(|trivial| compact.trim_start_matches("self.").starts_with(trivial))
        && matches!(arguments, "" | "True" | "1")
}
