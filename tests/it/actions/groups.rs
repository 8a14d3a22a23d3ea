//! Concurrency groups of workflow runs: docs.github.com "Workflow syntax for GitHub Actions", `concurrency`.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Mutex, MutexGuard},
};

use serde_json::Value;
use tokio::sync::watch;

/// All groups: of each, the run that runs and the one that waits.
#[derive(Default)]
pub(crate) struct Groups {
    of: Mutex<BTreeMap<String, Group>>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Group {
    /// The process of the run.
    running: Option<u32>,
    waiting: Option<u32>,
}

/// The turn of a run in its group, if it is of one.
pub(crate) struct Turn(Option<String>);

impl Groups {
    /// Waits until a run may run, which cancels the one before if it says so; nothing once a newer one waits instead.
    pub(crate) async fn enter(&self, began: &Value, process: u32) -> Option<Turn> {
        let Some(name) = began["group"].as_str() else { return Some(Turn(None)) };
        let mut changed = self.changed.subscribe();
        {
            let mut all = self.lock();
            let group = all.entry(name.to_owned()).or_default();
            group.waiting = Some(process);
            if let Some(running) = group.running.filter(|_| began["cancel"] == true) {
                let done = Command::new("kill").args(["-TERM", &running.to_string()]).status();
                assert!(done.unwrap().success(), "the run before could not be cancelled");
            }
        }
        self.changed.send_modify(|count| *count += 1);
        loop {
            if let Some(turn) = self.look(name, process) {
                return turn;
            }
            changed.changed().await.unwrap();
        }
    }

    /// The turn of a run, if it is its turn or never will be.
    fn look(&self, name: &str, process: u32) -> Option<Option<Turn>> {
        let mut all = self.lock();
        let group = all.get_mut(name).unwrap();
        if group.waiting != Some(process) {
            return Some(None);
        }
        if group.running.is_some() {
            return None;
        }
        *group = Group { running: group.waiting, waiting: None };
        Some(Some(Turn(Some(name.to_owned()))))
    }

    /// A run is over: the one that waits for it may run.
    pub(crate) fn leave(&self, Turn(name): Turn) {
        let Some(name) = name else { return };
        if let Some(group) = self.lock().get_mut(&name) {
            group.running = None;
        }
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.of.lock().unwrap()
    }
}
