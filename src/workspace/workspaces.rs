//! All mirrors of this machine, and the locks that keep their writers apart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    config::{Config, Remote},
    error::Error,
    link::{Link, check_base},
    mirror::Mirror,
    throttle::Throttle,
};
use crate::core::requirement::RepoName;

/// Every mirror of this machine.
#[derive(Clone)]
pub struct Workspaces {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    throttle: Option<Arc<dyn Throttle>>,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Workspaces {
    /// Checks the configuration; nothing is read or written yet.
    ///
    /// # Errors
    /// [`Error::Refused`] when the remote is neither https, nor http on loopback, nor a directory.
    pub fn new(config: Config) -> Result<Self, Error> {
        if let Remote::Url(base) = &config.remote {
            check_base(base)?;
        }
        Ok(Self { shared: Arc::new(Shared { config, throttle: None, locks: Mutex::default() }) })
    }

    /// The same mirrors, with this throttle asked before every call of the remote.
    #[must_use]
    pub fn behind(self, throttle: Option<Arc<dyn Throttle>>) -> Self {
        let config = self.shared.config.clone();
        Self { shared: Arc::new(Shared { config, throttle, locks: Mutex::default() }) }
    }

    /// The mirror of one repository, which its first [`Mirror::fetch`] creates.
    #[must_use]
    pub fn mirror(&self, repository: &RepoName) -> Mirror {
        // Names on GitHub ignore case, so the directory of the mirror does too.
        let directory = repository.to_string().to_ascii_lowercase();
        let mut locks = self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(locks.entry(directory.clone()).or_default());
        drop(locks);
        let (config, throttle) = (&self.shared.config, self.shared.throttle.clone());
        let link = Link {
            repository: repository.clone(),
            remote: config.remote.clone(),
            credentials: config.credentials.clone(),
            askpass: config.root.join("askpass.sh"),
            lock_file: config.root.join("locks").join(directory.replace('/', "+")),
            lock,
            throttle,
        };
        Mirror::new(
            config.root.join("mirrors").join(format!("{directory}.git")),
            config.author.clone(),
            Some(link),
        )
    }
}
