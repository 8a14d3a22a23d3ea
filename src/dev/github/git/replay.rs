//! Replaying commits on another base, as "rebase and merge" does.

use anyhow::Context as _;

use super::{Commit, Git, succeed};

impl Git {
    /// Makes every commit of `base..head` but merges anew on `base`; `None` when one conflicts. The authors
    /// stay; the committer is `by`.
    pub(crate) async fn replay(
        &self,
        base: &str,
        head: &str,
        by: (&str, &str),
    ) -> anyhow::Result<Option<String>> {
        let mut tip = base.to_owned();
        for commit in self.commits(&format!("{base}..{head}"), false).await? {
            let [parent] = &commit.parents[..] else { continue };
            let onto =
                ["merge-tree", "--write-tree", "--no-messages", "--merge-base", parent, &tip, &commit.sha];
            let (status, out) = self.ask(&onto).await?;
            if status != 0 {
                return Ok(None);
            }
            tip = self.commit_again(out.trim(), &tip, &commit, by).await?;
        }
        Ok(Some(tip))
    }

    async fn commit_again(
        &self,
        tree: &str,
        parent: &str,
        commit: &Commit,
        by: (&str, &str),
    ) -> anyhow::Result<String> {
        let mut command = self.command(["commit-tree", tree, "-F", "-", "-p", parent]);
        let author = &commit.author;
        command.env("GIT_AUTHOR_NAME", &author.name).env("GIT_AUTHOR_EMAIL", &author.email);
        command.env("GIT_AUTHOR_DATE", &author.date);
        command.env("GIT_COMMITTER_NAME", by.0).env("GIT_COMMITTER_EMAIL", by.1);
        let sha = succeed(command, commit.message.as_bytes()).await?;
        Ok(String::from_utf8(sha).context("read the commit")?.trim().to_owned())
    }
}
