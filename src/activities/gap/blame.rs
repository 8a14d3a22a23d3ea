//! Whose change caused an incident: the run whose merge brought the lines that the fix replaces.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use crate::{
    activities::{Failure, attempt::Attempt},
    core::{gap::blamed_pull, path::fold, sha::Sha, tested::is_test_file},
    engine::gap_clock,
    store::{gap::Row, incident},
    workspace::Mirror,
};

/// The trailer of our commits with the run that wrote them.
const TRAILER: &str = "Aspora-Run: ";
/// The most commits whose messages are read.
const MOST_COMMITS: usize = 20;

/// Lays the incident to the run whose merged change has most of the lines that the fix replaces; people's commits count as
/// nobody's.
pub(in crate::activities) async fn blame(at: &Attempt<'_>, about: &Row) -> Result<(), Failure> {
    if about.caused_by.is_some() {
        return Ok(());
    }
    let (Some(base), Some(head)) = (&at.progress().base, &at.progress().head) else { return Ok(()) };
    let mirror = at.mirror().await?;
    let fork = mirror.merge_base(base, head).await?.unwrap_or_else(|| base.clone());
    let commits = mirror.blamed(&fork, head, |path| !is_test_file(&fold(path))).await?;
    let mut lines: BTreeMap<Uuid, (u32, Vec<String>)> = BTreeMap::new();
    for (commit, count) in commits.iter().take(MOST_COMMITS) {
        if let Some(run) = run_of(at, &mirror, commit).await? {
            let (sum, shas) = lines.entry(run).or_default();
            *sum += count;
            shas.push(commit.to_string());
        }
    }
    let Some((run, (count, shas))) = lines.into_iter().max_by_key(|(_, (count, _))| *count) else {
        return Ok(());
    };
    let all: u32 = commits.iter().map(|(_, count)| count).sum();
    let how = json!({"lines": count, "of": all, "commits": shas, "fix": head});
    gap_clock::blame(&at.factory.pool, about.id, run, &how).await?;
    Ok(())
}

/// The run that merged a commit: by our trailer, or by the pull request that its title names. What a message says counts only
/// if that run did merge something here.
async fn run_of(at: &Attempt<'_>, mirror: &Mirror, commit: &Sha) -> Result<Option<Uuid>, Failure> {
    let (pool, repository) = (&at.factory.pool, at.repo.to_string());
    let message = mirror.message(commit).await?;
    let named = message.lines().find_map(|line| line.strip_prefix(TRAILER)?.trim().parse::<Uuid>().ok());
    if let Some(run) = named
        && incident::has_merged(pool, &repository, run).await?
    {
        return Ok(Some(run));
    }
    match blamed_pull(&message) {
        Some(pull) => Ok(incident::run_of_pull(pool, &at.stored.spec.repository, pull).await?),
        None => Ok(None),
    }
}
