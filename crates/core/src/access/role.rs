//! The roles, and the rights that each has.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees the states of runs, not prompts and diffs.
    Viewer,
    /// Submits requirements, sees everything about them, and pauses, resumes and cancels their runs.
    Pm,
    /// Also sends runs elsewhere: skips, retries and forks them, dismisses findings and redrives dead letters.
    Engineer,
    /// Everything: products, limits, budgets, keys, the audit log.
    Admin,
    /// A program: submits requirements, sends browser evidence, and reads what came of them.
    Agent,
}

/// What a route demands of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See states: of runs, requirements, jobs, limits and budgets.
    Read,
    /// See what was written: requirements, prompts, findings, diffs and effects.
    ReadPayload,
    /// Submit requirements, amend them, and answer what their runs ask.
    Submit,
    /// Pause, resume, cancel and hurry runs, and set their budgets.
    Control,
    /// Set, pause, resume and remove schedules.
    Schedule,
    /// Skip, retry and fork runs, dismiss findings, redrive dead letters, release reservations, hold and release work.
    Steer,
    /// Approve and reject heads. It needs an account on the forge that may write there, too.
    Approve,
    /// Send browser evidence of heads.
    Capture,
    /// Set products, their budgets, and limits.
    Configure,
    /// Issue and revoke keys, and read the audit log.
    Administer,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a role; the roles are viewer, pm, engineer, admin and agent")]
pub struct UnknownRole;

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Pm, Self::Engineer, Self::Admin, Self::Agent];

    /// Its name, as keys store it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Pm => "pm",
            Self::Engineer => "engineer",
            Self::Admin => "admin",
            Self::Agent => "agent",
        }
    }

    /// Whether it has a right.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        match right {
            Right::Read => true,
            Right::ReadPayload | Right::Submit => !matches!(self, Self::Viewer),
            Right::Control | Right::Schedule => matches!(self, Self::Pm | Self::Engineer | Self::Admin),
            Right::Capture => matches!(self, Self::Engineer | Self::Admin | Self::Agent),
            Right::Steer | Right::Approve => matches!(self, Self::Engineer | Self::Admin),
            Right::Configure | Right::Administer => matches!(self, Self::Admin),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl fmt::Display for Right {
    /// What it allows, as a verb phrase after "may".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "see the states of runs",
            Self::ReadPayload => "see requirements, findings and diffs",
            Self::Submit => "submit or amend requirements, or answer what runs ask",
            Self::Control => "control runs",
            Self::Schedule => "change schedules",
            Self::Steer => "skip, retry or fork runs, dismiss findings, redrive dead letters or hold work",
            Self::Approve => "approve or reject changes",
            Self::Capture => "send browser evidence",
            Self::Configure => "change products, their budgets or limits",
            Self::Administer => "manage keys or read the audit log",
        })
    }
}
