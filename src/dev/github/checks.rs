//! Check runs: how an app reports on a commit.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    accounts::{app_id, bot_of},
    event::{CheckRunAction, Event},
    host::{Host, Turn},
    refusal::Refusal,
    state::{CheckRun, Repository, now},
    suites,
};

/// The conclusions that an app may give; `stale` and `startup_failure` only GitHub gives.
const CONCLUSIONS: [&str; 7] =
    ["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"];
/// The statuses that an app may give. docs.github.com "REST API endpoints for check runs".
const STATUSES: [&str; 6] = ["queued", "in_progress", "completed", "waiting", "requested", "pending"];
/// The most characters of a summary and of a text.
const TEXT_LIMIT: usize = 65_535;
/// The most buttons of a check run.
const ACTIONS: usize = 3;
/// The most characters of a button's label and of its identifier, each.
const LABEL_LIMIT: usize = 20;
/// The most characters of a button's description.
const DESCRIPTION_LIMIT: usize = 40;
/// The most annotations of one request.
const ANNOTATIONS: usize = 50;

/// The fields of a check run as an app sends them; an update leaves out what stays.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct CheckFields {
    pub(crate) name: Option<String>,
    pub(crate) head_sha: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) conclusion: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) details_url: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) output: Option<CheckOutput>,
    pub(crate) actions: Option<Vec<CheckAction>>,
}

/// A button of a check run.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct CheckAction {
    pub(crate) label: String,
    pub(crate) description: String,
    pub(crate) identifier: String,
}

/// What people read of a check run.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct CheckOutput {
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) annotations: Vec<Value>,
}

/// Which check runs of a commit a list shows.
#[derive(Debug, Default)]
pub(crate) struct CheckFilter<'a> {
    /// All runs, rather than the latest of each name in a suite, by the time they were completed.
    pub(crate) all: bool,
    pub(crate) name: Option<&'a str>,
    pub(crate) status: Option<&'a str>,
    pub(crate) app_id: Option<&'a str>,
}

/// Creates a check run of an app; 422 when the commit is unknown.
pub(crate) async fn create(
    turn: &Turn<'_>,
    repo: &str,
    app: &str,
    fields: CheckFields,
) -> Result<i64, Refusal> {
    let missing = |field: &str| Refusal::field("CheckRun", field, "missing_field");
    let name = fields.name.clone().ok_or_else(|| missing("name"))?;
    let head_sha = fields.head_sha.clone().ok_or_else(|| missing("head_sha"))?;
    if turn.git(repo).commit_named(&head_sha).await?.as_ref() != Some(&head_sha) {
        return Err(Refusal::rule("CheckRun", &format!("No commit found for SHA: {head_sha}")));
    }
    add(turn, repo, app, None, &head_sha, CheckFields { name: Some(name), ..fields })
}

/// Adds a check run to a suite, or to the app's own.
pub(crate) fn add(
    turn: &Turn<'_>,
    repo: &str,
    app: &str,
    suite: Option<i64>,
    head_sha: &str,
    fields: CheckFields,
) -> Result<i64, Refusal> {
    check(&fields)?;
    let run = turn.write(repo, |it, ids| {
        let suite = suite.unwrap_or_else(|| suites::of_app(it, ids, app, head_sha));
        let name = fields.name.clone().unwrap_or_default();
        let mut run = queued(ids.next(), app, name, head_sha.to_owned());
        run.suite = suite;
        set(&mut run, fields);
        it.check_runs.push(run.clone());
        run
    })?;
    let id = run.id;
    announce(turn, repo, &app_bot(&run), CheckRunAction::Created, run)?;
    Ok(id)
}

/// Changes a check run, and announces when that completed it. 403 for another App than the one that created it.
pub(crate) fn update(
    turn: &Turn<'_>,
    repo: &str,
    app: &str,
    id: i64,
    fields: CheckFields,
) -> Result<(), Refusal> {
    check(&fields)?;
    if one(turn, repo, id)?.app != app {
        let message = format!(
            "Invalid app_id `{}` - check run can only be modified by the GitHub App that created it.",
            app_id(app)
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, &message));
    }
    let run = turn.write(repo, |it, _| {
        let run = it.check_runs.iter_mut().find(|run| run.id == id)?;
        set(run, fields);
        Some(run.clone())
    })?;
    let run = run.ok_or_else(Refusal::not_found)?;
    if run.status == "completed" {
        announce(turn, repo, &app_bot(&run), CheckRunAction::Completed, run)?;
    }
    Ok(())
}

pub(crate) fn one(host: &Host, repo: &str, id: i64) -> Result<CheckRun, Refusal> {
    let found = host.read(repo, |it| it.check_runs.iter().find(|run| run.id == id).cloned())?;
    found.ok_or_else(Refusal::not_found)
}

/// The runs of a commit that a filter lets through, newest first.
pub(crate) fn of_commit<'a>(it: &'a Repository, sha: &str, filter: &CheckFilter<'_>) -> Vec<&'a CheckRun> {
    let shown: Vec<&CheckRun> = it.check_runs.iter().rev().filter(|run| run.head_sha == sha).collect();
    let completed = |run: &CheckRun| (run.completed_at.is_none(), run.completed_at.clone(), run.id);
    let is_latest = |run: &&&CheckRun| {
        let same = shown.iter().filter(|other| other.suite == run.suite && other.name == run.name);
        same.max_by_key(|other| completed(other)).is_some_and(|newest| newest.id == run.id)
    };
    let latest: Vec<&CheckRun> = shown.iter().filter(|run| filter.all || is_latest(run)).copied().collect();
    let fits = |wanted: Option<&str>, value: &str| wanted.is_none_or(|wanted| wanted == value);
    latest
        .into_iter()
        .filter(|run| fits(filter.name, &run.name) && fits(filter.status, &run.status))
        .filter(|run| fits(filter.app_id, &app_id(&run.app).to_string()))
        .collect()
}

/// Refuses what GitHub refuses of any check run. docs.github.com "REST API endpoints for check runs"; the words of
/// the refusals are ours.
fn check(fields: &CheckFields) -> Result<(), Refusal> {
    let invalid = |field: &str| Refusal::field("CheckRun", field, "invalid");
    if fields.conclusion.as_deref().is_some_and(|word| !CONCLUSIONS.contains(&word)) {
        return Err(invalid("conclusion"));
    }
    if fields.status.as_deref().is_some_and(|word| !STATUSES.contains(&word)) {
        return Err(invalid("status"));
    }
    check_actions(fields.actions.as_deref().unwrap_or_default())?;
    let Some(output) = &fields.output else { return Ok(()) };
    for (field, text) in [("summary", &output.summary), ("text", &output.text)] {
        let length = text.as_ref().map_or(0, |text| text.chars().count());
        if length > TEXT_LIMIT {
            let message = format!("{field} exceeds a maximum bytesize of {TEXT_LIMIT}");
            return Err(Refusal::rule("CheckRun", &message));
        }
    }
    if output.annotations.len() > ANNOTATIONS {
        let message =
            format!("No more than {ANNOTATIONS} items allowed; {} were supplied.", output.annotations.len());
        return Err(Refusal::rule("CheckRun", &message));
    }
    Ok(())
}

fn check_actions(actions: &[CheckAction]) -> Result<(), Refusal> {
    let fits = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
    let is_valid = |it: &CheckAction| {
        fits(&it.label, LABEL_LIMIT)
            && fits(&it.description, DESCRIPTION_LIMIT)
            && fits(&it.identifier, LABEL_LIMIT)
    };
    if actions.len() <= ACTIONS && actions.iter().all(is_valid) {
        Ok(())
    } else {
        Err(Refusal::field("CheckRun", "actions", "invalid"))
    }
}

/// Asks the app of a completed check run to run it again: the webhook goes to that app, the run stays as it is. 403
/// for another app's.
pub(crate) fn rerequest(turn: &Turn<'_>, repo: &str, app: &str, id: i64) -> Result<(), Refusal> {
    if one(turn, repo, id)?.app != app {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Resource not accessible by integration"));
    }
    rerequest_as(turn, repo, &bot_of(app), id)
}

/// As [`rerequest`], by anyone who may write.
pub(crate) fn rerequest_as(turn: &Turn<'_>, repo: &str, actor: &str, id: i64) -> Result<(), Refusal> {
    let run = one(turn, repo, id)?;
    if run.status != "completed" {
        return Err(Refusal::rule("CheckRun", "This check run is not rerequestable"));
    }
    Ok(announce(turn, repo, actor, CheckRunAction::Rerequested, run)?)
}

/// Presses a button of a check run; 422 for one that it does not have.
pub(crate) fn request_action(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    id: i64,
    identifier: &str,
) -> Result<(), Refusal> {
    let run = one(turn, repo, id)?;
    if !run.actions.iter().any(|action| action["identifier"] == identifier) {
        return Err(Refusal::rule("CheckRun", &format!("The check run has no action `{identifier}`")));
    }
    Ok(announce(turn, repo, actor, CheckRunAction::RequestedAction(identifier.to_owned()), run)?)
}

fn queued(id: i64, app: &str, name: String, head_sha: String) -> CheckRun {
    CheckRun {
        id,
        app: app.to_owned(),
        suite: 0,
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
        actions: Vec::new(),
        log: None,
        steps: 0,
    }
}

fn set(run: &mut CheckRun, fields: CheckFields) {
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
    if let Some(actions) = fields.actions {
        run.actions = actions.into_iter().map(|action| json!(action)).collect();
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

/// The account under which the app of a check run acts.
fn app_bot(run: &CheckRun) -> String {
    bot_of(&run.app)
}

fn announce(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    action: CheckRunAction,
    run: CheckRun,
) -> anyhow::Result<()> {
    turn.announce(repo, actor, &Event::CheckRun { action, run })
}
