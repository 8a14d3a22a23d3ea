//! Docs drift: which documents must change when other paths do, at every tier.

use serde::{Deserialize, Serialize};

use super::rules::DocsRules;
use crate::change::{Change, ChangeKind, FileChange};

/// Paths changed, and none of the documents that describe them did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The paths that changed, in git's order.
    pub changed: Vec<String>,
    /// The patterns of the documents; at least one must be added or modified.
    pub satisfied_by: Vec<String>,
}

impl DocsRules {
    /// The drift of a change, if there is any.
    #[must_use]
    pub fn drift(&self, change: &Change) -> Option<Drift> {
        let matches = |file: &&FileChange| self.require.is_match(&file.path);
        let changed: Vec<String> =
            change.files.iter().filter(matches).map(|file| file.path.clone()).collect();
        if changed.is_empty() || change.files.iter().any(|file| self.is_written(file)) {
            return None;
        }
        Some(Drift { changed, satisfied_by: self.files.texts().to_vec() })
    }

    /// Whether the file is a document with new content: a deletion, a symlink, a mode or white space is not.
    fn is_written(&self, file: &FileChange) -> bool {
        let kind = matches!(file.kind, ChangeKind::Added | ChangeKind::Modified);
        let plain = matches!(file.new_mode, 0o100_644 | 0o100_755);
        kind && plain && !file.blank && !file.odd && self.files.is_match(&file.path)
    }
}

impl Drift {
    /// What changed and what would satisfy the rule, for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let shown =
            self.changed.iter().take(5).map(|path| format!("{path:?}")).collect::<Vec<_>>().join(", ");
        let more = match self.changed.len().saturating_sub(5) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{shown}{more} changed and no document did; update {}", self.satisfied_by.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, tests::SEED};
    use super::*;

    #[track_caller]
    fn check(docs: Option<(&str, ChangeKind, u32, bool)>, drifts: bool) {
        let file = |path: &str, kind, new_mode, blank| FileChange {
            path: path.to_owned(),
            kind,
            old_mode: 0o100_644,
            new_mode,
            odd: false,
            blank,
        };
        let mut change = Change { files: vec![file("api/v1/a.py", ChangeKind::Modified, 0o100_644, false)] };
        change.files.extend(docs.map(|(path, kind, mode, blank)| file(path, kind, mode, blank)));
        let policy = Policy::parse(SEED.as_bytes()).unwrap();
        assert_eq!(policy.docs().drift(&change).is_some(), drifts, "{change:?}");
    }

    #[test]
    fn docs_drift_is_not_satisfied_by_any_file_under_docs() {
        check(None, true);
        check(Some(("docs/OTHER.md", ChangeKind::Modified, 0o100_644, false)), true);
        check(Some(("docs/API.md", ChangeKind::Modified, 0o100_644, false)), false);
        check(Some(("docs/ARCHITECTURE.md", ChangeKind::Added, 0o100_644, false)), false);
    }

    #[test]
    fn a_document_without_new_content_does_not_count() {
        check(Some(("docs/API.md", ChangeKind::Deleted, 0, false)), true);
        check(Some(("docs/API.md", ChangeKind::Modified, 0o100_644, true)), true);
        check(Some(("docs/API.md", ChangeKind::Added, 0o120_000, false)), true);
        check(Some(("docs/API.md", ChangeKind::Retyped, 0o100_644, false)), true);
    }

    #[test]
    fn the_message_names_what_changed_and_what_would_satisfy() {
        let drift = Drift { changed: vec!["a\n.py".into()], satisfied_by: vec!["docs/API.md".into()] };
        assert_eq!(drift.sentence(), r#""a\n.py" changed and no document did; update docs/API.md"#);
    }
}
