//! What reading the changed files and the trees says beyond the listing.

use std::collections::BTreeMap;

use aspora_core::{
    change::{Change, ChangeKind, FileChange},
    policy::{Contents, Documents, MergePreview, Side, compared, wanted},
    visible::looks_alike,
};

use super::git::Git;

/// The largest file that is read, in bytes: as much as a run of the factory reads.
const LARGEST: usize = 16 << 20;

/// Reads the change from `forks` to `head`, which is merged into `base`.
pub(crate) fn read(
    git: &Git<'_>,
    (base, head): (&str, &str),
    forks: &[String],
    change: &Change,
    merge: &MergePreview,
) -> anyhow::Result<Contents> {
    let mut sides = BTreeMap::new();
    for file in wanted(change) {
        let mut before = Vec::new();
        for fork in forks.iter().filter(|_| file.kind != ChangeKind::Added) {
            before.push(side(git, fork, &file.path)?);
        }
        before.dedup();
        let before = match (before.pop(), before.is_empty()) {
            (None, _) => Side::Absent,
            (Some(side), true) => side,
            (Some(_), false) => {
                Side::Unread("the branch forked from the base at several versions of it".to_owned())
            }
        };
        let after =
            if file.kind == ChangeKind::Deleted { Side::Absent } else { side(git, head, &file.path)? };
        sides.insert(file.path.clone(), (before, after));
    }
    let mut contents = compared(change, &sides);
    contents.note_merge(merge);
    contents.note_clashes(change, &git.files(&[base, head])?);
    Ok(contents)
}

/// Marks the documents whose readers see no difference, so that they do not count as updated.
pub(crate) fn note_blank_documents(
    git: &Git<'_>,
    documents: &Documents,
    (fork, head): (&str, &str),
    change: &mut Change,
) -> anyhow::Result<()> {
    let written = |file: &&mut FileChange| {
        matches!(file.kind, ChangeKind::Added | ChangeKind::Modified) && documents.contain(&file.path)
    };
    for file in change.files.iter_mut().filter(written) {
        let added = file.kind == ChangeKind::Added;
        let before = if added { Side::Text(String::new()) } else { side(git, fork, &file.path)? };
        if let (Side::Text(before), Side::Text(after)) = (before, side(git, head, &file.path)?) {
            file.blank |= looks_alike(&file.path, &before, &after);
        }
    }
    Ok(())
}

fn side(git: &Git<'_>, commit: &str, path: &str) -> anyhow::Result<Side> {
    let unread = |why: &str| Side::Unread(why.to_owned());
    Ok(match git.plain_file(commit, path)? {
        None => unread("it is no plain file"),
        Some(bytes) if bytes.len() > LARGEST => unread("it is too large to be read"),
        Some(bytes) => String::from_utf8(bytes).map_or_else(|_| unread("it is not UTF-8"), Side::Text),
    })
}
