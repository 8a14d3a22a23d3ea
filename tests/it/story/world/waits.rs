//! Waiting until a run, or anything else, is as a story needs it.

use std::time::Duration;

use aspora::{
    core::run::{Event, Pause, PauseCause, State},
    store::event,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::World;

/// How long a story waits for anything, and for how long a run may stand still. It is for a wait that never ends, not for a
/// slow machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// The pause between two looks, each of which costs statements.
const LOOK: Duration = Duration::from_millis(50);

impl World {
    /// Waits until the run ends, and skips its back-offs; the end's name.
    pub(crate) async fn run_to_end(&self, run: Uuid) -> String {
        self.until(run, "ends", async || {
            let ended = self.ended(run).await;
            if ended.is_none() {
                self.skip_back_off(run, Duration::from_secs(3600)).await;
            }
            ended
        })
        .await
    }

    /// Waits until the run ends; the end's name.
    pub(crate) async fn until_ended(&self, run: Uuid) -> String {
        self.until(run, "ends", async || self.ended(run).await).await
    }

    async fn ended(&self, run: Uuid) -> Option<String> {
        match self.run(run).await.run.state {
            State::Ended { name, .. } => Some(name),
            State::At { .. } | State::Waiting { .. } | State::Paused { .. } => None,
        }
    }

    /// Waits until the run is waiting for something that contains `what`; all that it is waiting for.
    pub(crate) async fn until_waiting_for(&self, run: Uuid, what: &str) -> String {
        self.until(run, &format!("waits for {what}"), async || match self.run(run).await.run.state {
            State::Waiting { park, .. } if park.reason.contains(what) => Some(park.reason),
            State::Waiting { .. } | State::At { .. } | State::Paused { .. } => None,
            State::Ended { name, reason, .. } => panic!("ended as {name} and did not wait: {reason}"),
        })
        .await
    }

    /// Waits until the run is paused at this step and no worker is running it.
    pub(crate) async fn until_paused_at(&self, run: Uuid, step: &str) {
        self.until(run, &format!("pauses at {step}"), async || {
            let state = self.run(run).await.run.state;
            Some(()).filter(|()| {
                matches!(state, State::Paused(Pause { queued: false, .. })) && state.step() == Some(step)
            })
        })
        .await;
    }

    /// Waits until the run is waiting for exactly this.
    pub(crate) async fn until_waiting_only_for(&self, run: Uuid, what: &str) {
        self.until(run, &format!("waits for {what} alone"), async || {
            Some(self.until_waiting_for(run, what).await).filter(|reason| reason == what)
        })
        .await;
    }

    /// Waits until the run is paused; the cause and the reason.
    pub(crate) async fn until_paused(&self, run: Uuid) -> (PauseCause, String) {
        self.until(run, "pauses", async || match self.run(run).await.run.state {
            State::Paused(Pause { cause, reason, .. }) => Some((cause, reason)),
            State::Waiting { .. } | State::At { .. } => None,
            State::Ended { name, reason, .. } => panic!("ended as {name} and did not pause: {reason}"),
        })
        .await
    }

    /// Waits until an attempt of the run has failed; that event.
    pub(crate) async fn until_failed(&self, run: Uuid) -> event::Row {
        self.until(run, "fails once", async || {
            let failed = |row: &event::Row| matches!(row.body.0, Event::Failed { .. });
            self.events(run).await.into_iter().find(failed)
        })
        .await
    }

    /// Waits until the run has another head than this; the new one.
    pub(crate) async fn until_head_changes(&self, run: Uuid, head: &str) -> String {
        self.until(run, "gets another head", async || Some(self.head(run).await).filter(|now| now != head))
            .await
    }

    /// Waits for something that is not about one run.
    pub(crate) async fn eventually(&self, what: &str, check: impl AsyncFn() -> bool) {
        let found = self.poll(async || check().await.then_some(())).await;
        assert!(found.is_some(), "{what}: not after {DEADLINE:?}");
    }

    /// Waits as long as the run moves: a run of many steps takes long on a busy machine.
    async fn until<T>(&self, run: Uuid, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let mut seen = None;
        loop {
            if let Some(found) = self.poll(&look).await {
                return found;
            }
            let version = Some(self.run(run).await.version);
            assert!(version != seen, "the run never {what}:\n{}", self.history(run).await);
            seen = version;
        }
    }

    /// Looks until there is something, but gives up after [`DEADLINE`], and panics as soon as the server or the
    /// worker has failed.
    async fn poll<T>(&self, look: impl AsyncFn() -> Option<T>) -> Option<T> {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let mut failures = self.failure.subscribe();
        tokio::select! {
            biased;
            failed = failures.wait_for(Option::is_some) => panic!("{}", failed.unwrap().as_deref().unwrap_or_default()),
            found = timeout(DEADLINE, looking) => found.ok(),
        }
    }
}
