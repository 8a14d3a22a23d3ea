//! The buttons of our check run. GitHub shows at most three on its page, and sends `check_run.requested_action` to the
//! App that made the check run when a person uses one.

use serde::Serialize;

/// A button of our check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// The run looks again, or is retried at its gate if it has ended.
    RerunGate,
    /// A person goes on with the pull request; the run is paused.
    TakeOver,
}

/// A button as GitHub takes it: label, description and identifier have at most 20, 40 and 20 characters.
/// docs.github.com "REST API endpoints for check runs".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Action {
    label: &'static str,
    description: &'static str,
    identifier: &'static str,
}

impl Button {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::RerunGate, Self::TakeOver];

    /// The button with this identifier.
    #[must_use]
    pub fn of(identifier: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|button| button.action().identifier == identifier)
    }

    /// What the button says.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.action().label
    }

    pub(super) const fn action(self) -> Action {
        match self {
            Self::RerunGate => Action {
                label: "Re-run gate",
                description: "Judge this head again now",
                identifier: "rerun_gate",
            },
            Self::TakeOver => Action {
                label: "Take over",
                description: "Pause the run and go on yourself",
                identifier: "take_over",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_takes_the_buttons() {
        assert!(Button::ALL.len() <= 3);
        for button in Button::ALL {
            let Action { label, description, identifier } = button.action();
            let lengths = [label, description, identifier].map(|text| text.chars().count());
            assert!(lengths[0] <= 20 && lengths[1] <= 40 && lengths[2] <= 20, "{lengths:?}");
            assert_eq!(Button::of(identifier), Some(button));
        }
        assert_eq!(Button::of("lgtm"), None);
    }
}
