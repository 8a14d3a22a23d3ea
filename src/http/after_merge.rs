//! What followed a merge, for REST and the pages.

use crate::{
    api::{AfterMerge, BaseWatch, Deployment, RevertedBy, Reverts},
    core::subject::Subject,
    store::{self, Pool, base_watch, deployment, revert, run::StoredRun},
};

/// Reads what followed the merge of a run's change; `forge_url` is the forge's web address.
pub(crate) async fn of(pool: &Pool, stored: &StoredRun, forge_url: &str) -> store::Result<AfterMerge> {
    let page = format!("{forge_url}/{}", stored.spec.repository);
    let reverts = match stored.spec.subject {
        Subject::Requirement(id) => revert::by(pool, id).await?,
        Subject::Pull(_) | Subject::Gap(_) => None,
    };
    let rows = deployment::of_run(pool, stored.spec.id).await?;
    Ok(AfterMerge {
        merged: stored.run.progress.merged.as_ref().map(ToString::to_string),
        deployments: rows.into_iter().map(|row| Deployment::new(row, &page)).collect(),
        base: base_watch::get(pool, stored.spec.id).await?.map(BaseWatch::from),
        reverts: reverts.map(Reverts::from),
        reverted_by: revert::of(pool, stored.spec.id).await?.into_iter().map(RevertedBy::from).collect(),
    })
}
