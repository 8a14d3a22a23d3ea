//! The floor under every policy: tiers of paths and modes that a policy may raise but never lower.
//!
//! Names are compared ignoring letter case, as many file systems do. What controls more than the product is in
//! [`control`], whose table also says which paths no agent may write.

use super::{Tier, reason::Reason};
use crate::{
    change::{ChangeKind, FileChange},
    control::{self, Class},
    path::fold,
};

const PLAIN_FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const SYMLINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;
const HARNESS: &str = "tests/harness";

/// Files in which a project names what it depends on.
const DEPENDENCY_FILES: [&str; 18] = [
    "package.json",
    "cargo.toml",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "pipfile",
    "environment.yml",
    "go.mod",
    "gemfile",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "mix.exs",
    "package.swift",
    "deno.json",
    "flake.nix",
    "constraints.txt",
];
/// Lock files whose names do not end in `.lock`.
const LOCK_FILES: [&str; 9] = [
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "bun.lockb",
    "go.sum",
    "package.resolved",
    "gradle.lockfile",
    "packages.lock.json",
    "gemfile.lock",
];

/// Every rule of the floor that applies to one changed path.
pub(super) fn reasons(file: &FileChange) -> Vec<Reason> {
    let path = fold(&file.path);
    let mut reasons = Vec::new();
    if file.odd {
        reasons.push(Reason::floor(Tier::Critical, "its name is not UTF-8, so no pattern can be trusted"));
    }
    reasons.extend(control::rule(&path).map(|(class, words)| match class {
        Class::Control => Reason { human: true, ..Reason::floor(Tier::Critical, words) },
        Class::Build => Reason::floor(Tier::High, words),
    }));
    if file.kind == ChangeKind::Added && control::shadows(&path) {
        reasons.push(Reason { human: true, ..Reason::floor(Tier::Critical, control::SHADOWS) });
    }
    reasons.extend(is_within(&path, HARNESS).then(|| harness(file)).flatten());
    if is_dependency_file(&path) {
        // Whose code is let in is decided by a person, not by the agent's own review.
        reasons.push(Reason { human: true, ..Reason::floor(Tier::High, "says what the project depends on") });
    }
    reasons.extend(mode(file));
    reasons
}

/// Whether the path declares or locks dependencies; the gate's report lists such paths.
pub(super) fn is_dependency_file(path: &str) -> bool {
    let path = path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    let has_extension =
        |wanted: &str| std::path::Path::new(name).extension().is_some_and(|extension| extension == wanted);
    DEPENDENCY_FILES.contains(&name)
        || LOCK_FILES.contains(&name)
        || has_extension("lock")
        || (name.starts_with("requirements") && (has_extension("txt") || has_extension("in")))
        || (path.contains("requirements/") && has_extension("txt"))
}

/// A case may be added by anybody; to take one away is a person's decision.
fn harness(file: &FileChange) -> Option<Reason> {
    match file.kind {
        ChangeKind::Added => None,
        ChangeKind::Modified => {
            Some(Reason::floor(Tier::High, "changes a harness case (`tests/harness/**`)"))
        }
        ChangeKind::Deleted | ChangeKind::Retyped => {
            let rule = "deletes a harness case (`tests/harness/**`)";
            Some(Reason { human: true, ..Reason::floor(Tier::Critical, rule) })
        }
    }
}

fn mode(file: &FileChange) -> Option<Reason> {
    let (old, new) = (file.old_mode, file.new_mode);
    let wanted = match file.kind {
        ChangeKind::Added => &[new][..],
        ChangeKind::Deleted => &[old][..],
        ChangeKind::Modified | ChangeKind::Retyped => &[old, new][..],
    };
    let not_plain = wanted.iter().find(|mode| !matches!(**mode, PLAIN_FILE | PROGRAM));
    match not_plain {
        Some(&SYMLINK) => Some(Reason::floor(Tier::Critical, "is or was a symlink")),
        Some(&SUBMODULE) => Some(Reason::floor(Tier::Critical, "is or was a submodule")),
        Some(mode) => {
            Some(Reason::floor(Tier::Critical, format!("has mode {mode:06o}, which is no plain file's")))
        }
        None if wanted.len() == 2 && old != new => {
            Some(Reason::floor(Tier::High, format!("its mode went from {old:06o} to {new:06o}")))
        }
        None => None,
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, kind: ChangeKind, modes: (u32, u32), expected: Option<Tier>) {
        let file = FileChange {
            path: path.to_owned(),
            kind,
            old_mode: modes.0,
            new_mode: modes.1,
            odd: false,
            blank: false,
        };
        assert_eq!(reasons(&file).iter().map(|reason| reason.tier).max(), expected, "{path} {modes:?}");
    }

    #[test]
    fn control_files_are_critical_wherever_and_however_they_are_written() {
        for path in [
            ".aspora/risk-policy.json",
            ".Aspora/x",
            ".aspora",
            ".github/workflows/ci.yml",
            "CODEOWNERS",
            "docs/CODEOWNERS",
            ".github/CODEOWNERS",
            ".gitattributes",
            "sub/.gitattributes",
            ".gitmodules",
            ".gitignore",
            "AGENTS.md",
            "sub/Claude.md",
            ".claude/settings.json",
            ".cursor/rules/a.md",
        ] {
            check(path, ChangeKind::Added, (0, PLAIN_FILE), Some(Tier::Critical));
            check(path, ChangeKind::Deleted, (PLAIN_FILE, 0), Some(Tier::Critical));
        }
        check("src/github/mod.rs", ChangeKind::Added, (0, PLAIN_FILE), None);
        check("lib/CODEOWNERS.md", ChangeKind::Added, (0, PLAIN_FILE), None);
    }

    #[test]
    fn a_new_file_in_the_place_of_a_module_is_critical_and_an_old_one_is_not() {
        check("difflib.py", ChangeKind::Added, (0, PLAIN_FILE), Some(Tier::Critical));
        check("difflib.py", ChangeKind::Modified, (PLAIN_FILE, PLAIN_FILE), None);
        check("conftest.py", ChangeKind::Added, (0, PLAIN_FILE), Some(Tier::High));
        check("tests/pytest.ini", ChangeKind::Added, (0, PLAIN_FILE), Some(Tier::Critical));
    }

    #[test]
    fn a_harness_case_may_be_added_but_not_touched() {
        check("tests/harness/t.py", ChangeKind::Added, (0, PLAIN_FILE), None);
        check("tests/harness/t.py", ChangeKind::Modified, (PLAIN_FILE, PLAIN_FILE), Some(Tier::High));
        check("tests/harness/t.py", ChangeKind::Deleted, (PLAIN_FILE, 0), Some(Tier::Critical));
        check("tests/harness", ChangeKind::Deleted, (PLAIN_FILE, 0), Some(Tier::Critical));
        check("tests/harness_notes.md", ChangeKind::Deleted, (PLAIN_FILE, 0), None);
    }

    #[test]
    fn what_is_not_a_plain_file_is_critical_and_a_mode_change_is_high() {
        check("a", ChangeKind::Added, (0, SYMLINK), Some(Tier::Critical));
        check("a", ChangeKind::Deleted, (SUBMODULE, 0), Some(Tier::Critical));
        check("a", ChangeKind::Retyped, (PLAIN_FILE, SYMLINK), Some(Tier::Critical));
        check("a", ChangeKind::Added, (0, 0o100_664), Some(Tier::Critical));
        check("a", ChangeKind::Added, (0, 0), Some(Tier::Critical));
        check("a", ChangeKind::Modified, (PLAIN_FILE, PROGRAM), Some(Tier::High));
        check("a", ChangeKind::Added, (0, PROGRAM), None);
    }

    #[test]
    fn dependencies_are_high_in_every_folder() {
        for path in
            ["Cargo.lock", "web/package.json", "requirements-dev.txt", "requirements/base.txt", "go.sum"]
        {
            check(path, ChangeKind::Modified, (PLAIN_FILE, PLAIN_FILE), Some(Tier::High));
            assert!(is_dependency_file(path), "{path}");
        }
        check("docs/blocks.md", ChangeKind::Modified, (PLAIN_FILE, PLAIN_FILE), None);
    }
}
