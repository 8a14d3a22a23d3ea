//! What people do about issues, and what GitHub Actions does about deployments.

use super::{
    accounts::{CI_APP, bot_of},
    deployments::{self, Made, NewDeployment, NewStatus},
    issues::{self, IssueFields, NewIssue},
    state::{Deployment, DeploymentStatus},
    twin::Twin,
};

impl Twin {
    /// Opens an issue as another user; its number.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub async fn open_issue_as(
        &self,
        user: &str,
        repository: &str,
        title: &str,
        labels: &[&str],
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let new = NewIssue { title: title.to_owned(), body: None, labels };
        Ok(issues::open(&turn, repository, user, new)?.number)
    }

    /// Gives an issue a label as another user.
    ///
    /// # Errors
    /// When there is no such issue.
    pub async fn label_issue_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        label: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(issues::label(&turn, repository, user, number, &[label.to_owned()])?)
    }

    /// Closes an issue as another user.
    ///
    /// # Errors
    /// When there is no such issue.
    pub async fn close_issue_as(&self, user: &str, repository: &str, number: i64) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let closed = IssueFields { state: Some("closed".to_owned()), ..IssueFields::default() };
        issues::update(&turn, repository, user, number, closed)?;
        Ok(())
    }

    /// A job of GitHub Actions begins to deploy to an environment; the number of the deployment. What the rules of an
    /// environment ask for is not built.
    ///
    /// # Errors
    /// When the repository or the commit is unknown.
    pub async fn begin_deployment(
        &self,
        repository: &str,
        sha: &str,
        environment: &str,
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let new = NewDeployment {
            name: sha.to_owned(),
            environment: Some(environment.to_owned()),
            required_contexts: Some(Vec::new()),
            ..NewDeployment::default()
        };
        match deployments::create(&turn, repository, &bot_of(CI_APP), new).await? {
            Made::Deployment(made) => Ok(made.id),
            Made::Merged(message) => anyhow::bail!(message),
        }
    }

    /// A job of GitHub Actions says how its deployment stands.
    ///
    /// # Errors
    /// When there is no such deployment or state.
    pub async fn move_deployment(
        &self,
        repository: &str,
        id: i64,
        state: &str,
        environment_url: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let url = Some(environment_url.to_owned());
        let new = NewStatus { state: state.to_owned(), environment_url: url, ..NewStatus::default() };
        deployments::set(&turn, repository, &bot_of(CI_APP), id, new)?;
        Ok(())
    }

    /// All deployments, oldest first, each with its statuses, oldest first.
    #[must_use]
    pub fn deployments(&self, repository: &str) -> Vec<(Deployment, Vec<DeploymentStatus>)> {
        let found = self.shared.host.read(repository, |it| {
            let of = |deployment: &Deployment| {
                let statuses =
                    it.deployment_statuses.iter().filter(|status| status.deployment == deployment.id);
                (deployment.clone(), statuses.cloned().collect())
            };
            it.deployments.iter().map(of).collect()
        });
        found.unwrap_or_default()
    }
}
