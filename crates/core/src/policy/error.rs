//! Why a text is not a policy.

/// What is wrong with a policy, and where; the message says the limit and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy at {}: {message}", if pointer.is_empty() { "/" } else { pointer })]
pub struct Error {
    /// The JSON pointer (RFC 6901) of the offending value; empty for the whole document.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

impl Error {
    pub(super) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}
