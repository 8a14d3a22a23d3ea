//! How requirements change after they were submitted: amended while a run lives, cancelled, or submitted again.

use uuid::Uuid;

use super::{
    Actor, Control, Denied, Engine, Error, Verb, control::lock_with_job, record, submission::Submission,
};
use crate::{
    core::{
        reason::Reason,
        requirement::{Invalid, Requirement, text_digest},
        run::Event,
    },
    store::{
        Connection,
        amendment::{self, Text},
        audit::Author,
        question,
    },
};

/// The new text of a requirement; what is `None` stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct Amendment<'a> {
    /// The title.
    pub title: Option<&'a str>,
    /// The body.
    pub body: Option<&'a str>,
}

impl Engine {
    /// Gives a requirement another text while its run lives, inside the caller's transaction, which also records it in
    /// the audit log. A run that waits goes on at once; a step that runs keeps the text that it has read. The same text
    /// again changes nothing.
    ///
    /// # Errors
    /// [`Error::NoRequirement`]; [`Error::Invalid`] names every field that is wrong; [`Denied::Over`] when no run of it
    /// lives.
    pub async fn amend_in(
        &self,
        tx: &mut Connection,
        requirement: Uuid,
        new: Amendment<'_>,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let by = by.into();
        // Runs are locked before their requirement, as by those who answer.
        let mut runs = Vec::new();
        for run in amendment::live_runs(tx, requirement).await? {
            runs.push(lock_with_job(tx, run).await?.stored);
        }
        let before = amendment::lock(tx, requirement).await?.ok_or(Error::NoRequirement(requirement))?;
        let after = amended(&before, new)?;
        runs.retain(|stored| !stored.run.has_ended());
        let Some(newest) = runs.last().map(|stored| stored.spec.id) else { return Err(Denied::Over.into()) };
        if (&after.title, &after.body) == (&before.title, &before.body) {
            return Ok(Control::Unchanged);
        }
        let stored = amendment::New {
            run: newest,
            requirement,
            before: &before,
            title: &after.title,
            body: &after.body,
            by: by.person,
            reason: reason.as_str(),
        };
        amendment::amend(tx, stored).await?;
        let edition = u32::try_from(before.edition + 1).unwrap_or(u32::MAX);
        let digests = (text_digest(&before.title, &before.body), text_digest(&after.title, &after.body));
        for stored in runs {
            question::withdraw(tx, stored.spec.id).await?;
            let workflow = self.workflow(&stored.spec.workflow_hash).await?;
            let (before, after) = digests.clone();
            let event = Event::Amended { edition, before, after, reason: reason.to_string() };
            self.advance(tx, stored, &workflow, Actor::Other(by.person), vec![event]).await?;
        }
        let product = &before.product;
        record::amended(tx, by, (requirement, newest, product), (edition, &digests), reason).await?;
        Ok(Control::Applied)
    }

    /// Cancels every run of a requirement that lives, whatever it waits for.
    ///
    /// # Errors
    /// [`Error::NoRequirement`]; [`Denied::Ended`] when its run ended otherwise.
    pub async fn cancel_requirement_in(
        &self,
        tx: &mut Connection,
        requirement: Uuid,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let by = by.into();
        let live = amendment::live_runs(tx, requirement).await?;
        let newest = amendment::newest_run(tx, requirement).await?;
        let (newest, _) = newest.ok_or(Error::NoRequirement(requirement))?;
        // One that has ended by now says why it cannot be cancelled, or that it was.
        let runs = if live.is_empty() { vec![newest] } else { live };
        let mut done = Control::Unchanged;
        for run in runs {
            if self.control_in(tx, run, &Verb::Cancel, by, reason).await? == Control::Applied {
                done = Control::Applied;
            }
        }
        Ok(done)
    }

    /// Checks that a requirement may take the place of an earlier one, which stays locked until the transaction ends; the
    /// text of the earlier one.
    ///
    /// # Errors
    /// [`Error::NoRequirement`]; [`Denied::Alive`] while a run of the earlier one lives, [`Denied::Merged`] when its change
    /// is merged, [`Denied::Superseded`] when another one took its place.
    pub async fn superseded_in(&self, tx: &mut Connection, earlier: Uuid) -> Result<Text, Error> {
        let text = amendment::lock(tx, earlier).await?.ok_or(Error::NoRequirement(earlier))?;
        let newest = amendment::newest_run(tx, earlier).await?;
        if !amendment::live_runs(tx, earlier).await?.is_empty() {
            return Err(Denied::Alive(earlier).into());
        }
        if newest.is_some_and(|(_, end)| end.as_deref() == Some("succeeded")) {
            return Err(Denied::Merged.into());
        }
        match amendment::links(&mut *tx, earlier).await?.superseded_by {
            Some(by) => Err(Denied::Superseded(by).into()),
            None => Ok(text),
        }
    }

    /// Accepts a submission that may take the place of an earlier requirement, and says which live requirement has the same
    /// text.
    ///
    /// # Errors
    /// As [`Engine::submit_in`] and [`Engine::superseded_in`]; [`Error::Invalid`] for another product than the earlier
    /// one's.
    pub async fn resubmit_in(
        &self,
        tx: &mut Connection,
        new: Submission<'_>,
        earlier: Option<Uuid>,
    ) -> Result<Resubmitted, Error> {
        if let Some(earlier) = earlier {
            let text = self.superseded_in(tx, earlier).await?;
            if text.product != new.requirement.product.as_str() {
                let message =
                    format!("is another product than `{}`, of the earlier requirement", text.product);
                return Err(Error::Invalid(vec![Invalid { field: "product", message }]));
            }
        }
        let accepted = self.submit_in(tx, new).await?;
        if let Some(earlier) = earlier {
            amendment::supersede(tx, accepted.requirement, earlier).await?;
        }
        let duplicate_of = amendment::duplicate(&mut *tx, accepted.requirement).await?;
        Ok(Resubmitted { accepted, duplicate_of })
    }
}

/// A requirement that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resubmitted {
    /// The requirement and its run.
    pub accepted: super::Accepted,
    /// A requirement of the same product with the same text, whose run has not ended.
    pub duplicate_of: Option<Uuid>,
}

/// The text after an amendment, which is checked as one that is submitted.
fn amended(before: &Text, new: Amendment<'_>) -> Result<Requirement, Error> {
    let priority = u8::try_from(before.priority).unwrap_or_default();
    let (title, body) = (new.title.unwrap_or(&before.title), new.body.unwrap_or(&before.body));
    Requirement::new(&before.product, title, body, priority).map_err(Error::Invalid)
}
