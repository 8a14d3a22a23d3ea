//! What a line of an answer is: a block line, a fence, a marker of a pair, or none of them. Each is known exactly, and
//! in the other forms that models write.

use std::path::Path;

/// The words of block lines.
const WORDS: [&str; 8] = ["title", "why", "file", "edit", "delete", "end", "ask", "decline"];
/// Those that are followed by a path.
const WITH_PATH: [&str; 4] = ["file", "edit", "delete", "end"];
/// Files that cannot begin and end with a Markdown fence: to their languages it is an error.
const CODE: [&str; 61] = [
    "bash", "c", "cc", "cfg", "clj", "conf", "cpp", "cs", "css", "cxx", "dart", "erl", "ex", "exs", "go",
    "gradle", "graphql", "h", "hpp", "hs", "htm", "html", "ini", "java", "js", "json", "jsonc", "jsx", "kt",
    "kts", "less", "lua", "mjs", "cjs", "ml", "nix", "php", "pl", "proto", "ps1", "py", "pyi", "r", "rb",
    "rs", "scala", "scss", "sh", "sol", "sql", "svelte", "swift", "tf", "toml", "ts", "tsx", "vue", "xml",
    "yaml", "yml", "zig",
];

/// A block line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockLine<'a> {
    pub(super) word: &'a str,
    /// What follows the colon, trimmed.
    pub(super) rest: &'a str,
    /// Whether it is written as the rules say.
    pub(super) is_exact: bool,
}

/// An opening or closing line of a Markdown fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence<'a> {
    sign: u8,
    length: usize,
    /// The language, or other text after the signs.
    pub(super) info: &'a str,
}

/// A marker of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Search,
    Divider,
    Replace,
}

/// The word and the rest of a block line as the rules have it. Any lower-case word counts, so that unknown ones are found.
fn exact(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.strip_prefix("=== ")?.split_once(':')?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word.then(|| (word, rest.trim()))
}

/// A known word in other letter case, after another number of `=`, in bold, as a heading or without its colon.
fn loose(line: &str) -> Option<(&'static str, &str)> {
    if line.starts_with(char::is_whitespace) {
        return None;
    }
    let text = unwrapped(line.trim_end().trim_start_matches('#').trim_start());
    let after = text.trim_start_matches('=');
    let count = text.len() - after.len();
    let after = after.trim_start();
    let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
    let word = WORDS.into_iter().find(|word| word.eq_ignore_ascii_case(&after[..letters]))?;
    let least = if WITH_PATH.contains(&word) { 2 } else { 3 };
    let rest = after[letters..].trim_start();
    let (rest, has_colon) = rest.strip_prefix(':').map_or((rest, false), |rest| (rest, true));
    let rest = without_tail(rest.trim());
    let may_lack_colon = if WITH_PATH.contains(&word) {
        !rest.contains(char::is_whitespace)
    } else {
        rest.is_empty() && word == "why"
    };
    (count >= least && (has_colon || may_lack_colon) && (word == "end" || word == "why" || !rest.is_empty()))
        .then_some((word, rest))
}

/// The block line that this is, if it is one.
pub(super) fn block_line(line: &str) -> Option<BlockLine<'_>> {
    let known = exact(line).map(|(word, rest)| BlockLine { word, rest, is_exact: true });
    known.or_else(|| loose(line).map(|(word, rest)| BlockLine { word, rest, is_exact: false }))
}

/// Whether this is a block line exactly as the rules have it, of a known word.
pub(super) fn is_exact(line: &str) -> bool {
    exact(line).is_some_and(|(word, _)| WORDS.contains(&word))
}

/// A path without backticks, quotes, bold, `./` and a trailing `===`.
pub(super) fn undecorated(text: &str) -> &str {
    let mut path = text.trim();
    loop {
        let before = path;
        path = unwrapped(without_tail(path));
        path = path.strip_prefix("./").unwrap_or(path);
        if path == before {
            return path;
        }
    }
}

fn without_tail(text: &str) -> &str {
    let head = text.trim_end_matches('=');
    if text.len() - head.len() >= 2 && head.ends_with(' ') { head.trim_end() } else { text }
}

fn unwrapped(text: &str) -> &str {
    let within = |sign: &str| {
        let inner = text.strip_prefix(sign)?.strip_suffix(sign)?;
        (!inner.is_empty()).then(|| inner.trim())
    };
    ["**", "`", "\"", "'"].into_iter().find_map(within).unwrap_or(text)
}

/// The fence that this line opens or closes.
pub(super) fn fence(line: &str) -> Option<Fence<'_>> {
    let text = line.trim_end();
    let inner = text.trim_start_matches(' ');
    let sign = *inner.as_bytes().first().filter(|sign| matches!(sign, b'`' | b'~'))?;
    let info = inner.trim_start_matches(char::from(sign));
    let length = inner.len() - info.len();
    let is_fence = length >= 3 && text.len() - inner.len() <= 3 && !info.contains('`');
    is_fence.then(|| Fence { sign, length, info: info.trim() })
}

impl Fence<'_> {
    /// Whether this line closes what that one opened.
    pub(super) fn closes(self, opened: Self) -> bool {
        self.info.is_empty() && self.sign == opened.sign && self.length >= opened.length
    }
}

/// Whether the line is a closing fence of any kind.
pub(super) fn is_bare_fence(line: &str) -> bool {
    fence(line).is_some_and(|fence| fence.info.is_empty())
}

/// The marker as the rules have it.
pub(super) fn mark(line: &str) -> Option<Mark> {
    match line.trim_end() {
        "<<<<<<< SEARCH" => Some(Mark::Search),
        "=======" => Some(Mark::Divider),
        ">>>>>>> REPLACE" => Some(Mark::Replace),
        _ => None,
    }
}

/// The marker that opens or closes a pair, also as other tools have it. A divider is never one here: what it may be
/// depends on the lines around it.
pub(super) fn loose_mark(line: &str) -> Option<Mark> {
    let text = line.trim();
    let sign = *text.as_bytes().first()?;
    let rest = text.trim_start_matches(char::from(sign));
    let is_long = (5..=9).contains(&(text.len() - rest.len()));
    let word = rest.trim().trim_end_matches(['>', '<', ':']).trim_end();
    let is = |words: [&str; 2]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    match sign {
        b'<' if is_long && is(["SEARCH", "ORIGINAL"]) => Some(Mark::Search),
        b'-' if is_long && is(["SEARCH", "SEARCH"]) => Some(Mark::Search),
        b'>' if is_long && is(["REPLACE", "UPDATED"]) => Some(Mark::Replace),
        b'+' if is_long && is(["REPLACE", "REPLACE"]) => Some(Mark::Replace),
        _ => None,
    }
}

/// Whether the line is nothing but four or more `=`.
pub(super) fn is_rule(line: &str) -> bool {
    let text = line.trim();
    text.len() >= 4 && text.bytes().all(|byte| byte == b'=')
}

/// Whether a file of this name is in a language in which no file begins and ends with a fence.
pub(super) fn is_code(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    matches!(name, "Dockerfile" | "Makefile")
        || extension.is_some_and(|extension| CODE.contains(&extension.to_ascii_lowercase().as_str()))
}

/// Whether a file of this name is Markdown.
pub(super) fn is_markdown(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["md", "markdown", "mdx"].iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// The line without the number that our prompts show before it (`   12 | text`), and the number.
pub(super) fn numbered(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches(' ');
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok().filter(|_| digits <= 7)?;
    let rest = text[digits..].trim_start_matches(' ').strip_prefix('|')?;
    Some((number, rest.strip_prefix(' ').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(line: &str, word: &str, rest: &str) {
        let found = block_line(line).unwrap_or_else(|| panic!("{line:?} is no block line"));
        assert_eq!((found.word, found.rest), (word, rest), "{line:?}");
    }

    #[test]
    fn block_lines_are_known_in_other_forms() {
        is("=== file: a.py", "file", "a.py");
        is("=== File: a.py", "file", "a.py");
        is("==== edit: a.py ====", "edit", "a.py");
        is("== end: a.py", "end", "a.py");
        is("===file:a.py", "file", "a.py");
        is("=== file : a.py", "file", "a.py");
        is("**=== file: a.py**", "file", "a.py");
        is("### === file: a.py", "file", "a.py");
        is("=== delete a.py", "delete", "a.py");
        is("=== end", "end", "");
        is("=== why", "why", "");
        for line in [
            "=== of course",
            " === file: a.py",
            "== Title: x ==",
            "== file",
            "=======",
            "= file: a",
            "=== Fileset: a",
            "=== Files of the change",
            "=== end of the day",
            "",
            "é",
        ] {
            assert_eq!(block_line(line), None, "{line:?}");
        }
    }

    #[test]
    fn paths_lose_their_decoration() {
        for path in ["a.py", "`a.py`", "**a.py**", "\"a.py\"", "./a.py", "**`./a.py`** ===", " a.py "] {
            assert_eq!(undecorated(path), "a.py");
        }
        for path in ["a b.py", "**", "a==", "../a", "`a"] {
            assert_eq!(undecorated(path), path);
        }
    }

    #[test]
    fn markers_are_known_in_other_forms() {
        for line in ["<<<<<< SEARCH", "<<<<<<< search", "<<<<<<< SEARCH>", "------- SEARCH", "<<<<<<<SEARCH"]
        {
            assert_eq!(loose_mark(line), Some(Mark::Search), "{line}");
        }
        for line in [">>>>>>>> REPLACE", "+++++++ REPLACE", ">>>>>>> UPDATED", ">>>>>>> Replace:"] {
            assert_eq!(loose_mark(line), Some(Mark::Replace), "{line}");
        }
        for line in ["<<<<<<< HEAD", ">>>>>>> main", "=======", "< SEARCH", "<<<<<<< SEARCH it", "", "é"] {
            assert_eq!(loose_mark(line), None, "{line}");
        }
    }

    #[test]
    fn numbers_are_those_of_our_prompts() {
        assert_eq!(numbered("   12 | x = 1"), Some((12, "x = 1")));
        assert_eq!(numbered("    1 |     y"), Some((1, "    y")));
        assert_eq!(numbered("    3 |"), Some((3, "")));
        assert_eq!(numbered("3|x"), Some((3, "x")));
        for line in ["x | y", "12: x", "| x", "", "99999999999999999999999 | x"] {
            assert_eq!(numbered(line), None, "{line}");
        }
    }

    #[test]
    fn fences_close_what_they_opened() {
        let closes = |close: &str, open: &str| fence(close).unwrap().closes(fence(open).unwrap());
        assert!(closes("```", "```python") && closes("````", "```") && closes("~~~", "~~~"));
        assert!(!closes("```", "````") && !closes("~~~", "```") && !closes("```x", "```"));
        assert_eq!(
            (fence("``"), fence("    ```"), fence("```a`b```"), fence("x ```")),
            (None, None, None, None)
        );
    }
}
