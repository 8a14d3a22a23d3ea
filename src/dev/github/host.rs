//! The state of the twin in one place: what is saved, the git repositories, and who may change them.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    accounts::APP,
    audience,
    clock::Clock,
    delivery_log::DeliveryLog,
    event::{Announcement, Event},
    git::Git,
    refusal::Refusal,
    state::{Delivery, HookOwner, Outgoing, Repository, State},
    webhooks::Webhooks,
};
use crate::{dev::ci::Ci, workspace::Memo};

/// Makes the payload of an event. Rendering is above the domain, so the twin passes it in.
pub(crate) type Payload = Box<dyn Fn(&Announcement<'_>) -> Value + Send + Sync>;

/// All repositories, with everything that is known about them.
pub(crate) struct Host {
    data: PathBuf,
    state: Mutex<State>,
    /// Whether changes are saved.
    saves: AtomicBool,
    turn: tokio::sync::Mutex<()>,
    payload: Payload,
    pub(crate) webhooks: Webhooks,
    pub(crate) deliveries: DeliveryLog,
    pub(crate) clock: Arc<Clock>,
    pub(crate) ci: Option<Ci>,
    memo: Arc<Memo>,
    /// Counts the times that branches moved.
    pub(crate) moved: watch::Sender<u64>,
    /// How many commits the CI is checking.
    pub(crate) checking: watch::Sender<usize>,
    pub(crate) stop: CancellationToken,
}

impl Host {
    /// Opens a data folder with the state that an earlier twin saved there.
    pub(crate) fn open(data: PathBuf, ci: Option<Ci>, payload: Payload) -> anyhow::Result<Self> {
        let clock = Arc::<Clock>::default();
        let deliveries = DeliveryLog::open(&data.join("deliveries.ndjson"), clock.now())?;
        Ok(Self {
            state: Mutex::new(State::load(&data.join("state.json"))?),
            saves: AtomicBool::new(true),
            turn: tokio::sync::Mutex::default(),
            payload,
            webhooks: Webhooks::default(),
            deliveries,
            clock,
            ci,
            memo: Arc::default(),
            moved: watch::Sender::new(0),
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
        if self.saves.load(Ordering::Relaxed) {
            state.save(&self.data.join("state.json"))?;
        }
        Ok(answer)
    }

    /// Saves nothing from now on.
    pub(crate) fn forget(&self) {
        self.saves.store(false, Ordering::Relaxed);
    }

    /// Queues the webhook of an event in a repository, if anyone gets it.
    pub(crate) fn announce(&self, name: &str, actor: &str, event: &Event) -> anyhow::Result<()> {
        if self.webhooks.receiver().is_none() {
            return Ok(());
        }
        let announced = self.with_state(|state| {
            let it = state.repositories.get(name)?;
            let to = audience::of(&state.registry, it, event)?;
            let announcement =
                Announcement { event, actor, repository: Some(it), installation: to.installation };
            Some(((self.payload)(&announcement), to.owner))
        });
        announced.map_or(Ok(()), |(payload, owner)| self.queue_new(event, payload, owner))
    }

    /// Queues the webhook of an event of an installation, for its App; other Apps than the product's have no receiver.
    pub(crate) fn announce_to_app(&self, actor: &str, event: &Event) -> anyhow::Result<()> {
        let (Event::Installation { app, .. } | Event::InstallationRepositories { app, .. }) = event else {
            anyhow::bail!("{} is no event of an installation", event.name());
        };
        if self.webhooks.receiver().is_none() || app.slug != APP {
            return Ok(());
        }
        let announcement = Announcement { event, actor, repository: None, installation: None };
        self.queue_new(event, (self.payload)(&announcement), HookOwner::App(app.id))
    }

    fn queue_new(&self, event: &Event, payload: Value, owner: HookOwner) -> anyhow::Result<()> {
        let delivery = Delivery { id: uuid::Uuid::new_v4(), event: event.name().to_owned(), payload };
        self.queue(delivery, owner, false)
    }

    /// Queues an attempt at a delivery.
    pub(crate) fn queue(
        &self,
        delivery: Delivery,
        owner: HookOwner,
        is_redelivery: bool,
    ) -> anyhow::Result<()> {
        self.change(|state| {
            let id = state.new_id();
            state.outgoing.push_back(Outgoing { id, delivery, owner, is_redelivery });
            Ok(())
        })?;
        self.webhooks.queued.notify_one();
        Ok(())
    }

    pub(crate) fn has(&self, repository: &str) -> bool {
        self.with_state(|state| state.repositories.contains_key(repository))
    }

    pub(crate) fn git(&self, repository: &str) -> Git {
        Git::new(self.repositories().join(format!("{repository}.git")), Arc::clone(&self.memo))
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
}

/// Gives ids while a repository is being changed.
pub(crate) struct NewIds<'a>(&'a mut State);

impl NewIds<'_> {
    pub(crate) fn next(&mut self) -> i64 {
        self.0.new_id()
    }
}
