//! The deliveries that were attempted, as `/app/hook/deliveries` lists them: in memory without what was sent, in
//! `deliveries.ndjson` with it. Part of the saved state, but not of `state.json`, which is written as a whole.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{Delivery, HookOwner};

/// How long GitHub keeps a delivery, in milliseconds: three days, docs.github.com "Redelivering webhooks".
const KEPT_MILLIS: i64 = 3 * 24 * 3_600_000;

/// One attempt at a delivery, and how it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) id: i64,
    pub(crate) guid: uuid::Uuid,
    /// Milliseconds since 1970, by the twin's clock.
    pub(crate) at: i64,
    pub(crate) is_redelivery: bool,
    /// In seconds.
    pub(crate) duration: f64,
    /// What GitHub says of it, such as `OK`.
    pub(crate) status: String,
    pub(crate) status_code: u16,
    pub(crate) event: String,
    pub(crate) owner: HookOwner,
    pub(crate) url: String,
}

/// What an attempt sent and what was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) attempt: Attempt,
    pub(crate) request_headers: BTreeMap<String, String>,
    pub(crate) payload: Value,
    pub(crate) response_headers: BTreeMap<String, String>,
    pub(crate) response_payload: String,
    /// The action, the installation and the repository that the payload names.
    pub(crate) about: About,
}

impl Record {
    /// What was sent, to send it again.
    pub(crate) fn delivery(&self) -> Delivery {
        let (id, event) = (self.attempt.guid, self.attempt.event.clone());
        Delivery { id, event, payload: self.payload.clone() }
    }
}

/// What a payload is about, as the list shows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) action: Option<String>,
    pub(crate) installation: Option<i64>,
    pub(crate) repository: Option<i64>,
}

impl About {
    pub(crate) fn of(payload: &Value) -> Self {
        let number = |at| payload.pointer(at).and_then(Value::as_i64);
        Self {
            action: payload["action"].as_str().map(str::to_owned),
            installation: number("/installation/id"),
            repository: number("/repository/id"),
        }
    }
}

/// An append-only list of [`Record`], of the last three days.
#[derive(Debug)]
pub(crate) struct DeliveryLog {
    path: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    file: File,
    /// Oldest first.
    attempts: Vec<(Attempt, About)>,
}

impl DeliveryLog {
    /// Opens a file, and forgets what is older than three days.
    pub(crate) fn open(path: &Path, now: i64) -> anyhow::Result<Self> {
        let failed = || format!("read the deliveries in {}", path.display());
        let old = if path.exists() { records(path).with_context(failed)? } else { Vec::new() };
        let kept: Vec<Record> = old.into_iter().filter(|record| is_kept(&record.attempt, now)).collect();
        let fresh = path.with_extension("ndjson.new");
        let mut file = File::create(&fresh).with_context(failed)?;
        for record in &kept {
            write(&mut file, record).with_context(failed)?;
        }
        std::fs::rename(&fresh, path).with_context(failed)?;
        let attempts = kept.into_iter().map(|record| (record.attempt, record.about)).collect();
        Ok(Self { path: path.to_owned(), kept: Mutex::new(Kept { file, attempts }) })
    }

    pub(crate) fn add(&self, record: Record) {
        let mut kept = self.lock();
        if let Err(error) = write(&mut kept.file, &record) {
            tracing::warn!(%error, "the twin's deliveries could not be written");
        }
        kept.attempts.push((record.attempt, record.about));
    }

    /// The attempts of the last three days, newest first.
    pub(crate) fn recent(&self, now: i64) -> Vec<(Attempt, About)> {
        let kept = self.lock();
        kept.attempts.iter().rev().filter(|(attempt, _)| is_kept(attempt, now)).cloned().collect()
    }

    /// An attempt of the last three days with what was sent.
    pub(crate) fn find(&self, id: i64, now: i64) -> anyhow::Result<Option<Record>> {
        let _kept = self.lock();
        let found = records(&self.path)?.into_iter().find(|record| record.attempt.id == id);
        Ok(found.filter(|record| is_kept(&record.attempt, now)))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_kept(attempt: &Attempt, now: i64) -> bool {
    now - attempt.at < KEPT_MILLIS
}

/// The records of a file. A last line that a killed twin left unfinished is none.
fn records(path: &Path) -> anyhow::Result<Vec<Record>> {
    let lines = BufReader::new(File::open(path)?).lines().collect::<Result<Vec<_>, _>>()?;
    Ok(lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn write(file: &mut File, record: &Record) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(file.write_all(&line)?)
}
