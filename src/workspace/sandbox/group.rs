//! Control groups: memory, processes and CPU of a run together, by the kernel.
//!
//! Of version 1 each controller has a tree of its own; of version 2 there is one. Groups are made below the worker's own,
//! which must be writable: as root, or by systemd's `Delegate=yes`.

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::limits::Limits;

/// Processes of a version 2 group may not be beside groups with controllers, so the worker moves to this one.
const OWN: &str = "workers";
const NAME: &str = "aspora-run-";
/// How long the kernel may take to give up an empty group.
const LAST_TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(25);
/// Microseconds; what a group of one core may use of them.
const PERIOD: u32 = 100_000;

/// Where groups for runs can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Groups {
    /// The folders of the controllers `memory`, `pids` and `cpu`; the last if there is one.
    V1 { memory: PathBuf, pids: PathBuf, cpu: Option<PathBuf> },
    /// The one folder.
    V2(PathBuf),
}

/// The group of one run; removed on drop, once its processes are gone.
#[derive(Debug)]
pub(super) struct Group {
    folders: Vec<PathBuf>,
    v2: bool,
}

impl Groups {
    /// Finds out where this process may make groups, and removes those that killed workers left behind.
    pub(super) fn find() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let groups = Self::find_in(&mounts, &own)?;
        for folder in groups.folders() {
            remove_leftovers(folder, &is_alive);
        }
        // What cannot be made now cannot be made later either.
        groups.make(&Limits::default(), 0).ok().map(|_| groups)
    }

    /// As [`Groups::find`], with the texts of `/proc/self/mounts` and `/proc/self/cgroup`.
    fn find_in(mounts: &str, own: &str) -> Option<Self> {
        let mounted = |kind: &str, controller: Option<&str>| {
            mounts.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                let [_, place, found, options, ..] = fields[..] else { return None };
                let has = controller.is_none_or(|one| options.split(',').any(|option| option == one));
                (found == kind && has).then(|| PathBuf::from(place))
            })
        };
        let path_of = |controller: &str| {
            own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let (controllers, path) = (parts.next()?, parts.next()?);
                controllers.split(',').any(|one| one == controller).then(|| path.trim_start_matches('/'))
            })
        };
        let v1 = |controller: &str| Some(mounted("cgroup", Some(controller))?.join(path_of(controller)?));
        if let (Some(memory), Some(pids)) = (v1("memory"), v1("pids")) {
            return Some(Self::V1 { memory, pids, cpu: v1("cpu") });
        }
        let folder = mounted("cgroup2", None)?.join(path_of("")?);
        let controllers = fs::read_to_string(folder.join("cgroup.controllers")).ok()?;
        let has = |wanted| controllers.split_whitespace().any(|one| one == wanted);
        (has("memory") && has("pids")).then_some(Self::V2(folder))
    }

    fn folders(&self) -> Vec<&Path> {
        match self {
            Self::V1 { memory, pids, cpu } => {
                [Some(memory), Some(pids), cpu.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect()
            }
            Self::V2(folder) => vec![folder],
        }
    }

    /// Makes the group of a run. Its memory is that of the processes and that of all files in memory: what they write,
    /// and so many bytes that they begin with.
    ///
    /// # Errors
    /// When the group cannot be made or limited.
    pub(super) fn make(&self, limits: &Limits, own: u64) -> io::Result<Group> {
        let name = name();
        let memory = limits.memory.saturating_add(limits.disk).saturating_add(own);
        let mut group = Group { folders: Vec::new(), v2: matches!(self, Self::V2(_)) };
        match self {
            Self::V1 { memory: folder, pids, cpu } => {
                let folder = group.add(folder, &name)?;
                write(&folder, "memory.limit_in_bytes", memory)?;
                // Without swap there is no such file.
                drop(write_if_there(&folder, "memory.memsw.limit_in_bytes", memory));
                let folder = group.add(pids, &name)?;
                write(&folder, "pids.max", limits.processes)?;
                if let Some(cpu) = cpu {
                    let folder = group.add(cpu, &name)?;
                    write(&folder, "cpu.cfs_quota_us", limits.cores.saturating_mul(PERIOD))?;
                    write(&folder, "cpu.shares", 512)?;
                }
            }
            Self::V2(parent) => {
                pass_controllers_on(parent)?;
                let folder = group.add(parent, &name)?;
                write(&folder, "memory.max", memory)?;
                drop(write_if_there(&folder, "memory.swap.max", 0));
                write(&folder, "memory.oom.group", 1)?;
                write(&folder, "pids.max", limits.processes)?;
                let quota = format!("{} {PERIOD}", limits.cores.saturating_mul(PERIOD));
                drop(write_if_there(&folder, "cpu.max", quota));
                drop(write_if_there(&folder, "cpu.weight", 50));
            }
        }
        Ok(group)
    }
}

impl Group {
    fn add(&mut self, parent: &Path, name: &str) -> io::Result<PathBuf> {
        let folder = parent.join(name);
        fs::create_dir(&folder)?;
        self.folders.push(folder.clone());
        Ok(folder)
    }

    /// The folders whose `cgroup.procs` a process writes itself into to join.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Whether the kernel killed a process of the group because its memory was used up.
    pub(super) fn is_over_memory(&self) -> bool {
        let file = if self.v2 { "memory.events" } else { "memory.oom_control" };
        let Some(text) = self.folders.first().and_then(|folder| fs::read_to_string(folder.join(file)).ok())
        else {
            return false;
        };
        let killed = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
    }

    /// Kills all that is in it.
    pub(super) fn kill(&self) {
        let Some(folder) = self.folders.first() else { return };
        if self.v2 && write_if_there(folder, "cgroup.kill", 1).is_ok() {
            return;
        }
        let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        for member in members.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
            let _ = rustix::process::kill_process(member, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let folders = std::mem::take(&mut self.folders);
        let left: Vec<PathBuf> =
            folders.into_iter().filter(|folder| fs::remove_dir(folder).is_err()).collect();
        if left.is_empty() {
            return;
        }
        // Killed processes need a moment; what remains after it is removed at the next start.
        let remove = move || {
            for folder in left {
                let gone = |_: &u32| {
                    std::thread::sleep(BETWEEN_TRIES);
                    fs::remove_dir(&folder).is_ok()
                };
                (0..LAST_TRIES).find(gone);
            }
        };
        drop(std::thread::Builder::new().name("groups".to_owned()).spawn(remove));
    }
}

/// Lets groups below have controllers. While the worker itself is in the group, the kernel says that it is busy.
fn pass_controllers_on(folder: &Path) -> io::Result<()> {
    let wanted = ["memory", "pids", "cpu"];
    let known = fs::read_to_string(folder.join("cgroup.controllers"))?;
    let passed = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
    let named = |text: &str, one: &str| text.split_whitespace().any(|word| word == one);
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|one| named(&known, one) && !named(&passed, one))
        .map(|one| format!("+{one}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let pass_on = || write(folder, "cgroup.subtree_control", missing.join(" "));
    pass_on().or_else(|_| {
        let own = folder.join(OWN);
        fs::create_dir_all(&own)?;
        for process in fs::read_to_string(folder.join("cgroup.procs"))?.lines() {
            write(&own, "cgroup.procs", process)?;
        }
        pass_on()
    })
}

/// Says which process made the group, and when that began, because numbers are given out again.
fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id();
    format!("{NAME}{own}-{}-{}", began(own).unwrap_or(0), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Removes the groups of runs whose worker is gone; those with processes in them stay.
fn remove_leftovers(folder: &Path, is_alive: &dyn Fn(u32, u64) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(|name| name.strip_prefix(NAME)) else { continue };
        let mut numbers = maker.split('-').map_while(|number| number.parse::<u64>().ok());
        let (Some(process), Some(began)) = (numbers.next(), numbers.next()) else { continue };
        if !u32::try_from(process).is_ok_and(|process| is_alive(process, began)) {
            drop(fs::remove_dir(entry.path()));
        }
    }
}

fn is_alive(process: u32, since: u64) -> bool {
    began(process) == Some(since)
}

/// When a process began, in ticks since the machine did: the 22nd field of its `stat`.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn write(folder: &Path, file: &str, value: impl Display) -> io::Result<()> {
    fs::write(folder.join(file), value.to_string())
}

fn write_if_there(folder: &Path, file: &str, value: impl Display) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(folder.join(file));
    file.and_then(|mut file| io::Write::write_all(&mut file, value.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_looked_for_below_the_own_one() {
        let mounts = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                      cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n";
        let own = "9:name=systemd:/x\n8:pids:/a\n4:memory:/b/c\n2:cpu,cpuacct:/\n0::/\n";
        let found = Groups::find_in(mounts, own);
        let folder = |path| PathBuf::from("/sys/fs/cgroup").join(path);
        let cpu = Some(folder("cpu,cpuacct/"));
        assert_eq!(found, Some(Groups::V1 { memory: folder("memory/b/c"), pids: folder("pids/a"), cpu }));
        assert_eq!(Groups::find_in("", own), None);
    }

    /// A tree as version 2 has it, made of plain files: this tests what is written where, not what a kernel does then.
    #[test]
    fn x1_a_group_of_version_2_has_all_limits() {
        let tree = tempfile::tempdir().unwrap();
        let own = tree.path().join("user.slice");
        fs::create_dir(&own).unwrap();
        let mounts = format!("cgroup2 {} cgroup2 rw 0 0\n", tree.path().display());
        fs::write(own.join("cgroup.controllers"), "cpuset hugetlb\n").unwrap();
        assert_eq!(Groups::find_in(&mounts, "0::/user.slice\n"), None, "without a memory controller");
        fs::write(own.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let groups = Groups::find_in(&mounts, "0::/user.slice\n").unwrap();
        assert_eq!(groups, Groups::V2(own.clone()));
        let limits = Limits { memory: 100, disk: 20, processes: 7, ..Limits::default() };
        let group = groups.make(&limits, 3).unwrap();
        let [folder] = group.folders() else { panic!("{group:?}") };
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(
            (read("memory.max"), read("memory.oom.group"), read("pids.max")),
            ("123".into(), "1".into(), "7".into())
        );
        assert_eq!(fs::read_to_string(own.join("cgroup.subtree_control")).unwrap(), "+memory +pids +cpu");
        assert!(!group.is_over_memory());
        fs::write(folder.join("memory.events"), "low 0\noom 3\noom_kill 1\n").unwrap();
        assert!(group.is_over_memory());
    }

    #[test]
    fn x1_leftovers_of_killed_workers_are_removed_and_those_of_living_ones_stay() {
        let tree = tempfile::tempdir().unwrap();
        let names = ["aspora-run-1-5-0", "aspora-run-1-6-0", "aspora-run-2-5-3", "other-1-5", "aspora-run-x"];
        names.iter().for_each(|name| fs::create_dir(tree.path().join(name)).unwrap());
        remove_leftovers(tree.path(), &|process, began| (process, began) == (1, 6));
        let mut left: Vec<_> = fs::read_dir(tree.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["aspora-run-1-6-0", "aspora-run-x", "other-1-5"]);
        assert!(is_alive(std::process::id(), began(std::process::id()).unwrap()));
        assert!(!is_alive(std::process::id(), 1));
    }
}
