//! Runs of a few steps that do nothing but take a moment, without a forge or a model.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use aspora::{
    core::{requirement::Requirement, workflow::Workflow},
    engine::Engine,
    store::{self, Pool, invariant, invariant::Check},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PRODUCT: &str = "light";

/// The stream of light runs.
pub(crate) struct Light {
    engine: Engine,
    workflow: Workflow,
    steps: usize,
    /// Every run that was accepted.
    pub(crate) begun: BTreeSet<Uuid>,
}

/// What became of the light runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Accepted, and not there.
    pub(crate) lost: usize,
    /// With another number of answers than steps, though they succeeded.
    pub(crate) uneven: usize,
    /// Not at their end.
    pub(crate) unfinished: usize,
    /// Given up: a step used up its attempts.
    pub(crate) given_up: usize,
    /// Answered steps.
    pub(crate) steps: i64,
}

impl Light {
    /// A database, empty or migrated, for runs of so many steps.
    pub(crate) async fn open(url: &str, steps: usize) -> Self {
        let pool = store::connect(url, 4).await.unwrap();
        store::migrate(&pool).await.unwrap();
        let text = graph(steps);
        let workflow = Workflow::parse(&text).unwrap();
        store::workflow::keep(&pool, &workflow.hash, &workflow.name, &text).await.unwrap();
        let (product, repository) = (PRODUCT.parse().unwrap(), "acme/light".parse().unwrap());
        store::product::put(&pool, &product, &repository, "main", &[]).await.unwrap();
        Self { engine: Engine::open(pool).await.unwrap(), workflow, steps, begun: BTreeSet::new() }
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Begins so many runs at once.
    pub(crate) async fn begin(&mut self, many: usize) -> Vec<Uuid> {
        let begun = self.engine.accept_bulk(&self.workflow, &wish(), many).await.unwrap();
        self.begun.extend(&begun);
        begun
    }

    /// Keeps `many` runs under way until told to stop. A database that is away is asked again.
    pub(crate) async fn flow(&mut self, many: usize, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Ok(open) = open_runs(self.engine.pool()).await
                && open < many
                && let Ok(begun) = self.engine.accept_bulk(&self.workflow, &wish(), many - open).await
            {
                self.begun.extend(begun);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Steps that were answered so far.
    pub(crate) async fn steps(pool: &Pool) -> Option<i64> {
        sqlx::query_scalar("select count(*) from event where kind = 'answered'").fetch_one(pool).await.ok()
    }

    /// Counts what became of them all.
    pub(crate) async fn tally(&self) -> Tally {
        let rows: Vec<(Uuid, String, Option<String>, i64)> = sqlx::query_as(
            "select id, status, ended_as, (select count(*) from event where run_id = id and kind = 'answered')
             from run",
        )
        .fetch_all(self.engine.pool())
        .await
        .unwrap();
        let there: BTreeSet<Uuid> = rows.iter().map(|row| row.0).collect();
        let mut tally = Tally { lost: self.begun.difference(&there).count(), ..Tally::default() };
        for (_, status, ended_as, answered) in rows {
            tally.steps += answered;
            match (status.as_str(), ended_as.as_deref()) {
                ("ended", Some("succeeded")) => tally.uneven += usize::from(answered != self.steps as i64),
                ("ended", _) => tally.given_up += 1,
                _ => tally.unfinished += 1,
            }
        }
        tally
    }
}

pub(crate) async fn open_runs(pool: &Pool) -> store::Result<usize> {
    let open: i64 =
        sqlx::query_scalar("select count(*) from run where status <> 'ended'").fetch_one(pool).await?;
    Ok(usize::try_from(open).unwrap_or_default())
}

/// The invariants that do not hold.
pub(crate) async fn broken(engine: &Engine) -> Vec<Check> {
    let mut line = engine.pool().acquire().await.unwrap();
    let mut verdicts = invariant::check(&mut line, 5).await.unwrap();
    drop(line);
    verdicts.push(engine.replay_all(5).await.unwrap());
    verdicts.into_iter().filter(|verdict| verdict.count > 0).collect()
}

fn wish() -> Requirement {
    Requirement::new(PRODUCT, "Take a moment", "And another one.", 3).unwrap()
}

fn graph(steps: usize) -> String {
    let mut text = "name = \"light\"\nstart = \"a\"\nexhausted = \"stopped\"\n".to_owned();
    let names: Vec<char> = ('a'..='z').take(steps).collect();
    for (place, name) in names.iter().enumerate() {
        let next = names.get(place + 1).map_or("done".to_owned(), char::to_string);
        let queue = ["default", "llm", "github"][place % 3];
        let _ = write!(
            text,
            "[step.{name}]\nrun = \"review\"\nqueue = \"{queue}\"\n\
             on = {{ clean = \"{next}\", findings = \"stopped\", moved = \"stopped\" }}\n"
        );
    }
    text + "[end]\ndone = \"succeeded\"\nstopped = \"blocked\"\n"
}
