//! Whoever breaks things: draws a fault, brings it about, mends it, and counts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aspora::dev::postgres::Cluster;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use crate::{
    crew::{Crew, Reach},
    dice::Dice,
    floor::LEASE,
    proxy::{Line, Proxy},
};

/// The workers of each crew.
pub(crate) const CREW: usize = 2;
/// At least so long between two deaths of Postgres: it needs some of that to come back.
const POSTGRES: Duration = Duration::from_secs(20);

pub(crate) struct Nemesis {
    pub(crate) crews: Vec<Crew>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) url: String,
    pub(crate) dice: Dice,
    pub(crate) counts: BTreeMap<&'static str, usize>,
    pub(crate) last_death: Instant,
}

impl Nemesis {
    /// Breaks one thing after the other until `end`.
    pub(crate) async fn rage(&mut self, end: Instant) {
        while Instant::now() < end {
            let rest = Duration::from_millis(200 + self.dice.below(2_000));
            tokio::time::sleep(rest.min(end.saturating_duration_since(Instant::now()))).await;
            let fault = self.strike().await;
            *self.counts.entry(fault).or_default() += 1;
            self.crews.iter().for_each(|crew| crew.fill_up(CREW));
        }
    }

    async fn strike(&mut self) -> &'static str {
        let crew = self.crews[self.dice.below(self.crews.len() as u64) as usize].clone();
        match self.dice.below(14) {
            0..=2 => {
                let reach = if self.dice.below(2) == 0 { Reach::Process } else { Reach::Group };
                crew.kill_one(self.dice.below(100) as usize, reach);
                "kill"
            }
            3..=5 => {
                self.put_to_sleep(&crew).await;
                "stop"
            }
            6 | 7 => {
                if let Some(worker) = crew.one(self.dice.below(100) as usize) {
                    crew.signal(worker, Signal::TERM);
                }
                "term"
            }
            8 => {
                self.cut_backends().await;
                "backends"
            }
            9 => {
                self.proxy.cut();
                "cut"
            }
            10 => {
                let lasts = self.some_leases();
                self.proxy.be(Line::Silent, lasts).await;
                "silent"
            }
            11 => {
                self.proxy.be(Line::Deaf, Duration::from_millis(20 + self.dice.below(400))).await;
                "deaf"
            }
            _ if self.last_death.elapsed() < POSTGRES => {
                self.proxy.cut();
                "cut"
            }
            choice => self.kill_postgres(choice == 12).await,
        }
    }

    fn some_leases(&mut self) -> Duration {
        LEASE.mul_f64(0.3 + self.dice.below(300) as f64 / 100.0)
    }

    /// Stops a worker for up to three leases; then it goes on where it was.
    async fn put_to_sleep(&mut self, crew: &Crew) {
        let Some(worker) = crew.one(self.dice.below(100) as usize) else { return };
        crew.signal(worker, Signal::STOP);
        tokio::time::sleep(self.some_leases()).await;
        crew.signal(worker, Signal::CONT);
    }

    /// Some of the sessions of the product die in whatever they are doing.
    async fn cut_backends(&mut self) {
        let Ok(mut line) = PgConnection::connect(&self.url).await else { return };
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where application_name like 'aspora%' and pid <> pg_backend_pid() and random() < 0.5";
        let _ = sqlx::query(sql).execute(&mut line).await;
    }

    async fn kill_postgres(&mut self, is_kill: bool) -> &'static str {
        let cluster = Arc::clone(&self.cluster);
        let died = tokio::task::spawn_blocking(move || {
            match cluster.pid() {
                Some(postmaster) if !is_kill => {
                    let pid = Pid::from_raw(i32::try_from(postmaster)?);
                    kill_process(pid.ok_or_else(|| anyhow::anyhow!("no pid"))?, Signal::QUIT)?;
                }
                _ => cluster.kill()?,
            }
            cluster.restart()
        });
        died.await.unwrap().unwrap();
        self.last_death = Instant::now();
        if is_kill { "postgres-kill" } else { "postgres-immediate" }
    }
}
