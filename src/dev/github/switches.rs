//! What tests and people switch on a running twin: limits, versions, pages, and names of repositories.

use anyhow::Context as _;

use super::{
    event::{Event, RepositoryAction},
    twin::Twin,
    versions::VersionState,
};

impl Twin {
    /// Answers calls over the primary rate limit with this status: 403, the default, or 429.
    pub fn rate_limit_status(&self, status: u16) {
        self.shared.quota.set_status(status);
    }

    /// Puts at most this many items on a page, whatever a request asks for; 100 by default.
    pub fn page_size(&self, most: usize) {
        self.shared.set_page_size(most);
    }

    /// Saves nothing from now on, so that this twin cannot be started again. Each change saves everything otherwise, which
    /// grows with the square of what a test makes.
    pub fn forget(&self) {
        self.shared.host.forget();
    }

    /// Announces the end of a version of the REST API, ends it, or supports it again.
    pub fn api_version(&self, version: &str, state: VersionState) {
        self.shared.versions.set(version, state);
    }

    /// Archives a repository, or opens it to changes again.
    ///
    /// # Errors
    /// When there is no such repository.
    pub async fn archive_repository(&self, name: &str, archived: bool) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        turn.change(|state| {
            let it = state.repositories.get_mut(name);
            it.with_context(|| format!("the twin has no repository {name}"))?.archived = archived;
            Ok(())
        })
    }

    /// Deletes a repository; calls about it answer 404.
    ///
    /// # Errors
    /// When there is no such repository, or its folder cannot be removed.
    pub async fn delete_repository(&self, name: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        turn.change(|state| {
            state.repositories.remove(name).with_context(|| format!("the twin has no repository {name}"))?;
            Ok(())
        })?;
        let folder = turn.git(name).dir;
        std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))
    }

    /// Renames a repository, or moves it to another owner. Its id stays, and its old name leads to the new one.
    ///
    /// # Errors
    /// When there is no such repository, the new name is taken or is not `owner/name`, or the folder cannot be
    /// moved.
    pub async fn rename_repository(&self, old: &str, new: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        anyhow::ensure!(turn.has(old), "the twin has no repository {old}");
        anyhow::ensure!(!turn.has(new), "the twin has a repository {new} already");
        let (owner, name) = new.split_once('/').context("a repository is named `owner/name`")?;
        let (from, to) = (turn.git(old).dir, turn.git(new).dir);
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        std::fs::rename(&from, &to)
            .with_context(|| format!("move {} to {}", from.display(), to.display()))?;
        turn.change(|state| {
            let mut it = state.repositories.remove(old).context("the repository is gone")?;
            (it.owner, it.name) = (owner.to_owned(), name.to_owned());
            state.old_names.insert(old.to_owned(), it.id);
            state.repositories.insert(new.to_owned(), it);
            Ok(())
        })?;
        let (old_owner, old_name) = old.split_once('/').context("a repository is named `owner/name`")?;
        let moved = (old_owner != owner).then(|| RepositoryAction::Transferred(old_owner.to_owned()));
        let renamed = (old_name != name).then(|| RepositoryAction::Renamed(old_name.to_owned()));
        let actions = moved.into_iter().chain(renamed).map(Event::Repository);
        actions.into_iter().try_for_each(|event| turn.announce(new, owner, &event))
    }
}
