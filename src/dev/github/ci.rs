//! The twin's CI: each new head of an open pull request is checked, as another app's check runs.
//!
//! A run is recorded before it begins; one that was cut off is found unfinished and run again.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Context as _;

use super::{
    CI_APP, Shared,
    routes::checks::{self, Fields, Output},
};
use crate::{
    core::sha::Sha,
    dev::ci::{CheckResult, Ci, CiJob},
};

/// Checks the head of a pull request, if that was not begun already. The turn is the caller's.
pub(crate) fn check(shared: &Arc<Shared>, repo: &str, number: i64) -> anyhow::Result<()> {
    let Some(ci) = &shared.ci else { return Ok(()) };
    let head =
        shared.look(|state| state.repositories.get(repo)?.pull(number).map(|pull| pull.head_sha.clone()));
    let head = head.context("find the pull request to check")?;
    let known = |state: &super::State| {
        let mut runs = state.repositories.get(repo)?.check_runs.iter();
        Some(runs.any(|run| run.app == CI_APP && run.head_sha == head && ci.names.contains(&run.name)))
    };
    if shared.look(known) != Some(true) {
        start(shared, ci, repo, &head);
    }
    Ok(())
}

/// Runs again what a former twin began and did not finish.
pub(crate) fn resume(shared: &Arc<Shared>) {
    let Some(ci) = &shared.ci else { return };
    let unfinished: BTreeSet<(String, String)> = shared.look(|state| {
        let runs =
            state.repositories.iter().flat_map(|(name, it)| it.check_runs.iter().map(move |run| (name, run)));
        let open = runs.filter(|(_, run)| run.app == CI_APP && run.status != "completed");
        open.map(|(name, run)| (name.clone(), run.head_sha.clone())).collect()
    });
    for (repo, sha) in unfinished {
        start(shared, ci, &repo, &sha);
    }
}

/// Waits until no check is running.
pub(crate) async fn settled(shared: &Shared) {
    let _ = shared.checks.subscribe().wait_for(|running| *running == 0).await;
}

fn start(shared: &Arc<Shared>, ci: &Ci, repo: &str, sha: &str) {
    shared.checks.send_modify(|running| *running += 1);
    let (shared, ci, repo, sha) = (Arc::clone(shared), ci.clone(), repo.to_owned(), sha.to_owned());
    tokio::spawn(async move {
        tokio::select! {
            done = run(&shared, &ci, &repo, &sha) => {
                if let Err(error) = done {
                    tracing::error!("the twin's CI failed at {repo} {sha}: {error:#}");
                }
            }
            () = shared.stop.cancelled() => {}
        }
        shared.checks.send_modify(|running| *running -= 1);
    });
}

async fn run(shared: &Arc<Shared>, ci: &Ci, repo: &str, sha: &str) -> anyhow::Result<()> {
    let mut ids = Vec::new();
    for name in &ci.names {
        ids.push((name, begin(shared, repo, sha, name).await?));
    }
    let job = CiJob { repository: shared.git(repo).dir, sha: sha.parse::<Sha>()? };
    let results = (ci.run)(job).await;
    for (name, id) in ids {
        let fields = conclude(results.iter().find(|result| result.name == *name));
        let _turn = shared.turn.lock().await;
        checks::change(shared, repo, id, fields).map_err(|told| anyhow::anyhow!(told.message()))?;
    }
    Ok(())
}

/// The unfinished run of that name, or a new one.
async fn begin(shared: &Shared, repo: &str, sha: &str, name: &str) -> anyhow::Result<i64> {
    let _turn = shared.turn.lock().await;
    let begun = shared.look(|state| {
        let mut runs = state.repositories.get(repo)?.check_runs.iter();
        let same = |run: &&super::CheckRun| run.app == CI_APP && run.head_sha == sha && run.name == name;
        runs.find(|run| same(run) && run.status != "completed").map(|run| run.id)
    });
    if let Some(id) = begun {
        return Ok(id);
    }
    let fields = Fields {
        name: Some(name.to_owned()),
        head_sha: Some(sha.to_owned()),
        status: Some("in_progress".to_owned()),
        ..Fields::default()
    };
    checks::begin(shared, repo, CI_APP, fields).await.map_err(|told| anyhow::anyhow!(told.message()))
}

fn conclude(result: Option<&CheckResult>) -> Fields {
    let (conclusion, title, summary, text) = match result {
        Some(result) => (&*result.conclusion, &*result.title, &*result.summary, result.text.clone()),
        None => ("failure", "This check did not report", "The CI ran and said nothing of it.", None),
    };
    let output = Output {
        title: Some(title.to_owned()),
        summary: Some(summary.to_owned()),
        text,
        annotations: Vec::new(),
    };
    Fields { conclusion: Some(conclusion.to_owned()), output: Some(output), ..Fields::default() }
}
