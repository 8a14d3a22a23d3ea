//! Why tests could not run, and whose fault it is.

use serde::{Deserialize, Serialize};

use super::Tested;

/// Why tests could not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Code or tests cannot be compiled or loaded.
    Code,
    /// A module or package that they import is not there.
    Module,
    /// There was nothing to run: no case was found, or all of them were skipped.
    Nothing,
    /// The command, its runner or its script does not exist, or refuses how it is called.
    Command,
    /// They were killed at the time limit.
    Timeout,
    /// They were killed, or ran out of memory or space.
    Killed,
    /// A known runner ended without saying what came out.
    Unfinished,
    /// What the tests need could not be set up.
    Setup,
    /// There is no sandbox here, or it could not be started.
    Sandbox,
}

impl Cause {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Module => "module",
            Self::Nothing => "nothing",
            Self::Command => "command",
            Self::Timeout => "timeout",
            Self::Killed => "killed",
            Self::Unfinished => "unfinished",
            Self::Setup => "setup",
            Self::Sandbox => "sandbox",
        }
    }
}

/// Who can fix tests that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The change: its author is shown the log.
    Change,
    /// The machine or the product's settings: people are, and no model is given it as a failure of its code.
    Machine,
}

/// Whose fault it is that the tests of a change did not pass, by what the same command came to on the base.
#[must_use]
pub fn fault(head: &Tested, base: Option<&Tested>) -> Fault {
    match head.cause {
        None if head.passed() && head.unmet().is_some_and(|unmet| unmet.by_machine) => {
            let met = |base: &Tested| base.passed() && base.unmet().is_none_or(|unmet| !unmet.by_machine);
            if base.is_some_and(met) { Fault::Change } else { Fault::Machine }
        }
        None | Some(Cause::Code) => Fault::Change,
        Some(Cause::Sandbox) => Fault::Machine,
        // What ran on the base can run here: the change is the difference.
        Some(_) if base.is_some_and(Tested::ran) => Fault::Change,
        Some(_) => Fault::Machine,
    }
}
