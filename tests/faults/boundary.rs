//! Where a run can be struck: before and after every request that it makes.

use std::collections::{BTreeMap, BTreeSet};

use aspora::{
    dev::github::{Phase, RequestSeen},
    store::{self, Pool},
};
use uuid::Uuid;

/// One place in a run: the n-th such request of an attempt at a visit of a step, before or after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Boundary {
    step: String,
    visit: u32,
    request: String,
    nth: usize,
    after: bool,
}

/// Which job a run is at, and how often that was tried.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) step: String,
    pub(crate) visit: u32,
    pub(crate) turn: u32,
    pub(crate) attempt: u32,
    pub(crate) most: u32,
}

/// Names boundaries as the requests of one run pass by.
#[derive(Default)]
pub(crate) struct Namer {
    attempt: (u32, u32),
    seen: BTreeMap<String, usize>,
}

/// The boundaries that are still to be struck.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    open: BTreeSet<Boundary>,
    pub(crate) struck: usize,
}

impl Job {
    /// Where the run is just now; nothing when it is between two jobs or the database is down.
    pub(crate) async fn of(pool: &Pool, run: Uuid) -> Option<Self> {
        let stored = store::run::get(pool, run).await.ok()??;
        let standing = store::job::standing(pool, run).await.ok()??;
        let step = stored.run.step()?.to_owned();
        let visit = stored.run.visits.get(&step).copied()?;
        let (attempt, most) = (standing.attempts, standing.most);
        Some(Self { step, visit, turn: stored.run.turn, attempt, most })
    }
}

impl Namer {
    pub(crate) fn name(&mut self, job: &Job, request: &RequestSeen, phase: Phase) -> Boundary {
        if self.attempt != (job.turn, job.attempt) {
            self.attempt = (job.turn, job.attempt);
            self.seen.clear();
        }
        let name = format!("{} {}", request.method, template(&request.path));
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
        Self { open: boundaries.into_iter().collect(), struck: 0 }
    }

    /// True once for every boundary.
    pub(crate) fn strike(&mut self, boundary: &Boundary) -> bool {
        let strikes = self.open.remove(boundary);
        self.struck += usize::from(strikes);
        strikes
    }

    pub(crate) fn open(&self) -> &BTreeSet<Boundary> {
        &self.open
    }
}

/// A path without what differs from run to run: commits, branches and numbers.
fn template(path: &str) -> String {
    let name = |part: &str| {
        let is_sha = part.len() == 40 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let varies = is_sha || part.parse::<u64>().is_ok() || part.parse::<Uuid>().is_ok();
        if varies { "*".to_owned() } else { part.to_owned() }
    };
    // The repository's name is the product's, which is each run's own.
    let own = if path.starts_with("/repos/") { 4 } else { 3 };
    path.split('/').skip(own).map(name).collect::<Vec<_>>().join("/")
}
