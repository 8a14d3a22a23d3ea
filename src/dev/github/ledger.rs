//! The list of all requests, in order: in memory for tests, in `ledger.ndjson` for people.

use std::{
    io::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

/// One request and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Counted from 1 since the twin started.
    pub number: u64,
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The status of the answer; 0 when the connection was cut.
    pub status: u16,
    /// Whether it may change something: every request but a read, and a git push.
    pub mutating: bool,
    /// Whether the change was made, whatever the answer said.
    pub applied: bool,
}

/// An append-only list of [`Entry`].
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Mutex<Vec<Entry>>,
    file: Mutex<std::fs::File>,
}

impl Ledger {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { entries: Mutex::default(), file: Mutex::new(file) })
    }

    pub(crate) fn write(&self, entry: Entry) {
        if let Ok(mut line) = serde_json::to_vec(&entry) {
            line.push(b'\n');
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = file.write_all(&line) {
                tracing::warn!(%error, "the twin's ledger could not be written");
            }
        }
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
