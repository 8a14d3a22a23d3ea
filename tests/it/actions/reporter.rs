//! What a workflow run tells, as a workflow run of the twin with a check run for each job.

use std::{collections::BTreeSet, sync::Arc};

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
}

impl Reporter {
    pub(crate) async fn begin(twin: &Arc<Twin>, head: &str, workflow: &str) -> Self {
        let run = twin.run_workflow(REPO, head, workflow, &[]).await.unwrap();
        Self { twin: Arc::clone(twin), run, open: BTreeSet::new(), last: None }
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
            "in_progress" => self.twin.move_job(REPO, self.run, &name).await.unwrap(),
            _ => self.completed(name, end(event)).await,
        }
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
