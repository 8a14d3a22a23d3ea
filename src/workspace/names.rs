//! Names in git: SHAs, branches, paths.

use super::error::Error;
use crate::core::sha::Sha;

/// Reads a SHA from the output of git.
pub(super) fn sha(text: &str) -> Result<Sha, Error> {
    text.parse().map_err(|error| Error::Git {
        command: "output".to_owned(),
        message: format!("{error}"),
        transient: false,
    })
}

/// The reference of a branch, if git accepts the name and cannot read it as an option.
pub(super) fn reference(branch: &str) -> Result<String, Error> {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let wrong = branch.len() > 200
        || branch.contains(forbidden)
        || branch.split('/').any(part)
        || branch.contains("..")
        || branch.contains("@{")
        || branch.starts_with('-')
        || branch.ends_with('.')
        || branch == "@";
    if wrong {
        let shown: String = branch.chars().take(60).collect();
        return Err(Error::refused(shown.escape_debug().to_string(), "not the name of a branch"));
    }
    Ok(format!("refs/heads/{branch}"))
}

/// A path for people; bytes that are not UTF-8 become `\xNN`.
pub(super) fn shown(path: &[u8]) -> String {
    std::str::from_utf8(path).map_or_else(|_| path.escape_ascii().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_a_name_that_git_accepts_and_not_an_option() {
        for good in ["main", "aspora/wealth/0198-a", "fix#1", "a.b"] {
            assert!(reference(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-d", "a..b", "a b", "a/", "/a", "a//b", ".a", "a.lock", "a:b", "a\n", "@", "a@{1}", "a*"]
        {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }
}
