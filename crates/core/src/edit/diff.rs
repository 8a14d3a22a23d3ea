//! The diff that people and reviewers read. It is always computed here, never taken from a model.

use similar::TextDiff;

use super::Written;

/// Lines of context around a change, as git shows.
const CONTEXT: usize = 3;

/// A unified diff of one file as `git diff` prints it. Without `before` the file is new, without `after` it is
/// deleted. Empty if the two are equal.
#[must_use]
pub fn unified_diff(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let name = |side, text: Option<&str>| match text {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default());
    let mut printed = diff.unified_diff();
    printed.context_radius(CONTEXT).header(&name("a", before), &name("b", after)).to_string()
}

/// The unified diffs of several files, in whole lines and at most `limit` bytes, and whether the end was cut.
#[must_use]
pub fn whole_diff(files: &[Written], limit: usize) -> (String, bool) {
    let mut all = String::new();
    for file in files {
        all += &unified_diff(file.path.as_str(), file.before.as_deref(), file.after.as_deref());
    }
    let is_cut = all.len() > limit;
    if is_cut {
        let end = all[..all.floor_char_boundary(limit)].rfind('\n').map_or(0, |at| at + 1);
        all.truncate(end);
    }
    (all, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_looks_like_gits() {
        assert_eq!(
            unified_diff("x.py", Some("a\nb\nc\nd\ne\n"), Some("a\nb\nc\nd\nf")),
            "--- a/x.py\n+++ b/x.py\n@@ -2,4 +2,4 @@\n b\n c\n d\n-e\n+f\n\\ No newline at end of file\n"
        );
        assert_eq!(unified_diff("n", None, Some("a\n")), "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified_diff("n", Some("a\n"), None), "--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
        assert_eq!(unified_diff("n", Some("a\n"), Some("a\n")), "");
    }

    #[test]
    fn a_whole_diff_is_cut_after_a_line() {
        let written =
            |path: &str| Written {
                path: path.parse().unwrap(), before: None, after: Some("é\n".to_owned())
            };
        let (one, two) = ("--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+é\n", [written("a"), written("b")]);
        let check = |limit, expected: (&str, bool)| {
            let (text, is_cut) = whole_diff(&two, limit);
            assert_eq!((&*text, is_cut), expected, "{limit}");
        };
        check(0, ("", true));
        check(one.len() - 1, (&one[..one.len() - 4], true));
        check(one.len(), (one, true));
        check(2 * one.len(), (&(one.to_owned() + &one.replace("b/a", "b/b")), false));
    }
}
