//! What goes wrong with a repository, and whether another attempt may help.

use super::{config::NoAccess, declined::Declined, sandbox::unavailable::Unavailable};
use crate::core::outage::{Held, Outage};

/// An error of a workspace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Git failed. The message is git's own, without secrets, at most 2,000 characters.
    #[error("git {command} failed: {message}")]
    Git {
        /// The subcommand, such as `fetch`.
        command: String,
        /// What git printed.
        message: String,
        /// Whether the same call may succeed later: the network or the server was at fault.
        transient: bool,
    },
    /// The forge declined a push, and would decline it again.
    #[error("{0}")]
    Declined(Box<Declined>),
    /// Git took too long and was killed.
    #[error("git {command} did not end within {seconds} seconds and was stopped")]
    Timeout {
        /// The subcommand.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// More bytes than a limit allows.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The remote is out of reach, as part of an outage that all workers know of.
    #[error("{error}")]
    Down {
        /// What git printed.
        error: Box<Self>,
        /// The outage.
        outage: Box<Outage>,
    },
    /// An outage of the remote, which all workers share, held the call back.
    #[error("git was not called: {}", .0.sentence())]
    Held(Held),
    /// The mirror lacks this commit, or two commits have no common history.
    #[error("{0}")]
    Missing(String),
    /// The request does not fit this repository.
    #[error("`{path}` is refused: {reason}")]
    Refused {
        /// The path, branch or address.
        path: String,
        /// Why.
        reason: String,
    },
    /// The commit would be equal to its parent.
    #[error("the commit would change nothing")]
    Unchanged,
    /// No token could be created.
    #[error("no token for {repository}: {}", .why.reason)]
    Token {
        /// The repository.
        repository: String,
        /// Why.
        why: Box<NoAccess>,
    },
    /// This machine lacks what a product's tests need.
    #[error("{0}")]
    Unavailable(Unavailable),
    /// An input or output error of this machine.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the same call may succeed later without a change by a person.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Git { transient, .. } => *transient,
            Self::Timeout { .. } | Self::Token { .. } | Self::Down { .. } | Self::Held(_) => true,
            Self::TooLarge { .. }
            | Self::Declined(_)
            | Self::Missing(_)
            | Self::Refused { .. }
            | Self::Unchanged
            | Self::Unavailable(_)
            | Self::Io { .. } => false,
        }
    }

    /// The outage that held the call back or made it fail.
    #[must_use]
    pub fn outage(&self) -> Option<&Outage> {
        match self {
            Self::Down { outage, .. } => Some(outage),
            Self::Held(Held::Outage(outage)) => Some(outage),
            Self::Token { why, .. } => why.outage.as_ref(),
            _ => None,
        }
    }

    /// Whether the remote or the way to it is at fault, in a call over the network.
    pub(super) fn is_of_network(&self) -> bool {
        const OF_THIS_MACHINE: [&str; 2] = ["cannot lock ref", "Text file busy"];
        match self {
            Self::Git { message, transient: true, .. } => {
                !OF_THIS_MACHINE.iter().any(|sign| message.contains(sign))
            }
            Self::Timeout { .. } => true,
            _ => false,
        }
    }

    /// Whether the forge rejects our token. A person fixes that outside of the run.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        const SIGNS: [&str; 4] = [
            "Authentication failed",
            "could not read Username",
            "returned error: 401",
            "returned error: 403",
        ];
        matches!(self, Self::Git { message, .. } if SIGNS.iter().any(|sign| message.contains(sign)))
    }

    pub(super) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    pub(super) fn refused(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.into(), reason: reason.into() }
    }
}
