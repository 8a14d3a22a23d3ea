//! Names in git: SHAs, branches, paths.

use super::error::Error;
use crate::core::{branch, sha::Sha};

/// Reads a SHA from the output of git.
pub(super) fn sha(text: &str) -> Result<Sha, Error> {
    text.parse().map_err(|error| Error::Git {
        command: "output".to_owned(),
        message: format!("{error}"),
        transient: false,
    })
}

/// The reference of a branch, if git accepts the name and cannot read it as an option.
pub(super) fn reference(name: &str) -> Result<String, Error> {
    if let Some(fault) = branch::fault(name) {
        let shown: String = name.chars().take(60).collect();
        let reason = format!("it {fault}, so it is not the name of a branch");
        return Err(Error::refused(shown.escape_debug().to_string(), reason));
    }
    Ok(format!("refs/heads/{name}"))
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
        for good in ["main", "aspora/wealth/0198-a", "fix#1", "a.b", "größe"] {
            assert!(reference(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-d", "a..b", "a b", "a/", "/a", "a//b", ".a", "a.lock", "a:b", "a\n", "@", "a@{1}", "a*"]
        {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }
}
