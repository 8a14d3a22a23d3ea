//! The facts about one head that git knows: the policies on all sides, and what the change and its merge do.

use super::Failure;
use crate::{
    core::{
        change::{Change, ChangeKind},
        path::RepoPath,
        policy::{Contract, MergePreview},
        sha::Sha,
        visible::looks_alike,
    },
    workspace::{self, Mirror},
};

/// What git knows of a head against the newest commit of its base.
pub(super) struct GitFacts {
    pub(super) base_policy: Option<String>,
    pub(super) head_policy: Option<String>,
    pub(super) fork_policies: Vec<Option<String>>,
    pub(super) change: Change,
    pub(super) merge: MergePreview,
    pub(super) files_with_renames: u32,
    pub(super) diff_bytes: u64,
    /// The commits where the head forked from the base.
    pub(super) forks: Vec<Sha>,
}

impl GitFacts {
    pub(super) async fn gather(mirror: &Mirror, base: &Sha, head: &Sha) -> Result<Self, Failure> {
        let (base_policy, head_policy) = (mirror.policy(base).await?, mirror.policy(head).await?);
        let forks = mirror.merge_bases(base, head).await?;
        let mut fork_policies = Vec::new();
        for fork in &forks {
            let text = mirror.policy(fork).await?;
            if !fork_policies.contains(&text) {
                fork_policies.push(text);
            }
        }
        let mut change = mirror.change(base, head).await?;
        let contract =
            Contract { base: base_policy.as_deref(), head: head_policy.as_deref(), forks: &fork_policies };
        let documents = contract.documents();
        for file in change.files.iter_mut().filter(|file| !file.blank && documents.contain(&file.path)) {
            if matches!(file.kind, ChangeKind::Added | ChangeKind::Modified) {
                file.blank = is_unseen(mirror, forks.first(), head, &file.path).await?;
            }
        }
        Ok(Self {
            merge: mirror.merge_preview(base, head, &change).await?,
            files_with_renames: mirror.files_with_renames(base, head).await?,
            diff_bytes: mirror.diff_bytes(base, head).await?,
            base_policy,
            head_policy,
            fork_policies,
            change,
            forks,
        })
    }
}

/// Whether a document looks to its readers as it did before. One that is too large to read does not.
async fn is_unseen(mirror: &Mirror, from: Option<&Sha>, head: &Sha, path: &str) -> Result<bool, Failure> {
    let Ok(place) = path.parse::<RepoPath>() else { return Ok(false) };
    let read = async |commit: &Sha| match mirror.read(commit, &place).await {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())),
        Err(workspace::Error::TooLarge { .. }) => Ok(None),
        Err(error) => Err(Failure::from(error)),
    };
    let before = match from {
        Some(from) => read(from).await?,
        None => Some(String::new()),
    };
    Ok(before.zip(read(head).await?).is_some_and(|(before, after)| looks_alike(path, &before, &after)))
}
