//! What the base's own checks say of the commit that a run was merged as, and, for those that fail, how they stood before.

use uuid::Uuid;

use super::{Factory, Failure};
use crate::{
    core::{
        aftermath::{Reported, Standing, by_name, red, stood},
        policy::{GATE_CHECK, REVIEW_CHECK},
        requirement::RepoName,
        sha::Sha,
    },
    engine::BaseSeen,
    github::{CheckRun, Forge},
    store::run,
    workspace::Mirror,
};

/// How many commits before the merge are asked how a check stood there, the first parent first.
const BEFORE: usize = 5;
/// The most characters of the name of a check.
const NAME: usize = 255;

/// Looks at the checks of the merge commit of a run.
pub(super) async fn look(factory: &Factory, run: Uuid) -> Result<Option<BaseSeen>, Failure> {
    let Some(stored) = run::get(&factory.pool, run).await? else { return Ok(None) };
    let Some(merged) = stored.run.progress.merged.clone() else { return Ok(None) };
    let repo: RepoName = stored.spec.repository.parse().map_err(Failure::last)?;
    let checks = reported(&factory.forge, &repo, &merged).await?;
    let red: Vec<String> = red(&checks).map(str::to_owned).collect();
    let before = match red.is_empty() {
        true => Vec::new(),
        false => {
            let head = stored.run.progress.head.as_ref();
            let mirror = factory.workspaces.mirror(&repo);
            before(&factory.forge, &mirror, &repo, (&merged, head), &red).await?
        }
    };
    Ok(Some(BaseSeen { checks, before, least: factory.polling.least }))
}

/// The checks of the commits before a merge, until it is known of each of these names how it stood; the head of the pull
/// request comes last.
async fn before(
    forge: &Forge,
    mirror: &Mirror,
    repo: &RepoName,
    (merged, head): (&Sha, Option<&Sha>),
    names: &[String],
) -> Result<Vec<Vec<Reported>>, Failure> {
    if !mirror.holds(merged).await? {
        mirror.fetch().await?;
    }
    let mut commits = Vec::new();
    let mut at = merged.clone();
    for _ in 0..BEFORE {
        let Some(parent) = mirror.parents(&at).await?.into_iter().next() else { break };
        commits.push(parent.clone());
        at = parent;
    }
    commits.extend(head.cloned());
    let mut all = Vec::new();
    for commit in commits {
        all.push(reported(forge, repo, &commit).await?);
        if names.iter().all(|name| stood(&all, name).is_some()) {
            break;
        }
    }
    Ok(all)
}

/// The checks of a commit, the newest report of each; ours are about pull requests and not about the base.
async fn reported(forge: &Forge, repo: &RepoName, sha: &Sha) -> Result<Vec<Reported>, Failure> {
    let runs = newest(forge.check_runs(repo, sha).await?).into_iter().map(|run| Reported {
        standing: Standing::of_run(run.status, run.conclusion),
        url: Some(run.html_url).filter(|url| !url.is_empty()),
        name: plain(&run.name),
    });
    let statuses = forge.statuses(repo, sha).await?.into_iter().map(|status| Reported {
        name: plain(&status.context),
        standing: Standing::of_status(status.state),
        url: Some(status.target_url).filter(|url| !url.is_empty()),
    });
    let all = runs.chain(statuses).filter(|it| it.name != GATE_CHECK && it.name != REVIEW_CHECK);
    Ok(by_name(all))
}

/// The name of a check as it can be stored and shown in a line.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(NAME).collect()
}

/// The newest run of each app's check of a name.
fn newest(mut runs: Vec<CheckRun>) -> Vec<CheckRun> {
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    let mut seen = std::collections::BTreeSet::new();
    runs.retain(|run| seen.insert((run.name.clone(), run.app_id)));
    runs
}
