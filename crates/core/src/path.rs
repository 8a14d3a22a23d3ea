//! The only way a path that a model wrote becomes a path that is written to.
//!
//! A path that passes is the same file on Linux, macOS and Windows, looks like what it is, and is never inside
//! git's own folder.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// The longest path, in bytes.
pub const PATH_LIMIT: usize = 1_024;
/// The longest segment of a path, in bytes.
pub const SEGMENT_LIMIT: usize = 200;
/// How many characters of a rejected path an error quotes.
const QUOTED: usize = 200;
/// Device names on Windows, with any extension and in any letter case.
const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// A file's path inside a repository: relative, `/`-separated, harmless on every system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

/// Why a text is not a [`RepoPath`]; the text is shown escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path \"{}\" is rejected: {reason}", path.escape_default())]
pub struct PathRejected {
    /// What was given, cut to 200 characters.
    pub path: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl RepoPath {
    /// The path as git writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments between the slashes, outermost first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The path as a system that ignores letter case and compatibility forms compares it.
    #[must_use]
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

/// The first two paths of a set that are one file on a case-insensitive file system, if any.
///
/// A file that is also the folder of another counts too: no checkout can hold both.
pub fn collision<'a>(paths: impl IntoIterator<Item = &'a RepoPath>) -> Option<(&'a RepoPath, &'a RepoPath)> {
    let mut seen = BTreeMap::new();
    for path in paths {
        if let Some(other) = seen.insert(path.folded(), path) {
            return Some((other, path));
        }
    }
    seen.iter().find_map(|(folded, path)| {
        let folders = folded.match_indices('/').map(|(at, _)| &folded[..at]);
        folders.into_iter().find_map(|folder| seen.get(folder)).map(|file| (*file, *path))
    })
}

impl FromStr for RepoPath {
    type Err = PathRejected;

    fn from_str(text: &str) -> Result<Self, PathRejected> {
        match wrong_with(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(PathRejected { path: text.chars().take(QUOTED).collect(), reason }),
        }
    }
}

impl TryFrom<String> for RepoPath {
    type Error = PathRejected;

    fn try_from(text: String) -> Result<Self, PathRejected> {
        text.parse()
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a character is invisible or changes the reading direction (Unicode's default ignorables, and the line
/// and paragraph separators): with it, a text would not be what it looks like.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn wrong_with(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > PATH_LIMIT {
        Some("it is longer than 1024 bytes")
    } else if text.chars().any(char::is_control) {
        Some("it holds a control character")
    } else if text.chars().any(is_invisible) {
        Some("it holds an invisible or direction-changing character")
    } else if bytes.contains(&b'\\') {
        Some("it holds a backslash")
    } else if bytes[0] == b'/' {
        Some("it is absolute")
    } else if text.contains([':', '"', '<', '>', '|', '?', '*']) {
        Some("it holds one of : \" < > | ? *, which have a meaning on some systems")
    } else if !text.nfc().eq(text.chars()) {
        Some("it is not in Unicode's composed form (NFC)")
    } else {
        text.split('/').find_map(wrong_with_segment)
    }
}

fn wrong_with_segment(segment: &str) -> Option<&'static str> {
    let folded = fold(segment);
    let stem = folded.split('.').next().unwrap_or_default().trim_end();
    if segment.is_empty() {
        Some("it has an empty segment")
    } else if segment.len() > SEGMENT_LIMIT {
        Some("a segment is longer than 200 bytes")
    } else if matches!(folded.as_str(), "." | "..") {
        Some("a segment is `.` or `..`")
    } else if folded.contains(['/', '\\', ':']) {
        Some("a segment holds a look-alike of a separator")
    } else if folded.ends_with(['.', ' ']) {
        Some("a segment ends in a dot or a space")
    } else if folded == ".git" || is_short_name_of_git(&folded) {
        Some("a segment names git's own folder")
    } else if is_device(stem) {
        Some("a segment is a device's name on Windows")
    } else {
        None
    }
}

/// Windows derives `GIT~1` from `.git`, and the next number if that is taken.
fn is_short_name_of_git(folded: &str) -> bool {
    folded
        .strip_prefix("git~")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn is_device(stem: &str) -> bool {
    let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    DEVICES.contains(&stem) || numbered.is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
}

/// Upper and then lower case, so that `ß`, `ſ` and the Kelvin sign equal their plain letters.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, reason: &str) {
        let rejected = text.parse::<RepoPath>().unwrap_err();
        assert!(rejected.reason.contains(reason), "{rejected}: not for `{reason}`");
        let shown = rejected.to_string();
        assert!(shown.chars().all(|c| c.is_ascii() && !c.is_control()), "{shown}");
    }

    #[test]
    fn ordinary_paths_pass_unchanged() {
        for path in [
            "README.md",
            "src/core/path.rs",
            "a b/c.txt",
            ".gitignore",
            ".github/workflows/ci.yml",
            "...a",
            "pages/[slug]/index.tsx",
            "Ünï/çödé.py",
            "日本語/テスト.txt",
            "a..b",
            "..a",
            "@scope/pkg",
            "a~b",
            "console.py",
            "com.rs",
            "com10",
            "lpt",
            "auxiliary",
            "nullable.py",
            "git~x",
            "gitx~1",
            "-rf",
            "~/x",
        ] {
            assert_eq!(path.parse::<RepoPath>().map(String::from).as_deref(), Ok(path), "{path}");
        }
    }

    #[test]
    fn a_path_never_leaves_the_repository() {
        for path in ["..", "../x", "a/../b", "a/..", "./a", "a/./b", ".", "a/.", "．．/x", "a/‥", "․/x"]
        {
            check(path, "`.` or `..`");
        }
        for path in ["/", "/etc/passwd", "//server/share", "/.git"] {
            check(path, "absolute");
        }
        for path in ["a//b", "a/", "a///b"] {
            check(path, "empty segment");
        }
        for path in ["\\", "a\\b", "..\\x", "C:\\x", "\\\\server\\x"] {
            check(path, "backslash");
        }
        for path in [
            "C:/x",
            "c:x",
            "file:///etc",
            "a.txt:stream",
            ".git::$INDEX_ALLOCATION",
            "a?",
            "a*",
            "<a>",
            "a|b",
        ] {
            check(path, "some systems");
        }
        check("", "is empty");
        check("a／b", "look-alike");
        check("a/℀", "look-alike");
        check("a＼b", "look-alike");
    }

    #[test]
    fn a_path_is_never_in_gits_own_folder() {
        for path in [
            ".git",
            ".git/config",
            ".GIT/config",
            ".Git/hooks/pre-commit",
            "a/.git/x",
            "a/b/.giT",
            "git~1",
            "GIT~1/config",
            "a/Git~2",
            "git~10/x",
            "．git/config",
            ".ｇit/config",
            ".gıt".to_uppercase().as_str(),
        ] {
            check(path, "git's own folder");
        }
        for path in
            [".git./config", ".git /config", "a.", "a ", "a./b", "a /b", "...", ". ", ".. /x", "a\u{a0}"]
        {
            check(path, "dot or a space");
        }
    }

    #[test]
    fn a_path_looks_like_what_it_is() {
        for path in ["\0", "a\0b", "a\nb", "a\r", "\ta", "a\u{1b}[31m", "a\u{7f}", "a\u{85}b"] {
            check(path, "control");
        }
        for path in [
            ".g\u{200c}it/config",
            ".g\u{200d}it",
            "\u{feff}a",
            "a\u{202e}txt.exe",
            "a\u{2066}b",
            "a\u{200b}",
            "a\u{ad}b",
            "a\u{2028}b",
            "a\u{fe0f}",
            "a\u{e0061}",
            "a\u{3164}",
            "a\u{34f}b",
            "a\u{61c}b",
            "a\u{180e}b",
        ] {
            check(path, "invisible");
        }
        for path in ["e\u{301}.txt", "A\u{30a}", "\u{212b}"] {
            check(path, "NFC");
        }
    }

    #[test]
    fn a_path_is_not_a_device_and_not_too_long() {
        for path in [
            "con",
            "CON",
            "nul",
            "Nul.txt",
            "aux.c",
            "prn",
            "com1",
            "COM9.log",
            "lpt0",
            "a/con/b",
            "com¹",
            "nul .txt",
            "conin$",
            "CONOUT$",
            "clock$",
            "con.tar.gz",
        ] {
            check(path, "device");
        }
        check(&"a".repeat(201), "200 bytes");
        check(&"é".repeat(101), "200 bytes");
        check(&"a/".repeat(513), "1024 bytes");
        assert!("a".repeat(200).parse::<RepoPath>().is_ok());
    }

    #[test]
    fn paths_collide_if_they_differ_in_letter_case_only() {
        let paths =
            |texts: &[&str]| -> Vec<RepoPath> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        for pair in
            [["a/B.py", "A/b.py"], ["straße", "STRASSE"], ["ſ", "S"], ["ﬁ", "fi"], ["a", "a"], ["a", "A/b"]]
        {
            assert!(collision(&paths(&pair)).is_some(), "{pair:?}");
        }
        assert!(collision(&paths(&["a/b", "a/c", "a.b", "ab", "b/a"])).is_none());
        assert!(
            collision(&paths(&["a", "a.b", "a/b/c"])).is_some(),
            "a sibling sorts between file and folder"
        );
    }

    proptest! {
        #[test]
        fn a_path_that_passes_is_plain(text in r"(\PC|[./\\~:\x00\u{200c}gitGIT. ]){0,40}") {
            if let Ok(path) = text.parse::<RepoPath>() {
                prop_assert_eq!(path.as_str(), &text);
                prop_assert!(!std::path::Path::new(&text).is_absolute());
                for segment in path.segments() {
                    let lower = segment.to_lowercase();
                    prop_assert!(!matches!(lower.as_str(), "" | "." | ".." | ".git" | "git~1"));
                    let odd = segment.ends_with(['.', ' ']) || segment.contains(['\\', '\0', '\u{200c}']);
                    prop_assert!(!odd);
                }
            }
        }

        #[test]
        fn a_plain_path_passes(text in "[a-z_]{4,12}(/[a-z_]{4,12}){0,6}\\.rs") {
            prop_assert!(text.parse::<RepoPath>().is_ok());
        }
    }
}
