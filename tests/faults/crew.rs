//! Worker processes: hired, killed, stopped, continued, sent home.

#![allow(dead_code, reason = "each test binary uses its own part")]

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

/// How much dies with a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The worker alone; a git that it started goes on.
    Process,
    /// The worker and all that it started, as when its machine dies.
    Group,
}

/// The workers of one floor. Clones are the same crew; the last one kills whoever is left.
#[derive(Clone)]
pub(crate) struct Crew(Arc<Shared>);

struct Shared {
    /// What the program is called with.
    words: Vec<String>,
    environment: Vec<(&'static str, String)>,
    folder: PathBuf,
    at_work: Mutex<Vec<Child>>,
    hired: AtomicUsize,
    killed: AtomicUsize,
}

impl Crew {
    /// A crew that works with this environment and writes its logs to `folder`.
    pub(crate) fn new(environment: Vec<(&'static str, String)>, folder: &Path) -> Self {
        Self::called_with(&["worker"], environment, folder)
    }

    /// A crew whose workers are called with these words.
    pub(crate) fn called_with(
        words: &[&str],
        environment: Vec<(&'static str, String)>,
        folder: &Path,
    ) -> Self {
        Self(Arc::new(Shared {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            environment,
            folder: folder.to_owned(),
            at_work: Mutex::default(),
            hired: AtomicUsize::new(0),
            killed: AtomicUsize::new(0),
        }))
    }

    /// Starts a worker; its process id.
    pub(crate) fn hire(&self) -> u32 {
        self.hire_with(&[])
    }

    /// Starts a worker with more in its environment; its process id.
    pub(crate) fn hire_with(&self, more: &[(&str, String)]) -> u32 {
        let number = self.0.hired.fetch_add(1, Ordering::SeqCst);
        let log = File::create(self.0.folder.join(format!("worker-{number}.log"))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
        command.args(&self.0.words).process_group(0).stdin(std::process::Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        for (name, value) in &self.0.environment {
            command.env(name, value);
        }
        command.envs(more.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().unwrap();
        let pid = child.id();
        self.at_work().push(child);
        pid
    }

    /// Kills every worker and starts one at once; its process id.
    pub(crate) fn replace(&self, reach: Reach) -> u32 {
        for mut child in std::mem::take(&mut *self.at_work()) {
            kill(&mut child, reach);
            self.0.killed.fetch_add(1, Ordering::SeqCst);
        }
        self.hire()
    }

    /// Hires until `size` workers live.
    pub(crate) fn fill_up(&self, size: usize) {
        let living = {
            let mut at_work = self.at_work();
            at_work.retain_mut(|child| child.try_wait().is_ok_and(|ended| ended.is_none()));
            at_work.len()
        };
        for _ in living..size {
            self.hire();
        }
    }

    /// One of those at work.
    pub(crate) fn one(&self, nth: usize) -> Option<u32> {
        let at_work = self.at_work();
        (!at_work.is_empty()).then(|| at_work[nth % at_work.len()].id())
    }

    /// Kills one of those at work.
    pub(crate) fn kill_one(&self, nth: usize, reach: Reach) {
        let mut at_work = self.at_work();
        if !at_work.is_empty() {
            let nth = nth % at_work.len();
            let mut child = at_work.swap_remove(nth);
            drop(at_work);
            kill(&mut child, reach);
            self.0.killed.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Kills all that are left.
    pub(crate) fn dismiss(&self) {
        std::mem::take(&mut *self.at_work()).iter_mut().for_each(|child| kill(child, Reach::Group));
    }

    /// What the workers have said so far.
    pub(crate) fn logs(&self) -> Vec<String> {
        let log = |number| self.0.folder.join(format!("worker-{number}.log"));
        let read = |number| std::fs::read_to_string(log(number)).unwrap_or_default();
        (0..self.0.hired.load(Ordering::SeqCst)).map(|it| format!("worker {it}: {}", read(it))).collect()
    }

    /// How many workers were killed.
    pub(crate) fn killed(&self) -> usize {
        self.0.killed.load(Ordering::SeqCst)
    }

    /// Stops or continues a worker, or asks it to go.
    pub(crate) fn signal(&self, worker: u32, signal: Signal) {
        // It may have ended by itself.
        let _ = kill_process(pid(worker), signal);
    }

    /// How a worker ended, if it has.
    pub(crate) fn ended(&self, worker: u32) -> Option<ExitStatus> {
        let mut at_work = self.at_work();
        let child = at_work.iter_mut().find(|child| child.id() == worker)?;
        child.try_wait().unwrap()
    }

    fn at_work(&self) -> MutexGuard<'_, Vec<Child>> {
        self.0.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for child in self.at_work.get_mut().unwrap_or_else(PoisonError::into_inner) {
            kill(child, Reach::Group);
        }
    }
}

/// Kills and waits until the kernel has taken the process away, with all its connections.
fn kill(child: &mut Child, reach: Reach) {
    if child.try_wait().is_ok_and(|ended| ended.is_none()) {
        let _ = match reach {
            Reach::Process => kill_process(pid(child.id()), Signal::KILL),
            Reach::Group => kill_process_group(pid(child.id()), Signal::KILL),
        };
    }
    let _ = child.wait();
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}
