//! The words that a product file chooses from.

use serde::{Deserialize, Serialize};

/// A service that runs in the sandbox of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Postgres; its address is in `DATABASE_URL`.
    Postgres,
    /// Redis; its address is in `REDIS_URL`.
    Redis,
}

impl Service {
    /// As the product file writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

/// A folder of tools on the worker's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Toolchain {
    /// `rustup`'s and `cargo`'s folders.
    Rust,
    /// pyenv's folder.
    Python,
    /// nvm's folder.
    Node,
    /// Go's root.
    Go,
}

impl Toolchain {
    /// As the product file writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Node => "node",
            Self::Go => "go",
        }
    }
}

/// What happens when a change names another set of dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyRule {
    /// They are installed, without any secret, after they were listed.
    #[default]
    Allow,
    /// They are installed after a person's yes.
    Ask,
}

impl DependencyRule {
    /// As the product file writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
        }
    }
}

/// Whose run of the tests decides whether a head may be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestsBy {
    /// Our own run in the sandbox, beside the forge's checks.
    #[default]
    Ours,
    /// The forge's checks alone.
    Forge,
}

impl TestsBy {
    /// As the product file writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Forge => "forge",
        }
    }
}
