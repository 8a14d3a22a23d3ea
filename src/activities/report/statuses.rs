//! The gate and the review as commit statuses, for a credential that may not make check runs. The gate's report, for
//! which a status has no room, is in our comment on the pull request (`conversation`).

use super::digest;
use crate::{
    activities::{
        Failure,
        attempt::Attempt,
        ledger::{Reported, StatusIntent},
    },
    core::{
        policy::{Conclusion, StatusState},
        sha::Sha,
    },
    github::{CheckUpdate, NewStatus},
};

impl Attempt<'_> {
    /// Sets the status of this name, whenever there is something new to say.
    pub(super) async fn report_status(
        &self,
        name: &str,
        head: &Sha,
        update: &CheckUpdate,
    ) -> Result<(), Failure> {
        let content = digest(update);
        if let Some(key) = self.next_key::<StatusIntent>(&status_key(name, head), &content).await? {
            self.set_status(&key, name, head, update).await?;
        }
        Ok(())
    }

    async fn set_status(
        &self,
        key: &str,
        name: &str,
        head: &Sha,
        update: &CheckUpdate,
    ) -> Result<(), Failure> {
        let new = status(name, update, self.url());
        let intent = StatusIntent { name: name.to_owned(), head: head.clone(), state: new.state };
        // Setting it again changes nothing, since only the newest of a name counts.
        let act = async {
            let status = self.factory.forge.set_status(&self.repo, head, &new).await?;
            Ok(Reported { id: status.id, app_id: None, url: status.target_url })
        };
        Box::pin(self.once(key, &intent, async { Ok(None) }, act)).await?;
        Ok(())
    }
}

/// The beginning of the keys of the statuses of a name on a head.
pub(in super::super) fn status_key(name: &str, head: &Sha) -> String {
    format!("status/{name}/{}", head.short())
}

/// The status that says what a check run would; `url` is the run's page.
pub(in super::super) fn status(name: &str, update: &CheckUpdate, url: String) -> NewStatus {
    NewStatus {
        context: name.to_owned(),
        state: state(update.conclusion),
        description: update.output.title.clone(),
        target_url: Some(url),
    }
}

/// The state that says the same; a status knows only four.
const fn state(conclusion: Option<Conclusion>) -> StatusState {
    match conclusion {
        None => StatusState::Pending,
        Some(Conclusion::Success | Conclusion::Neutral | Conclusion::Skipped) => StatusState::Success,
        Some(
            Conclusion::Cancelled
            | Conclusion::TimedOut
            | Conclusion::Stale
            | Conclusion::StartupFailure
            | Conclusion::Unknown,
        ) => StatusState::Error,
        Some(Conclusion::Failure | Conclusion::ActionRequired) => StatusState::Failure,
    }
}
