//! The world of one story: a database, a GitHub twin, a scripted model, a server and a worker of its own.

use std::{
    path::Path,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use aspora::{
    activities::{CALLS_WITHOUT_HEAD, Polling},
    cli::app::{App, GitHub},
    core::run::{Event, PauseCause, State},
    dev::{
        ci::{CheckResult, Ci, product_ci},
        github::{APP, Phase, Twin, TwinConfig, Webhook},
        model::{MODEL, Script, ScriptedModel},
        product,
    },
    engine::Engine,
    llm::{self, Prices, Task},
    queue::Timing,
    store::{self, event, run::StoredRun},
    workspace::{Limits, Mirror, Sandbox, TestRun, Unavailable},
};
use futures::FutureExt as _;
use globset::GlobBuilder;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    history,
    script::wealth,
    support::{self, TestDatabase, openapi::SpecChecker},
};

/// The product's repository.
pub(crate) const REPO: &str = "acme/wealth-product";
/// What the twin accepts.
pub(crate) const TOKEN: &str = "the-token-of-the-story";
/// What the model accepts.
pub(crate) const KEY: &str = "the-key-of-the-story";
/// What webhooks are signed with.
pub(crate) const SECRET: &str = "the-secret-of-the-story";
/// The command that runs the product's tests.
pub(crate) const TESTS: [&str; 8] = ["python3", "-m", "unittest", "discover", "-s", "tests", "-t", "."];
/// No story takes as long on any machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// What differs between the stories' worlds.
pub(crate) struct Setup {
    /// What the model answers.
    pub(crate) script: Script,
    /// What checks the heads of pull requests.
    pub(crate) ci: Option<Ci>,
    /// Where the worker runs the product's tests.
    pub(crate) sandbox: Result<Sandbox, Unavailable>,
    /// The product's first commit.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    /// How often a waiting run looks by itself.
    pub(crate) polling: Polling,
    /// The token that the worker was given.
    pub(crate) token: &'static str,
    /// The model's key that the worker was given.
    pub(crate) key: &'static str,
    /// What tokens cost.
    pub(crate) prices: Option<Prices>,
    /// The most model calls without a new head.
    pub(crate) calls_without_head: u32,
}

/// A story's world. At its end, everything that the twin answered must have been as GitHub describes it.
pub(crate) struct World {
    pub(crate) twin: Arc<Twin>,
    pub(crate) model: ScriptedModel,
    pub(crate) url: String,
    pub(crate) pool: store::Pool,
    pub(crate) engine: Engine,
    house: App,
    sandbox: Result<Sandbox, Unavailable>,
    spec: Arc<SpecChecker>,
    stop: CancellationToken,
    worker: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
    strangers: Mutex<Vec<(String, String)>>,
    client: reqwest::Client,
    folder: tempfile::TempDir,
    _database: TestDatabase,
}

impl World {
    /// The Wealth product, its own script, its own tests as the twin's CI.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// As [`World::new`], but for what `change` changes.
    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let sandbox = Sandbox::find().await;
        let mut setup = Setup {
            script: wealth(),
            ci: Some(product_ci(sandbox.clone())),
            sandbox,
            files: product::wealth().into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect(),
            polling: Polling { least: Duration::from_millis(200), most: Duration::from_millis(500) },
            token: TOKEN,
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
        let house = App {
            database_url: database.url.clone(),
            public_url: url.clone(),
            mirrors: folder.path().join("mirrors"),
            forge: GitHub {
                api_url: twin.url().parse().unwrap(),
                url: twin.url(),
                token: setup.token.into(),
            },
            forge_is_stand_in: true,
            webhook_secrets: vec![SECRET.into()],
            model: llm::Config {
                prices: setup.prices,
                ..llm::Config::new(&model.url(), setup.key.into(), MODEL)
            },
            model_is_stand_in: true,
            timing: Timing { lease: Duration::from_secs(4), poll: Duration::from_millis(50) },
            polling: setup.polling,
            drain: Duration::from_secs(1),
            calls_without_head: setup.calls_without_head,
        };
        let pool = database.pool.clone();
        let engine = Engine::open(pool.clone()).await.unwrap();
        let (product, repository) = ("wealth".parse().unwrap(), REPO.parse().unwrap());
        store::product::put(&pool, &product, &repository, "main", &TESTS.map(str::to_owned)).await.unwrap();
        let world = Self {
            twin,
            model,
            url,
            pool,
            engine,
            house,
            sandbox: setup.sandbox,
            spec,
            stop: CancellationToken::new(),
            worker: Mutex::default(),
            strangers: Mutex::default(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            folder,
            _database: database,
        };
        let (house, engine, stop) = (world.house.clone(), world.engine.clone(), world.stop.clone());
        tokio::spawn(async move { house.serve(engine, listener, stop).await.unwrap() });
        world.start_worker(|_| {});
        world
    }

    /// Starts a worker in the house that `change` leaves.
    pub(crate) fn start_worker(&self, change: impl FnOnce(&mut App)) {
        let mut house = self.house.clone();
        change(&mut house);
        let (engine, sandbox, stop) = (self.engine.clone(), self.sandbox.clone(), self.stop.child_token());
        let until = stop.clone();
        let work = async move { house.work(engine, "worker".to_owned(), sandbox, until).await.unwrap() };
        *self.worker.lock().unwrap() = Some((stop, tokio::spawn(work)));
    }

    /// Stops the worker and waits until it has ended.
    pub(crate) async fn stop_worker(&self) {
        let worker = self.worker.lock().unwrap().take();
        let (stop, worker) = worker.expect("a worker runs");
        stop.cancel();
        worker.await.unwrap();
    }

    /// A product manager asks for this over REST; the run that works on it.
    pub(crate) async fn submit(&self, title: &str) -> Uuid {
        self.submit_as(json!({"product": "wealth", "title": title, "body": format!("{title}.")})).await
    }

    /// As [`World::submit`], in these words.
    pub(crate) async fn submit_as(&self, body: Value) -> Uuid {
        let (status, accepted) = self.call("POST", "requirements", Some(body)).await;
        assert_eq!(status, 202, "{accepted}");
        accepted["run_id"].as_str().unwrap().parse().unwrap()
    }

    /// One request over REST; the status, and the answer.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/api/v1/{path}", self.url);
        let request = self.client.request(method.parse().unwrap(), url);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Somebody does this to a run over REST; what it answers.
    pub(crate) async fn told(&self, run: Uuid, verb: &str, body: &Value) -> Value {
        let answer = self.client.post(format!("{}/api/v1/runs/{run}/{verb}", self.url)).json(body).send();
        let answer = answer.await.unwrap();
        let (status, view) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{view}");
        view
    }

    /// Lets the run go on to its end, with no back-off waited for; the end's name.
    pub(crate) async fn settle(&self, run: Uuid) -> String {
        self.until(run, "ends", async || {
            let ended = self.ended(run).await;
            if ended.is_none() {
                self.forget_back_offs(run, Duration::from_secs(3600)).await;
            }
            ended
        })
        .await
    }

    /// Lets the run go on to its end in its own time; the end's name.
    pub(crate) async fn ends(&self, run: Uuid) -> String {
        self.until(run, "ends", async || self.ended(run).await).await
    }

    async fn ended(&self, run: Uuid) -> Option<String> {
        match self.run(run).await.run.state {
            State::Ended { name, .. } => Some(name),
            State::At { .. } | State::Waiting { .. } | State::Paused { .. } => None,
        }
    }

    /// Lets the run go on until it waits for something in whose name `what` stands.
    pub(crate) async fn waits_for(&self, run: Uuid, what: &str) -> String {
        self.until(run, &format!("waits for {what}"), async || match self.run(run).await.run.state {
            State::Waiting { park, .. } if park.reason.contains(what) => Some(park.reason),
            State::Waiting { .. } | State::At { .. } | State::Paused { .. } => None,
            State::Ended { name, reason, .. } => panic!("ended as {name} and did not wait: {reason}"),
        })
        .await
    }

    /// Lets the run go on until it is paused at this step with no worker at it.
    pub(crate) async fn pauses_at(&self, run: Uuid, step: &str) {
        self.until(run, &format!("pauses at {step}"), async || {
            let state = self.run(run).await.run.state;
            Some(()).filter(|()| {
                matches!(state, State::Paused { queued: false, .. }) && state.step() == Some(step)
            })
        })
        .await;
    }

    /// Lets the run go on until it waits for this and nothing else.
    pub(crate) async fn waits_only_for(&self, run: Uuid, what: &str) {
        self.until(run, &format!("waits for {what} alone"), async || {
            Some(self.waits_for(run, what).await).filter(|reason| reason == what)
        })
        .await;
    }

    /// Lets the run go on until it is paused; the kind of the pause, and why.
    pub(crate) async fn pauses(&self, run: Uuid) -> (PauseCause, String) {
        self.until(run, "pauses", async || match self.run(run).await.run.state {
            State::Paused { cause, reason, .. } => Some((cause, reason)),
            State::Waiting { .. } | State::At { .. } => None,
            State::Ended { name, reason, .. } => panic!("ended as {name} and did not pause: {reason}"),
        })
        .await
    }

    /// Lets the run go on until an attempt has failed; that event.
    pub(crate) async fn fails(&self, run: Uuid) -> event::Row {
        self.until(run, "fails once", async || {
            let failed = |row: &event::Row| matches!(row.body.0, Event::Failed { .. });
            self.events(run).await.into_iter().find(failed)
        })
        .await
    }

    /// Lets the run go on until it has another head than this; the new one.
    pub(crate) async fn leaves(&self, run: Uuid, head: &str) -> String {
        self.until(run, "gets another head", async || Some(self.head(run).await).filter(|now| now != head))
            .await
    }

    async fn until<T>(&self, run: Uuid, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if begun.elapsed() > DEADLINE {
                panic!("the run never {what}:\n{}", self.history(run).await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Moves the clocks of the run's back-off and of the limits forward. A job that is held stays held.
    pub(crate) async fn forget_back_offs(&self, run: Uuid, time: Duration) {
        let update = "update job set visible_at = visible_at - $2 * interval '1 second'
                      where run_id = $1 and lease_token is null and visible_at > now()";
        sqlx::query(update).bind(run).bind(time.as_secs_f64()).execute(&self.pool).await.unwrap();
        sqlx::query(support::RATES).bind(time.as_secs_f64()).execute(&self.pool).await.unwrap();
    }

    /// The run as it is stored.
    pub(crate) async fn run(&self, run: Uuid) -> StoredRun {
        store::run::get(&self.pool, run).await.unwrap().unwrap()
    }

    /// The sentence that says why the run has ended.
    pub(crate) async fn reason(&self, run: Uuid) -> String {
        match self.run(run).await.run.state {
            State::Ended { reason, .. } => reason,
            state @ (State::At { .. } | State::Waiting { .. } | State::Paused { .. }) => {
                panic!("the run is {}", state.as_str())
            }
        }
    }

    /// Everything that happened to the run.
    pub(crate) async fn events(&self, run: Uuid) -> Vec<event::Row> {
        event::after(&self.pool, run, 0, 1000).await.unwrap()
    }

    /// The history in lines, waits left out, with names in place of what differs from time to time.
    pub(crate) async fn history(&self, run: Uuid) -> String {
        let (events, stored) = (self.events(run).await, self.run(run).await);
        let mut names = self.strangers.lock().unwrap().clone();
        names.extend([
            (run.to_string(), "<run>".to_owned()),
            (self.twin.url(), "<forge>".to_owned()),
            (self.model.url(), "<model>".to_owned()),
        ]);
        history::tell(&events, &stored.run, names)
    }

    /// The run's head as it is known to the run.
    pub(crate) async fn head(&self, run: Uuid) -> String {
        self.run(run).await.run.progress.head.unwrap().to_string()
    }

    /// Somebody commits a file to a branch.
    pub(crate) async fn push_as(&self, user: &str, branch: &str, path: &str, text: &str) -> String {
        let sha = self.twin.push_as(user, REPO, branch, &[(path, text.as_bytes())]).await.unwrap();
        self.strangers.lock().unwrap().push((sha.clone(), user.to_owned()));
        sha
    }

    /// Every check that a forge's CI would report passes on this head.
    pub(crate) async fn checks_pass(&self, head: &str) {
        for name in CHECKS {
            self.twin.set_check("ci", REPO, head, name, Some("success")).await.unwrap();
        }
    }

    /// Runs a command in the sandbox over what is on the base branch now.
    pub(crate) async fn on_main(&self, argv: &[&str]) -> TestRun {
        let repository = self.folder.path().join("forge/repositories").join(format!("{REPO}.git"));
        let main = self.twin.branch(REPO, "main").await.unwrap().unwrap().parse().unwrap();
        let worktree = Mirror::at(repository).worktree(&main).await.unwrap();
        let sandbox = Sandbox::find().await.unwrap();
        sandbox.run(worktree.path(), argv, Limits::default()).await.unwrap()
    }

    /// The calls of the model for this task that were answered.
    pub(crate) fn asked(&self, task: Task) -> usize {
        self.model.ledger().iter().filter(|entry| entry.task == Some(task) && entry.status == 200).count()
    }

    /// How often a change to a path that fits was asked of the twin and made.
    pub(crate) fn applied(&self, method: &str, path: &str) -> usize {
        let path = GlobBuilder::new(path).literal_separator(true).build().unwrap().compile_matcher();
        let ledger = self.twin.ledger();
        ledger.iter().filter(|it| it.applied && it.method == method && path.is_match(&it.path)).count()
    }

    /// Whatever happened on the way: one branch, one pull request, one merge, one review a head and one of
    /// our check runs a head and name.
    pub(crate) fn nothing_twice(&self) {
        assert_eq!((self.twin.pulls(REPO).len(), self.merges()), (1, 1));
        assert_eq!(self.applied("PUT", "/repos/*/*/pulls/*/merge"), 1);
        let reviews = self.twin.reviews(REPO).into_iter().map(|review| review.commit_id);
        all_differ(reviews.collect());
        let runs = self.twin.check_runs(REPO).into_iter().filter(|run| run.app == APP);
        all_differ(runs.map(|run| format!("{} {}", run.name, run.head_sha)).collect());
    }

    /// How many pull requests are merged.
    pub(crate) fn merges(&self) -> usize {
        self.twin.pulls(REPO).iter().filter(|pull| pull.merge.is_some()).count()
    }

    /// What our check runs of this name concluded, oldest first.
    pub(crate) fn concluded(&self, name: &str) -> Vec<Option<String>> {
        let runs = self.twin.check_runs(REPO).into_iter().filter(|run| run.app == APP && run.name == name);
        runs.map(|run| run.conclusion).collect()
    }

    /// Calls `act` once with the twin, at the first request and phase that `when` picks, and waits for it.
    pub(crate) fn once_at<F>(
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
        // A model that declines at once leaves nothing to check: git is no part of the description.
        self.spec.finish();
    }
}

/// What a forge's own CI reports.
const CHECKS: [&str; 3] = ["CI Pipeline", "harness-smoke", "Browser Evidence"];

/// A CI that passes everything at once and runs nothing.
pub(crate) fn content() -> Ci {
    let passed = |name: &str| CheckResult {
        name: name.to_owned(),
        conclusion: "success".to_owned(),
        title: "passed".to_owned(),
        summary: "passed".to_owned(),
        text: None,
    };
    let run = move |_| async move { CHECKS.map(passed).to_vec() }.boxed();
    Ci { names: CHECKS.map(str::to_owned).to_vec(), run: Arc::new(run) }
}

async fn twin(folder: &Path, url: &str, setup: &Setup, spec: &Arc<SpecChecker>) -> Arc<Twin> {
    let receiver = format!("{url}/api/v1/webhooks/github");
    let config = TwinConfig {
        data_dir: folder.join("forge"),
        addr: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        token: TOKEN.to_owned(),
        webhook: Some(Webhook { url: receiver, secret: SECRET.to_owned() }),
        ci: setup.ci.clone(),
    };
    let twin = Twin::start(config).await.unwrap();
    twin.observe(spec.observer());
    let files: Vec<(&str, &[u8])> =
        setup.files.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
    twin.create_repository(REPO, &files).await.unwrap();
    Arc::new(twin)
}

#[track_caller]
fn all_differ(mut names: Vec<String>) {
    names.sort();
    let all = names.clone();
    names.dedup();
    assert_eq!(names, all, "something was made twice");
}
