//! The nemesis: chooses a fault at random, injects it, ends it, and counts it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rustix::process::Signal;
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use crate::env::{Crash, Dice, KillScope, LEASE, LinkState, Proxy, TestPostgres, WorkerProcs};

/// The number of workers of each kind.
pub(crate) const WORKERS: usize = 2;
/// The minimum between two crashes of Postgres, which needs a part of it to recover.
const CRASH_INTERVAL: Duration = Duration::from_secs(20);

pub(crate) struct Nemesis {
    pub(crate) workers: Vec<WorkerProcs>,
    pub(crate) postgres: TestPostgres,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) url: String,
    pub(crate) dice: Dice,
    pub(crate) counts: BTreeMap<&'static str, usize>,
    pub(crate) last_crash: Instant,
}

impl Nemesis {
    /// Injects one fault after the other until `end`.
    pub(crate) async fn run(&mut self, end: Instant) {
        while Instant::now() < end {
            let pause = Duration::from_millis(200 + self.dice.below(2_000));
            tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            let fault = self.inject().await;
            *self.counts.entry(fault).or_default() += 1;
            self.workers.iter().for_each(|workers| workers.top_up(WORKERS));
        }
    }

    /// Injects a random fault; its name in the report.
    async fn inject(&mut self) -> &'static str {
        let workers = self.workers[self.dice.below(self.workers.len() as u64) as usize].clone();
        match self.dice.below(14) {
            0..=2 => {
                let scope = if self.dice.below(2) == 0 { KillScope::Process } else { KillScope::Group };
                workers.kill_nth(self.dice.below(100) as usize, scope);
                "kill"
            }
            3..=5 => {
                self.suspend(&workers).await;
                "stop"
            }
            6 | 7 => {
                if let Some(worker) = workers.nth(self.dice.below(100) as usize) {
                    workers.signal(worker, Signal::TERM);
                }
                "term"
            }
            8 => {
                self.terminate_backends().await;
                "backends"
            }
            9 => {
                self.proxy.cut();
                "cut"
            }
            10 => {
                let duration = self.some_leases();
                self.proxy.set_for(LinkState::Blocked, duration).await;
                "silent"
            }
            11 => {
                let duration = Duration::from_millis(20 + self.dice.below(400));
                self.proxy.set_for(LinkState::NoResponses, duration).await;
                "deaf"
            }
            _ if self.last_crash.elapsed() < CRASH_INTERVAL => {
                self.proxy.cut();
                "cut"
            }
            12 => self.crash_postgres(Crash::Kill, "postgres-kill").await,
            _ => self.crash_postgres(Crash::ImmediateShutdown, "postgres-immediate").await,
        }
    }

    /// 0.3 to 3.3 leases.
    fn some_leases(&mut self) -> Duration {
        LEASE.mul_f64(0.3 + self.dice.below(300) as f64 / 100.0)
    }

    /// Suspends a worker for some leases.
    async fn suspend(&mut self, workers: &WorkerProcs) {
        let Some(worker) = workers.nth(self.dice.below(100) as usize) else { return };
        workers.signal(worker, Signal::STOP);
        tokio::time::sleep(self.some_leases()).await;
        workers.signal(worker, Signal::CONT);
    }

    /// Terminates half of the product's sessions in the middle of their statements.
    async fn terminate_backends(&mut self) {
        let Ok(mut connection) = PgConnection::connect(&self.url).await else { return };
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where application_name like 'aspora%' and pid <> pg_backend_pid() and random() < 0.5";
        let _ = sqlx::query(sql).execute(&mut connection).await;
    }

    async fn crash_postgres(&mut self, crash: Crash, name: &'static str) -> &'static str {
        let postgres = self.postgres.clone();
        tokio::task::spawn_blocking(move || postgres.crash(crash)).await.unwrap();
        self.last_crash = Instant::now();
        name
    }
}
