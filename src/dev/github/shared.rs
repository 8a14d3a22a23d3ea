//! What all requests share: the domain's host, and the settings and records of the HTTP side.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{
    credentials::Credentials, faults::Faults, host::Host, ledger::Ledger, lists::Lists, members::Members,
    observe::Listeners, quota::Quota, render::Links, sessions::Sessions, versions::Versions,
};

pub(crate) struct Shared {
    pub(crate) host: Arc<Host>,
    pub(crate) links: Links,
    pub(crate) credentials: Credentials,
    pub(crate) members: Members,
    pub(crate) sessions: Sessions,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) quota: Quota,
    pub(crate) versions: Versions,
    pub(crate) lists: Lists,
    /// The most items on a page.
    pub(crate) page_size: AtomicUsize,
    /// The secret of the routes below `/_twin/`.
    pub(crate) control: String,
    pub(crate) listeners: Listeners,
    /// How many requests have arrived since the twin started.
    pub(crate) requests: AtomicU64,
    /// Whether pages are served without a token: only on a loopback address.
    pub(crate) pages: bool,
}

impl Shared {
    pub(crate) fn set_page_size(&self, most: usize) {
        self.page_size.store(most.max(1), Ordering::SeqCst);
    }
}
