//! Which lines of earlier heads have changed since.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;
use crate::{
    activities::{Failure, attempt::Attempt},
    core::{change::lines_changed, sha::Sha},
    store::review,
    workspace::{self, Mirror},
};

/// What has changed between earlier commits and a head; each pair is compared once.
pub(super) struct Changes<'a> {
    mirror: &'a Mirror,
    head: &'a Sha,
    known: BTreeMap<Sha, BTreeMap<String, BTreeSet<u32>>>,
}

impl<'a> Changes<'a> {
    pub(super) const fn new(mirror: &'a Mirror, head: &'a Sha) -> Self {
        Self { mirror, head, known: BTreeMap::new() }
    }

    /// Whether a line of an earlier commit has changed, or without a line anything of the file.
    pub(super) async fn has(&mut self, commit: &Sha, path: &str, line: Option<u32>) -> Result<bool, Failure> {
        if !self.known.contains_key(commit) {
            let diff = match self.mirror.diff(commit, self.head).await {
                Ok(diff) => diff.text,
                // A forced push may have removed the commit; then nobody can say what changed.
                Err(workspace::Error::Missing(_)) => String::new(),
                Err(error) => return Err(error.into()),
            };
            self.known.insert(commit.clone(), lines_changed(&diff));
        }
        let lines = self.known.get(commit).and_then(|changed| changed.get(path));
        Ok(lines.is_some_and(|lines| line.is_none_or(|line| lines.contains(&line))))
    }
}

/// The fingerprints of open findings of earlier heads whose lines have changed since.
pub(super) async fn since_found(at: &Attempt<'_>, subject: &Subject<'_>) -> Result<Vec<String>, Failure> {
    let rows = review::findings(&at.factory.pool, at.lease.run).await?;
    let (mut changes, mut changed) = (Changes::new(subject.mirror, subject.head), Vec::new());
    for row in rows.into_iter().filter(|row| row.state == "open" && row.head_sha != subject.head.as_str()) {
        let Ok(found_on) = row.head_sha.parse::<Sha>() else { continue };
        let finding = row.finding();
        if changes.has(&found_on, &finding.path, finding.line).await? {
            changed.push(finding.fingerprint);
        }
    }
    Ok(changed)
}
