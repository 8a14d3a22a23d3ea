//! The facts that reading the changed files and the trees gives: dependencies, cases of the harness, clashes of paths,
//! and patterns without a file.

use std::collections::BTreeMap;

use super::{Failure, git_facts::GitFacts};
use crate::{
    core::{
        change::{ChangeKind, FileChange},
        path::RepoPath,
        policy::{Contents, Policy, Side, compared, wanted},
        requirement::ProductName,
        sha::Sha,
    },
    workspace::{self, Mirror},
};

impl GitFacts {
    /// Reads what the change of `head` makes of the files that say more than their names.
    pub(super) async fn read_contents(
        &self,
        mirror: &Mirror,
        (base, head): (&Sha, &Sha),
        products: &[ProductName],
    ) -> Result<Contents, Failure> {
        let mut sides = BTreeMap::new();
        for file in wanted(&self.change) {
            let before = match file.kind {
                ChangeKind::Added => Side::Absent,
                _ => self.before(mirror, file).await?,
            };
            let after = match file.kind {
                ChangeKind::Deleted => Side::Absent,
                _ => side(mirror, head, &file.path).await?,
            };
            sides.insert(file.path.clone(), (before, after));
        }
        let mut contents = compared(&self.change, &sides);
        contents.note_merge(&self.merge);
        let tree = mirror.paths(head).await?;
        if self.change.files.iter().any(|file| file.kind == ChangeKind::Added) {
            // The base may hold a path that the head does not have yet.
            let both: Vec<String> = tree.iter().cloned().chain(mirror.paths(base).await?).collect();
            contents.note_clashes(&self.change, &both);
        }
        if let Some(Ok(policy)) = self.base_policy.as_ref().map(|text| Policy::parse(text.as_bytes())) {
            contents.note_unmatched(policy.unmatched_of(products, &tree));
        }
        Ok(contents)
    }

    /// The file where the head forked. Of several such commits that differ in it, none is the one to compare with.
    async fn before(&self, mirror: &Mirror, file: &FileChange) -> Result<Side, Failure> {
        let mut sides = Vec::new();
        for fork in &self.forks {
            sides.push(side(mirror, fork, &file.path).await?);
        }
        sides.dedup();
        Ok(match (sides.pop(), sides.is_empty()) {
            (Some(side), true) => side,
            _ => Side::Unread("the branch forked from the base at several versions of it".to_owned()),
        })
    }
}

/// A file at a commit that has it.
pub(super) async fn side(mirror: &Mirror, commit: &Sha, path: &str) -> Result<Side, Failure> {
    let unread = |why: &str| Ok(Side::Unread(why.to_owned()));
    let Ok(place) = path.parse::<RepoPath>() else { return unread("no file of such a name is read") };
    match mirror.read(commit, &place).await {
        Ok(None) => unread("it is no plain file"),
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Side::Text(text)),
            Err(_) => unread("it is not UTF-8"),
        },
        Err(workspace::Error::TooLarge { .. }) => unread("it is too large to be read"),
        Err(error) => Err(error.into()),
    }
}
