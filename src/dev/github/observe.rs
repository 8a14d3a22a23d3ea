//! What tests see of each request: hooks around it, observers of the whole exchange.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

/// One REST exchange, whole.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Whether the permission table has the route.
    pub charted: bool,
    /// As it was sent, without the question mark.
    pub query: String,
    /// `None` when the body was empty or not JSON.
    pub request_body: Option<Value>,
    /// The status before any fault.
    pub status: u16,
    /// `None` when the body was empty or not JSON.
    pub response_body: Option<Value>,
}

/// One request, as a hook sees it.
#[derive(Debug, Clone)]
pub struct RequestSeen {
    /// Counted from 1 since the twin started.
    pub number: u64,
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Whether it may change something: every request but a read, and a git push.
    pub mutating: bool,
}

/// When a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request has arrived, nothing is done yet.
    Before,
    /// The request is done and saved, nothing is answered yet.
    AfterApply,
}

/// Called around each request.
pub type Hook = Arc<dyn Fn(&RequestSeen, Phase) + Send + Sync>;
/// Called with each REST exchange.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// The hooks and observers of a twin.
#[derive(Default)]
pub(crate) struct Listeners {
    hooks: RwLock<Vec<Hook>>,
    observers: RwLock<Vec<Observer>>,
}

impl Listeners {
    pub(crate) fn add_hook(&self, hook: Hook) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    pub(crate) fn add_observer(&self, observer: Observer) {
        self.observers.write().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    pub(crate) fn call_hooks(&self, seen: &RequestSeen, phase: Phase) {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        hooks.iter().for_each(|hook| hook(seen, phase));
    }

    pub(crate) fn show(&self, exchange: &Exchange) {
        let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
        observers.iter().for_each(|observer| observer(exchange));
    }
}
