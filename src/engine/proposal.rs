//! Proposals: people accept or dismiss them, and are notified of a new one.

use uuid::Uuid;

use super::{Engine, Error, notice::proposal_filed, record};
use crate::{
    core::{
        reason::Reason,
        retro::{Note, ProposalKind},
    },
    store::{Connection, audit::Author, retro::proposal},
};

/// As what a proposal is accepted; what is left out is as it was proposed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepting {
    /// Another kind.
    pub kind: Option<ProposalKind>,
    /// Another text.
    pub text: Option<Note>,
}

/// Why nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    /// There is none of this id.
    #[error("there is no proposal {0}")]
    NoProposal(Uuid),
    /// It was decided before.
    #[error("the proposal is {0} already")]
    Over(String),
}

impl Engine {
    /// A person accepts an open proposal. A prompt note is shown to models from then on.
    ///
    /// # Errors
    /// When the database does not answer; [`NotDecided`] inside.
    pub async fn accept_proposal_in(
        &self,
        tx: &mut Connection,
        id: Uuid,
        as_what: &Accepting,
        reason: &Reason,
        by: Author<'_>,
    ) -> Result<Result<proposal::Row, NotDecided>, Error> {
        let Some(row) = proposal::get(&mut *tx, id).await? else {
            return Ok(Err(NotDecided::NoProposal(id)));
        };
        let kind = as_what.kind.or_else(|| row.kind.parse().ok()).unwrap_or(ProposalKind::PromptNote);
        let text = as_what.text.as_ref().map_or(row.body.as_str(), Note::as_str);
        if !proposal::accept(tx, id, (kind, text), (by.person, reason.as_str())).await? {
            return Ok(Err(NotDecided::Over(row.state)));
        }
        decided(tx, row, "proposal.accept", reason, by).await
    }

    /// A person dismisses a proposal, also one that was accepted: its note is shown to models no more.
    ///
    /// # Errors
    /// When the database does not answer; [`NotDecided`] inside.
    pub async fn dismiss_proposal_in(
        &self,
        tx: &mut Connection,
        id: Uuid,
        reason: &Reason,
        by: Author<'_>,
    ) -> Result<Result<proposal::Row, NotDecided>, Error> {
        let Some(row) = proposal::get(&mut *tx, id).await? else {
            return Ok(Err(NotDecided::NoProposal(id)));
        };
        if !proposal::dismiss(tx, id, by.person, reason.as_str()).await? {
            return Ok(Err(NotDecided::Over(row.state)));
        }
        decided(tx, row, "proposal.dismiss", reason, by).await
    }

    /// Notifies the people of a product of the oldest proposal that they do not know of; false if there is none.
    ///
    /// # Errors
    /// When the database does not answer; it is then noticed another time.
    pub async fn notify_proposal(&self) -> Result<bool, Error> {
        let mut tx = self.pool.begin().await?;
        let Some(row) = proposal::notice(&mut tx).await? else { return Ok(false) };
        proposal_filed(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The proposal as it is now, which the audit log says too.
async fn decided(
    tx: &mut Connection,
    before: proposal::Row,
    act: &str,
    reason: &Reason,
    by: Author<'_>,
) -> Result<Result<proposal::Row, NotDecided>, Error> {
    let Some(now) = proposal::get(&mut *tx, before.id).await? else {
        return Ok(Err(NotDecided::NoProposal(before.id)));
    };
    record::proposal_decided(tx, by, act, (&before, &now), reason).await?;
    Ok(Ok(now))
}
