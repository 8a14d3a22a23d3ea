//! An outage of twenty minutes of the forge, then of the model, then of git, under fifty runs: the real clients behind
//! the real breakers, several workers, and a clock that is moved.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aspora::{
    activities::{Assignment, Breaker, Failure, ForgeThrottle, ModelThrottle, Reply},
    core::{
        requirement::RepoName,
        workflow::{Activity, Queue},
    },
    dev::model::{Fault, MODEL, Script, ScriptedModel},
    engine::Engine,
    github::{self, Forge},
    llm::{self, Message, Model, Prompt, Role, Task},
    store::{
        self, Pool,
        effect::{self, Begun},
    },
    worker::Config,
    workspace::{self, Credentials, Remote, Signature, Workspaces},
};
use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    harness::{Worker, config, happy_reply, work},
    support::{TestEngine, accept, advance_limits, assert_sound, eventually, wait::until_or_timeout},
};

const RUNS: i64 = 50;
/// The model calls of a run: one to generate, one to review.
const CALLS: usize = 2;
/// The most calls of a provider in an outage of twenty minutes: those that were under way when it began, and a probe a
/// minute after the first few.
const FEW: usize = 50;
const MINUTE: Duration = Duration::from_secs(60);
const SHA: &str = "0123456789012345678901234567890123456789";

/// The forge's API and its git (over the dumb protocol), each of which can be away.
#[derive(Default)]
struct Server {
    api_is_away: AtomicBool,
    git_is_away: AtomicBool,
    calls: Mutex<BTreeMap<&'static str, usize>>,
}

impl Server {
    fn count(&self, what: &'static str) {
        *self.calls.lock().unwrap().entry(what).or_default() += 1;
    }

    fn calls(&self, what: &'static str) -> usize {
        self.calls.lock().unwrap().get(what).copied().unwrap_or_default()
    }
}

async fn respond(State(server): State<Arc<Server>>, request: Request) -> Response {
    let path = request.uri().path();
    let (what, is_away, body) = if path.starts_with("/api") {
        let body = json!({"id": 1, "login": "ada", "type": "User", "total_count": 0, "check_runs": []});
        ("api", &server.api_is_away, body.to_string())
    } else {
        ("git", &server.git_is_away, format!("{SHA}\trefs/heads/main\n"))
    };
    server.count(what);
    if is_away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    body.into_response()
}

/// What the activities call, and the merges that they made.
struct Outside {
    server: Arc<Server>,
    scripted: ScriptedModel,
    pool: Pool,
    forge: Forge,
    model: Model,
    workspaces: Workspaces,
    merges: Mutex<BTreeMap<Uuid, usize>>,
    _folder: tempfile::TempDir,
}

impl Outside {
    async fn start(pool: Pool) -> Arc<Self> {
        let (server, folder) = (Arc::new(Server::default()), tempfile::tempdir().unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(respond).with_state(Arc::clone(&server));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let script = [Task::Generate, Task::Review].into_iter();
        let script = script.fold(Script::default(), |script, task| script.with(task, &[], &[], "an answer"));
        let scripted = ScriptedModel::start(([127, 0, 0, 1], 0).into(), script, None).await.unwrap();
        let api_url: url::Url = format!("{url}/api").parse().unwrap();
        let token = || "token-of-the-weather".to_owned().into();
        let timeouts = github::Timeouts::default();
        let credential = github::Credential::Token(token());
        let forge = Forge::new(github::Config { api_url: api_url.clone(), credential, timeouts }).unwrap();
        let forge = forge.behind(Arc::new(ForgeThrottle::new(pool.clone(), &api_url)));
        let model = Model::new(llm::Config::new(&scripted.url(), token(), MODEL)).unwrap();
        let model = model.behind(Arc::new(ModelThrottle::new(pool.clone(), &scripted.url())));
        let author = Signature { name: "bot".to_owned(), email: "bot@example.com".to_owned() };
        let (root, remote) = (folder.path().join("mirrors"), Remote::Url(url.clone()));
        let workspaces =
            Workspaces::new(workspace::Config { root, remote, credentials: Credentials::None, author });
        let breaker = Breaker::of_git(pool.clone(), &url).map(|it| Arc::new(it) as _);
        let workspaces = workspaces.unwrap().behind(breaker);
        let merges = Mutex::default();
        Arc::new(Self { server, scripted, pool, forge, model, workspaces, merges, _folder: folder })
    }

    async fn perform(&self, task: Assignment) -> Result<Reply, Failure> {
        match task.activity {
            Activity::Generate => {
                self.read_git().await?;
                self.ask(&task, Task::Generate).await?;
            }
            Activity::Review => self.ask(&task, Task::Review).await?,
            Activity::Gate => self.read_checks().await?,
            Activity::Verdict => {
                self.read_git().await?;
                self.read_checks().await?;
            }
            Activity::Merge => {
                self.read_checks().await?;
                *self.merges.lock().unwrap().entry(task.lease.run).or_default() += 1;
            }
            Activity::Remediate
            | Activity::Update
            | Activity::Judge
            | Activity::Test
            | Activity::Reproduce
            | Activity::Close => {
                unreachable!("nothing is found, the base stands still, and the pull request is ours")
            }
        }
        Ok(happy_reply(&task))
    }

    async fn read_git(&self) -> Result<(), Failure> {
        let mirror = self.workspaces.mirror(&repo());
        let head = mirror.remote_branch("main").await?;
        assert_eq!(head.unwrap().as_str(), SHA);
        Ok(())
    }

    async fn read_checks(&self) -> Result<(), Failure> {
        self.forge.check_runs(&repo(), &SHA.parse().unwrap()).await?;
        Ok(())
    }

    /// Asks the model, unless an earlier attempt was answered.
    async fn ask(&self, task: &Assignment, what: Task) -> Result<(), Failure> {
        let key = format!("{}/model", task.lease.step);
        if let Begun::Done(..) = effect::begin(&self.pool, &task.lease, &key, "model", &json!({})).await? {
            return Ok(());
        }
        let message = Message { role: Role::System, content: format!("Task: {what}\n") };
        let prompt = Prompt { task: what, messages: vec![message], json_schema: None };
        let reply = self.model.ask(&prompt).await?;
        Ok(effect::observe(&self.pool, task.lease.run, &key, &json!(reply.text)).await?)
    }

    fn answered(&self) -> usize {
        self.scripted.ledger().iter().filter(|entry| entry.status == 200).count()
    }
}

fn repo() -> RepoName {
    "acme/w".parse().unwrap()
}

/// Workers with a pool each, as in processes of their own: each keeps some connections for its claims and answers.
async fn workers(test: &TestEngine, outside: &Arc<Outside>) -> Vec<Worker> {
    let mut workers = Vec::new();
    for name in ["one", "two"] {
        let engine = Engine::open(store::connect(&test.database.url, 8).await.unwrap()).await.unwrap();
        let slots = [(Queue::Default, 0), (Queue::Llm, 3), (Queue::Github, 3)];
        let outside = Arc::clone(outside);
        let perform = move |task| {
            let outside = Arc::clone(&outside);
            async move { outside.perform(task).await }
        };
        workers.push(work(&engine, Config { slots, ..config(name) }, perform).await);
    }
    workers
}

/// Waits until every run waits.
async fn quiet(test: &TestEngine) {
    eventually("no job is due", async || {
        let due = "select count(*) from job where lease_token is not null or visible_at <= clock_timestamp()";
        test.query::<i64>(due).await == 0
    })
    .await;
}

/// Moves the clock; running jobs keep their leases.
async fn pass(test: &TestEngine, time: Duration) {
    let jobs = "update job set visible_at = visible_at - make_interval(secs => $1) where lease_token is null";
    sqlx::query(jobs).bind(time.as_secs_f64()).execute(test.pool()).await.unwrap();
    advance_limits(test.pool(), time).await;
}

/// Twenty minutes in which every run gets to `step` and no further.
async fn outage(test: &TestEngine, step: &str) {
    for _ in 0..20 {
        quiet(test).await;
        pass(test, MINUTE).await;
    }
    quiet(test).await;
    let at =
        format!("select count(*) from run where status = 'active' and state->'state'->>'step' = '{step}'");
    assert_eq!(test.query::<i64>(&at).await, RUNS, "every run waits at {step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_twenty_minutes_without_forge_model_and_git_need_no_person_and_pay_nothing_twice() {
    let test = TestEngine::new().await;
    let outside = Outside::start(test.pool().clone()).await;
    let server = &outside.server;
    server.api_is_away.store(true, Ordering::SeqCst);
    for _ in 0..RUNS {
        accept(&test.engine, 3).await;
    }
    let workers = workers(&test, &outside).await;
    outage(&test, "gate").await;
    assert!(server.calls("api") < FEW, "{} calls of the forge", server.calls("api"));

    outside.scripted.fail_all(Some(Fault::Status(503, None)));
    server.api_is_away.store(false, Ordering::SeqCst);
    outage(&test, "review").await;
    let refused = outside.scripted.ledger().len() - outside.answered();
    assert!(refused < FEW, "{refused} calls of the model");

    server.git_is_away.store(true, Ordering::SeqCst);
    let before = server.calls("git");
    outside.scripted.fail_all(None);
    outage(&test, "verdict").await;
    let refused = server.calls("git") - before;
    assert!(refused < FEW, "{refused} calls of git");

    server.git_is_away.store(false, Ordering::SeqCst);
    let merged = "select count(*) from run where ended_as = 'succeeded'";
    // One merge at a time.
    let all = until_or_timeout(MINUTE * 5, async || {
        pass(&test, MINUTE).await;
        (test.query::<i64>(merged).await == RUNS).then_some(())
    });
    assert_eq!(all.await, Some(()), "every run is merged");
    for worker in workers {
        worker.stop().await;
    }
    assert_sound(&test.engine).await;
    assert_eq!(outside.answered(), usize::try_from(RUNS).unwrap() * CALLS, "an answer was paid twice");
    let merges = outside.merges.lock().unwrap().clone();
    assert!(merges.len() == 50 && merges.values().all(|times| *times == 1), "{merges:?}");
    let failures = "select count(*) from event where kind in ('failed', 'exhausted')";
    assert_eq!(test.query::<i64>(failures).await, 0, "an outage used up an attempt");
    let noted = "select max(count) from (select count(*) from event where kind in ('held', 'went_on')
                 group by run_id) as noted";
    assert!(test.query::<i64>(noted).await <= 6, "one of each for every outage and run");
    assert_eq!(test.query::<i64>("select count(*) from outage where opened_at is not null").await, 0);
}
