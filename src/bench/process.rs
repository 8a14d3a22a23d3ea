//! Workers as processes of their own, to kill them and to measure their memory.

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
/// What a worker prints once it has started, and when an attempt has begun.
const READY: &str = "ready";
const BEGUN: &str = "begun";
/// An address without a listener: an idle worker makes no calls.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A worker process; dropping it kills it.
pub(super) struct WorkerProcess {
    process: tokio::process::Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl WorkerProcess {
    /// The real worker, with a forge and a model that it never calls.
    pub(super) fn real(program: &Path, url: &str, data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.arg("worker");
        command.env("ASPORA_DATA", data).env("RUST_LOG", "warn");
        command.env_remove("GITHUB_APP_ID").env_remove("GITHUB_APP_PRIVATE_KEY");
        command.env_remove("GITHUB_APP_PRIVATE_KEY_FILE");
        command.env("GITHUB_TOKEN", "none").env("GITHUB_API_URL", NOWHERE).env("GITHUB_URL", NOWHERE);
        command.env("OPENAI_API_KEY", "none").env("OPENAI_BASE_URL", NOWHERE);
        Self::spawn(command, url)
    }

    /// A worker whose attempts never end. Returns once it has started.
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
        child.prints(READY).await?;
        Ok(child)
    }

    fn spawn(mut command: Command, url: &str) -> anyhow::Result<Self> {
        command.env("DATABASE_URL", url).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("start a worker process")?;
        let out = process.stdout.take().context("read what a worker process prints")?;
        Ok(Self { process, output: BufReader::new(out).lines() })
    }

    /// Waits until an attempt begins in it.
    pub(super) async fn attempt_begins(&mut self) -> anyhow::Result<()> {
        self.prints(BEGUN).await
    }

    async fn prints(&mut self, expected: &str) -> anyhow::Result<()> {
        while let Some(line) = self.output.next_line().await? {
            if line == expected {
                return Ok(());
            }
        }
        anyhow::bail!("a worker process ended before it printed `{expected}`")
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("kill a worker process")
    }

    /// Sends it SIGTERM, as a deployment does.
    pub(super) fn terminate(&self) -> anyhow::Result<()> {
        rustix::process::kill_process(self.pid()?, Signal::TERM).context("send SIGTERM to a worker process")
    }

    /// Its resident memory now (`VmRSS`), in MB of 1,000,000 bytes.
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

/// Activities that do not work but answer, hang or kill their process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptedActivities {
    /// Each answers `clean` after a random time up to this; without it, none ever ends.
    pub answers_within: Option<Duration>,
    /// A run whose attempts abort their process at once.
    pub deadly: Option<Uuid>,
    /// How many jobs the process does at once.
    pub slots: usize,
}

/// Runs a worker whose activities are scripted; prints `ready`, and `begun` for each attempt that never ends.
///
/// # Errors
/// When the database cannot be reached.
pub async fn run_worker(
    url: &str,
    timing: Timing,
    drain: Duration,
    activities: ScriptedActivities,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let engine = Engine::open(store::connect(url, CONNECTIONS).await?).await?;
    let reserved = store::connect(url, 1).await?;
    let name = format!("bench/{}", std::process::id());
    let slots = [Queue::Default, Queue::Llm, Queue::Github].map(|queue| (queue, activities.slots));
    let config = Config { timing, drain, slots, ..Config::named(name) };
    println!("{READY}");
    worker::work(engine, reserved, Arc::new(activities), config, stop).await
}

impl Perform for ScriptedActivities {
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
