//! Patterns over paths: globset with `literal_separator`, anchored at the root, case-sensitive.
//!
//! Both sides are compared in Unicode NFC, so that two encodings of `é` are one name, as they are on many file
//! systems. `p/**` also covers a file called `p` itself. Braces are expanded before globset sees a pattern, so that
//! each alternative means what it would mean alone.

mod braces;
mod dialect;
#[cfg(test)]
mod reference;

use std::borrow::Cow;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use unicode_normalization::UnicodeNormalization;

use crate::path::fold;
pub(crate) use dialect::{refusal, warnings};

/// The most bytes a pattern may have.
pub(crate) const PATTERN_LIMIT: usize = 256;
/// The most patterns a policy may have.
pub(crate) const PATTERN_COUNT_LIMIT: usize = 2_000;

/// Many patterns, matched at once.
#[derive(Debug, Clone)]
pub(crate) struct Patterns {
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
    pub(crate) fn new(texts: Vec<String>) -> Result<Self, globset::Error> {
        let mut owned: Vec<(usize, String)> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            owned.extend(forms(&nfc(text)).into_iter().map(|form| (index, form)));
        }
        let exact: Vec<Glob> = owned.iter().map(|(_, form)| compile(form)).collect::<Result<_, _>>()?;
        // A range such as `[Z-a]` has no lower-case form; the exact one is used instead.
        let folded = |((_, form), exact): (&(usize, String), &Glob)| {
            compile(&fold(form)).unwrap_or_else(|_| exact.clone())
        };
        let cased = owned.iter().any(|(_, form)| fold(form) != *form);
        let folded = cased.then(|| set(owned.iter().zip(&exact).map(folded))).transpose()?;
        let owners = owned.iter().map(|(index, _)| *index).collect();
        Ok(Self { exact: set(exact)?, folded, owners, texts })
    }

    /// The indices of the patterns that match, ascending, each once.
    pub(crate) fn matching(&self, path: &str) -> Vec<usize> {
        self.owned(self.exact.matches(&*nfc(path)))
    }

    /// The indices of the patterns that match ignoring letter case; `None` if neither the path nor a pattern has
    /// upper case, so that they are those of [`Patterns::matching`].
    pub(crate) fn matching_in_any_case(&self, path: &str) -> Option<Vec<usize>> {
        let exact = nfc(path);
        let folded = fold(path);
        let set = self.folded.as_ref().or_else(|| (folded != exact).then_some(&self.exact))?;
        Some(self.owned(set.matches(folded)))
    }

    pub(crate) fn is_match(&self, path: &str) -> bool {
        self.exact.is_match(&*nfc(path))
    }

    pub(crate) fn text(&self, index: usize) -> &str {
        &self.texts[index]
    }

    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    fn owned(&self, globs: Vec<usize>) -> Vec<usize> {
        let mut owners: Vec<usize> = globs.into_iter().map(|glob| self.owners[glob]).collect();
        owners.dedup();
        owners
    }
}

/// Whether `wide` surely matches every path that `narrow` matches; false if unsure.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let below = |stem: &str| {
        let plain = !stem.contains(['*', '?', '[', '{']);
        plain && (narrow == stem || narrow.strip_prefix(stem).is_some_and(|rest| rest.starts_with('/')))
    };
    wide == narrow || wide == "**" || wide.strip_suffix("/**").is_some_and(below)
}

/// The name in NFC, the form in which many file systems compare names. Most names are ASCII and need no copy.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// What globset compiles for a pattern: each alternative of its braces, and `p` beside `p/**`.
fn forms(pattern: &str) -> Vec<String> {
    // An alternative may bring a `/**` of its own: `{p/**,q}/**` is about `p` too.
    let itself = |form: &String| {
        let stem = form.trim_end_matches("/**");
        (!stem.is_empty() && stem != form).then(|| stem.to_owned())
    };
    // A pattern whose braces cannot be expanded was refused; it would then match as it is written.
    let mut forms = braces::expand(pattern).unwrap_or_else(|_| vec![pattern.to_owned()]);
    let stems: Vec<String> = forms.iter().filter_map(itself).collect();
    forms.extend(stems);
    forms.sort();
    forms.dedup();
    forms
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
        check("svc/pay{,ments}/**", "svc/pay/charge.py", true);
        check("svc/pay{,ments}/**", "svc/payments/charge.py", true);
        check("svc/pay{,ments}/**", "svc/payment/charge.py", false);
        check("{**/vault,vault}/**/*dev*.yaml", "a/vault/b/my-dev.yaml", true);
        check("{**/vault,vault}/**/*dev*.yaml", "vault/dev.yaml", true);
        check("a{/b,}/**", "a", true);
        check("{b/**,a}/**", "b", true);
        check("[{]a[}]/x", "{a}/x", true);
        check("app/[[]slug]/page.tsx", "app/[slug]/page.tsx", true);
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
    fn covering_says_no_when_unsure() {
        assert!(covers("**", "a/b"));
        assert!(covers("a/**", "a/b/*.py"));
        assert!(covers("a/**", "a"));
        assert!(!covers("a/**", "ab/*.py"));
        assert!(!covers("a/*", "a/b/c"));
        assert!(!covers("*/**", "a/b"));
    }
}
