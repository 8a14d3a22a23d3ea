//! Finds the lines that a SEARCH means: exactly, or else ignoring white space, but never by similarity.

/// How many lines around the nearest place are shown to the model.
const AROUND: usize = 3;
/// The most lines shown.
const SHOWN: usize = 60;

/// Where a SEARCH is in a file, as a line index from 0, and how to indent its replacement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) indents: Indents,
}

/// Why a SEARCH has no single place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// It is nowhere in the file.
    Missing,
    /// It is at all these lines, from 1.
    Ambiguous(Vec<usize>),
    /// It is at this line, from 1, but with an indentation that cannot be translated.
    Indentation(usize),
}

/// Translates the indentations that the model wrote to those in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Indents(Vec<(String, String)>);

/// The one place of `search` among `lines`; all lines without their ends.
pub(super) fn find(lines: &[&str], search: &[String]) -> Result<Place, NoPlace> {
    let exact = places(lines, search, |line, wanted| line == wanted);
    match exact[..] {
        [start] => return Ok(Place { start, indents: Indents::default() }),
        [] => {}
        _ => return Err(NoPlace::Ambiguous(exact.iter().map(|at| at + 1).collect())),
    }
    if search.iter().all(|line| line.trim().is_empty()) {
        return Err(NoPlace::Missing);
    }
    let lines_squeezed: Vec<String> = lines.iter().map(|line| squeeze(line)).collect();
    let squeezed: Vec<String> = search.iter().map(|line| squeeze(line)).collect();
    let loose = places(&lines_squeezed, &squeezed, |line, wanted| line == wanted);
    match loose[..] {
        [] => Err(NoPlace::Missing),
        [start] => match Indents::between(search, &lines[start..]) {
            Some(indents) => Ok(Place { start, indents }),
            None => Err(NoPlace::Indentation(start + 1)),
        },
        _ => Err(NoPlace::Ambiguous(loose.iter().map(|at| at + 1).collect())),
    }
}

/// The lines of the file that are most similar to `search`, with their numbers. They are shown to the model and
/// never edited. Empty if nothing is similar.
pub(super) fn nearest(lines: &[&str], search: &[String]) -> String {
    let wanted: Vec<String> =
        search.iter().map(|line| squeeze(line)).filter(|line| !line.is_empty()).collect();
    let alike: Vec<bool> = lines.iter().map(|line| wanted.contains(&squeeze(line))).collect();
    let equal = |start: usize| alike[start..].iter().take(search.len()).filter(|alike| **alike).count();
    let best = (0..lines.len()).rev().max_by_key(|&start| equal(start));
    let start = match best {
        Some(start) if equal(start) > 0 => Some(start),
        _ => wanted.first().and_then(|first| most_words_in_common(lines, first)),
    };
    start.map(|start| shown(lines, start, search.len())).unwrap_or_default()
}

/// The lines from `start` (index from 0) and a few around them, each with its number.
pub(super) fn shown(lines: &[&str], start: usize, count: usize) -> String {
    let from = start.saturating_sub(AROUND);
    let to = (start + count + AROUND).min(lines.len()).min(from + SHOWN);
    (from..to).map(|at| format!("{:>5} | {}\n", at + 1, lines[at])).collect()
}

impl Indents {
    /// `None` if one indentation would become two, or two would become one: then the block's structure differs,
    /// and in some languages its meaning.
    fn between(search: &[String], lines: &[&str]) -> Option<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (wanted, line) in search.iter().zip(lines).filter(|(wanted, _)| !wanted.trim().is_empty()) {
            let (from, to) = (indent(wanted), indent(line));
            match pairs.iter().find(|(a, b)| a == from || b == to) {
                Some((a, b)) if a == from && b == to => {}
                Some(_) => return None,
                None => pairs.push((from.to_owned(), to.to_owned())),
            }
        }
        Some(Self(pairs))
    }

    /// The line as it belongs in the file: an indentation known from SEARCH is translated; a deeper one keeps what
    /// it has beyond the deepest known one.
    pub(super) fn carry(&self, line: &str) -> String {
        if line.trim().is_empty() {
            return if self.0.is_empty() { line.to_owned() } else { String::new() };
        }
        let known = self.0.iter().filter(|(from, _)| line.starts_with(from.as_str()));
        match known.max_by_key(|(from, _)| from.len()) {
            Some((from, to)) => format!("{to}{}", &line[from.len()..]),
            None => self.shallower(line),
        }
    }

    /// A line further out than all of SEARCH moves as far as the outermost line does.
    fn shallower(&self, line: &str) -> String {
        let Some((from, to)) = self.0.iter().min_by_key(|(from, _)| from.len()) else {
            return line.to_owned();
        };
        let missing = from.strip_prefix(indent(line)).unwrap_or_default();
        match to.strip_suffix(missing) {
            Some(outer) => format!("{outer}{}", line.trim_start()),
            None => line.trim_start().to_owned(),
        }
    }
}

fn places<L, W>(lines: &[L], search: &[W], same: impl Fn(&L, &W) -> bool) -> Vec<usize> {
    let fits = |window: &[L]| window.iter().zip(search).all(|(line, wanted)| same(line, wanted));
    lines.windows(search.len()).enumerate().filter(|(_, window)| fits(window)).map(|(at, _)| at).collect()
}

fn most_words_in_common(lines: &[&str], first: &str) -> Option<usize> {
    let words: Vec<&str> =
        first.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).collect();
    let shared = |line: &str| words.iter().filter(|word| line.contains(**word)).count();
    let best = (0..lines.len()).rev().max_by_key(|&at| shared(lines[at]))?;
    (shared(lines[best]) > 0).then_some(best)
}

/// The line with every run of white space as one space, and none at its ends.
fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}
