//! GitHub Actions at the twin: what happens in the repository starts its workflows, and their jobs are check runs.
//!
//! Which commit an event runs at, and what starts nothing: docs.github.com "Events that trigger workflows" and "Triggering
//! a workflow".

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aspora::dev::github::{CI_APP, Delivery, Webhook};
use axum::{Router, http::StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    groups::Groups,
    machine::{Machine, Progress, REPO, Ran, Site, token},
    reporter::Reporter,
};

/// The service, with one machine for each workflow run.
pub(crate) struct Actions {
    pub(crate) site: Site,
    pub(crate) machine: Mutex<Machine>,
    /// How many deliveries were looked at.
    seen: Mutex<usize>,
    groups: Groups,
}

/// A workflow run that is over.
pub(crate) struct Done {
    pub(crate) workflow: String,
    /// What started it.
    pub(crate) event: String,
    /// What became of it; nothing if a newer run took its place before it began.
    pub(crate) ran: Option<Ran>,
}

/// Where the workflows of an event run.
struct Place {
    /// `GITHUB_SHA`, whose workflows run.
    sha: String,
    /// `GITHUB_REF`.
    name: String,
    /// The commit that the check runs are of.
    head: String,
    /// Whether it comes from a fork, which gets no secrets and may change nothing.
    is_fork: bool,
}

/// A workflow that an event may start.
struct Start {
    file: String,
    text: String,
    github: Value,
    head: String,
    is_fork: bool,
}

impl Actions {
    pub(crate) async fn new(site: Site, machine: Machine) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().fallback(async || StatusCode::NO_CONTENT);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        site.twin.set_webhook(Some(Webhook { url, secret: "of-actions".to_owned() }));
        let (machine, seen, groups) = (Mutex::new(machine), Mutex::default(), Groups::default());
        Arc::new(Self { site, machine, seen, groups })
    }

    /// Runs what events start until nothing is left to run; the runs in the order of their ends.
    pub(crate) async fn settle(self: &Arc<Self>) -> Vec<Done> {
        let (mut running, mut done) = (JoinSet::new(), Vec::new());
        loop {
            self.site.twin.settled().await;
            for delivery in self.unseen() {
                for start in self.starts(&delivery).await {
                    running.spawn(Arc::clone(self).run(start));
                }
            }
            if running.is_empty() {
                return done;
            }
            tokio::select! {
                ended = running.join_next() => done.extend(ended.unwrap().unwrap()),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    }

    fn unseen(&self) -> Vec<Delivery> {
        let sent = self.site.twin.webhooks().sent();
        let mut seen = self.seen.lock().unwrap();
        let new = sent[*seen..].to_vec();
        *seen = sent.len();
        new
    }

    async fn starts(&self, delivery: &Delivery) -> Vec<Start> {
        let Some(place) = self.place(&delivery.event, &delivery.payload).await else { return Vec::new() };
        let listing = self.site.show(&place.sha, ".github/workflows").await;
        let mut starts = Vec::new();
        for file in listing.lines().filter(|name| name.ends_with(".yml")) {
            let file = format!(".github/workflows/{file}");
            let text = self.site.show(&place.sha, &file).await;
            if !may_start(&text, delivery) {
                continue;
            }
            let github = self.github(delivery, &place);
            starts.push(Start { file, text, github, head: place.head.clone(), is_fork: place.is_fork });
        }
        starts
    }

    /// Where an event runs; nothing for one that starts no workflow.
    async fn place(&self, event: &str, payload: &Value) -> Option<Place> {
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let by_actions = text("/sender/login").is_some_and(|login| login == format!("{CI_APP}[bot]"));
        if by_actions && event != "workflow_run" {
            return None;
        }
        match event {
            "pull_request" => {
                let (number, head) = (payload["number"].as_i64()?, text("/pull_request/head/sha")?);
                let sha = self.test_merge(number).await?;
                let is_fork = text("/pull_request/head/repo/full_name").as_deref() != Some(REPO);
                Some(Place { sha, name: format!("refs/pull/{number}/merge"), head, is_fork })
            }
            "merge_group" => {
                let head = text("/merge_group/head_sha")?;
                let name = text("/merge_group/head_ref")?;
                Some(Place { sha: head.clone(), name, head, is_fork: false })
            }
            "push" if payload["deleted"] == false => {
                let head = text("/after")?;
                Some(Place { sha: head.clone(), name: text("/ref")?, head, is_fork: false })
            }
            "check_run" => {
                // "…if the check suite's head SHA is associated with GitHub Actions": taken by the letter.
                let head = text("/check_run/head_sha")?;
                let runs = self.site.twin.workflow_runs(REPO);
                if runs.iter().any(|run| run.head_sha == head) { None } else { self.default_branch().await }
            }
            "issues" | "issue_comment" | "workflow_run" => self.default_branch().await,
            _ => None,
        }
    }

    /// The test merge of a pull request, which looking at it makes; none where there are conflicts.
    async fn test_merge(&self, number: i64) -> Option<String> {
        loop {
            let pull = self.site.ask(Method::GET, &format!("pulls/{number}"), None).await;
            if pull["mergeable"] != Value::Null || pull["state"] == "closed" {
                return pull["merge_commit_sha"].as_str().map(str::to_owned);
            }
        }
    }

    async fn default_branch(&self) -> Option<Place> {
        let sha = self.site.twin.branch(REPO, "main").await.unwrap()?;
        Some(Place { head: sha.clone(), sha, name: "refs/heads/main".to_owned(), is_fork: false })
    }

    fn github(&self, delivery: &Delivery, place: &Place) -> Value {
        let (url, payload) = (self.site.twin.url(), &delivery.payload);
        let pull = &payload["pull_request"];
        json!({
            "event_name": delivery.event, "event": payload, "repository": REPO, "sha": place.sha, "ref": place.name,
            "ref_name": place.name.trim_start_matches("refs/heads/").trim_start_matches("refs/"),
            "head_ref": pull["head"]["ref"], "base_ref": pull["base"]["ref"], "api_url": url, "server_url": url,
            "graphql_url": format!("{url}/graphql"), "repository_owner": REPO.split('/').next(),
            "actor": payload["sender"]["login"], "triggering_actor": payload["sender"]["login"], "run_attempt": "1",
        })
    }

    async fn run(self: Arc<Self>, start: Start) -> Option<Done> {
        let mut machine = self.machine.lock().unwrap().clone();
        if start.is_fork {
            machine.secrets.clear();
        }
        let workflow = json!({"file": start.file, "text": start.text});
        let mut running = machine.start(&workflow, &start.github, None).await;
        let event = start.github["event_name"].as_str().unwrap().to_owned();
        let Progress::Event(began) = running.next(&json!({})).await else { return None };
        let workflow = began["run"].as_str().unwrap().to_owned();
        let mut reporter = Reporter::begin(&self.site.twin, &start.head, &workflow, &event).await;
        let turn = self.groups.enter(&began, running.process()).await;
        let Some(turn) = turn else {
            reporter.cancelled().await;
            return Some(Done { workflow, event, ran: None });
        };
        let mut answer = json!({"github": {"run_id": reporter.run.to_string(), "run_number": "1"}});
        let ran = loop {
            match running.next(&answer).await {
                Progress::End(ran) => break ran,
                Progress::Event(event) => {
                    reporter.tell(&event).await;
                    answer = json!({"token": self.token(&event, start.is_fork)});
                }
            }
        };
        reporter.end().await;
        self.groups.leave(turn);
        Some(Done { workflow, event, ran: Some(ran) })
    }

    /// The token of a job that begins, with its permissions and no others.
    fn token(&self, event: &Value, is_fork: bool) -> Option<String> {
        let permissions = event["permissions"].as_str()?;
        let held = if is_fork { permissions.replace("=write", "=read") } else { permissions.to_owned() };
        Some(token(&self.site.twin, REPO, Some(&held)))
    }
}

/// Whether an event is named in the `on` of a workflow, and the workflow run whose end it is; the runner then decides.
fn may_start(text: &str, delivery: &Delivery) -> bool {
    let on = text.split("\non:").nth(1).unwrap_or_default();
    let is_of_on = |line: &&str| line.is_empty() || line.starts_with([' ', '#']);
    let on: Vec<&str> = on.lines().take(1).chain(on.lines().skip(1).take_while(is_of_on)).collect();
    let names = |name: &str| on.iter().any(|line| line.contains(name));
    names(&delivery.event) && delivery.payload["workflow_run"]["name"].as_str().is_none_or(names)
}
