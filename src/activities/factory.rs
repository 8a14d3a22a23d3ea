//! Performs activities with a forge, a model, mirrors and perhaps a sandbox.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use uuid::Uuid;

use super::{
    Assignment, Failure, LookedBack, Perform, Probes, Reply, attempt::Attempt, barred, base_checks, close,
    conversation, deployments, epilogue, gap, gate, generate, judge, look_back, merge, remediate, reproduce,
    review, test, update, verdict,
};
use crate::{
    core::{outage::Provider, workflow::Activity},
    engine::{BaseSeen, Engine},
    github::Forge,
    llm::{Model, Task},
    store::{Pool, deployment},
    workspace::{Sandbox, Unavailable, Workspaces},
};

/// Everything that activities work with.
pub struct Factory {
    /// The database.
    pub pool: Pool,
    /// The forge.
    pub forge: Arc<Forge>,
    /// The model.
    pub model: Model,
    /// The model that is asked while the other one does not answer.
    pub fallback: Option<Model>,
    /// The probes of providers that are under way.
    pub probes: Probes,
    /// The mirrors.
    pub workspaces: Workspaces,
    /// Where the product's tests run; without one they do not run, and the notes of the run say so.
    pub sandbox: Result<Sandbox, Unavailable>,
    /// Where people reach Aspora, without a trailing slash.
    pub public_url: String,
    /// How often a waiting verdict looks at the forge without a webhook.
    pub polling: Polling,
    /// The most model calls that a run may make without pushing a new head.
    pub calls_without_head: u32,
    /// How reviewers are asked by HTTP.
    pub reviewers: review::Access,
}

/// The default of [`Factory::calls_without_head`]: twice what a successful round can need.
pub const CALLS_WITHOUT_HEAD: u32 = 12;

/// How often a waiting step polls the forge, which makes up for lost webhooks: after another quarter of the
/// time that it has waited, within these bounds.
#[derive(Debug, Clone, Copy)]
pub struct Polling {
    /// The shortest pause between two polls.
    pub least: Duration,
    /// The longest pause while checks, reviews or the forge move.
    pub moving: Duration,
    /// The longest pause while only a person is awaited.
    pub people: Duration,
    /// How long a pull request must have been still before a whole look, so that a later look may ask only whether it has
    /// changed. GitHub's times are whole seconds, and its clock and ours differ.
    pub still: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self::at_least(Duration::from_secs(15))
    }
}

impl Polling {
    /// The default bounds with another shortest pause; a longest pause is no shorter than it.
    #[must_use]
    pub fn at_least(least: Duration) -> Self {
        let (moving, people) = (Duration::from_secs(60), Duration::from_secs(1800));
        let still = Duration::from_secs(120);
        Self { least, moving: moving.max(least), people: people.max(least), still }
    }
}

impl Perform for Factory {
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>> {
        async move {
            let activity = assignment.activity;
            let attempt = Attempt::new(self, assignment).await?;
            let performed: BoxFuture<'_, _> = match activity {
                Activity::Reproduce => reproduce::perform(&attempt).boxed(),
                Activity::Generate => generate::perform(&attempt).boxed(),
                Activity::Gate => gate::perform(&attempt).boxed(),
                Activity::Review => review::perform(&attempt).boxed(),
                Activity::Remediate => remediate::perform(&attempt).boxed(),
                Activity::Verdict => verdict::perform(&attempt).boxed(),
                Activity::Update => update::perform(&attempt).boxed(),
                Activity::Merge => merge::perform(&attempt).boxed(),
                Activity::Judge => judge::perform(&attempt).boxed(),
                Activity::Test => test::perform(&attempt).boxed(),
                Activity::Close => close::perform(&attempt).boxed(),
            };
            match performed.await {
                Err(failure) => barred::explain(&attempt, failure).boxed().await,
                Ok(reply) => Ok(attempt.remark_on(reply)),
            }
        }
        .boxed()
    }

    fn look_back(&self, run: Uuid) -> BoxFuture<'_, Result<Option<LookedBack>, Failure>> {
        look_back::look_back(self, run).boxed()
    }

    fn base_checks(&self, run: Uuid) -> BoxFuture<'_, Result<Option<BaseSeen>, Failure>> {
        base_checks::look(self, run).boxed()
    }

    fn contents<'a>(&'a self, due: &'a deployment::Due) -> BoxFuture<'a, Result<Vec<Uuid>, Failure>> {
        deployments::contents(self, due).boxed()
    }

    fn fallback_of(&self, down: &Provider) -> Option<Provider> {
        let config = self.model.config();
        let task = [Task::Generate, Task::Review].into_iter().find(|task| config.provider(*task) == *down)?;
        config.fallback_for(task).map(|fallback| fallback.provider(task))
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        self.probes.give_back(&self.pool).boxed()
    }

    fn converse<'a>(
        &'a self,
        engine: &'a Engine,
        run: Uuid,
    ) -> BoxFuture<'a, Result<Option<Duration>, Failure>> {
        conversation::converse(self, engine, run).boxed()
    }

    fn tend(&self, gap: Uuid) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Failure>> {
        gap::tend(self, gap).boxed()
    }

    fn conclude(&self, run: Uuid) -> BoxFuture<'_, Result<(), Failure>> {
        epilogue::conclude(self, run).boxed()
    }
}
