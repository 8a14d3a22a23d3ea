//! The programs that make the sandbox.

use std::{ffi::OsStr, path::PathBuf};

/// A program, and the package that has it.
const TOOLS: [(&str, &str); 7] = [
    ("bwrap", "bubblewrap"),
    ("prlimit", "util-linux"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("tar", "tar"),
    ("bash", "bash"),
];

/// Where they are.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) bwrap: PathBuf,
    pub(super) setpriv: PathBuf,
    pub(super) unshare: PathBuf,
    pub(super) tar: PathBuf,
    pub(super) bash: PathBuf,
}

impl Tools {
    /// Searches them in these folders; the error names the package to install.
    pub(super) fn find_in(path: &OsStr) -> Result<Self, String> {
        let find =
            |tool: &str| std::env::split_paths(path).map(|dir| dir.join(tool)).find(|tool| tool.is_file());
        for (tool, package) in TOOLS {
            if find(tool).is_none() {
                return Err(format!("{package} is not installed (install the package `{package}`)"));
            }
        }
        let found = |tool| find(tool).unwrap_or_default();
        Ok(Self {
            bwrap: found("bwrap"),
            setpriv: found("setpriv"),
            unshare: found("unshare"),
            tar: found("tar"),
            bash: found("bash"),
        })
    }
}
