//! Commands that people write on a pull request: each is followed once, with its row in the audit log.

use uuid::Uuid;

use super::{Control, Engine, Error, Verb, record};
use crate::{
    core::reason::Reason,
    store::{
        self, Connection,
        audit::Author,
        command::{self, Answer, New},
        remark::{self, Sourced},
    },
};

/// The most refusals of a run that are answered and in its history; further ones are ignored.
const MOST_REFUSALS: i64 = 20;

/// What a command asks the engine to do.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The control; `None` if the remark alone is asked for.
    pub verb: Option<Verb>,
    /// What is to be fixed.
    pub remark: Option<&'a Sourced>,
    /// Why, for the history.
    pub reason: &'a Reason,
}

/// What became of an order.
enum Followed {
    Done(Control),
    Refused(String),
}

impl Engine {
    /// Follows a command, unless its comment was read before; false if it was. The person acts under the name that is linked
    /// to their login.
    ///
    /// # Errors
    /// As [`Engine::control`], but for what the run's state does not allow: that is the answer of the command.
    pub async fn follow_command(
        &self,
        new: &New<'_>,
        by: Author<'_>,
        order: &Order<'_>,
    ) -> Result<bool, Error> {
        let mut tx = self.pool().begin().await?;
        let done = Answer { outcome: "done", reaction: Some("+1"), reply: None };
        if !command::insert(&mut tx, new, &done).await? {
            return Ok(false);
        }
        let answer = match self.carry_out(&mut tx, new.run, by, order).await? {
            Followed::Done(Control::Applied) => None,
            Followed::Done(Control::Unchanged) => {
                let reply = Some("nothing changed: the run was in that state already".to_owned());
                Some(Answer { reply, ..done })
            }
            Followed::Refused(why) => {
                Some(Answer { outcome: "refused", reaction: Some("confused"), reply: Some(why) })
            }
        };
        if let Some(answer) = answer {
            command::set_answer(&mut tx, new.comment_id, &answer).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Records a command that asks for nothing but an answer; false if its comment was read before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn answer_command(&self, new: &New<'_>, answer: &Answer) -> Result<bool, Error> {
        let mut connection = self.pool().acquire().await?;
        Ok(command::insert(&mut connection, new, answer).await?)
    }

    /// Records that a person may not give a command, in the run's history too; false if the comment was read before.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn refuse_command(&self, new: &New<'_>, person: &str, why: &str) -> Result<bool, Error> {
        let mut tx = self.pool().begin().await?;
        let is_one_of_many = command::not_permitted(&mut tx, new.run).await? >= MOST_REFUSALS;
        let reaction = Some("-1").filter(|_| !is_one_of_many);
        let answer = Answer { outcome: "not_permitted", reaction, reply: None };
        if !command::insert(&mut tx, new, &answer).await? {
            return Ok(false);
        }
        if !is_one_of_many {
            self.not_permitted_in(&mut tx, new.run, person, &format!("/aspora {}", new.verb), why).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Does all that an order asks for, or nothing.
    async fn carry_out(
        &self,
        tx: &mut Connection,
        run: Uuid,
        by: Author<'_>,
        order: &Order<'_>,
    ) -> Result<Followed, Error> {
        let mut inner = store::savepoint(tx).await?;
        if let Some(remark) = order.remark {
            remark::put(&mut inner, run, remark).await?;
        }
        let control = match &order.verb {
            Some(verb) => self.control_in(&mut inner, run, verb, by, order.reason).await,
            None => Ok(Control::Applied),
        };
        // A worker that runs the step sees the remark at its next verdict.
        let control = match control {
            Err(Error::Denied(super::Denied::Running(_) | super::Denied::Paused))
                if order.remark.is_some() =>
            {
                Ok(Control::Applied)
            }
            control => control,
        };
        match control {
            Ok(_) if order.remark.is_some() => {
                record::remarked(&mut inner, by, run, order.reason).await?;
                inner.commit().await?;
                Ok(Followed::Done(Control::Applied))
            }
            Ok(control) => {
                inner.commit().await?;
                Ok(Followed::Done(control))
            }
            Err(error @ (Error::Denied(_) | Error::Refused(_))) => {
                inner.rollback().await?;
                Ok(Followed::Refused(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }
}
