//! Looks at a run while it lives: whether the kernel killed some of it for its memory, or, where no control group can be
//! made, how much memory all its processes use; and how much it has written to a folder on disk.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    group::Group,
    limits::{Limits, Over},
};

/// How often a run is looked at, at most: looking takes no more than a fifth of the time.
const EVERY: Duration = Duration::from_millis(200);

/// What is looked at.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    /// Its control group; without one its processes are counted.
    pub(super) group: Option<Arc<Group>>,
    /// The first process of the run, outside of it.
    pub(super) process: Option<u32>,
    /// Folders on disk that it may write to.
    pub(super) folders: Vec<PathBuf>,
    pub(super) limits: Limits,
}

impl Watch {
    /// Returns once a limit is passed.
    pub(super) async fn until_over(&self) -> Over {
        let mut pause = EVERY;
        loop {
            tokio::time::sleep(pause).await;
            let (watch, began) = (self.clone(), Instant::now());
            if let Ok(Some(over)) = tokio::task::spawn_blocking(move || watch.over()).await {
                return over;
            }
            pause = EVERY.max(began.elapsed() * 4);
        }
    }

    /// The limit that is passed now, if one is.
    pub(super) fn over(&self) -> Option<Over> {
        let is_over_memory = match (&self.group, self.process) {
            (Some(group), _) => group.is_over_memory(),
            (None, Some(process)) => memory_below(process) > self.limits.memory,
            (None, None) => false,
        };
        if is_over_memory {
            return Some(Over::Memory);
        }
        let used = self.folders.iter().map(|folder| Usage::of(folder, self.limits.files));
        let used = used.fold(Usage::default(), Usage::plus);
        (used.bytes > self.limits.disk || used.files > self.limits.files).then_some(Over::Disk)
    }
}

/// What is in a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Bytes on disk.
    pub(super) bytes: u64,
    /// Files, folders and links.
    pub(super) files: u64,
}

impl Usage {
    /// Counts what is in a folder, without following links, until it has more than so many files.
    pub(super) fn of(folder: &Path, files: u64) -> Self {
        let (mut used, mut folders) = (Self::default(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                // A folder that grows while it is read has no end.
                if used.files > files {
                    return used;
                }
                let Ok(data) = entry.metadata() else { continue };
                // A file of several names is there once.
                let names = if data.is_dir() { 1 } else { data.nlink().max(1) };
                used = used.plus(Self { bytes: data.blocks() * 512 / names, files: 1 });
                if data.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        used
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), files: self.files.saturating_add(other.files) }
    }
}

/// Bytes of memory of a process and all below it, each shared page counted once.
fn memory_below(root: u32) -> u64 {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(process);
    }
    let (mut todo, mut sum) = (vec![root], 0);
    while let Some(process) = todo.pop() {
        sum += memory_of(process);
        todo.extend(children.remove(&process).unwrap_or_default());
    }
    sum
}

/// The proportional share of a process; what is resident where that may not be read.
fn memory_of(process: u32) -> u64 {
    let kib = |file: &str, field: &str| {
        let text = fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    kib("smaps_rollup", "Pss:").or_else(|| kib("status", "VmRSS:")).unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_counted_without_following_links() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        let used = Usage::of(folder.path(), u64::MAX);
        assert_eq!(used.files, 3);
        assert!((100_000..200_000).contains(&used.bytes), "{used:?}");
    }

    #[test]
    fn memory_of_children_counts() {
        // The shell does not become the program, because something follows it.
        const LINE: &str = "python3 -c \"x = b'x' * (60 << 20); print('there', flush=True); input()\"; true";
        let mut child = std::process::Command::new("sh")
            .args(["-c", LINE])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut line = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let used = memory_below(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(used > 60 << 20, "{used}");
    }
}
