//! All mirrors of this machine, and the locks that keep their writers apart.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    config::{Config, Remote},
    error::Error,
    link::{Link, check_base},
    memo::Memo,
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
    memo: Arc<Memo>,
}

impl std::fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspaces").field("root", &self.shared.config.root).finish_non_exhaustive()
    }
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
        Ok(Self::with(config, None, Arc::default()))
    }

    /// The same mirrors, with this throttle asked before every call of the remote.
    #[must_use]
    pub fn behind(self, throttle: Option<Arc<dyn Throttle>>) -> Self {
        Self::with(self.shared.config.clone(), throttle, Arc::clone(&self.shared.memo))
    }

    fn with(config: Config, throttle: Option<Arc<dyn Throttle>>, memo: Arc<Memo>) -> Self {
        Self { shared: Arc::new(Shared { config, throttle, locks: Mutex::default(), memo }) }
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
            Arc::clone(&self.shared.memo),
        )
    }

    /// Removes the mirrors of all other repositories than these that nobody has fetched into for this long, such as those
    /// under the former name of one that was renamed; how many there were.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be read, locked or removed.
    pub async fn sweep(&self, keep: &[RepoName], unused_for: Duration) -> Result<usize, Error> {
        let keep: Vec<String> = keep.iter().map(|name| name.to_string().to_ascii_lowercase()).collect();
        let mut swept = 0;
        for name in self.found()?.into_iter().filter(|name| !keep.contains(name)) {
            let Ok(repository) = name.parse::<RepoName>() else { continue };
            let mirror = self.mirror(&repository);
            let _held = mirror.link()?.hold().await?;
            if idle(mirror.path()) >= unused_for {
                std::fs::remove_dir_all(mirror.path()).map_err(Error::io("remove an old mirror"))?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// The names of the mirrors on this machine.
    fn found(&self) -> Result<Vec<String>, Error> {
        let root = self.shared.config.root.join("mirrors");
        let mut names = Vec::new();
        for owner in folders(&root)? {
            for mirror in folders(&root.join(&owner))? {
                names.extend(mirror.strip_suffix(".git").map(|name| format!("{owner}/{name}")));
            }
        }
        Ok(names)
    }
}

/// The names of what is in a folder; nothing if there is none.
fn folders(at: &Path) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(at) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("list the mirrors"))?,
    };
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// For how long nothing was fetched into a mirror; zero where that is not known.
fn idle(mirror: &Path) -> Duration {
    let places = [mirror.to_owned(), mirror.join("refs/heads"), mirror.join("objects")];
    let changed = places.iter().filter_map(|place| std::fs::metadata(place).ok()?.modified().ok()).max();
    changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default()
}
