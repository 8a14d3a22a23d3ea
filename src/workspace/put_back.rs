//! The tests of one commit over the code of another.

use chrono::DateTime;

use super::{
    commit::{FileEdit, NewCommit},
    error::Error,
    mirror::Mirror,
};
use crate::core::{path::RepoPath, sha::Sha, tested::PutBack};

impl Mirror {
    /// The code of `head` with these files as they are at `fork`; `head` itself where that is the same. The commit stays
    /// in the mirror.
    ///
    /// # Errors
    /// [`Error::Refused`] for a file that is no plain file, or whose name git would not write.
    pub async fn with_tests_of(&self, head: &Sha, fork: &Sha, files: &[PutBack]) -> Result<Sha, Error> {
        let mut edits = Vec::new();
        for file in files {
            let refuse = |reason: &str| Error::refused(&file.path, reason);
            let path: RepoPath =
                file.path.parse().map_err(|_| refuse("no file of such a name is put back"))?;
            let content = match file.restored {
                false => None,
                true => Some(self.read(fork, &path).await?.ok_or_else(|| refuse("it is no plain file"))?),
            };
            edits.push(FileEdit { path, content });
        }
        if edits.is_empty() {
            return Ok(head.clone());
        }
        let message = "the tests of the base over a change".to_owned();
        let commit = NewCommit { parent: head.clone(), files: edits, message, at: DateTime::UNIX_EPOCH };
        match self.commit(&commit).await {
            Err(Error::Unchanged) => Ok(head.clone()),
            made => made,
        }
    }
}
