//! The state of the twin in one place: what is saved, the git repositories, and who may change them.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    event::Event,
    git::Git,
    refusal::Refusal,
    state::{Delivery, Repository, State},
    webhooks::Webhooks,
};
use crate::dev::ci::Ci;

/// Makes the payload of an event in a repository, caused by an actor. Rendering is above the domain, so the
/// twin passes it in.
pub(crate) type Payload = Box<dyn Fn(&Repository, &str, &Event) -> Value + Send + Sync>;

/// All repositories, with everything that is known about them.
pub(crate) struct Host {
    data: PathBuf,
    state: Mutex<State>,
    turn: tokio::sync::Mutex<()>,
    payload: Payload,
    pub(crate) webhooks: Webhooks,
    pub(crate) ci: Option<Ci>,
    /// How many commits the CI is checking.
    pub(crate) checking: watch::Sender<usize>,
    pub(crate) stop: CancellationToken,
}

impl Host {
    /// Opens a data folder with the state that an earlier twin saved there.
    pub(crate) fn open(data: PathBuf, ci: Option<Ci>, payload: Payload) -> anyhow::Result<Self> {
        Ok(Self {
            state: Mutex::new(State::load(&data.join("state.json"))?),
            turn: tokio::sync::Mutex::default(),
            payload,
            webhooks: Webhooks::default(),
            ci,
            checking: watch::Sender::new(0),
            stop: CancellationToken::new(),
            data,
        })
    }

    /// Waits for the turn to change something.
    pub(crate) async fn turn(self: &Arc<Self>) -> Turn<'_> {
        Turn { host: self, _held: self.turn.lock().await }
    }

    /// Reads the state.
    pub(crate) fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads one repository; 404 for an unknown one.
    pub(crate) fn read<T>(&self, name: &str, read: impl FnOnce(&Repository) -> T) -> Result<T, Refusal> {
        self.with_state(|state| state.repositories.get(name).map(read)).ok_or_else(Refusal::not_found)
    }

    /// Changes the state and saves it. A change that fails must leave the state as it was.
    pub(crate) fn change<T>(&self, write: impl FnOnce(&mut State) -> anyhow::Result<T>) -> anyhow::Result<T> {
        anyhow::ensure!(!self.stop.is_cancelled(), "the twin has stopped");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = write(&mut state)?;
        state.save(&self.data.join("state.json"))?;
        Ok(answer)
    }

    pub(crate) fn has(&self, repository: &str) -> bool {
        self.with_state(|state| state.repositories.contains_key(repository))
    }

    pub(crate) fn git(&self, repository: &str) -> Git {
        Git { dir: self.repositories().join(format!("{repository}.git")), quarantine: None }
    }

    /// The full SHA of a commit or branch; 404 for an unknown one.
    pub(crate) async fn commit(&self, repository: &str, name: &str) -> Result<String, Refusal> {
        self.git(repository).commit_named(name).await?.ok_or_else(Refusal::not_found)
    }

    pub(crate) fn repositories(&self) -> PathBuf {
        // `git http-backend` wants an absolute path.
        std::path::absolute(self.data.join("repositories")).unwrap_or_else(|_| Path::new("/").into())
    }
}

/// The right to change repositories. There is one at a time, so changes that take several steps do not mix.
pub(crate) struct Turn<'a> {
    host: &'a Arc<Host>,
    _held: tokio::sync::MutexGuard<'a, ()>,
}

impl Deref for Turn<'_> {
    type Target = Arc<Host>;

    fn deref(&self) -> &Self::Target {
        self.host
    }
}

impl Turn<'_> {
    /// Changes one repository and saves it.
    pub(crate) fn write<T>(
        &self,
        name: &str,
        write: impl FnOnce(&mut Repository, &mut NewIds<'_>) -> T,
    ) -> anyhow::Result<T> {
        self.change(|state| {
            let found = state.repositories.remove(name);
            let mut repository = found.with_context(|| format!("the twin has no repository {name}"))?;
            let answer = write(&mut repository, &mut NewIds(state));
            state.repositories.insert(name.to_owned(), repository);
            Ok(answer)
        })
    }

    /// Queues the webhook of an event, if webhooks go anywhere.
    pub(crate) fn announce(&self, name: &str, actor: &str, event: &Event) -> anyhow::Result<()> {
        if self.webhooks.receiver().is_none() {
            return Ok(());
        }
        let payload = self.read(name, |repository| (self.payload)(repository, actor, event))?;
        let delivery = Delivery { id: uuid::Uuid::new_v4(), event: event.name().to_owned(), payload };
        self.change(|state| {
            state.outbox.push_back(delivery);
            Ok(())
        })?;
        self.webhooks.queued.notify_one();
        Ok(())
    }
}

/// Gives ids while a repository is being changed.
pub(crate) struct NewIds<'a>(&'a mut State);

impl NewIds<'_> {
    pub(crate) fn next(&mut self) -> i64 {
        self.0.new_id()
    }
}
