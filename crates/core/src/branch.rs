//! The names of branches: those that runs work on, and those that git allows.

use std::fmt::Display;

/// The most bytes of a branch's name: git keeps a branch as a file, whose name has at most 255.
pub const NAME_LIMIT: usize = 255;

/// The branch of a run of `product`. A run's id is unique, so no two runs begin on the same branch.
///
/// `run` is any text, so that a statement which makes ids itself can take the name as a template.
#[must_use]
pub fn name(product: &str, run: impl Display) -> String {
    format!("aspora/{product}/{run}")
}

/// Why git does not allow this as a branch's name, in words that follow "it"; `None` when it does. The rules are those
/// of `git check-ref-format --branch`. `@` alone, which git reads as `HEAD`, is refused too.
#[must_use]
pub fn fault(name: &str) -> Option<&'static str> {
    let part = |part: &str| part.starts_with('.') || part.ends_with(".lock");
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    [
        (name.is_empty(), "is empty"),
        (name.len() > NAME_LIMIT, "has over 255 bytes"),
        (name.contains(forbidden), "holds a space, a control character or one of ~ ^ : ? * [ \\"),
        (name.split('/').any(str::is_empty), "begins or ends with `/`, or holds `//`"),
        (name.split('/').any(part), "has a part that begins with `.` or ends with `.lock`"),
        (name.contains(".."), "holds `..`"),
        (name.contains("@{"), "holds `@{`"),
        (name.ends_with('.'), "ends with `.`"),
        (name.starts_with('-'), "begins with `-`"),
        (matches!(name, "@" | "HEAD"), "means the current commit"),
    ]
    .into_iter()
    .find_map(|(wrong, why)| wrong.then_some(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_allows_are_allowed() {
        for good in
            ["main", "fix#1", "größe", "中文", "a+b@c", "100%", "a,b;c!", "(x)", "a/-b", "x.y", "{a}", "🦀"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
    }

    #[test]
    fn names_that_git_refuses_are_refused_with_the_reason() {
        for (bad, why) in [
            ("", "is empty"),
            ("a b", "holds a space"),
            ("a\u{7f}", "holds a space"),
            ("a//b", "begins or ends"),
            (".a", "begins with `.`"),
            ("a/b.lock", "ends with `.lock`"),
            ("a..b", "holds `..`"),
            ("a@{1", "holds `@{`"),
            ("a.", "ends with `.`"),
            ("-d", "begins with `-`"),
            ("@", "means the current commit"),
            ("HEAD", "means the current commit"),
        ] {
            assert!(fault(bad).is_some_and(|fault| fault.contains(why)), "{bad}: {:?}", fault(bad));
        }
        assert!(fault(&"a".repeat(256)).is_some());
    }
}
