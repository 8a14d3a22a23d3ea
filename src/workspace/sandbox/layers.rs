//! What set-up left behind, on disk: made once for each key, shared by the workers of this machine, removed when it was not
//! used for long or when all of them are too large.
//!
//! Each key has a lock file. Who makes or removes a layer holds it alone, tests that see the layer hold it together.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::watch::Usage;

/// What the daily upkeep keeps: layers that were used in so many days, and so many bytes of them.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
const KEPT_BYTES: u64 = 20 << 30;
const DAY: Duration = Duration::from_secs(86_400);

/// What tools of JavaScript write to beside the packages that they come with: Babel and ESLint, Vite, and Vite while it
/// reads its configuration. A test may write there, and sees nothing of what an earlier one wrote.
pub(super) const CACHES: [&str; 3] = [".cache", ".vite", ".vite-temp"];

const DESCRIPTION: &str = "layer.json";
const MAKING: &str = "making-";
const REMOVING: &str = "removing-";
const LOCKS: &str = "locks";

/// A folder with layers.
#[derive(Debug, Clone)]
pub struct Layers {
    root: PathBuf,
}

/// A layer that cannot be removed while this exists.
#[derive(Debug, Clone)]
pub struct Layer {
    folder: PathBuf,
    /// Where in `/product` the folders `modules/0`, `modules/1`, … belong.
    pub(super) modules: Vec<String>,
    /// Keeps the shared lock.
    _lock: Arc<File>,
}

/// What is stored beside the files of a layer.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Description {
    modules: Vec<String>,
    bytes: u64,
    files: u64,
}

/// All layers of a machine together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerUsage {
    /// How many there are.
    pub layers: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// How a key is held.
pub(super) enum Held {
    /// The layer is there.
    Ready(Layer),
    /// It is not, and nobody else makes it.
    ToMake(Making),
}

/// A layer that is being made, in a folder of its own.
pub(super) struct Making {
    root: PathBuf,
    key: String,
    pub(super) folder: PathBuf,
    _lock: File,
}

impl Layers {
    /// The layers in this folder, which is made when it is needed.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Those of this user: in `$XDG_CACHE_HOME/aspora/layers`, else `~/.cache/aspora/layers`.
    #[must_use]
    pub fn of_this_user() -> Self {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
        Self::at(cache.unwrap_or_else(std::env::temp_dir).join("aspora/layers"))
    }

    /// The layer of a key, or the right to make it. Waits while another makes it.
    pub(super) async fn hold(&self, key: &str) -> io::Result<Held> {
        make_folder(&self.root.join(LOCKS))?;
        loop {
            if let Some(held) = self.try_hold(key)? {
                return Ok(held);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn try_hold(&self, key: &str) -> io::Result<Option<Held>> {
        let open = || File::create(self.root.join(LOCKS).join(key));
        let lock = open()?;
        if lock.try_lock_shared().is_ok()
            && let Some(layer) = self.open(key, lock)
        {
            return Ok(Some(Held::Ready(layer)));
        }
        let lock = open()?;
        if lock.try_lock().is_err() || self.root.join(key).exists() {
            return Ok(None);
        }
        let folder = self.root.join(format!("{MAKING}{key}"));
        remove(&folder);
        make_folder(&folder)?;
        Ok(Some(Held::ToMake(Making { root: self.root.clone(), key: key.to_owned(), folder, _lock: lock })))
    }

    fn open(&self, key: &str, lock: File) -> Option<Layer> {
        let folder = self.root.join(key);
        let description = description(&folder)?;
        // The time of its last use; without it the layer is only removed earlier.
        drop(
            File::options()
                .write(true)
                .open(folder.join(DESCRIPTION))
                .and_then(|file| file.set_modified(SystemTime::now())),
        );
        Some(Layer { folder, modules: description.modules, _lock: Arc::new(lock) })
    }

    /// What all layers need together.
    #[must_use]
    pub fn usage(&self) -> LayerUsage {
        self.all().into_iter().fold(LayerUsage::default(), |sum, (_, _, bytes)| LayerUsage {
            layers: sum.layers + 1,
            bytes: sum.bytes + bytes,
        })
    }

    /// Removes the layers that were not used for `keep`, and of the others those that were used last the longest ago until
    /// they need at most `most_bytes`; and what killed workers left half made. Layers in use stay. Returns what was removed.
    #[must_use]
    pub fn remove_old(&self, now: SystemTime, keep: Duration, most_bytes: u64) -> LayerUsage {
        let mut all = self.all();
        all.sort_by_key(|(_, used, _)| *used);
        let mut left: u64 = all.iter().map(|(_, _, bytes)| bytes).sum();
        let mut removed = LayerUsage::default();
        for (key, used, bytes) in all {
            let is_old = now.duration_since(used).is_ok_and(|age| age > keep);
            if (is_old || left > most_bytes) && self.remove(&key, &key) {
                left -= bytes;
                removed = LayerUsage { layers: removed.layers + 1, bytes: removed.bytes + bytes };
            }
        }
        for name in names(&self.root) {
            for prefix in [MAKING, REMOVING] {
                if let Some(key) = name.strip_prefix(prefix) {
                    self.remove(key, &name);
                }
            }
        }
        removed
    }

    /// Removes old layers now and once a day, until `stop` is cancelled: those that were not used for 30 days, and the
    /// oldest beyond 20 GiB.
    pub async fn upkeep(self, stop: CancellationToken) {
        loop {
            let layers = self.clone();
            let remove = move || layers.remove_old(SystemTime::now(), KEPT, KEPT_BYTES);
            match tokio::task::spawn_blocking(remove).await {
                Ok(removed) if removed.layers > 0 => {
                    tracing::info!(
                        layers = removed.layers,
                        bytes = removed.bytes,
                        "removed old layers of set-up"
                    );
                }
                _ => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(DAY) => {}
            }
        }
    }

    /// Removes a folder, if nothing else holds the key.
    fn remove(&self, key: &str, name: &str) -> bool {
        let Ok(lock) = File::create(self.root.join(LOCKS).join(key)) else { return false };
        if lock.try_lock().is_err() {
            return false;
        }
        let folder = self.root.join(name);
        let gone = self.root.join(format!("{REMOVING}{key}"));
        // Out of the way at once, so that no half of it is ever found.
        let folder = if fs::rename(&folder, &gone).is_ok() { gone } else { folder };
        remove(&folder);
        true
    }

    /// Key, last use and bytes of each.
    fn all(&self) -> Vec<(String, SystemTime, u64)> {
        let one = |name: String| {
            let folder = self.root.join(&name);
            let used = fs::metadata(folder.join(DESCRIPTION)).ok()?.modified().ok()?;
            Some((name, used, description(&folder)?.bytes))
        };
        let names = names(&self.root).into_iter();
        names
            .filter(|name| !name.starts_with(MAKING) && !name.starts_with(REMOVING))
            .filter_map(one)
            .collect()
    }
}

impl Layer {
    /// Where set-up's `/deps` is.
    pub(super) fn deps(&self) -> PathBuf {
        self.folder.join("deps")
    }

    /// Where the nth folder of modules is.
    pub(super) fn module(&self, number: usize) -> PathBuf {
        self.folder.join("modules").join(number.to_string())
    }
}

impl Making {
    /// Keeps `deps` and every `node_modules` below `product`, and puts the layer in its place.
    ///
    /// # Errors
    /// When a file cannot be moved or removed.
    pub(super) fn finish(self) -> io::Result<()> {
        let (product, modules) = (self.folder.join("product"), self.folder.join("modules"));
        make_folder(&modules)?;
        let mut description = Description::default();
        for found in modules_below(&product) {
            let kept = modules.join(description.modules.len().to_string());
            fs::rename(product.join(&found), &kept)?;
            for cache in CACHES.map(|name| kept.join(name)) {
                match fs::symlink_metadata(&cache) {
                    Ok(data) if data.is_dir() => {}
                    Ok(_) => fs::remove_file(&cache).and_then(|()| fs::create_dir(&cache))?,
                    Err(_) => fs::create_dir(&cache)?,
                }
            }
            description.modules.push(found);
        }
        remove(&product);
        let used = Usage::of(&self.folder, u64::MAX);
        (description.bytes, description.files) = (used.bytes, used.files);
        fs::write(self.folder.join(DESCRIPTION), serde_json::to_vec(&description)?)?;
        fs::rename(&self.folder, self.root.join(&self.key))
    }

    /// Removes what was made.
    pub(super) fn give_up(self) {
        remove(&self.folder);
    }
}

/// The paths of all `node_modules` folders below a folder, outermost only. Links are not followed.
fn modules_below(root: &Path) -> Vec<String> {
    let (mut found, mut todo) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = todo.pop() {
        for name in names(&root.join(&folder)) {
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let is_folder = fs::symlink_metadata(root.join(&path)).is_ok_and(|data| data.is_dir());
            match name.as_str() {
                _ if !is_folder || name.contains('\n') => {}
                "node_modules" => found.push(path),
                _ => todo.push(path),
            }
        }
    }
    found.sort();
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn description(folder: &Path) -> Option<Description> {
    serde_json::from_slice(&fs::read(folder.join(DESCRIPTION)).ok()?).ok()
}

/// For this user alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Removes a folder, also where its own folders may not be written to, as Go leaves them.
fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
        return;
    }
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        drop(fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)));
        for name in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if name.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(name.path());
            }
        }
    }
    drop(fs::remove_dir_all(folder));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn make(layers: &Layers, key: &str, bytes: usize) {
        let Held::ToMake(making) = layers.hold(key).await.unwrap() else { panic!("{key} is there") };
        fs::create_dir_all(making.folder.join("deps/bin")).unwrap();
        fs::write(making.folder.join("deps/bin/tool"), vec![1; bytes]).unwrap();
        for folder in ["web/node_modules/a/node_modules", "node_modules", "web/src"] {
            fs::create_dir_all(making.folder.join("product").join(folder)).unwrap();
        }
        std::os::unix::fs::symlink("/", making.folder.join("product/web/src/node_modules")).unwrap();
        making.finish().unwrap();
    }

    #[tokio::test]
    async fn a_layer_is_made_once_and_keeps_its_modules() {
        let folder = tempfile::tempdir().unwrap();
        let layers = Layers::at(folder.path().join("layers"));
        make(&layers, "a", 10).await;
        let Held::Ready(layer) = layers.hold("a").await.unwrap() else { panic!("it is made again") };
        assert_eq!(layer.modules, ["node_modules", "web/node_modules"]);
        assert!(layer.module(1).join("a/node_modules").is_dir() && layer.deps().join("bin/tool").is_file());
        // While one makes it, another waits.
        let Held::ToMake(making) = layers.hold("b").await.unwrap() else { panic!() };
        assert!(tokio::time::timeout(Duration::from_millis(300), layers.hold("b")).await.is_err());
        making.give_up();
        assert!(matches!(layers.hold("b").await.unwrap(), Held::ToMake(_)));
    }

    #[tokio::test]
    async fn old_layers_are_removed_and_those_in_use_stay() {
        let folder = tempfile::tempdir().unwrap();
        let layers = Layers::at(folder.path().to_owned());
        for key in ["a", "b", "c"] {
            make(&layers, key, 100_000).await;
        }
        fs::create_dir(folder.path().join("making-x")).unwrap();
        let Held::Ready(used) = layers.hold("a").await.unwrap() else { panic!() };
        let day = Duration::from_secs(86_400);
        assert_eq!(layers.usage().layers, 3);
        assert_eq!(layers.remove_old(SystemTime::now(), day, u64::MAX).layers, 0);
        assert!(!folder.path().join("making-x").exists());
        // `b` was used last the longest ago.
        let all = layers.usage().bytes;
        assert_eq!(layers.remove_old(SystemTime::now(), day, all - 1).layers, 1);
        assert!(folder.path().join("c").exists() && !folder.path().join("b").exists());
        assert_eq!(layers.remove_old(SystemTime::now() + day * 2, day, u64::MAX).layers, 1);
        assert!(folder.path().join("a").exists() && !folder.path().join("c").exists());
        drop(used);
        assert_eq!(layers.remove_old(SystemTime::now() + day * 2, day, u64::MAX).layers, 1);
        assert_eq!(layers.usage(), LayerUsage::default());
    }
}
