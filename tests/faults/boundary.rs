//! The points of a run at which a test can inject a fault: before and after every request that it makes.

use std::collections::{BTreeMap, BTreeSet};

use aspora::{
    dev::github::{Phase, RequestSeen},
    store::{self, Pool},
};
use uuid::Uuid;

/// A point before or after the n-th request of its kind in an attempt at a visit of a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Boundary {
    step: String,
    visit: u32,
    request: String,
    nth: usize,
    after: bool,
}

/// The job of a run, and the number of its attempt.
#[derive(Debug, Clone)]
pub(crate) struct CurrentJob {
    pub(crate) step: String,
    pub(crate) visit: u32,
    pub(crate) turn: u32,
    pub(crate) attempt: u32,
    pub(crate) most: u32,
}

/// Names the boundaries of one run as its requests come in.
#[derive(Default)]
pub(crate) struct BoundaryNamer {
    attempt: (u32, u32),
    seen: BTreeMap<String, usize>,
}

/// The boundaries at which a fault is still to be injected.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    remaining: BTreeSet<Boundary>,
    pub(crate) hits: usize,
}

impl CurrentJob {
    /// `None` when the run is between two jobs or the database is down.
    pub(crate) async fn of(pool: &Pool, run: Uuid) -> Option<Self> {
        let stored = store::run::get(pool, run).await.ok()??;
        let job = store::job::standing(pool, run).await.ok()??;
        let step = stored.run.step()?.to_owned();
        let visit = stored.run.visits.get(&step).copied()?;
        Some(Self { step, visit, turn: stored.run.turn, attempt: job.attempts, most: job.most })
    }
}

impl BoundaryNamer {
    pub(crate) fn name(&mut self, job: &CurrentJob, request: &RequestSeen, phase: Phase) -> Boundary {
        if self.attempt != (job.turn, job.attempt) {
            self.attempt = (job.turn, job.attempt);
            self.seen.clear();
        }
        let name = format!("{} {}", request.method, path_template(&request.path));
        let nth = self.seen.entry(name.clone()).or_default();
        if phase == Phase::Before {
            *nth += 1;
        }
        let after = phase == Phase::AfterApply;
        Boundary { step: job.step.clone(), visit: job.visit, request: name, nth: *nth, after }
    }
}

impl Targets {
    pub(crate) fn of(boundaries: Vec<Boundary>) -> Self {
        Self { remaining: boundaries.into_iter().collect(), hits: 0 }
    }

    /// True once for every boundary.
    pub(crate) fn hit(&mut self, boundary: &Boundary) -> bool {
        let is_hit = self.remaining.remove(boundary);
        self.hits += usize::from(is_hit);
        is_hit
    }

    pub(crate) const fn remaining(&self) -> &BTreeSet<Boundary> {
        &self.remaining
    }
}

/// A path without the parts that differ from run to run: the repository, commits, branches and numbers.
fn path_template(path: &str) -> String {
    let generalise = |part: &str| {
        let is_sha = part.len() == 40 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Our branches end with their run.
        let is_of_run = part.rsplit("%2F").next().is_some_and(|last| last.parse::<Uuid>().is_ok());
        let varies = is_sha || is_of_run || part.parse::<u64>().is_ok();
        if varies { "*".to_owned() } else { part.to_owned() }
    };
    let repository = if path.starts_with("/repos/") { 4 } else { 3 };
    path.split('/').skip(repository).map(generalise).collect::<Vec<_>>().join("/")
}
