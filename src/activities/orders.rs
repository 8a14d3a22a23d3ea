//! Orders of people on the forge, by a button of our check run or by a command: whose count, and what they stand for.

use crate::{
    core::{
        policy::Permission,
        requirement::RepoName,
        run::State,
        workflow::{Activity, Workflow},
    },
    engine::Verb,
    github::{Account, Error, Forge},
    store::run::StoredRun,
};

/// Why an order of this account does not count; `None` if it does. GitHub is asked now, and the account is compared by its
/// number.
///
/// # Errors
/// When GitHub does not say what the account may do.
pub async fn barred(forge: &Forge, repo: &RepoName, by: &Account) -> Result<Option<String>, Error> {
    let permission = forge.permission_of_account(repo, by).await?;
    Ok((permission < Permission::Write).then(|| format!("{} may not write to {repo}", by.login)))
}

/// The control that makes a run look again: one that has ended goes back to its gate.
#[must_use]
pub fn look_again(stored: &StoredRun, workflow: &Workflow) -> Verb {
    match stored.run.state {
        State::Ended { .. } => {
            let gate = workflow.steps.iter().find(|(_, step)| step.run == Activity::Gate);
            Verb::Retry(gate.map(|(name, _)| name.clone()))
        }
        State::At { .. } | State::Waiting { .. } | State::Paused { .. } => Verb::RunNow,
    }
}

/// The control that makes a run go on: one that has ended goes back to where it ended.
#[must_use]
pub fn go_on(stored: &StoredRun) -> Verb {
    match stored.run.state {
        State::Ended { .. } => Verb::Retry(None),
        State::At { .. } | State::Waiting { .. } | State::Paused { .. } => Verb::RunNow,
    }
}
