//! The limits of one run in the sandbox, and its result.

use std::time::Duration;

/// The limits of one run. Those of memory, processes and CPU are for the run together, not for each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time, after which everything is killed.
    pub wall: Duration,
    /// Bytes of memory of all processes together.
    pub memory: u64,
    /// Bytes of all files that the run writes: in `/tmp` and `/product`, beside the product's own.
    pub disk: u64,
    /// How many files and folders may be made there.
    pub files: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Bytes of one file.
    pub file_size: u64,
    /// Descriptors that one process may have open.
    pub open_files: u32,
    /// Cores that the run may use.
    pub cores: u32,
    /// How many bytes of output are kept, from its end.
    pub output: usize,
}

impl Default for Limits {
    /// Two minutes, 1 GiB of memory and as much of files, 200,000 files of at most 512 MiB, 512 processes, 4,096 open
    /// files, two cores, 1 MiB of output.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(120),
            memory: 1 << 30,
            disk: 1 << 30,
            files: 200_000,
            processes: 512,
            file_size: 512 << 20,
            open_files: 4_096,
            cores: 2,
            output: 1 << 20,
        }
    }
}

/// The limit that a run was killed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// All its processes together used more memory than [`Limits::memory`].
    Memory,
    /// It wrote more than [`Limits::disk`] or [`Limits::files`] to a folder of this machine's disk.
    Disk,
}

impl Over {
    /// What happened, as the last line of the output.
    pub(super) fn sentence(self, limits: &Limits) -> String {
        match self {
            Self::Memory => format!("[killed: over its memory limit of {} MiB]", limits.memory >> 20),
            Self::Disk => {
                format!(
                    "[killed: over its disk limit of {} MiB or {} files]",
                    limits.disk >> 20,
                    limits.files
                )
            }
        }
    }
}

/// The result of one run. The output is written by the tests themselves and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    /// Whether it ended by itself, in time, within its limits, with exit code 0.
    pub passed: bool,
    /// Its exit code, 128 and more for a signal, 137 when it was over its memory; `None` when it was killed.
    pub exit: Option<i32>,
    /// Whether it was killed at the time limit.
    pub timed_out: bool,
    /// The limit that it was killed at, if it was.
    pub over: Option<Over>,
    /// The tail of standard output and error in the order written, with control characters escaped.
    pub output: String,
    /// How long it took.
    pub duration_ms: u64,
}
