//! What people may hold: everything, a product, a queue, a worker.

use std::{fmt, str::FromStr};

use serde::Serialize;

use chrono::{DateTime, Utc};

use crate::{requirement::ProductName, workflow::Queue};

/// The longest name of a worker, in bytes.
pub const MOST_WORKER: usize = 200;

/// What is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole factory.
    All,
    /// The runs of a product.
    Product(ProductName),
    /// The jobs of a queue.
    Queue(Queue),
    /// The jobs that a worker would claim.
    Worker(String),
}

/// A hold: no job of its scope begins, and nothing of it is merged, until a person releases it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The scope, as text.
    pub scope: String,
    /// Why it is held.
    pub reason: String,
    /// Who holds it.
    pub by: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope: expected `all`, `product:<name>`, `queue:default|llm|github` or `worker:<name>`")]
pub struct NoScope(String);

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all"),
            Self::Product(name) => write!(f, "product:{}", name.as_str()),
            Self::Queue(queue) => write!(f, "queue:{}", queue.as_str()),
            Self::Worker(name) => write!(f, "worker:{name}"),
        }
    }
}

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let scope = match text.split_once(':') {
            None if text == "all" => Some(Self::All),
            Some(("product", name)) => name.parse().ok().map(Self::Product),
            Some(("queue", name)) => name.parse().ok().map(Self::Queue),
            Some(("worker", name)) if is_worker(name) => Some(Self::Worker(name.to_owned())),
            _ => None,
        };
        scope.ok_or_else(|| NoScope(text.chars().take(80).collect()))
    }
}

fn is_worker(name: &str) -> bool {
    (1..=MOST_WORKER).contains(&name.len()) && !name.chars().any(char::is_control)
}

impl Hold {
    /// The scope in words for people, such as `the product wealth`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.scope.split_once(':') {
            Some((kind, name)) => format!("the {kind} {name}"),
            None => "everything".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_and_anything_else_is_refused() {
        for text in ["all", "product:wealth", "queue:llm", "worker:vm-3/12"] {
            assert_eq!(text.parse::<Scope>().map(|scope| scope.to_string()).as_deref(), Ok(text));
        }
        let long = format!("worker:{}", "w".repeat(MOST_WORKER + 1));
        for text in
            ["", "ALL", "all:", "product:", "product:We alth", "queue:fast", "worker:", "worker:a\nb", &long]
        {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
