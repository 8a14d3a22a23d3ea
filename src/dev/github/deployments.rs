//! Deployments: what is to be where, and how that stands. docs.github.com "REST API endpoints for deployments".

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    accounts::address_of,
    event::Event,
    host::{Host, Turn},
    push,
    refusal::Refusal,
    state::{Deployment, DeploymentStatus, Repository, now},
    statuses, suites,
};

/// The states that a status may have.
const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
/// The most characters of the description of a status.
const DESCRIPTION_LIMIT: usize = 140;

/// A deployment to be made.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NewDeployment {
    #[serde(rename = "ref")]
    pub(crate) name: String,
    pub(crate) task: Option<String>,
    pub(crate) auto_merge: Option<bool>,
    /// The names that must be green; without it all that are reported, and none if it is empty.
    pub(crate) required_contexts: Option<Vec<String>>,
    pub(crate) payload: Option<Value>,
    pub(crate) environment: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) transient_environment: Option<bool>,
    pub(crate) production_environment: Option<bool>,
}

/// A status to be set.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NewStatus {
    pub(crate) state: String,
    pub(crate) target_url: Option<String>,
    pub(crate) log_url: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) environment_url: Option<String>,
    pub(crate) auto_inactive: Option<bool>,
}

/// What a request for a deployment came to.
pub(crate) enum Made {
    Deployment(Box<Deployment>),
    /// The default branch was merged into what was named, and nothing is deployed: the caller asks again.
    Merged(String),
}

/// Makes a deployment. 409 where the default branch does not merge, or what must be green is not.
pub(crate) async fn create(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    new: NewDeployment,
) -> Result<Made, Refusal> {
    let unknown = || Refusal::rule("Deployment", &format!("No ref found for: {}", new.name));
    let git = turn.git(repo);
    let branch = git.branch(&new.name).await?;
    let sha = match &branch {
        Some(sha) => sha.clone(),
        None => git.commit_named(&new.name).await?.ok_or_else(unknown)?,
    };
    if branch.is_some()
        && new.auto_merge.unwrap_or(true)
        && let Some(message) = merge_default(turn, repo, actor, &new.name, &sha).await?
    {
        return Ok(Made::Merged(message));
    }
    let failed = turn.read(repo, |it| failed_contexts(it, &sha, new.required_contexts.as_deref()))?;
    if !failed.is_empty() {
        let message = format!("Conflict: Commit status checks failed for {}.", new.name);
        return Err(Refusal::new(StatusCode::CONFLICT, &message));
    }
    let deployment = turn.write(repo, |it, ids| {
        let deployment = deployment(ids.next(), actor, sha, new);
        it.deployments.push(deployment.clone());
        deployment
    })?;
    turn.announce(repo, actor, &Event::Deployment { deployment: deployment.clone() })?;
    Ok(Made::Deployment(Box::new(deployment)))
}

fn deployment(id: i64, actor: &str, sha: String, new: NewDeployment) -> Deployment {
    let environment = new.environment.unwrap_or_else(|| "production".to_owned());
    let at = now();
    Deployment {
        id,
        sha,
        name: new.name,
        task: new.task.unwrap_or_else(|| "deploy".to_owned()),
        payload: new.payload.unwrap_or_else(|| json!("")),
        is_transient: new.transient_environment.unwrap_or(false),
        is_production: new.production_environment.unwrap_or(environment == "production"),
        environment,
        description: new.description,
        creator: actor.to_owned(),
        created_at: at.clone(),
        updated_at: at,
    }
}

/// Merges the default branch into a branch that is behind it; what was done, if anything.
async fn merge_default(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    branch: &str,
    head: &str,
) -> Result<Option<String>, Refusal> {
    let default = turn.read(repo, |it| it.default_branch.clone())?;
    let git = turn.git(repo);
    let Some(base) = git.branch(&default).await? else { return Ok(None) };
    if branch == default || git.ahead(head, &base).await? == 0 {
        return Ok(None);
    }
    let Some(tree) = git.merged_tree(head, &base).await? else {
        let message = format!("Conflict merging {default} into {branch}.");
        return Err(Refusal::new(StatusCode::CONFLICT, &message));
    };
    let message = format!("Merge {default} into {branch}");
    let after = git.commit_tree(&tree, &[head, &base], &message, (actor, &address_of(actor))).await?;
    push::advance(turn, repo, actor, branch, head, &after).await?;
    Ok(Some(format!("Auto-merged {default} into {branch} on deployment.")))
}

/// The names that must be green on a commit and are not: statuses, and the newest check run of each name.
fn failed_contexts(it: &Repository, sha: &str, required: Option<&[String]>) -> Vec<String> {
    let (_, latest) = statuses::combined(it, sha);
    let of_statuses = latest.into_iter().map(|status| (status.context.clone(), status.state == "success"));
    let of_suites = it.suites.iter().filter(|suite| suite.head_sha == sha);
    let runs = of_suites.flat_map(|suite| suites::latest(it, suite.id));
    let is_green = |conclusion: Option<&str>| matches!(conclusion, Some("success" | "neutral" | "skipped"));
    let of_runs = runs.map(|run| (run.name.clone(), is_green(run.conclusion.as_deref())));
    let reported: Vec<(String, bool)> = of_statuses.chain(of_runs).collect();
    match required {
        Some(names) => {
            let is_green = |name: &&String| reported.iter().any(|(known, green)| known == *name && *green);
            names.iter().filter(|name| !is_green(name)).cloned().collect()
        }
        None => reported.into_iter().filter(|(_, green)| !green).map(|(name, _)| name).collect(),
    }
}

/// The deployment of this number.
pub(crate) fn one(host: &Host, repo: &str, id: i64) -> Result<Deployment, Refusal> {
    let found = host.read(repo, |it| it.deployments.iter().find(|known| known.id == id).cloned())?;
    found.ok_or_else(Refusal::not_found)
}

/// Sets how a deployment stands. A success makes those before it inactive, where people do not use the place.
pub(crate) fn set(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    id: i64,
    new: NewStatus,
) -> Result<DeploymentStatus, Refusal> {
    let deployment = one(turn, repo, id)?;
    if !STATES.contains(&&*new.state) {
        return Err(Refusal::field("DeploymentStatus", "state", "invalid"));
    }
    let description = new.description.unwrap_or_default();
    if description.chars().count() > DESCRIPTION_LIMIT {
        let message = format!("description is too long (maximum is {DESCRIPTION_LIMIT} characters)");
        return Err(Refusal::rule("DeploymentStatus", &message));
    }
    let retires = new.state == "success" && new.auto_inactive.unwrap_or(true);
    let status = turn.write(repo, |it, ids| {
        let before = it.deployment_statuses.iter().rfind(|status| status.deployment == id);
        let environment = before.map_or_else(|| deployment.environment.clone(), |it| it.environment.clone());
        let status = DeploymentStatus {
            id: ids.next(),
            deployment: id,
            state: new.state,
            description,
            environment: new.environment.unwrap_or(environment),
            log_url: new.log_url.or(new.target_url).unwrap_or_default(),
            environment_url: new.environment_url.unwrap_or_default(),
            creator: actor.to_owned(),
            created_at: now(),
        };
        push_status(it, status.clone());
        for older in if retires { superseded(it, &status) } else { Vec::new() } {
            let state = "inactive".to_owned();
            push_status(it, DeploymentStatus { id: ids.next(), deployment: older, state, ..status.clone() });
        }
        status
    })?;
    let announced = Event::DeploymentStatus { deployment: one(turn, repo, id)?, status: status.clone() };
    turn.announce(repo, actor, &announced)?;
    Ok(status)
}

fn push_status(it: &mut Repository, status: DeploymentStatus) {
    if let Some(deployment) = it.deployments.iter_mut().find(|known| known.id == status.deployment) {
        deployment.updated_at.clone_from(&status.created_at);
    }
    it.deployment_statuses.push(status);
}

/// The older deployments that a success takes the place of.
fn superseded(it: &Repository, status: &DeploymentStatus) -> Vec<i64> {
    let stands = |id: i64| it.deployment_statuses.iter().rfind(|known| known.deployment == id);
    let is_older = |known: &&Deployment| {
        known.id < status.deployment
            && known.environment == status.environment
            && !known.is_transient
            && !known.is_production
            && stands(known.id).is_some_and(|last| last.state == "success")
    };
    it.deployments.iter().filter(is_older).map(|known| known.id).collect()
}
