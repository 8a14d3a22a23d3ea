//! Who reviews a product's pull requests: the settings, and what a foreign reviewer's signs on a head come to.
//!
//! A reader is a pure function of [`Signs`]: what one app has put on one head, and nothing else. It is never shown the
//! comments of the conversation: they are edited in place, so that they prove nothing.

mod coderabbit;
mod copilot;
mod findings;
mod generic;
mod greptile;
mod http;
mod setting;
mod signs;
mod text;

pub use self::{
    findings::{Remark, raised},
    http::{UnreadableFindings, read_findings},
    setting::{
        App, DEFAULT_TIMEOUT_MINUTES, Kind, LONGEST_TIMEOUT_MINUTES, Maker, Mode, REVIEWERS_LIMIT, Reviewer,
        Setting, Wrong, check, together,
    },
    signs::{CheckSign, ReviewSign, Signs, StatusSign, ThreadSign},
};

/// What the signs of one reviewer on one head come to. Only [`Reading::Complete`] is a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Nothing of this head.
    Silent,
    /// It is at work.
    Working(String),
    /// It has ended without a review of this head, for this reason.
    NotAReview(String),
    /// It has reviewed this head, and says this.
    Complete(Vec<Remark>),
}

/// What these signs come to, by the reader that knows the marks of the reviewer.
#[must_use]
pub fn read(kind: Kind, signs: &Signs) -> Reading {
    match kind {
        Kind::Greptile => greptile::read(signs),
        Kind::CodeRabbit => coderabbit::read(signs),
        Kind::Copilot => copilot::read(signs),
        Kind::Check | Kind::Builtin | Kind::Http => generic::read(signs),
    }
}

#[cfg(test)]
mod tests;
