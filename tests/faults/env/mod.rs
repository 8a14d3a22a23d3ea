//! What the fault tests and the chaos test run on: a Postgres of their own, worker processes, a proxy in between,
//! runs of a small product, and the invariants that must hold in the end.

mod dice;
mod fault_env;
pub(crate) mod invariants;
pub(crate) mod product;
mod proxy;
pub(crate) mod stub_runs;
mod test_postgres;
mod wire;
mod worker_procs;

pub(crate) use dice::{Dice, seed};
pub(crate) use fault_env::{FaultEnv, LEASE, StartedRun};
pub(crate) use proxy::{Direction, LinkState, Proxy};
pub(crate) use stub_runs::{StubRuns, stub_workers};
pub(crate) use test_postgres::{Crash, TestPostgres};
pub(crate) use worker_procs::{KillScope, WorkerProcs};

/// Runs each future as a task of its own and waits for all. In a single task, the start of one Postgres would count
/// as time in the waits of all others and end them.
pub(crate) async fn spawn_all<F>(all: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = all.into_iter().map(tokio::spawn).collect();
    let mut outputs = Vec::with_capacity(tasks.len());
    for task in tasks {
        outputs.push(task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    outputs
}

/// Runs a future to its end inside a hook of the twin, which is not async. A hook may hold its request for as long
/// as it likes: the request's thread leaves the runtime meanwhile.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}
