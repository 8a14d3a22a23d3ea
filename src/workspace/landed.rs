//! Whether a commit holds a change, however it was merged.

use super::{error::Error, mirror::Mirror};
use crate::core::sha::Sha;

impl Mirror {
    /// Whether merging `head` into `commit` would change nothing: the change of `head` is there already.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit.
    pub async fn adds_nothing(&self, commit: &Sha, head: &Sha) -> Result<bool, Error> {
        self.need(commit).await?;
        self.need(head).await?;
        let call = self.git(["merge-tree", "--write-tree", "--no-messages"]);
        let answer = call.and([commit.as_str(), head.as_str()]).ends_with(&[0, 1]).await?;
        let tree = String::from_utf8_lossy(&answer.output).trim().to_owned();
        Ok(answer.code == 0 && self.tree_of(commit).await?.is_some_and(|whole| whole.as_str() == tree))
    }
}
