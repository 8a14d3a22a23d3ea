//! The gate and the review as commit statuses, for a credential that may not make check runs. The gate's report, for
//! which a status has no room, is one comment on the pull request that is edited.

use super::digest;
use crate::{
    activities::{
        Failure,
        attempt::Attempt,
        ledger::{CommentIntent, Posted, Reported, StatusIntent},
    },
    core::{
        policy::{Conclusion, GATE_CHECK, StatusState},
        sha::Sha,
    },
    github::{CheckUpdate, NewStatus, text::Marker},
};

impl Attempt<'_> {
    /// Sets the status of this name, whenever there is something new to say.
    pub(super) async fn report_status(
        &self,
        name: &str,
        head: &Sha,
        update: &CheckUpdate,
    ) -> Result<(), Failure> {
        let (key, forge) =
            (format!("status/{name}/{}/{}", head.short(), digest(update)), &self.factory.forge);
        let new = NewStatus {
            context: name.to_owned(),
            state: state(update.conclusion),
            description: update.output.title.clone(),
            target_url: Some(self.url()),
        };
        let intent = StatusIntent { name: name.to_owned(), head: head.clone(), state: new.state };
        // Setting it again changes nothing, since only the newest of a name counts.
        let act = async {
            let status = forge.set_status(&self.repo, head, &new).await?;
            Ok(Reported { id: status.id, app_id: None, url: status.target_url })
        };
        Box::pin(self.once(&key, &intent, async { Ok(None) }, act)).await?;
        if name == GATE_CHECK { self.comment_report(head, update).await } else { Ok(()) }
    }

    /// Makes the one comment on the pull request say what the gate says of this head.
    async fn comment_report(&self, head: &Sha, update: &CheckUpdate) -> Result<(), Failure> {
        let Some(number) = self.progress().pull else { return Ok(()) };
        let key = format!("comment/{GATE_CHECK}/{}/{}", head.short(), digest(update));
        // Of the pull request and not of the run, so that a later run on it edits the same.
        let marker = Marker::new(&format!("{GATE_CHECK}/{}/{number}", self.repo));
        let body = format!("### {GATE_CHECK}\n\n{}\n\n[The run]({})", update.output.summary, self.url());
        let intent = CommentIntent { pull: number, head: head.clone() };
        let forge = &self.factory.forge;
        // It looks for the comment before it posts one.
        let act =
            async { Ok(Posted { id: forge.keep_comment(&self.repo, number, &marker, &body).await?.id }) };
        self.once(&key, &intent, async { Ok(None) }, act).await?;
        Ok(())
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
