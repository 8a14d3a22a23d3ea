//! Applies an answer to the files: all of it, or nothing.

use std::collections::BTreeSet;

use super::{
    Act, Answer, Block, BlockFailed, FILE_LIMIT, Failure, Forgiven, Intent, Replacement, hunks, lines,
    place::{self, NoPlace, Place},
    whole::{self, Meaning},
};
use crate::path::RepoPath;

/// One file before and after; the two always differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: RepoPath,
    /// Its text before; `None` if the file did not exist.
    pub before: Option<String>,
    /// Its text after; `None` if it is deleted.
    pub after: Option<String>,
}

/// An answer that was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The files that change; empty means that there is nothing to do.
    pub files: Vec<Written>,
    /// What was read past in the answer, each slip once.
    pub forgiven: Vec<Forgiven>,
}

/// Applies the whole answer to the files that `read` returns (`None`: no such file).
///
/// A file that would not change is left out, so no file means that there is nothing to do, as for a decline or questions. A file with Windows line ends keeps them.
///
/// # Errors
/// Every block that does not fit; then nothing is applied.
pub fn apply(
    answer: &Answer,
    read: impl Fn(&RepoPath) -> Option<String>,
) -> Result<Applied, Vec<BlockFailed>> {
    let blocks = match &answer.intent {
        Intent::Blocks(blocks) => blocks.as_slice(),
        Intent::Decline(_) | Intent::Ask(_) => &[],
    };
    let mut slips: BTreeSet<Forgiven> = answer.forgiven.iter().copied().collect();
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    for (at, block) in blocks.iter().enumerate() {
        let before = read(&block.path);
        match outcome(block, before.as_deref(), &mut slips) {
            Ok(after) if after == before => {}
            Ok(after) => files.push(Written { path: block.path.clone(), before, after }),
            Err((failure, nearest)) => {
                failed.push(BlockFailed { block: at + 1, path: block.path.clone(), failure, nearest });
            }
        }
    }
    if failed.is_empty() { Ok(Applied { files, forgiven: slips.into_iter().collect() }) } else { Err(failed) }
}

type Misfit = (Failure, String);

fn outcome(
    block: &Block,
    before: Option<&str>,
    slips: &mut BTreeSet<Forgiven>,
) -> Result<Option<String>, Misfit> {
    let after = match (&block.act, before) {
        (Act::Delete, None) => return Err((Failure::NoSuchFile, String::new())),
        (Act::Whole(text), _) => {
            let meaning = whole::meaning(block.path.as_str(), text, before, slips);
            match meaning.map_err(|failure| (failure, String::new()))? {
                Meaning::Edit(act) => changed(&act, before, slips)?,
                Meaning::Text(text) => match before {
                    Some(before) if line_end(before) == "\r\n" => Some(text.replace('\n', "\r\n")),
                    _ => Some(text.into_owned()),
                },
            }
        }
        (act, before) => changed(act, before, slips)?,
    };
    match after {
        Some(after) if after.len() > FILE_LIMIT => Err((Failure::TooLarge, String::new())),
        after => Ok(after),
    }
}

/// What an act other than a whole file leaves of the file. Its byte order mark, which no model sees, stays.
fn changed(
    act: &Act,
    before: Option<&str>,
    slips: &mut BTreeSet<Forgiven>,
) -> Result<Option<String>, Misfit> {
    let mark = before.filter(|before| before.starts_with(BYTE_ORDER_MARK)).map_or("", |_| BYTE_ORDER_MARK);
    let shown = before.map(|before| &before[mark.len()..]);
    let after = match (act, shown) {
        (Act::Whole(text), _) => Some(text.clone()),
        (Act::Delete, _) => None,
        (Act::Patch(patch), shown) => hunks::apply(patch, shown)?,
        (Act::Edit(_), None) => return Err((Failure::NoSuchFile, String::new())),
        (Act::Edit(pairs), Some(shown)) => Some(edit(pairs, shown, slips)?),
    };
    Ok(after.map(|after| mark.to_owned() + &after))
}

const BYTE_ORDER_MARK: &str = "\u{feff}";

fn edit(pairs: &[Replacement], before: &str, slips: &mut BTreeSet<Forgiven>) -> Result<String, Misfit> {
    let end = line_end(before);
    let mut lines: Vec<String> = before.split_inclusive('\n').map(str::to_owned).collect();
    for (at, pair) in pairs.iter().enumerate() {
        let bare: Vec<&str> = lines.iter().map(|line| without_end(line)).collect();
        match place::find(&bare, &pair.search) {
            Ok(found) => replace(&mut lines, pair, &found, end),
            Err(NoPlace::Missing) => match stripped(pair, &bare, at + 1)? {
                Some((pair, found, read_past)) => {
                    slips.extend(read_past);
                    replace(&mut lines, &pair, &found, end);
                }
                None => return Err(explain(NoPlace::Missing, at + 1, pair, &bare)),
            },
            Err(none) => return Err(explain(none, at + 1, pair, &bare)),
        }
    }
    Ok(lines.concat())
}

type Stripped = (Replacement, Place, Vec<Forgiven>);

/// The pair without fences around its sections or without copied line numbers, if its SEARCH then has its place.
fn stripped(pair: &Replacement, bare: &[&str], number: usize) -> Result<Option<Stripped>, Misfit> {
    let fenced = unfenced(pair);
    let inner = fenced.as_ref().unwrap_or(pair);
    if let Some(pair) = &fenced
        && let Ok(found) = place::find(bare, &pair.search)
    {
        return Ok(Some((pair.clone(), found, vec![Forgiven::Fence])));
    }
    // The file holds such lines itself: then they are no copied numbers.
    let is_own = inner
        .search
        .iter()
        .any(|line| bare.iter().any(|own| own.trim() == line.trim() && !own.trim().is_empty()));
    let Some(search) = unnumbered(&inner.search).filter(|_| !is_own && is_counted(&inner.search)) else {
        return Ok(None);
    };
    let Ok(found) = place::find(bare, &search) else { return Ok(None) };
    let replace = match unnumbered(&inner.replace) {
        Some(replace) => replace,
        None if inner.replace.iter().any(|line| lines::numbered(line).is_some()) => {
            return Err((Failure::LineNumbers { pair: number }, place::nearest(bare, &search)));
        }
        None => inner.replace.clone(),
    };
    let mut read_past = vec![Forgiven::LineNumbers];
    read_past.extend(fenced.is_some().then_some(Forgiven::Fence));
    Ok(Some((Replacement { search, replace }, found, read_past)))
}

/// The pair without the fence around its SEARCH, and without one around its REPLACE.
fn unfenced(pair: &Replacement) -> Option<Replacement> {
    let inner = |lines: &[String]| -> Option<Vec<String>> {
        let [first, inner @ .., last] = lines else { return None };
        let opened = lines::fence(first)?;
        lines::fence(last)?.closes(opened).then(|| inner.to_vec())
    };
    let search = inner(&pair.search).filter(|search| !search.is_empty())?;
    let replace = inner(&pair.replace).unwrap_or_else(|| pair.replace.clone());
    Some(Replacement { search, replace })
}

/// Whether each line's number is the one after that of the line before it.
fn is_counted(lines: &[String]) -> bool {
    let number = |line: &String| lines::numbered(line).map(|(number, _)| number);
    lines.windows(2).all(|two| number(&two[1]) == number(&two[0]).map(|number| number + 1))
}

/// The lines without their numbers, if every line has one; `None` for no lines.
fn unnumbered(lines: &[String]) -> Option<Vec<String>> {
    let bare = lines.iter().map(|line| lines::numbered(line).map(|(_, text)| text.to_owned()));
    bare.collect::<Option<Vec<_>>>().filter(|bare| !bare.is_empty())
}

fn replace(lines: &mut Vec<String>, pair: &Replacement, place: &Place, end: &str) {
    let range = place.start..place.start + pair.search.len();
    let open_end = range.end == lines.len() && !lines[range.end - 1].ends_with('\n');
    let mut new: Vec<String> = pair.replace.iter().map(|line| place.indents.carry(line) + end).collect();
    if let Some(last) = new.last_mut().filter(|_| open_end) {
        last.truncate(last.len() - end.len());
    }
    lines.splice(range, new);
}

fn explain(none: NoPlace, number: usize, pair: &Replacement, bare: &[&str]) -> Misfit {
    let shown = |line: usize| place::shown(bare, line - 1, pair.search.len());
    match none {
        NoPlace::Ambiguous(lines) => {
            let places: Vec<String> = lines.iter().take(3).map(|line| shown(*line)).collect();
            (Failure::Ambiguous { pair: number, lines }, places.join("  ...\n"))
        }
        NoPlace::Indentation(line) => (Failure::Indentation { pair: number, line }, shown(line)),
        NoPlace::Missing if is_done(pair, bare) => {
            (Failure::AlreadyApplied { pair: number }, place::nearest(bare, &pair.replace))
        }
        NoPlace::Missing => (Failure::NotFound { pair: number }, place::nearest(bare, &pair.search)),
    }
}

/// Whether the lines of the pair's REPLACE are there already.
fn is_done(pair: &Replacement, bare: &[&str]) -> bool {
    pair.replace.iter().any(|line| !line.trim().is_empty()) && place::find(bare, &pair.replace).is_ok()
}

/// How most of a text's lines end.
pub(super) fn line_end(text: &str) -> &'static str {
    let windows = text.matches("\r\n").count();
    if windows * 2 > text.matches('\n').count() { "\r\n" } else { "\n" }
}

/// The line without its line break.
pub(super) fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "def a():\n    x = 1\n    return x\n\n\ndef b():\n    x = 2\n    return x\n";

    fn edited(before: &str, pairs: &str) -> Result<String, BlockFailed> {
        let answer = Answer::parse(&format!("=== edit: a.py\n{pairs}=== end: a.py\n")).unwrap();
        match apply(&answer, |_| Some(before.to_owned())) {
            Ok(applied) => {
                Ok(applied.files.into_iter().next().and_then(|file| file.after).unwrap_or(before.to_owned()))
            }
            Err(failed) => Err(failed.into_iter().next().unwrap()),
        }
    }

    fn pair(search: &str, replace: &str) -> String {
        format!("<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n")
    }

    #[track_caller]
    fn check(before: &str, pairs: &str, after: &str) {
        assert_eq!(edited(before, pairs).as_deref(), Ok(after));
    }

    #[test]
    fn an_exact_and_unique_search_is_replaced() {
        check(FILE, &pair("    x = 1\n", "    x = 3\n"), &FILE.replace("x = 1", "x = 3"));
        check("a\nb\nc\n", &(pair("a\n", "") + &pair("c\n", "d\ne\n")), "b\nd\ne\n");
        check("a\nb", &pair("b\n", "c\nd\n"), "a\nc\nd");
        check("a\r\nb\r\n", &pair("b\n", "c\nd\n"), "a\r\nc\r\nd\r\n");
        check("x = 10\nx = 1\n", &pair("x = 1\n", "y\n"), "x = 10\ny\n");
        check("a\nb\n", &(pair("a\n", "c\n") + &pair("c\nb\n", "d\n")), "d\n");
    }

    #[test]
    fn white_space_does_not_hide_a_unique_place() {
        check(FILE, &pair("x = 1\n", "if y:\n    x = 3\n"), &FILE.replace("x = 1", "if y:\n        x = 3"));
        check(
            "\tif a:\n\t\tb\n",
            &pair("    if a:\n        b\n", "    if a:\n        c\n"),
            "\tif a:\n\t\tc\n",
        );
        check("a = [1,  2]   \n", &pair("a = [1, 2]\n", "a = []\n"), "a = []\n");
        check("  a\n    b\n", &pair("a\n  b\n", "a\n\n  c\n"), "  a\n\n    c\n");
        check("    b\n", &pair("        b\n", "    if x:\n        b\n"), "if x:\n    b\n");
    }

    #[test]
    fn nothing_is_ever_guessed() {
        let fails = |before: &str, pairs: &str| edited(before, pairs).unwrap_err();
        let ambiguous = fails(FILE, &pair("    return x\n", "    return y\n"));
        assert_eq!(ambiguous.failure, Failure::Ambiguous { pair: 1, lines: vec![3, 8] });
        assert_eq!(
            fails(FILE, &pair("return x\n", "y\n")).failure,
            Failure::Ambiguous { pair: 1, lines: vec![3, 8] }
        );
        let near = fails(FILE, &pair("def b():\n    x = 22\n    return x\n", "y\n"));
        assert_eq!(near.failure, Failure::NotFound { pair: 1 });
        assert!(near.nearest.contains("    7 |     x = 2\n"), "{}", near.nearest);
        let done = fails("a\nnew\n", &pair("old\n", "new\n"));
        assert_eq!(done.failure, Failure::AlreadyApplied { pair: 1 });
        let second = fails(FILE, &(pair("    x = 1\n", "    x = 3\n") + &pair("zzz\n", "y\n")));
        assert_eq!((second.failure, second.nearest), (Failure::NotFound { pair: 2 }, String::new()));
        let flat = fails("if a:\n    b\n", &pair("if a:\nb\n", "if c:\nb\n"));
        assert_eq!(flat.failure, Failure::Indentation { pair: 1, line: 1 }.clone());
        assert_eq!(fails("a\n", &pair("\n", "x\n")).failure, Failure::NotFound { pair: 1 });
    }

    #[test]
    fn an_answer_is_applied_whole_or_not_at_all() {
        let text = "=== file: new.py\nx\n=== end: new.py\n=== delete: old.py\n=== delete: none.py\n";
        let read = |path: &RepoPath| path.as_str().starts_with("old").then(|| "o\n".to_owned());
        let failed = apply(&Answer::parse(text).unwrap(), read).unwrap_err();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].to_string(), "block 3 (`none.py`): there is no such file");
        let good = text.replace("=== delete: none.py\n", "=== file: old2\no\n=== end: old2\n");
        let written = apply(&Answer::parse(&good).unwrap(), read).unwrap().files;
        let fates: Vec<_> = written.iter().map(|file| (file.path.as_str(), file.after.as_deref())).collect();
        assert_eq!(fates, [("new.py", Some("x\n")), ("old.py", None)], "an unchanged file is left out");
    }

    #[test]
    fn a_file_keeps_its_windows_line_ends_and_its_limit() {
        let answer = Answer::parse("=== file: a\nx\ny\n=== end: a\n").unwrap();
        let written = apply(&answer, |_| Some("x\r\n".to_owned())).unwrap().files;
        assert_eq!(written[0].after.as_deref(), Some("x\r\ny\r\n"));
        let large = format!("a\n{}\n", "x".repeat(FILE_LIMIT - 3));
        assert_eq!(edited(&large, &pair("a\n", "abc\n")).unwrap_err().failure, Failure::TooLarge);
    }

    proptest! {
        #[test]
        fn any_edit_fits_or_is_refused(
            before in "([ \t]{0,2}[ab]?\r?\n){0,8}[ab]?",
            search in "([ \t]{0,2}[ab]?\n){1,3}",
            replace in "([ \t]{0,3}[abc]?\n){0,3}",
        ) {
            let rest = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
            if let Ok(after) = edited(&before, &pair(&search, &replace)) {
                let kept = rest(&before).len() - rest(&search).len() + rest(&replace).len();
                prop_assert_eq!(rest(&after).len(), kept);
            }
        }
    }
}
