//! Patterns over paths: globset with `literal_separator`, anchored at the root, case-sensitive.
//!
//! Both sides are compared in Unicode NFC, so that two encodings of `é` are one name, as they are on many file
//! systems. `p/**` also covers a file called `p` itself.

use std::borrow::Cow;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use unicode_normalization::UnicodeNormalization;

/// The most bytes a pattern may have.
pub(super) const PATTERN_LIMIT: usize = 256;
/// The most patterns a policy may have.
pub(super) const PATTERN_COUNT_LIMIT: usize = 2_000;
/// The deepest that braces may nest.
const BRACE_LIMIT: usize = 3;

/// Many patterns, matched at once.
#[derive(Debug, Clone)]
pub(super) struct Patterns {
    texts: Vec<String>,
    exact: GlobSet,
    /// The patterns in lower case; `None` if they are in lower case already.
    folded: Option<GlobSet>,
    /// The pattern that each glob of the sets belongs to.
    owners: Vec<usize>,
}

impl Patterns {
    /// Compiles patterns that [`refusal`] has passed.
    ///
    /// # Errors
    /// globset's error for a set that is too large.
    pub(super) fn new(texts: Vec<String>) -> Result<Self, globset::Error> {
        let mut owned: Vec<(usize, String)> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            owned.extend(forms(&nfc(text)).into_iter().map(|form| (index, form)));
        }
        let exact: Vec<Glob> = owned.iter().map(|(_, form)| compile(form)).collect::<Result<_, _>>()?;
        // A range such as `[Z-a]` has no lower-case form; the exact one is used instead.
        let fold = |((_, form), exact): (&(usize, String), &Glob)| {
            compile(&form.to_lowercase()).unwrap_or_else(|_| exact.clone())
        };
        let cased = owned.iter().any(|(_, form)| form.to_lowercase() != *form);
        let folded = cased.then(|| set(owned.iter().zip(&exact).map(fold))).transpose()?;
        let owners = owned.iter().map(|(index, _)| *index).collect();
        Ok(Self { exact: set(exact)?, folded, owners, texts })
    }

    /// The indices of the patterns that match, ascending, each once.
    pub(super) fn matching(&self, path: &str) -> Vec<usize> {
        self.owned(self.exact.matches(&*nfc(path)))
    }

    /// The indices of the patterns that match ignoring letter case; `None` if neither the path nor a pattern has
    /// upper case, so that they are those of [`Patterns::matching`].
    pub(super) fn matching_in_any_case(&self, path: &str) -> Option<Vec<usize>> {
        let exact = nfc(path);
        let folded = exact.to_lowercase();
        let set = self.folded.as_ref().or_else(|| (folded != exact).then_some(&self.exact))?;
        Some(self.owned(set.matches(folded)))
    }

    pub(super) fn is_match(&self, path: &str) -> bool {
        self.exact.is_match(&*nfc(path))
    }

    pub(super) fn text(&self, index: usize) -> &str {
        &self.texts[index]
    }

    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    fn owned(&self, globs: Vec<usize>) -> Vec<usize> {
        let mut owners: Vec<usize> = globs.into_iter().map(|glob| self.owners[glob]).collect();
        owners.dedup();
        owners
    }
}

/// Why a pattern is refused, if it is.
pub(super) fn refusal(pattern: &str) -> Option<String> {
    let fixed = match pattern {
        "" => "is empty; write `**` for every path",
        _ if pattern.len() > PATTERN_LIMIT => "has over 256 bytes; shorten it",
        _ if pattern.starts_with('/') => "begins with `/`; patterns are anchored at the root already",
        _ if pattern.starts_with("./") => "begins with `./`; patterns are anchored at the root already",
        _ if pattern.starts_with('!') => "begins with `!`; a pattern cannot exclude paths",
        _ if pattern.ends_with('/') => "ends with `/`; write `/**` for what is below",
        _ if pattern.contains('\\') => "holds a backslash; write `[*]` for a literal star",
        _ if pattern.contains('\0') => "holds a NUL byte; no path has one",
        _ if brace_depth(pattern) > BRACE_LIMIT => "nests braces over 3 deep; write it as several patterns",
        _ => return compile(&nfc(pattern)).err().map(|error| format!("is not a glob: {}", error.kind())),
    };
    Some(fixed.to_owned())
}

/// What is odd about a pattern that still works.
pub(super) fn warning(pattern: &str) -> Option<String> {
    let lone = |part: &str| part.contains("**") && part != "**";
    pattern
        .split('/')
        .any(lone)
        .then(|| format!("`{pattern}`: `**` next to other characters behaves like one star"))
}

/// Whether `wide` surely matches every path that `narrow` matches; false if unsure.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    let below = |stem: &str| {
        let plain = !stem.contains(['*', '?', '[', '{']);
        plain && (narrow == stem || narrow.strip_prefix(stem).is_some_and(|rest| rest.starts_with('/')))
    };
    wide == narrow || wide == "**" || wide.strip_suffix("/**").is_some_and(below)
}

/// The name in NFC, the form in which many file systems compare names. Most names are ASCII and need no copy.
pub(super) fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

fn forms(pattern: &str) -> Vec<String> {
    let itself = pattern.strip_suffix("/**").filter(|stem| !stem.is_empty());
    [Some(pattern), itself].into_iter().flatten().map(str::to_owned).collect()
}

fn set(globs: impl IntoIterator<Item = Glob>) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    globs.into_iter().for_each(|glob| {
        set.add(glob);
    });
    set.build()
}

fn compile(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(false).build()
}

fn brace_depth(pattern: &str) -> usize {
    let mut depth: usize = 0;
    let mut deepest = 0;
    for character in pattern.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(refusal(pattern), None, "{pattern}");
        let patterns = Patterns::new(vec![pattern.to_owned()]).unwrap();
        assert_eq!(patterns.is_match(path), expected, "{pattern} on {path}");
    }

    #[test]
    fn the_dialect_is_the_one_we_wrote_down() {
        check("api/**", "api/v1/x.py", true);
        check("api/**", "api", true);
        check("api/**", "apis", false);
        check("api/**", "src/api/x", false);
        check("services/risk_*.py", "services/risk_/x.py", false);
        check("services/risk_*.py", "services/risk_a.py", true);
        check("**", ".env", true);
        check("**", "a/b/.c", true);
        check("*", "a/b", false);
        check("API/*", "api/x", false);
        check("a/*", "a/b\nc", true);
        check("caf\u{e9}.py", "cafe\u{301}.py", true);
        check("{a,b}/*.py", "b/x.py", true);
        check("a/{b,c}/**", "a/c", true);
    }

    #[test]
    fn a_pattern_that_cannot_mean_what_it_says_is_refused() {
        for wrong in ["", "/a", "./a", "!a", "a/", r"a\b", "a[b", "a{b", "a\0b", "{{{{a}}}}"] {
            assert!(refusal(wrong).is_some(), "{wrong:?}");
        }
        assert!(refusal(&"a".repeat(257)).is_some());
        assert_eq!(refusal(&"a".repeat(256)), None);
    }

    #[test]
    fn letter_case_is_folded_where_there_is_any() {
        let folded =
            |pattern: &str, path| Patterns::new(vec![pattern.to_owned()]).unwrap().matching_in_any_case(path);
        assert_eq!(folded("API/**", "api/x"), Some(vec![0]));
        assert_eq!(folded("api/**", "API/x"), Some(vec![0]));
        assert_eq!(folded("api/**", "Apis"), Some(vec![]));
        assert_eq!(folded("api/**", "api/x"), None, "as it is without folding");
    }

    #[test]
    fn a_double_star_beside_letters_is_warned_of() {
        for odd in ["a**b", "a/**b"] {
            assert!(warning(odd).is_some(), "{odd}");
        }
        for plain in ["a/**", "**", "**/b", "a/**/b"] {
            assert_eq!(warning(plain), None, "{plain}");
        }
    }

    #[test]
    fn covering_says_no_when_unsure() {
        assert!(covers("**", "a/b"));
        assert!(covers("a/**", "a/b/*.py"));
        assert!(covers("a/**", "a"));
        assert!(!covers("a/**", "ab/*.py"));
        assert!(!covers("a/*", "a/b/c"));
        assert!(!covers("*/**", "a/b"));
    }
}
