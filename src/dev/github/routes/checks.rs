//! Check runs and commit statuses.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Query, Refusal, Repo, Sent, counted, created, list, ok, pulls};
use crate::dev::github::{
    APP, BOT, Shared, now,
    render::app_id,
    state::{CheckRun, Repository, Status},
};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/repos/{owner}/{repo}/check-runs", post(create))
        .route("/repos/{owner}/{repo}/check-runs/{id}", get(read).patch(update))
        .route("/repos/{owner}/{repo}/commits/{sha}/check-runs", get(of_commit))
        .route("/repos/{owner}/{repo}/statuses/{sha}", post(set_status))
        .route("/repos/{owner}/{repo}/commits/{sha}/statuses", get(statuses))
        .route("/repos/{owner}/{repo}/commits/{sha}/status", get(combined))
}

/// A check run as it is sent; an update leaves out what stays.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Fields {
    pub(crate) name: Option<String>,
    pub(crate) head_sha: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) conclusion: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) details_url: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) output: Option<Output>,
}

/// What people read of a check run.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Output {
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) annotations: Vec<Value>,
}

async fn create(State(shared): State<Arc<Shared>>, Repo(repo): Repo, Sent(fields): Sent<Fields>) -> Answer {
    let _turn = shared.turn.lock().await;
    let id = begin(&shared, &repo, APP, fields).await?;
    Ok(created(one(&shared, &repo, id)?))
}

/// Creates a check run of an app; 422 when the commit is unknown.
pub(crate) async fn begin(shared: &Shared, repo: &str, app: &str, fields: Fields) -> Result<i64, Refusal> {
    let missing = |field: &str| Refusal::field("CheckRun", field, "missing_field");
    let name = fields.name.clone().ok_or_else(|| missing("name"))?;
    let head_sha = fields.head_sha.clone().ok_or_else(|| missing("head_sha"))?;
    if shared.git(repo).commit_named(&head_sha).await?.as_ref() != Some(&head_sha) {
        return Err(Refusal::rule("CheckRun", &format!("No commit found for SHA: {head_sha}")));
    }
    let id = shared.write(repo, |it, ids| {
        let mut run = CheckRun {
            id: ids.next(),
            app: app.to_owned(),
            name,
            head_sha,
            status: "queued".to_owned(),
            conclusion: None,
            external_id: None,
            details_url: None,
            started_at: now(),
            completed_at: None,
            title: None,
            summary: None,
            text: None,
            annotations: Vec::new(),
        };
        set(&mut run, fields);
        let id = run.id;
        it.check_runs.push(run);
        id
    })?;
    tell(shared, repo, app, id, "created")?;
    Ok(id)
}

/// Changes a check run, and tells when that completed it.
pub(crate) fn change(shared: &Shared, repo: &str, id: i64, fields: Fields) -> Result<(), Refusal> {
    let app = shared.write(repo, |it, _| {
        let run = it.check_runs.iter_mut().find(|run| run.id == id)?;
        set(run, fields);
        Some((run.app.clone(), run.status == "completed"))
    })?;
    let (app, completed) = app.ok_or_else(Refusal::not_found)?;
    if completed {
        tell(shared, repo, &app, id, "completed")?;
    }
    Ok(())
}

fn set(run: &mut CheckRun, fields: Fields) {
    let keep = |new: Option<String>, old: &mut Option<String>| *old = new.or(old.take());
    run.name = fields.name.unwrap_or_else(|| run.name.clone());
    run.status = fields.status.unwrap_or_else(|| run.status.clone());
    run.started_at = fields.started_at.unwrap_or_else(|| run.started_at.clone());
    keep(fields.external_id, &mut run.external_id);
    keep(fields.details_url, &mut run.details_url);
    keep(fields.completed_at, &mut run.completed_at);
    if let Some(output) = fields.output {
        keep(output.title, &mut run.title);
        keep(output.summary, &mut run.summary);
        keep(output.text, &mut run.text);
        run.annotations.extend(output.annotations);
    }
    if let Some(conclusion) = fields.conclusion {
        // GitHub completes a run that gets a conclusion.
        "completed".clone_into(&mut run.status);
        run.conclusion = Some(conclusion);
        run.completed_at.get_or_insert_with(now);
    }
    if run.status != "completed" {
        (run.conclusion, run.completed_at) = (None, None);
    }
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): pulls::Numbered,
) -> Answer {
    ok(one(&shared, &repo, id)?)
}

fn one(shared: &Shared, repo: &str, id: i64) -> Result<Value, Refusal> {
    let found = shared.read(repo, |it| {
        let run = it.check_runs.iter().find(|run| run.id == id);
        run.map(|run| shared.links.check_run(it, run))
    })?;
    found.ok_or_else(Refusal::not_found)
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, id)): pulls::Numbered,
    Sent(fields): Sent<Fields>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    let ours = shared.read(&repo, |it| it.check_runs.iter().any(|run| run.id == id && run.app == APP))?;
    if !ours {
        return Err(Refusal::not_found());
    }
    change(&shared, &repo, id, fields)?;
    ok(one(&shared, &repo, id)?)
}

type OfCommit = Path<(String, String, String)>;

async fn of_commit(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): OfCommit,
    query: Query,
) -> Answer {
    let sha = sha_of(&shared, &repo, &name).await?;
    let runs = shared.read(&repo, |it| {
        let runs = chosen(it, &sha, &query);
        runs.into_iter().map(|run| shared.links.check_run(it, run)).collect()
    })?;
    Ok(counted(&shared, &query, "check_runs", runs))
}

/// The runs of a commit that the query asks for, newest first; usually only the latest of each name and app.
fn chosen<'a>(it: &'a Repository, sha: &str, query: &Query) -> Vec<&'a CheckRun> {
    let of_commit = it.check_runs.iter().rev().filter(|run| run.head_sha == sha);
    let mut seen = BTreeSet::new();
    let all = query.get("filter") == Some("all");
    let latest = of_commit.filter(|run| all || seen.insert((&run.app, &run.name)));
    let fits = |asked: &str, value: &str| query.get(asked).is_none_or(|wanted| wanted == value);
    latest
        .filter(|run| fits("check_name", &run.name) && fits("status", &run.status))
        .filter(|run| fits("app_id", &app_id(&run.app).to_string()))
        .collect()
}

async fn sha_of(shared: &Shared, repo: &str, name: &str) -> Result<String, Refusal> {
    shared.git(repo).commit_named(name).await?.ok_or_else(Refusal::not_found)
}

#[derive(Deserialize)]
struct NewStatus {
    state: String,
    context: Option<String>,
    description: Option<String>,
    target_url: Option<String>,
}

async fn set_status(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): OfCommit,
    Sent(new): Sent<NewStatus>,
) -> Answer {
    let _turn = shared.turn.lock().await;
    if !matches!(&*new.state, "error" | "failure" | "pending" | "success") {
        return Err(Refusal::field("Status", "state", "invalid"));
    }
    let sha = shared.git(&repo).commit_named(&name).await?;
    let sha = sha.ok_or_else(|| Refusal::rule("Status", &format!("No commit found for SHA: {name}")))?;
    let shown = shared.write(&repo, |it, ids| {
        let status = Status {
            id: ids.next(),
            sha,
            state: new.state,
            context: new.context.unwrap_or_else(|| "default".to_owned()),
            description: new.description,
            target_url: new.target_url,
            author: BOT.to_owned(),
            created_at: now(),
        };
        it.statuses.push(status.clone());
        shared.links.status(it, &status)
    })?;
    let payload =
        super::super::render::with(json!({"sha": name, "name": repo, "branches": []}), shown.clone());
    shared.announce(&repo, BOT, "status", payload)?;
    Ok(created(shown))
}

async fn statuses(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): OfCommit,
    query: Query,
) -> Answer {
    let sha = sha_of(&shared, &repo, &name).await?;
    let shown = shared.read(&repo, |it| {
        let of_commit = it.statuses.iter().rev().filter(|status| status.sha == sha);
        of_commit.map(|status| shared.links.status(it, status)).collect()
    })?;
    Ok(list(&shared, &query, shown))
}

async fn combined(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, name)): OfCommit,
    query: Query,
) -> Answer {
    let sha = sha_of(&shared, &repo, &name).await?;
    let (api, about, latest) = shared.read(&repo, |it| {
        let mut seen = BTreeSet::new();
        let of_commit = it.statuses.iter().rev().filter(|status| status.sha == sha);
        let latest: Vec<(String, Value)> = of_commit
            .filter(|status| seen.insert(&status.context))
            .map(|status| (status.state.clone(), shared.links.status(it, status)))
            .collect();
        (shared.links.api(it), shared.links.repository(it), latest)
    })?;
    let any = |states: &[&str]| latest.iter().any(|(state, _)| states.contains(&&**state));
    let state = match () {
        () if any(&["error", "failure"]) => "failure",
        () if any(&["pending"]) || latest.is_empty() => "pending",
        () => "success",
    };
    let total = latest.len();
    let (shown, _) = query.page(&shared, latest.into_iter().map(|(_, shown)| shown).collect());
    ok(json!({
        "state": state, "sha": sha, "total_count": total, "statuses": shown, "repository": about,
        "commit_url": format!("{api}/commits/{sha}"), "url": format!("{api}/commits/{sha}/status"),
    }))
}

fn tell(shared: &Shared, repo: &str, app: &str, id: i64, action: &str) -> Result<(), Refusal> {
    let run = one(shared, repo, id)?;
    let actor = format!("{app}[bot]");
    Ok(shared.announce(repo, &actor, "check_run", json!({"action": action, "check_run": run}))?)
}
