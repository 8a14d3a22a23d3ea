//! Repositories of this machine that the twin serves a copy of.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};

use super::{
    accounts::address_of,
    adopt::{self, Source},
    git::Git,
    host::Host,
    people::split,
    push,
    twin::Twin,
};

/// Where the product file and the policy are.
const OUR_FOLDER: &str = ".aspora/";

/// A repository of this machine, as the twin serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The branch that changes are merged into.
    pub branch: String,
    /// What people should know about both copies, a sentence; `None` if there is nothing.
    pub note: Option<String>,
}

impl Twin {
    /// Makes `owner/name` a copy of a git repository on this machine. If it is one already, it takes over what was
    /// committed there since. From then on the branches of runs are brought back to the folder, and what was merged as
    /// `aspora/merged/<branch>`; no other branch there is touched.
    ///
    /// # Errors
    /// When the name is not `owner/name`, the folder cannot be served as it is, or another folder is served under this
    /// name; the message says what to do.
    pub async fn adopt_repository(&self, name: &str, folder: &Path) -> anyhow::Result<Adopted> {
        split(name)?;
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let source = adopt::check(&folder).await?;
        let adopted = self.adopt(name, &folder, &source).await?;
        give_back_from_now_on(self, name.to_owned(), source, adopted.branch.clone());
        Ok(adopted)
    }

    async fn adopt(&self, name: &str, folder: &Path, source: &Source) -> anyhow::Result<Adopted> {
        let turn = self.shared.host.turn().await;
        if !turn.has(name) {
            let copied = turn.git(name).adopt(source).await;
            copied.with_context(|| format!("copy {} as {name}", folder.display()))?;
            self.register(name, &source.branch, Some(folder))?;
            return Ok(Adopted { branch: source.branch.clone(), note: None });
        }
        let (branch, former) = turn.read(name, |it| (it.default_branch.clone(), it.source.clone()))?;
        if let Some(former) = former.filter(|former| Path::new(former) != folder) {
            bail!(
                "the twin serves {former} as {name}; give {} another name, or start in another directory with --data",
                folder.display()
            );
        }
        let note = match turn.git(name).take(source, &branch).await? {
            None => Some(format!("{} has no branch `{branch}` any more", folder.display())),
            Some(theirs) => {
                let git = turn.git(name);
                let here = git.branch(&branch).await?.with_context(|| format!("{name} has no {branch}"))?;
                if here == theirs || git.contains(&here, &theirs).await? {
                    None
                } else if git.contains(&theirs, &here).await? {
                    let owner = split(name)?.0;
                    push::advance(&turn, name, owner, &branch, &here, &theirs).await?;
                    None
                } else if let Some(tree) = joined(&git, &here, &theirs).await? {
                    let owner = split(name)?.0;
                    let message = format!("Merge what was committed in {}", folder.display());
                    let by = (owner, &*address_of(owner));
                    let both = git.commit_tree(&tree, &[&here, &theirs], &message, by).await?;
                    push::advance(&turn, name, owner, &branch, &here, &both).await?;
                    None
                } else {
                    Some(format!(
                        "`{branch}` in {} and here went apart, and runs go on from the one here; join them there: \
                         `git merge aspora/merged/{branch}`",
                        folder.display()
                    ))
                }
            }
        };
        Ok(Adopted { branch, note })
    }

    /// The paths of all files on the default branch of a repository.
    ///
    /// # Errors
    /// When there is no such repository, or git fails.
    pub async fn files(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let branch = self.default_branch(name)?;
        self.shared.host.git(name).paths(&format!("refs/heads/{branch}")).await
    }

    /// The text of a file on the default branch of a repository; `None` if there is none, or it is no text.
    ///
    /// # Errors
    /// When there is no such repository, or git does not run.
    pub async fn text(&self, name: &str, path: &str) -> anyhow::Result<Option<String>> {
        let branch = self.default_branch(name)?;
        let bytes = self.shared.host.git(name).file(&format!("refs/heads/{branch}"), path).await?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Commits files to the default branch of a repository, as its owner.
    ///
    /// # Errors
    /// When there is no such repository, or git fails.
    pub async fn commit(&self, name: &str, files: &[(&str, &[u8])], message: &str) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let (branch, git) = (self.default_branch(name)?, turn.git(name));
        let before = git.branch(&branch).await?.with_context(|| format!("{name} has no {branch}"))?;
        let owner = split(name)?.0;
        let author = (owner, &*address_of(owner));
        let after = git.commit_files(Some(&before), files, message, author).await?;
        Ok(push::advance(&turn, name, owner, &branch, &before, &after).await?)
    }

    /// The default branch of a repository.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn default_branch(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.shared.host.read(name, |it| it.default_branch.clone())?)
    }
}

/// The tree of both where nothing is here but what `aspora dev` committed for itself; `None` where both went apart.
async fn joined(git: &Git, here: &str, theirs: &str) -> anyhow::Result<Option<String>> {
    let Some(base) = git.merge_base(here, theirs).await? else { return Ok(None) };
    let changes = git.changes(&base, here).await?;
    match changes.iter().all(|change| change.path.starts_with(OUR_FOLDER)) {
        true => git.merged_tree(here, theirs).await,
        false => Ok(None),
    }
}

/// Brings branches back to the folder whenever some moved, until the twin stops.
fn give_back_from_now_on(twin: &Twin, name: String, source: Source, base: String) {
    let host = Arc::clone(&twin.shared.host);
    tokio::spawn(async move {
        let mut moved = host.moved.subscribe();
        loop {
            moved.mark_unchanged();
            give_back(&host, &name, &source, &base).await;
            tokio::select! {
                changed = moved.changed() => if changed.is_err() { return },
                () = host.stop.cancelled() => return,
            }
        }
    });
}

async fn give_back(host: &Host, name: &str, source: &Source, base: &str) {
    match host.git(name).give_back(source, base).await {
        Ok(changed) => {
            for branch in changed {
                tracing::info!("brought `{branch}` of {name} to {}", source.dir);
            }
        }
        Err(error) => tracing::warn!("the branches of {name} were not brought to {}: {error:#}", source.dir),
    }
}
