//! Waiting for a condition instead of sleeping for a time.

use std::time::Duration;

use tokio::time::Instant;

/// The longest wait of [`until`] and [`eventually`]. It is long because a busy machine is slow, and because only a
/// test that fails waits for it.
const TIMEOUT: Duration = Duration::from_secs(180);
/// The pause between two probes.
const INTERVAL: Duration = Duration::from_millis(20);

/// Probes until there is a value.
///
/// # Panics
/// When there is none after three minutes; the message names `what` was awaited.
pub(crate) async fn until<T, F>(what: &str, probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let found = until_or_timeout(TIMEOUT, probe).await;
    found.unwrap_or_else(|| panic!("timed out after {TIMEOUT:?} waiting for this: {what}"))
}

/// Probes until the condition holds. Panics as [`until`] does.
pub(crate) async fn eventually<F>(what: &str, mut probe: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let probe = || {
        let holds = probe();
        async move { holds.await.then_some(()) }
    };
    until(what, probe).await;
}

/// Probes until there is a value; `None` when there is none within `timeout`.
pub(crate) async fn until_or_timeout<T, F>(timeout: Duration, mut probe: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + timeout;
    loop {
        let found = probe().await;
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
