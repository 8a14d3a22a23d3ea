//! The REST interface from the caller's side.

use std::{collections::VecDeque, fmt::Write as _, time::Duration};

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use crate::api::{
    Accepted, Assessment, Control, DeadLetters, Event, Events, Finding, Limit, Most, NewProductBudget,
    NewRelease, NewRequirement, NewRunBudget, NewSchedule, Problem, Product, ProductBudget, Redrive,
    Redriven, Requirement, Requirements, Run, RunBudget, Schedule, Why,
};

/// How long one answer may take; streams may last.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long to rest before a stream that broke off is opened again.
const REST: Duration = Duration::from_millis(500);
/// How often a stream may break off in a row without an event between.
const BREAKS: u32 = 20;
/// The most bytes that one event of a stream may have.
const EVENT_LIMIT: usize = 4 * 1024 * 1024;

/// A server, and how to talk to it.
#[derive(Debug, Clone)]
pub struct Client {
    server: String,
    http: reqwest::Client,
}

/// Why the server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody answers there.
    #[error(
        "no server answers at {0}; start one with `aspora dev`, or name another with --server or ASPORA_SERVER"
    )]
    Unreachable(String),
    /// The server said no, and why.
    #[error("{}", explain(.0))]
    Refused(Box<Problem>),
    /// The answer is none that Aspora gives.
    #[error("{server} answered {status}, but not as an Aspora server does; check --server")]
    Strange {
        /// The server.
        server: String,
        /// Its status.
        status: StatusCode,
    },
    /// The connection broke.
    #[error("the connection to {server} failed: {error}")]
    Broken {
        /// The server.
        server: String,
        /// What happened.
        error: reqwest::Error,
    },
}

impl Failure {
    /// The caller may not do this.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(problem) if matches!(problem.status, 401 | 403))
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.retryable,
            Self::Unreachable(_) | Self::Broken { .. } => true,
            Self::Strange { status, .. } => status.is_server_error(),
        }
    }
}

/// What is wrong, where, and how to find it in the log.
fn explain(problem: &Problem) -> String {
    let mut text = problem.detail.clone();
    for fault in problem.errors.iter().filter(|fault| fault.detail != problem.detail) {
        let place = fault.pointer.as_deref().or(fault.parameter.as_deref()).unwrap_or("");
        let _ = write!(text, "\n  {}: {}", place.trim_start_matches('/'), fault.detail);
    }
    if problem.status >= 500 {
        let _ = write!(text, "\n  request {} in the server's log", problem.request_id);
    }
    text
}

impl Client {
    /// A client of one server.
    ///
    /// # Errors
    /// When the TLS of this machine cannot be set up.
    pub fn new(server: &Url) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).build()?;
        Ok(Self { server: server.as_str().trim_end_matches('/').to_owned(), http })
    }

    /// Hands in a requirement, once, however often the connection breaks.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn submit(&self, new: &NewRequirement) -> Result<Accepted, Failure> {
        self.submit_once(new, Uuid::new_v4()).await
    }

    /// Hands in a requirement under a key of the caller's: within a day the same key is the same requirement.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn submit_once(&self, new: &NewRequirement, key: Uuid) -> Result<Accepted, Failure> {
        self.post_once("/api/v1/requirements", new, key).await
    }

    /// Does something to a run, once, however often the connection breaks; the run afterwards.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn control(&self, run: Uuid, verb: &str, body: &impl Serialize) -> Result<Run, Failure> {
        self.post_once(&format!("/api/v1/runs/{run}/{verb}"), body, Uuid::new_v4()).await
    }

    /// A page of dead letters.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn dead_letters(&self, query: &[(&str, String)]) -> Result<DeadLetters, Failure> {
        self.json(self.request(Method::GET, "/api/v1/dead-letters").query(query)).await
    }

    /// Gives dead letters another chance.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn redrive(&self, wanted: &Redrive) -> Result<Redriven, Failure> {
        self.json(self.request(Method::POST, "/api/v1/dead-letters/redrive").json(wanted)).await
    }

    async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: Uuid,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        loop {
            let request = self.request(Method::POST, path).header("idempotency-key", key.to_string());
            match self.json(request.json(body)).await {
                Err(failure)
                    if tries < 2 && failure.may_pass() && !matches!(failure, Failure::Unreachable(_)) =>
                {
                    tries += 1;
                    tokio::time::sleep(REST).await;
                }
                done => return done,
            }
        }
    }

    /// A page of requirements.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn requirements(&self, query: &[(&str, String)]) -> Result<Requirements, Failure> {
        self.json(self.request(Method::GET, "/api/v1/requirements").query(query)).await
    }

    /// One requirement.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn requirement(&self, id: Uuid) -> Result<Requirement, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/requirements/{id}"))).await
    }

    /// One run.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn run(&self, id: Uuid) -> Result<Run, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{id}"))).await
    }

    /// The one reason why a run is where it is.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn why(&self, id: Uuid) -> Result<Why, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{id}/why"))).await
    }

    /// The budgets of all products, or of one.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn budgets(&self, product: Option<&str>) -> Result<Vec<ProductBudget>, Failure> {
        let query: Vec<_> = product.into_iter().map(|name| ("product", name)).collect();
        self.json(self.request(Method::GET, "/api/v1/budgets").query(&query)).await
    }

    /// Sets the limits of a product anew.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn set_product_budget(
        &self,
        product: &str,
        new: &NewProductBudget,
    ) -> Result<ProductBudget, Failure> {
        self.json(self.request(Method::PUT, &format!("/api/v1/products/{product}/budget")).json(new)).await
    }

    /// The budget of a run.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn run_budget(&self, run: Uuid) -> Result<RunBudget, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/budget"))).await
    }

    /// Sets the limits of a run anew.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn set_run_budget(&self, run: Uuid, new: &NewRunBudget) -> Result<RunBudget, Failure> {
        self.json(self.request(Method::PUT, &format!("/api/v1/runs/{run}/budget")).json(new)).await
    }

    /// Lets go of what is held for a run's calls that were cut off.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn release(&self, run: Uuid, reason: &str) -> Result<RunBudget, Failure> {
        let new = NewRelease { reason: reason.to_owned() };
        let path = format!("/api/v1/runs/{run}/budget/release");
        self.json(self.request(Method::POST, &path).json(&new)).await
    }

    /// What reviews of a run found.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn findings(&self, run: Uuid) -> Result<Vec<Finding>, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/findings"))).await
    }

    /// What the policy said of a run's heads, newest first.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn assessments(&self, run: Uuid) -> Result<Vec<Assessment>, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/assessments"))).await
    }

    /// All products, by name.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn products(&self) -> Result<Vec<Product>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/products")).await
    }

    /// Adds a product or brings one to these values.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn put_product(&self, product: &Product) -> Result<Product, Failure> {
        self.json(self.request(Method::POST, "/api/v1/products").json(product)).await
    }

    /// Every key that has a limit or is held now.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn limits(&self) -> Result<Vec<Limit>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/limits")).await
    }

    /// Sets how many jobs with a key may be held at once.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn set_limit(&self, key: &str, most: i32) -> Result<Most, Failure> {
        self.json(self.request(Method::PUT, &limit(key)).json(&Most { most })).await
    }

    /// Removes a limit.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn remove_limit(&self, key: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &limit(key))).await.map(|_| ())
    }

    /// Every schedule, by name.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/schedules")).await
    }

    /// A schedule with what its last ticks came to.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn schedule(&self, name: &str) -> Result<Schedule, Failure> {
        self.json(self.request(Method::GET, &schedule(name))).await
    }

    /// Sets a schedule.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn set_schedule(&self, name: &str, new: &NewSchedule) -> Result<Schedule, Failure> {
        self.json(self.request(Method::PUT, &schedule(name)).json(new)).await
    }

    /// Pauses or resumes a schedule, by `verb`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn hold_schedule(&self, name: &str, verb: &str, reason: String) -> Result<Schedule, Failure> {
        let path = format!("{}/{verb}", schedule(name));
        self.json(self.request(Method::POST, &path).json(&Control { reason })).await
    }

    /// Removes a schedule.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn remove_schedule(&self, name: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &schedule(name))).await.map(|_| ())
    }

    /// A page of a run's history.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn events(&self, run: Uuid, after: i32) -> Result<Events, Failure> {
        let path = format!("/api/v1/runs/{run}/events?after={after}&limit=1000");
        self.json(self.request(Method::GET, &path)).await
    }

    /// Everything that is known of a run, piece by piece as it comes, however long it takes.
    ///
    /// # Errors
    /// [`Failure`], also when the answer breaks off, or what `show` fails with.
    pub async fn export(
        &self,
        run: Uuid,
        mut show: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self.http.get(format!("{}/api/v1/runs/{run}/export", self.server));
        let mut response = self.send(request).await?;
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            show(&piece)?;
        }
        Ok(())
    }

    /// Shows every event of a run once and in order, as it happens, and gives the run once it has ended.
    ///
    /// # Errors
    /// [`Failure`] when the server stays away, or what `show` fails with.
    pub async fn follow(
        &self,
        run: Uuid,
        mut show: impl FnMut(&Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<Run> {
        let (mut last, mut breaks) = (0, 0);
        loop {
            let before = last;
            let ended = self.stream(run, &mut last, &mut show).await;
            breaks = if last > before { 0 } else { breaks + 1 };
            match ended {
                Ok(()) => {
                    let view = self.run(run).await?;
                    if view.state == "ended" && last >= view.version {
                        return Ok(view);
                    }
                }
                Err(error) => {
                    let passing = error.downcast_ref::<Failure>().is_some_and(Failure::may_pass);
                    // Before the first event a server that is away is told at once.
                    if !passing || last == 0 || breaks >= BREAKS {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(REST).await;
        }
    }

    async fn stream(
        &self,
        run: Uuid,
        last: &mut i32,
        show: &mut impl FnMut(&Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self
            .http
            .get(format!("{}/api/v1/runs/{run}/events", self.server))
            .header(header::ACCEPT, "text/event-stream")
            .header("last-event-id", last.to_string());
        let mut response = self.send(request).await?;
        let mut lines = Lines::default();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            lines.take(&chunk)?;
            while let Some(line) = lines.next() {
                let Some(data) = line.strip_prefix("data:") else { continue };
                let event: Event = serde_json::from_str(data)?;
                if event.seq > *last {
                    show(&event)?;
                    *last = event.seq;
                }
            }
        }
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server)).timeout(PATIENCE)
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        let status = response.status();
        response
            .json()
            .await
            .map_err(|error| if error.is_decode() { self.strange(status) } else { self.broken(error) })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| {
            if error.is_connect() { Failure::Unreachable(self.server.clone()) } else { self.broken(error) }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json().await {
            Ok(problem) => Err(Failure::Refused(Box::new(problem))),
            Err(_) => Err(self.strange(status)),
        }
    }

    fn strange(&self, status: StatusCode) -> Failure {
        Failure::Strange { server: self.server.clone(), status }
    }

    fn broken(&self, error: reqwest::Error) -> Failure {
        Failure::Broken { server: self.server.clone(), error: error.without_url() }
    }
}

/// The route of one schedule.
fn schedule(name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/api/v1/schedules/{}", name.replace('+', "%20"))
}

/// The route of one limit; a key holds slashes and colons.
fn limit(key: &str) -> String {
    let key: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    format!("/api/v1/limits/{}", key.replace('+', "%20"))
}

/// Cuts a stream of bytes into lines, wherever its pieces end.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    whole: VecDeque<String>,
}

impl Lines {
    fn take(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        self.rest.extend_from_slice(piece);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line);
            self.whole.push_back(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        anyhow::ensure!(
            self.rest.len() <= EVENT_LIMIT,
            "the server sent an event of over {EVENT_LIMIT} bytes"
        );
        Ok(())
    }

    fn next(&mut self) -> Option<String> {
        self.whole.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_wherever_the_pieces_end() {
        let text = "id: 1\r\ndata: {\"ü\": 1}\n\n: heartbeat\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            for piece in text.as_bytes().chunks(size) {
                lines.take(piece).unwrap();
            }
            let all: Vec<String> = std::iter::from_fn(|| lines.next()).collect();
            assert_eq!(all, ["id: 1", "data: {\"ü\": 1}", "", ": heartbeat"], "{size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        assert!(Lines::default().take(&vec![b'x'; EVENT_LIMIT + 1]).is_err());
    }
}
