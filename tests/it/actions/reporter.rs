//! What a workflow run tells, as a workflow run of the twin with a check run for each job.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aspora::dev::github::{JobEnd, Twin};
use serde_json::{Value, json};

use super::machine::REPO;

/// The most annotations of a check run in one request: docs.github.com "REST API endpoints for check runs".
const MOST_ANNOTATIONS: usize = 50;

/// Reports one workflow run.
pub(crate) struct Reporter {
    twin: Arc<Twin>,
    /// The number of the workflow run.
    pub(crate) run: i64,
    open: BTreeSet<String>,
    /// The end of what is for now the last job: with it the run would be over, while those that need it are yet to come.
    last: Option<(String, JobEnd)>,
    head: String,
    /// The deployment of each job that has an environment.
    deployments: BTreeMap<String, i64>,
}

impl Reporter {
    pub(crate) async fn begin(twin: &Arc<Twin>, head: &str, workflow: &str, event: &str) -> Self {
        let run = twin.start_workflow(REPO, head, workflow, event).await.unwrap();
        let (twin, head) = (Arc::clone(twin), head.to_owned());
        Self { twin, run, open: BTreeSet::new(), last: None, head, deployments: BTreeMap::new() }
    }

    /// A job was queued, taken or completed.
    pub(crate) async fn tell(&mut self, event: &Value) {
        let name = event["name"].as_str().unwrap().to_owned();
        match event["status"].as_str().unwrap() {
            "queued" => {
                self.twin.queue_job(REPO, self.run, &name).await.unwrap();
                self.open.insert(name);
                self.flush().await;
            }
            "in_progress" => {
                self.twin.move_job(REPO, self.run, &name).await.unwrap();
                self.deploys(name, event).await;
            }
            _ => {
                self.deployed(&name, event).await;
                self.completed(name, end(event)).await;
            }
        }
    }

    /// A job with an environment is a deployment: docs.github.com "Deployments and environments".
    async fn deploys(&mut self, name: String, event: &Value) {
        let Some(environment) = event["environment"]["name"].as_str() else { return };
        let id = self.twin.begin_deployment(REPO, &self.head, environment).await.unwrap();
        self.twin.move_deployment(REPO, id, "in_progress", "").await.unwrap();
        self.deployments.insert(name, id);
    }

    async fn deployed(&self, name: &str, event: &Value) {
        let Some(id) = self.deployments.get(name) else { return };
        let state = if event["conclusion"] == "success" { "success" } else { "failure" };
        let url = event["environment"]["url"].as_str().unwrap_or_default();
        self.twin.move_deployment(REPO, *id, state, url).await.unwrap();
    }

    async fn completed(&mut self, name: String, end: JobEnd) {
        if !self.open.remove(&name) {
            self.twin.queue_job(REPO, self.run, &name).await.unwrap();
        }
        self.flush().await;
        self.last = Some((name, end));
        if !self.open.is_empty() {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        if let Some((name, end)) = self.last.take() {
            self.twin.end_job(REPO, self.run, &name, end).await.unwrap();
        }
    }

    /// All jobs are over.
    pub(crate) async fn end(mut self) {
        self.flush().await;
    }

    /// A newer run took its place before any job began.
    pub(crate) async fn cancelled(&self) {
        self.twin.end_workflow(REPO, self.run, "cancelled").await.unwrap();
    }
}

fn end(event: &Value) -> JobEnd {
    let all = event["annotations"].as_array().into_iter().flatten();
    let annotation = |it: &Value| {
        let level = if it["level"] == "error" { json!("failure") } else { it["level"].clone() };
        json!({"path": it["file"].as_str().unwrap_or(".github"), "start_line": 1, "end_line": 1,
            "annotation_level": level, "message": it["message"]})
    };
    JobEnd {
        conclusion: event["conclusion"].as_str().unwrap().to_owned(),
        log: event["log"].as_str().unwrap_or_default().to_owned(),
        output: None,
        annotations: all.take(MOST_ANNOTATIONS).map(annotation).collect(),
    }
}
