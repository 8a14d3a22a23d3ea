//! Workers as processes of their own, so that they can be killed and weighed.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{FutureExt as _, future::BoxFuture};
use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{ChildStdout, Command},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    activities::{Assignment, Failure, Perform, Reply},
    core::{
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine},
    queue::Timing,
    store,
    worker::{self, Config},
};

/// Connections of a worker's pool, as of the real one.
const CONNECTIONS: u32 = 16;
/// What a worker prints once it works, and when an attempt has begun.
const READY: &str = "ready";
const BEGUN: &str = "begun";
/// Where nobody listens: a worker that is idle has nothing to ask.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A worker process; dropping it kills it.
pub(super) struct Child {
    process: tokio::process::Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// The real worker, with a forge and a model that are never asked.
    pub(super) fn worker(program: &Path, url: &str, data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.arg("worker");
        command.env("ASPORA_DATA", data).env("RUST_LOG", "warn");
        command.env("GITHUB_TOKEN", "none").env("GITHUB_API_URL", NOWHERE).env("GITHUB_URL", NOWHERE);
        command.env("OPENAI_API_KEY", "none").env("OPENAI_BASE_URL", NOWHERE);
        Self::spawn(command, url)
    }

    /// A worker whose attempts never end. Returns once it works.
    pub(super) async fn hanging(
        program: &Path,
        url: &str,
        lease: Duration,
        drain: Duration,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.arg("bench-worker");
        command.arg("--lease-ms").arg(lease.as_millis().to_string());
        command.arg("--drain-ms").arg(drain.as_millis().to_string());
        let mut child = Self::spawn(command, url)?;
        child.says(READY).await?;
        Ok(child)
    }

    fn spawn(mut command: Command, url: &str) -> anyhow::Result<Self> {
        command.env("DATABASE_URL", url).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("start a worker process")?;
        let out = process.stdout.take().context("read what a worker process prints")?;
        Ok(Self { process, said: BufReader::new(out).lines() })
    }

    /// Waits until an attempt has begun in it.
    pub(super) async fn begins(&mut self) -> anyhow::Result<()> {
        self.says(BEGUN).await
    }

    async fn says(&mut self, word: &str) -> anyhow::Result<()> {
        while let Some(line) = self.said.next_line().await? {
            if line == word {
                return Ok(());
            }
        }
        anyhow::bail!("a worker process ended before it said `{word}`")
    }

    /// Ends it without warning and waits until it is gone.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("kill a worker process")
    }

    /// Asks it to stop, as a deployment does.
    pub(super) fn ask_to_stop(&self) -> anyhow::Result<()> {
        rustix::process::kill_process(self.pid()?, Signal::TERM).context("ask a worker process to stop")
    }

    /// The memory that it holds now, by the kernel's account (`VmRSS`), in MB of 1,000,000 bytes.
    pub(super) fn resident_megabytes(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/status", self.pid()?.as_raw_nonzero());
        let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("find VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().context("read VmRSS")?;
        Ok(kib * 1_024.0 / 1_000_000.0)
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        let pid = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        pid.context("a worker process has ended")
    }
}

/// What the attempts of a worker process do instead of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toil {
    /// Each answers `clean` after a drawn time up to this; without it, none ever ends.
    pub answers_within: Option<Duration>,
    /// A run whose attempts end their process at once.
    pub deadly: Option<Uuid>,
    /// How many jobs the process does at once.
    pub slots: usize,
}

/// The body of a worker process whose activities are stand-ins; prints `ready`, and `begun` for each attempt that
/// does not end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn toil(
    url: &str,
    timing: Timing,
    drain: Duration,
    toil: Toil,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let engine = Engine::open(store::connect(url, CONNECTIONS).await?).await?;
    let reserved = store::connect(url, 1).await?;
    let name = format!("bench/{}", std::process::id());
    let slots = [(Queue::Default, toil.slots), (Queue::Llm, toil.slots), (Queue::Github, toil.slots)];
    let config = Config { timing, drain, slots, ..Config::named(name) };
    println!("{READY}");
    worker::work(engine, reserved, Arc::new(toil), config, stop).await
}

impl Perform for Toil {
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>> {
        if self.deadly == Some(assignment.lease.run) {
            std::process::abort();
        }
        let Some(within) = self.answers_within else {
            println!("{BEGUN}");
            return std::future::pending().boxed();
        };
        async move {
            tokio::time::sleep(within.mul_f64(f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0)).await;
            let note = "clean".to_owned();
            Ok(Reply::Answer(Answer { outcome: Outcome::Clean, note, progress: Progress::default() }))
        }
        .boxed()
    }
}
