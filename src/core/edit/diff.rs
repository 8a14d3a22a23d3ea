//! The diff that people and reviewers read, always computed by us and never taken from a model.

use similar::TextDiff;

/// Lines of context around a change, as git shows.
const CONTEXT: usize = 3;

/// A unified diff of one file as `git diff` prints it; nothing before: a new file, nothing after: a
/// deleted one. Empty if the two are equal.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_reads_as_git_prints_it() {
        assert_eq!(
            unified_diff("x.py", Some("a\nb\nc\nd\ne\n"), Some("a\nb\nc\nd\nf")),
            "--- a/x.py\n+++ b/x.py\n@@ -2,4 +2,4 @@\n b\n c\n d\n-e\n+f\n\\ No newline at end of file\n"
        );
        assert_eq!(unified_diff("n", None, Some("a\n")), "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified_diff("n", Some("a\n"), None), "--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
        assert_eq!(unified_diff("n", Some("a\n"), Some("a\n")), "");
    }
}
