//! Worker processes: spawned, killed, stopped, continued, terminated.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What is killed with a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KillScope {
    /// Only the worker; a git that it started goes on.
    Process,
    /// The worker and everything that it started, as when its machine dies.
    Group,
}

/// Worker processes with the same arguments and environment. Clones share them; the last one to be dropped kills
/// those that are left.
#[derive(Clone)]
pub(crate) struct WorkerProcs(Arc<Shared>);

struct Shared {
    /// The arguments of the program.
    args: Vec<String>,
    environment: Vec<(&'static str, String)>,
    folder: PathBuf,
    children: Mutex<Vec<Child>>,
    spawned: AtomicUsize,
    killed: AtomicUsize,
}

impl WorkerProcs {
    /// None yet; those that are spawned write their logs to `folder`.
    pub(crate) fn new(args: &[&str], environment: Vec<(&'static str, String)>, folder: &Path) -> Self {
        Self(Arc::new(Shared {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            environment,
            folder: folder.to_owned(),
            children: Mutex::default(),
            spawned: AtomicUsize::new(0),
            killed: AtomicUsize::new(0),
        }))
    }

    /// Starts a worker; its process id.
    pub(crate) fn spawn(&self) -> u32 {
        self.spawn_with(&[])
    }

    /// Starts a worker with additional environment variables; its process id.
    pub(crate) fn spawn_with(&self, variables: &[(&str, String)]) -> u32 {
        let number = self.0.spawned.fetch_add(1, Ordering::SeqCst);
        let log = File::create(self.log_path(number)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
        command.args(&self.0.args).process_group(0).stdin(std::process::Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        for (name, value) in &self.0.environment {
            command.env(name, value);
        }
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().unwrap();
        let pid = child.id();
        self.children().push(child);
        pid
    }

    /// Kills every worker and starts one; its process id.
    pub(crate) fn replace(&self, scope: KillScope) -> u32 {
        for mut child in std::mem::take(&mut *self.children()) {
            kill(&mut child, scope);
            self.0.killed.fetch_add(1, Ordering::SeqCst);
        }
        self.spawn()
    }

    /// Spawns until `count` workers live.
    pub(crate) fn top_up(&self, count: usize) {
        let living = {
            let mut children = self.children();
            children.retain_mut(|child| child.try_wait().is_ok_and(|status| status.is_none()));
            children.len()
        };
        for _ in living..count {
            self.spawn();
        }
    }

    /// The process id of one worker; numbers wrap around.
    pub(crate) fn nth(&self, nth: usize) -> Option<u32> {
        let children = self.children();
        (!children.is_empty()).then(|| children[nth % children.len()].id())
    }

    /// Kills one worker; numbers wrap around.
    pub(crate) fn kill_nth(&self, nth: usize, scope: KillScope) {
        let mut children = self.children();
        if !children.is_empty() {
            let nth = nth % children.len();
            let mut child = children.swap_remove(nth);
            drop(children);
            kill(&mut child, scope);
            self.0.killed.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Kills every worker.
    pub(crate) fn kill_all(&self) {
        std::mem::take(&mut *self.children()).iter_mut().for_each(|child| kill(child, KillScope::Group));
    }

    /// The logs of all workers so far.
    pub(crate) fn logs(&self) -> Vec<String> {
        let read = |number| std::fs::read_to_string(self.log_path(number)).unwrap_or_default();
        let spawned = self.0.spawned.load(Ordering::SeqCst);
        (0..spawned).map(|number| format!("worker {number}: {}", read(number))).collect()
    }

    /// How many workers were killed.
    pub(crate) fn killed(&self) -> usize {
        self.0.killed.load(Ordering::SeqCst)
    }

    /// Sends a signal to a worker; nothing happens when it has ended.
    pub(crate) fn signal(&self, worker: u32, signal: Signal) {
        let _ = kill_process(pid(worker), signal);
    }

    /// How a worker ended, if it has.
    pub(crate) fn exit_status(&self, worker: u32) -> Option<ExitStatus> {
        let mut children = self.children();
        let child = children.iter_mut().find(|child| child.id() == worker)?;
        child.try_wait().unwrap()
    }

    fn log_path(&self, number: usize) -> PathBuf {
        self.0.folder.join(format!("worker-{number}.log"))
    }

    fn children(&self) -> MutexGuard<'_, Vec<Child>> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for child in self.children.get_mut().unwrap_or_else(PoisonError::into_inner) {
            kill(child, KillScope::Group);
        }
    }
}

/// Kills and waits until the kernel has removed the process with all its connections.
fn kill(child: &mut Child, scope: KillScope) {
    if child.try_wait().is_ok_and(|status| status.is_none()) {
        let _ = match scope {
            KillScope::Process => kill_process(pid(child.id()), Signal::KILL),
            KillScope::Group => kill_process_group(pid(child.id()), Signal::KILL),
        };
    }
    let _ = child.wait();
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}
