//! The twin's CI: checks each new head of an open pull request, as the check runs of another app.
//!
//! A check run is saved before its job starts, so a restarted twin finds the unfinished ones and runs them again.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    accounts::CI_APP,
    checks::{self, CheckFields, CheckOutput},
    host::Host,
    refusal::Refusal,
    state::CheckRun,
};
use crate::{
    core::sha::Sha,
    dev::ci::{CheckResult, Ci, CiJob},
};

/// Checks the head of a pull request, unless it was checked already or is being checked.
pub(crate) fn check(host: &Arc<Host>, repo: &str, number: i64) -> Result<(), Refusal> {
    let Some(ci) = &host.ci else { return Ok(()) };
    let unchecked = host.read(repo, |it| {
        let head = it.pull(number)?.head_sha.clone();
        let known = |run: &CheckRun| is_ours(run, &head) && ci.names.contains(&run.name);
        Some((!it.check_runs.iter().any(known)).then_some(head))
    })?;
    if let Some(head) = unchecked.ok_or_else(Refusal::not_found)? {
        start(host, ci, repo, &head);
    }
    Ok(())
}

/// Runs the checks again that an earlier twin did not finish.
pub(crate) fn resume(host: &Arc<Host>) {
    let Some(ci) = &host.ci else { return };
    let unfinished: BTreeSet<(String, String)> = host.with_state(|state| {
        let runs =
            state.repositories.iter().flat_map(|(name, it)| it.check_runs.iter().map(move |run| (name, run)));
        let open = runs.filter(|(_, run)| run.app == CI_APP && run.status != "completed");
        open.map(|(name, run)| (name.clone(), run.head_sha.clone())).collect()
    });
    for (repo, sha) in unfinished {
        start(host, ci, &repo, &sha);
    }
}

/// Waits until no check is running.
pub(crate) async fn settled(host: &Host) {
    let _ = host.checking.subscribe().wait_for(|running| *running == 0).await;
}

fn start(host: &Arc<Host>, ci: &Ci, repo: &str, sha: &str) {
    host.checking.send_modify(|running| *running += 1);
    let (host, ci, repo, sha) = (Arc::clone(host), ci.clone(), repo.to_owned(), sha.to_owned());
    tokio::spawn(async move {
        tokio::select! {
            done = run(&host, &ci, &repo, &sha) => {
                if let Err(error) = done {
                    tracing::error!("the twin's CI failed at {repo} {sha}: {error:#}");
                }
            }
            () = host.stop.cancelled() => {}
        }
        host.checking.send_modify(|running| *running -= 1);
    });
}

async fn run(host: &Arc<Host>, ci: &Ci, repo: &str, sha: &str) -> anyhow::Result<()> {
    let mut ids = Vec::new();
    for name in &ci.names {
        ids.push((name, begin(host, repo, sha, name).await?));
    }
    let job = CiJob { repository: host.git(repo).dir, sha: sha.parse::<Sha>()? };
    let results = (ci.run)(job).await;
    for (name, id) in ids {
        let fields = concluded(results.iter().find(|result| result.name == *name));
        let turn = host.turn().await;
        checks::update(&turn, repo, CI_APP, id, fields)?;
    }
    Ok(())
}

/// The unfinished run of that name, or a new one.
async fn begin(host: &Arc<Host>, repo: &str, sha: &str, name: &str) -> Result<i64, Refusal> {
    let turn = host.turn().await;
    let unfinished = |run: &&CheckRun| is_ours(run, sha) && run.name == name && run.status != "completed";
    if let Some(id) = turn.read(repo, |it| it.check_runs.iter().find(unfinished).map(|run| run.id))? {
        return Ok(id);
    }
    let fields = CheckFields {
        name: Some(name.to_owned()),
        head_sha: Some(sha.to_owned()),
        status: Some("in_progress".to_owned()),
        ..CheckFields::default()
    };
    checks::create(&turn, repo, CI_APP, fields).await
}

fn is_ours(run: &CheckRun, sha: &str) -> bool {
    run.app == CI_APP && run.head_sha == sha
}

fn concluded(result: Option<&CheckResult>) -> CheckFields {
    let (conclusion, title, summary, text) = match result {
        Some(result) => (&*result.conclusion, &*result.title, &*result.summary, result.text.clone()),
        None => ("failure", "This check did not report", "The CI finished without a result for it.", None),
    };
    let output = CheckOutput {
        title: Some(title.to_owned()),
        summary: Some(summary.to_owned()),
        text,
        annotations: Vec::new(),
    };
    CheckFields { conclusion: Some(conclusion.to_owned()), output: Some(output), ..CheckFields::default() }
}
