//! Deployments and their statuses.

use serde_json::{Value, json};

use super::{Links, node};
use crate::dev::github::state::{Deployment, DeploymentStatus, Repository};

impl Links {
    /// A deployment.
    pub(crate) fn deployment(&self, it: &Repository, deployment: &Deployment) -> Value {
        let api = self.api(it);
        let url = format!("{api}/deployments/{}", deployment.id);
        json!({
            "url": url, "id": deployment.id, "node_id": node("DE", deployment.id), "sha": deployment.sha,
            "ref": deployment.name, "task": deployment.task, "payload": deployment.payload,
            "original_environment": deployment.environment, "environment": deployment.environment,
            "description": deployment.description, "creator": self.author(it, &deployment.creator),
            "created_at": deployment.created_at, "updated_at": deployment.updated_at,
            "statuses_url": format!("{url}/statuses"), "repository_url": api,
            "transient_environment": deployment.is_transient, "production_environment": deployment.is_production,
        })
    }

    /// A status of a deployment.
    pub(crate) fn deployment_status(&self, it: &Repository, status: &DeploymentStatus) -> Value {
        let api = self.api(it);
        let deployment = format!("{api}/deployments/{}", status.deployment);
        json!({
            "url": format!("{deployment}/statuses/{}", status.id), "id": status.id, "node_id": node("DES", status.id),
            "state": status.state, "creator": self.author(it, &status.creator), "description": status.description,
            "environment": status.environment, "environment_url": status.environment_url, "log_url": status.log_url,
            "target_url": status.log_url, "created_at": status.created_at, "updated_at": status.created_at,
            "deployment_url": deployment, "repository_url": api,
        })
    }
}
