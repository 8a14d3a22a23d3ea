//! Commands that people write on a pull request: each is followed once, with its row in the audit log.

use uuid::Uuid;

use super::{Control, Denied, Engine, Error, Said, Verb, record};
use crate::{
    core::{question::Answers, reason::Reason, run::Topic, sha::Sha, subject::Subject},
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
    /// What is to be done.
    pub what: What<'a>,
    /// Why, for the history.
    pub reason: &'a Reason,
}

/// What is to be done to a run.
#[derive(Debug, Clone)]
pub enum What<'a> {
    /// A control.
    Control(Verb),
    /// To fix something, and the control that lets the run see it, if one is needed.
    Fix(&'a Sourced, Option<Verb>),
    /// To keep what a person says of the head.
    Opinion(Said<'a>),
    /// To answer the questions of the run.
    Answer(&'a Answers),
    /// To merge this head of a pull request that others opened, once it is cleared.
    Merge(&'a Sha),
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
        let done = match &order.what {
            What::Control(verb) => self.control_in(&mut inner, run, verb, by, order.reason).await,
            What::Fix(remark, verb) => {
                self.fix(&mut inner, run, by, (remark, verb.as_ref()), order.reason).await
            }
            What::Opinion(said) => self.opine_in(&mut inner, run, *said, by).await,
            What::Merge(head) => self.merge_theirs(&mut inner, run, by, head, order.reason).await,
            What::Answer(answers) => self.answer_questions_in(&mut inner, run, by, None, answers).await,
        };
        match done {
            Ok(control) => {
                inner.commit().await?;
                Ok(Followed::Done(control))
            }
            Err(error @ (Error::Denied(_) | Error::Refused(_) | Error::Answers(_))) => {
                inner.rollback().await?;
                Ok(Followed::Refused(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps that a person asks for the merge of a head, and lets the run see it.
    async fn merge_theirs(
        &self,
        tx: &mut Connection,
        run: Uuid,
        by: Author<'_>,
        head: &Sha,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let stored = store::run::get(&mut *tx, run).await?.ok_or(Error::NoRun(run))?;
        let Subject::Pull(id) = stored.spec.subject else { return Err(Denied::NotTheirs.into()) };
        if let Some(end) = stored.run.end() {
            return Err(Denied::Ended(end).into());
        }
        store::pull::ask_merge(tx, id, head, by.person).await?;
        match self.control_in(tx, run, &Verb::RunNow, by, reason).await {
            // A step that runs has read what was asked before; it looks again before it waits.
            Err(Error::Denied(Denied::Running(_))) => {
                let delivery = format!("merge asked {}", Uuid::new_v4());
                let repository = &stored.spec.repository;
                store::signal::leave(tx, &delivery, Topic::Pull, repository, run).await?;
            }
            Ok(_) | Err(Error::Denied(Denied::Paused)) => {}
            Err(error) => return Err(error),
        }
        record::merge_asked(tx, by, run, head, reason).await?;
        Ok(Control::Applied)
    }

    /// Keeps what is to be fixed, and lets the run see it. A worker that runs the step sees it at its next verdict.
    async fn fix(
        &self,
        tx: &mut Connection,
        run: Uuid,
        by: Author<'_>,
        (remark, verb): (&Sourced, Option<&Verb>),
        reason: &Reason,
    ) -> Result<Control, Error> {
        remark::put(tx, run, remark).await?;
        if let Some(verb) = verb {
            match self.control_in(tx, run, verb, by, reason).await {
                Ok(_) | Err(Error::Denied(Denied::Running(_) | Denied::Paused)) => {}
                Err(error) => return Err(error),
            }
        }
        record::remarked(tx, by, run, reason).await?;
        Ok(Control::Applied)
    }
}
