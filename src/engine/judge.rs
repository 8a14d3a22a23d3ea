//! How the pull requests that others open come to be judged: one run for each of their lives.

use std::time::Duration;

use super::{Engine, Error, accept::Beginning};
use crate::{
    core::{pull::Opened, run::Progress, subject::Subject},
    store::{
        Connection, product,
        pull::{self, Found},
        repository,
        signal::News,
    },
};

/// The priority of a judgement: people wait for it.
const PRIORITY: i16 = 2;
/// From one pull request that is judged again by a new policy to the next: a look is about eight calls, and an installation
/// may make 5,000 an hour.
const GAP: Duration = Duration::from_secs(6);
/// Who begins such a run, as histories name them.
const ACTOR: &str = "webhook";

impl Engine {
    /// Begins a run about an open pull request, if others opened it, a product judges what they open into this base, and no
    /// run does so yet. The run belongs to the first such product by name, whose money and limits it uses; which settings
    /// it judges by is found by looking at what the change touches.
    pub(super) async fn judge_in(
        &self,
        tx: &mut Connection,
        news: &News,
        opened: &Opened,
    ) -> Result<bool, Error> {
        let Some(number) = news.pull else { return Ok(false) };
        let names = names(tx, news).await?;
        let Some(product) = product::that_judges(tx, &names, &opened.base_branch).await? else {
            return Ok(false);
        };
        let branch = Some(opened.head_branch.as_str()).filter(|_| opened.fork.is_none());
        if pull::is_ours(tx, &names, number, branch).await? {
            return Ok(false);
        }
        let found = Found {
            product: &product.name,
            repository: &product.repository,
            names: &names,
            number,
            from_fork: opened.fork.is_some(),
            description: &opened.description,
        };
        // The row is locked from here on, so that no other webhook begins another run.
        let id = pull::keep(tx, found).await?;
        let earlier = pull::judged(tx, &names, number).await?;
        if earlier.as_ref().is_some_and(|judged| !judged.needs_another(&opened.head)) {
            return Ok(false);
        }
        let progress = Progress { pull: u64::try_from(number).ok(), ..Progress::default() };
        // What was reported and reviewed in an earlier life is found again.
        let parent = earlier.map(|judged| judged.run);
        let (subject, branch) = (Subject::Pull(id), Some(opened.branch()));
        let beginning = Beginning { subject, priority: PRIORITY, branch, progress, parent };
        self.begin(tx, beginning, product, ACTOR).await?;
        Ok(true)
    }

    /// Lets what is open into a branch be judged again, one after the other; how many there are.
    pub(super) async fn policy_moved_in(&self, tx: &mut Connection, news: &News) -> Result<usize, Error> {
        let Some(branch) = &news.branch else { return Ok(0) };
        let names = names(tx, news).await?;
        let judged = pull::judge_again(tx, &names, branch, GAP).await?;
        Ok(usize::try_from(judged).unwrap_or(usize::MAX))
    }
}

/// Lets what is open in a repository into a branch be judged again, since the settings of a product there changed.
pub(super) async fn settings_moved(
    tx: &mut Connection,
    repository: &str,
    base_branch: &str,
) -> Result<(), Error> {
    let names =
        repository::names(tx, None, repository).await?.into_iter().map(|it| it.name).collect::<Vec<_>>();
    pull::judge_again(tx, &names, base_branch, GAP).await?;
    Ok(())
}

/// The names that the repository of news has here.
async fn names(tx: &mut Connection, news: &News) -> Result<Vec<String>, Error> {
    let names = repository::names(tx, news.repository_id, &news.repository).await?;
    Ok(names.into_iter().map(|it| it.name).collect())
}
