//! The environment of one story: a database, a GitHub twin, a scripted model, a server and a worker.

mod waits;

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use aspora::{
    activities::{CALLS_WITHOUT_HEAD, Polling},
    cli::app::{App, GitHub},
    core::run::State,
    dev::{
        Acting,
        ci::Ci,
        github::{APP, CI_APP, Entry, Phase, Twin},
        model::{MODEL, Script, ScriptedModel},
        product,
    },
    engine::Engine,
    github::{Credential, Forge},
    http::IncidentSender,
    llm::{self, Prices, Task},
    queue::Timing,
    store::{self, event, run::StoredRun},
    workspace::{Limits, Mirror, Sandbox, TestRun, Unavailable},
};
use futures::FutureExt as _;
use globset::GlobBuilder;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    forge::{CHECKS, POLLING, acting, assert_unique, credential, tested_ci, twin},
    history,
    reports::ours,
    script::wealth,
    support::{self, TestDatabase, openapi::SpecChecker},
};

/// The product's repository.
pub(crate) const REPO: &str = "acme/wealth-product";
/// The API key that the model accepts.
pub(crate) const KEY: &str = "the-key-of-the-story";
/// The secret that webhooks are signed with.
pub(crate) const SECRET: &str = "the-secret-of-the-story";
/// The command that runs the product's tests.
pub(crate) const TESTS: [&str; 8] = ["python3", "-m", "unittest", "discover", "-s", "tests", "-t", "."];

/// What a story can change about its world.
pub(crate) struct Setup {
    /// The answers of the model.
    pub(crate) script: Script,
    /// The CI of the product's repository.
    pub(crate) ci: Option<Ci>,
    /// The sandbox for the product's tests.
    pub(crate) sandbox: Result<Sandbox, Unavailable>,
    /// Whether its tests run even on trees that another story knows.
    pub(crate) tests_anew: bool,
    /// The product's first commit.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    /// How often a waiting run polls the forge.
    pub(crate) polling: Polling,
    /// What server and worker act as at the forge.
    pub(crate) acting: Acting,
    /// Their credential, in place of one that the forge gave.
    pub(crate) credential: Option<Credential>,
    /// The worker's API key of the model.
    pub(crate) key: &'static str,
    /// The price of tokens.
    pub(crate) prices: Option<Prices>,
    /// Maximum number of model calls without a new head.
    pub(crate) calls_without_head: u32,
}

/// The environment of one story. When it is dropped, every response of the twin and every payload of its webhooks must
/// have matched GitHub's descriptions, and every decision that was recorded must come out again from its facts.
pub(crate) struct World {
    pub(crate) twin: Arc<Twin>,
    pub(crate) model: ScriptedModel,
    pub(crate) url: String,
    pub(crate) pool: store::Pool,
    pub(crate) engine: Engine,
    app: App,
    sandbox: Result<Sandbox, Unavailable>,
    spec: Arc<SpecChecker>,
    stop: CancellationToken,
    worker: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
    /// Why the server or the worker ended, if one did so without being stopped.
    failure: watch::Sender<Option<String>>,
    /// Commits that Aspora did not make, each with the name that the history shows for it.
    foreign_commits: Mutex<Vec<(String, String)>>,
    client: reqwest::Client,
    pub(crate) folder: tempfile::TempDir,
    _database: TestDatabase,
}

impl World {
    /// The Wealth product, its own script, its own tests as the twin's CI.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// As [`World::new`], with changes.
    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let sandbox = support::sandbox().await;
        let mut setup = Setup {
            script: wealth(),
            ci: Some(tested_ci(sandbox.clone())),
            sandbox,
            tests_anew: false,
            files: product::wealth().into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect(),
            polling: POLLING,
            acting: acting(),
            credential: None,
            key: KEY,
            prices: None,
            calls_without_head: CALLS_WITHOUT_HEAD,
        };
        change(&mut setup);
        Self::build(setup).await
    }

    async fn build(setup: Setup) -> Self {
        let (database, folder) = (support::database().await, tempfile::tempdir().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spec = SpecChecker::new().unwrap();
        let twin = twin(folder.path(), &url, &setup, &spec).await;
        let model = ScriptedModel::start(([127, 0, 0, 1], 0).into(), setup.script, Some(KEY.into()));
        let model = model.await.unwrap();
        let app = App {
            database_url: database.url.clone(),
            public_url: url.clone(),
            mirrors: folder.path().join("mirrors"),
            forge: GitHub {
                api_url: twin.url().parse().unwrap(),
                url: twin.url(),
                credential: setup.credential.unwrap_or_else(|| credential(&twin, setup.acting)),
            },
            forge_is_stand_in: true,
            hosts: Vec::new(),
            local_key: None,
            oidc: None,
            webhook_secrets: vec![SECRET.into()],
            incident_senders: BTreeMap::from([("sentry".to_owned(), IncidentSender::sentry(SECRET.into()))]),
            model: Some(llm::Config {
                prices: setup.prices,
                ..llm::Config::new(&model.url(), setup.key.into(), MODEL)
            }),
            model_is_stand_in: true,
            timing: Timing { lease: Duration::from_secs(4), poll: Duration::from_millis(50) },
            polling: setup.polling,
            drain: Duration::from_secs(1),
            longest_outage: aspora::core::outage::LONGEST_OUTAGE,
            calls_without_head: setup.calls_without_head,
            smtp: None,
            notify_private: true,
            reviewer_keys: Vec::new(),
            metrics: Arc::default(),
            metrics_listen: None,
        };
        let pool = database.pool.clone();
        let engine = Engine::open(pool.clone()).await.unwrap();
        let (product, repository) = ("wealth".parse().unwrap(), REPO.parse().unwrap());
        store::product::put(&pool, &product, &repository, "main", &TESTS.map(str::to_owned)).await.unwrap();
        store::product::set_checks(&pool, &product, Some(CI_APP), None).await.unwrap();
        if setup.sandbox.is_ok() && !setup.tests_anew {
            support::tested::recall(&pool).await;
        }
        let world = Self {
            twin,
            model,
            url,
            pool,
            engine,
            app,
            sandbox: setup.sandbox,
            spec,
            stop: CancellationToken::new(),
            worker: Mutex::default(),
            failure: watch::Sender::default(),
            foreign_commits: Mutex::default(),
            client: support::client(),
            folder,
            _database: database,
        };
        let (app, engine, stop) = (world.app.clone(), world.engine.clone(), world.stop.clone());
        let until = stop.clone();
        world.spawn("server", stop, async move { app.serve(engine, listener, until).await });
        world.start_worker(|_| {});
        world
    }

    /// Starts a worker, with changes to its configuration.
    pub(crate) fn start_worker(&self, change: impl FnOnce(&mut App)) {
        let mut app = self.app.clone();
        change(&mut app);
        let (engine, sandbox, stop) = (self.engine.clone(), self.sandbox.clone(), self.stop.child_token());
        let until = stop.clone();
        let work = async move { app.work(engine, "worker".to_owned(), sandbox, until).await };
        let worker = self.spawn("worker", stop.clone(), work);
        *self.worker.lock().unwrap() = Some((stop, worker));
    }

    /// Stops the worker that was started last, and waits until it has ended.
    pub(crate) async fn stop_worker(&self) {
        let worker = self.worker.lock().unwrap().take();
        let (stop, worker) = worker.expect("a worker runs");
        stop.cancel();
        worker.await.unwrap();
        assert_eq!(*self.failure.borrow(), None);
    }

    /// Spawns the server or a worker. If it panics, fails or ends before `stop` is cancelled, whatever the story
    /// waits for fails at once.
    fn spawn(
        &self,
        name: &'static str,
        stop: CancellationToken,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> JoinHandle<()> {
        let failure = self.failure.clone();
        tokio::spawn(async move {
            let reason = match AssertUnwindSafe(part).catch_unwind().await {
                Ok(Ok(())) if stop.is_cancelled() => return,
                Ok(Ok(())) => "ended without being stopped".to_owned(),
                Ok(Err(error)) => format!("failed: {error:#}"),
                Err(_) => "panicked".to_owned(),
            };
            failure.send_replace(Some(format!("the {name} {reason}")));
        })
    }

    /// Submits a requirement over REST; its run.
    pub(crate) async fn submit(&self, title: &str) -> Uuid {
        self.submit_as(json!({"product": "wealth", "title": title, "body": format!("{title}.")})).await
    }

    /// As [`World::submit`], with this request body.
    pub(crate) async fn submit_as(&self, body: Value) -> Uuid {
        let (status, accepted) = self.call("POST", "requirements", Some(body)).await;
        assert_eq!(status, 202, "{accepted}");
        accepted["run_id"].as_str().unwrap().parse().unwrap()
    }

    /// Sends a REST request; the status and the body of the response.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/api/v1/{path}", self.url);
        let request = self.client.request(method.parse().unwrap(), url);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// What the server answers at an address, such as `/runs/ID/evidence`.
    pub(crate) async fn get(&self, address: &str) -> reqwest::Response {
        self.client.get(format!("{}{address}", self.url)).send().await.unwrap()
    }

    /// A page of the server, such as `runs/ID`.
    pub(crate) async fn page(&self, path: &str) -> String {
        self.client.get(format!("{}/{path}", self.url)).send().await.unwrap().text().await.unwrap()
    }

    /// Controls a run over REST; the run after it.
    pub(crate) async fn control(&self, run: Uuid, verb: &str, body: &Value) -> Value {
        let answer = self.client.post(format!("{}/api/v1/runs/{run}/{verb}", self.url)).json(body).send();
        let answer = answer.await.unwrap();
        let (status, view) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{view}");
        view
    }

    /// Moves the clocks of the run's back-off and of the rate limits forward. A leased job keeps its lease.
    pub(crate) async fn skip_back_off(&self, run: Uuid, time: Duration) {
        support::advance_waiting_job(&self.pool, run, time).await;
    }

    /// The stored run.
    pub(crate) async fn run(&self, run: Uuid) -> StoredRun {
        store::run::get(&self.pool, run).await.unwrap().unwrap()
    }

    /// The reason why the run has ended.
    pub(crate) async fn reason(&self, run: Uuid) -> String {
        match self.run(run).await.run.state {
            State::Ended { reason, .. } => reason,
            state @ (State::At { .. } | State::Waiting { .. } | State::Paused { .. }) => {
                panic!("the run is {}", state.as_str())
            }
        }
    }

    /// The events of the run.
    pub(crate) async fn events(&self, run: Uuid) -> Vec<event::Row> {
        event::after(&self.pool, run, 0, 1000).await.unwrap()
    }

    /// The history, one line per event, without waits, and with names in place of ids that differ each time.
    pub(crate) async fn history(&self, run: Uuid) -> String {
        let (events, stored) = (self.events(run).await, self.run(run).await);
        let mut names = self.foreign_commits.lock().unwrap().clone();
        names.extend([
            (run.to_string(), "<run>".to_owned()),
            (self.twin.url(), "<forge>".to_owned()),
            (self.model.url(), "<model>".to_owned()),
        ]);
        history::render(&events, &stored.run, names)
    }

    /// The head that the run knows.
    pub(crate) async fn head(&self, run: Uuid) -> String {
        self.run(run).await.run.progress.head.unwrap().to_string()
    }

    /// Pushes a commit with one file to a branch, as this user.
    pub(crate) async fn push_as(&self, user: &str, branch: &str, path: &str, text: &str) -> String {
        let sha = self.twin.push_as(user, REPO, branch, &[(path, text.as_bytes())]).await.unwrap();
        self.foreign_commits.lock().unwrap().push((sha.clone(), user.to_owned()));
        sha
    }

    /// Lets every check of the CI pass on this head.
    pub(crate) async fn pass_checks(&self, head: &str) {
        for name in CHECKS {
            self.twin.set_check(CI_APP, REPO, head, name, Some("success")).await.unwrap();
        }
    }

    /// The repository as the forge has it on disk.
    fn repository(&self) -> PathBuf {
        self.folder.path().join("forge/repositories").join(format!("{REPO}.git"))
    }

    /// Tags the head of the base branch.
    pub(crate) async fn tag_main(&self, name: &str) {
        let main = self.twin.branch(REPO, "main").await.unwrap().unwrap();
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(self.repository()).args(["update-ref", &format!("refs/tags/{name}"), &main]);
        assert!(git.status().unwrap().success());
    }

    /// Runs a command in the sandbox, on the head of the base branch.
    pub(crate) async fn on_main(&self, argv: &[&str]) -> TestRun {
        let main = self.twin.branch(REPO, "main").await.unwrap().unwrap().parse().unwrap();
        let worktree = Mirror::at(self.repository()).worktree(&main).await.unwrap();
        let sandbox = support::sandbox().await.unwrap();
        sandbox.run(worktree.path(), argv, Limits::default()).await.unwrap()
    }

    /// A client of the forge with the credential of server and worker.
    pub(crate) fn forge(&self) -> Forge {
        self.app.client().unwrap()
    }

    /// How many model calls for this task were answered.
    pub(crate) fn model_calls(&self, task: Task) -> usize {
        self.model.ledger().iter().filter(|entry| entry.task == Some(task) && entry.status == 200).count()
    }

    /// How many requests with this method and a matching path the twin applied. A request for a merge in the
    /// background that is answered by 200 was applied before.
    pub(crate) fn applied(&self, method: &str, path: &str) -> usize {
        let path = GlobBuilder::new(path).literal_separator(true).build().unwrap().compile_matcher();
        let ledger = self.twin.ledger();
        let was_before = |it: &Entry| it.path.ends_with("/merge-async") && it.status == 200;
        let applied = ledger.iter().filter(|it| it.applied && !was_before(it));
        applied.filter(|it| it.method == method && path.is_match(&it.path)).count()
    }

    /// Asserts that there is one pull request and one merge, one review of ours per head, and one of our check runs per
    /// head and name.
    pub(crate) fn assert_nothing_twice(&self) {
        assert_eq!((self.twin.pulls(REPO).len(), self.merges()), (1, 1));
        assert_eq!(self.applied("PUT", "/repos/*/*/pulls/*/{merge-async,merge}"), 1);
        let us = self.twin.pulls(REPO).remove(0).author;
        let reviews = self.twin.reviews(REPO).into_iter().filter(|review| review.author == us);
        assert_unique(reviews.map(|review| review.commit_id).collect());
        let runs = self.twin.check_runs(REPO).into_iter().filter(|run| run.app == APP);
        assert_unique(runs.map(|run| format!("{} {}", run.name, run.head_sha)).collect());
    }

    /// How many pull requests are merged.
    pub(crate) fn merges(&self) -> usize {
        self.twin.pulls(REPO).iter().filter(|pull| pull.merge.is_some()).count()
    }

    /// The conclusions of what we report by this name, oldest first.
    pub(crate) fn conclusions(&self, name: &str) -> Vec<Option<String>> {
        let reports = ours(&self.twin).into_iter().filter(|it| it.name == name);
        reports.map(|it| it.conclusion).collect()
    }

    /// Calls `act` once with the twin, at the first request and phase for which `when` is true. The request waits
    /// for it.
    pub(crate) fn once_when<F>(
        &self,
        when: impl Fn(&Twin, &str, &str, Phase) -> bool + Send + Sync + 'static,
        act: impl FnOnce(Arc<Twin>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (act, twin): (_, Weak<Twin>) = (Mutex::new(Some(act)), Arc::downgrade(&self.twin));
        self.twin.on_request(Arc::new(move |seen, phase| {
            let Some(twin) = twin.upgrade() else { return };
            if !when(&twin, &seen.method, &seen.path, phase) {
                return;
            }
            let Some(act) = act.lock().unwrap().take() else { return };
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(act(twin)));
        }));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        // Nothing to spec is fine: if the model declines, there are only git requests, which GitHub does not describe.
        self.spec.finish(&self.twin.webhooks().sent());
        if !std::thread::panicking() {
            support::decisions::assert_at_the_end(&self.app.database_url);
        }
    }
}
