//! Which merged changes a deployment contains: those of which the deployed commit is a descendant, where it is a commit of
//! the branch that they were merged into. The mirror is asked, so one fetch answers for all of them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Factory, Failure};
use crate::{
    core::sha::Sha,
    store::{deployment::Due, merged},
    workspace::Mirror,
};

/// The most merged runs that one deployment is held against, the newest ones.
const RUNS: i64 = 500;
/// As far as the history of a deployed commit is read.
const COMMITS: usize = 10_000;

/// The runs whose changes a deployment contains.
pub(super) async fn contents(factory: &Factory, due: &Due) -> Result<Vec<Uuid>, Failure> {
    let merged = merged::newest(&factory.pool, &due.repository, due.received_at, RUNS).await?;
    if merged.is_empty() {
        return Ok(Vec::new());
    }
    let (repo, sha): (_, Sha) =
        (due.repository.parse().map_err(Failure::last)?, due.sha.parse().map_err(Failure::last)?);
    let mirror = factory.workspaces.mirror(&repo);
    mirror.fetch().await?;
    if !mirror.holds(&sha).await? {
        return Ok(Vec::new());
    }
    let history = mirror.recent(&sha, COMMITS).await?;
    let mut on_base: BTreeMap<String, bool> = BTreeMap::new();
    let mut contained = Vec::new();
    for row in merged.iter().filter(|row| history.iter().any(|commit| commit.as_str() == row.sha)) {
        let known = on_base.get(&row.base_branch).copied();
        let is_on_base = match known {
            Some(known) => known,
            None => is_on(&mirror, &sha, &row.base_branch).await?,
        };
        on_base.insert(row.base_branch.clone(), is_on_base);
        if is_on_base {
            contained.push(row.run_id);
        }
    }
    Ok(contained)
}

/// Whether a commit is on a branch. A preview of a pull request contains what was merged before, and brings it nowhere.
async fn is_on(mirror: &Mirror, sha: &Sha, branch: &str) -> Result<bool, Failure> {
    match mirror.branch(branch).await? {
        Some(tip) => Ok(mirror.is_ancestor(sha, &tip).await?),
        None => Ok(false),
    }
}
