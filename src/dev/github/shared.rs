//! What all requests share: the domain's host, and the settings and records of the HTTP side.

use std::sync::{Arc, atomic::AtomicU64};

use super::{
    credentials::Credentials, faults::Faults, host::Host, ledger::Ledger, observe::Listeners, quota::Quota,
    render::Links,
};

pub(crate) struct Shared {
    pub(crate) host: Arc<Host>,
    pub(crate) links: Links,
    pub(crate) credentials: Credentials,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) quota: Quota,
    pub(crate) listeners: Listeners,
    /// How many requests have arrived since the twin started.
    pub(crate) requests: AtomicU64,
    /// Whether pages are served without a token: only on a loopback address.
    pub(crate) pages: bool,
}
