//! Commands in comments: read once, followed for people who may write, answered by a reaction and at most one line.

use chrono::TimeDelta;

use super::Talk;
use crate::{
    activities::{Failure, Origin, brief::Theirs, orders},
    core::{
        command::{self, Command, UnknownVerb},
        opinion::Opinion,
        policy::{Person, Via, WHOLE_CHANGE, severity_of_remark},
        question::Answers,
        reason::{self, Reason},
        run::State,
        why::why,
    },
    engine::{self, Order, Said, Verb, What},
    github::{Account, Comment, Kind, text},
    store::{
        self, api_key,
        audit::Author,
        command::{Answer, New, Unanswered},
        conversation,
        remark::{Source, Sourced},
        standing,
    },
};

/// The most commands that are followed at once; the next look goes on.
const MOST_AT_ONCE: usize = 20;
/// What a `fix` without more asks for.
const ALL_OF_IT: &str =
    "Fix what the review found and what the checks and the policy hold against this head.";
/// By how much the forge's listing may lag behind: comments from before the last look are read again.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);

impl Talk<'_> {
    /// Follows the commands that are new, in the order of their comments; whether there were no more.
    pub(super) async fn follow(&mut self) -> Result<bool, Failure> {
        let (pool, run) = (&self.factory.pool, self.stored.spec.id);
        let read_to = conversation::read_to(pool, run).await?;
        let since = read_to.map(|at| at - OVERLAP);
        let us = self.factory.forge.identity().await?;
        let mut comments = self.factory.forge.comments_since(&self.repo, self.pull, since).await?;
        comments.sort_by_key(|comment| comment.id);
        let (mut followed, mut newest) = (0, read_to);
        for comment in comments {
            if followed == MOST_AT_ONCE {
                break;
            }
            if let Some((by, read)) = heard(&comment, &us)
                && !store::command::is_known(pool, number(comment.id)).await?
            {
                self.handle(&comment, by, read).await?;
                followed += 1;
            }
            newest = newest.max(Some(comment.created_at));
        }
        if let Some(newest) = newest {
            conversation::set_read_to(pool, run, newest).await?;
        }
        Ok(followed < MOST_AT_ONCE)
    }

    /// Follows one command, or records why not.
    async fn handle(
        &self,
        comment: &Comment,
        by: &Account,
        read: Result<Command, UnknownVerb>,
    ) -> Result<(), Failure> {
        let verb = read.as_ref().map_or("", |command| command.verb.as_str());
        let new = New {
            comment_id: number(comment.id),
            run: self.stored.spec.id,
            login: &by.login,
            account: number(by.id),
            verb,
        };
        // A person who is known here acts under the name that is known here.
        let person = api_key::person_of_login(&self.factory.pool, &by.login).await?;
        let person = person.as_deref().unwrap_or(&by.login);
        if let Some(why) = orders::barred(&self.factory.forge, &self.repo, by).await? {
            return self
                .engine
                .refuse_command(&new, person, &why)
                .await
                .map(drop)
                .map_err(|error| failed(&error));
        }
        match read {
            Err(unknown) => {
                let reply = Some(unknown.to_string());
                let answer = Answer { outcome: "unknown", reaction: Some("confused"), reply };
                self.engine.answer_command(&new, &answer).await.map(drop).map_err(|error| failed(&error))
            }
            Ok(command) => self.carry_out(&new, (person, by), comment, &command).await,
        }
    }

    async fn carry_out(
        &self,
        new: &New<'_>,
        (person, by): (&str, &Account),
        comment: &Comment,
        command: &Command,
    ) -> Result<(), Failure> {
        let current = store::run::get(&self.factory.pool, new.run).await?;
        let stored = current.as_ref().unwrap_or(&self.stored);
        let reason = because(command).ok_or_else(|| Failure::unusable("a command without a reason"))?;
        let (remark, answers, head);
        let what = match command.verb {
            command::Verb::Status | command::Verb::Why => {
                let reply = Some(self.standing().await?);
                return self.answered(new, &Answer { outcome: "done", reaction: Some("+1"), reply }).await;
            }
            command::Verb::Fix if command.rest.is_empty() && self.brief.theirs().is_none() => {
                return self.refuse(new, "say after `fix` what is to be fixed").await;
            }
            command::Verb::Fix => {
                if let Some(why) = self.brief.theirs().and_then(Theirs::not_pushed_to) {
                    return self.refuse(new, why).await;
                }
                // Nothing is fixed on a pull request of theirs but what they ask for: a bare `fix` asks for all of it.
                let rest = if command.rest.is_empty() { ALL_OF_IT } else { &command.rest };
                remark = self::remark(new, by, rest);
                let is_paused = matches!(stored.run.state, State::Paused(_));
                What::Fix(&remark, (!is_paused).then(|| orders::go_on(stored)))
            }
            command::Verb::Answer => {
                answers = match Answers::new(Some(&command.rest), &[]) {
                    Ok(answers) => answers,
                    Err(_) => return self.refuse(new, "say after `answer` what the answer is").await,
                };
                What::Answer(&answers)
            }
            command::Verb::Approve => {
                head = match self.approved(stored, comment, &command.rest).await? {
                    Ok(head) => head,
                    Err(why) => return self.refuse(new, &why).await,
                };
                What::Opinion(Said {
                    head: &head,
                    opinion: Opinion::Approve,
                    via: Via::Comment,
                    login: &by.login,
                    account: Some(by.id),
                    reason: None,
                })
            }
            command::Verb::Merge => {
                head = match self.to_merge(stored, comment, &command.rest).await? {
                    Ok(head) => head,
                    Err(why) => return self.refuse(new, &why).await,
                };
                What::Merge(&head)
            }
            command::Verb::Pause => What::Control(Verb::Pause),
            command::Verb::Resume => What::Control(Verb::Resume),
            command::Verb::Takeover => What::Control(Verb::TakeOver),
            command::Verb::Cancel => What::Control(Verb::Cancel),
            command::Verb::Retry => What::Control(orders::go_on(stored)),
        };
        let order = Order { what, reason: &reason };
        let followed = self.engine.follow_command(new, Author::from(person), &order).await;
        followed.map(drop).map_err(|error| failed(&error))
    }

    async fn refuse(&self, new: &New<'_>, why: &str) -> Result<(), Failure> {
        let reply = Some(why.to_owned());
        self.answered(new, &Answer { outcome: "refused", reaction: Some("confused"), reply }).await
    }

    async fn answered(&self, new: &New<'_>, answer: &Answer) -> Result<(), Failure> {
        self.engine.answer_command(new, answer).await.map(drop).map_err(|error| failed(&error))
    }

    /// Where the run stands, in a sentence.
    async fn standing(&self) -> Result<String, Failure> {
        let standing = standing::with_job(&self.factory.pool, self.stored.spec.id).await?;
        let Some((stored, job)) = standing else { return Ok("the run is gone".to_owned()) };
        Ok(why(&stored.run, job.as_ref()).sentence(stored.now))
    }

    /// Posts the answers that are not on the forge yet.
    pub(super) async fn answer(&self) -> Result<(), Failure> {
        for command in store::command::unanswered(&self.factory.pool, self.stored.spec.id).await? {
            let is_shown = self.react(&command).await?;
            let line = match (&command.reply, is_shown) {
                (Some(line), _) => Some(line.clone()),
                (None, true) => None,
                // Where we may not react, a line says it.
                (None, false) => {
                    command.reaction.as_deref().filter(|it| *it == "+1").map(|_| "done".to_owned())
                }
            };
            if let Some(line) = line {
                self.reply(&command, &line).await?;
            }
            store::command::answered(&self.factory.pool, command.comment_id).await?;
        }
        Ok(())
    }

    /// Whether the reaction is on the forge, or is none.
    async fn react(&self, command: &Unanswered) -> Result<bool, Failure> {
        let Some(reaction) = &command.reaction else { return Ok(true) };
        let comment = command.comment_id.unsigned_abs();
        match self.factory.forge.react(&self.repo, comment, reaction).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == Kind::Forbidden => Ok(false),
            // A person who deleted the comment wants no answer to it.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Gone) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Posts one line, unless an earlier attempt did.
    async fn reply(&self, command: &Unanswered, line: &str) -> Result<(), Failure> {
        let marker = text::Marker::new(&format!("command/{}/{}", self.repo, command.comment_id));
        let verb = if command.verb.is_empty() { "?" } else { &command.verb };
        let body = format!("{} {verb}: {}", command::PREFIX.trim_start_matches('/'), text::line(line));
        self.factory.forge.keep_comment(&self.repo, self.pull, &marker, &body).await?;
        Ok(())
    }
}

/// The command in a comment and who gives it; `None` for a comment of ours, of a bot, of nobody, or that was edited: a
/// text is a command as it was written or not at all, since others may edit it.
fn heard<'c>(comment: &'c Comment, us: &Account) -> Option<(&'c Account, Result<Command, UnknownVerb>)> {
    let by = comment.user.as_ref().filter(|by| !by.is_bot && by.id != us.id)?;
    let is_plain = comment.app_id.is_none() && comment.updated_at == comment.created_at;
    let read = command::read(&comment.body).filter(|_| is_plain)?;
    Some((by, read))
}

/// Why, for the history: the command with what follows it, in one line.
fn because(command: &Command) -> Option<Reason> {
    let rest: String = command.rest.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = format!("`{} {}` on the pull request", command::PREFIX, command.verb.as_str());
    let text = if rest.is_empty() { text } else { format!("{text}: {rest}") };
    text.chars().take(reason::LIMIT).collect::<String>().parse().ok()
}

fn remark(new: &New<'_>, by: &Account, text: &str) -> Sourced {
    let source = (Source::Command, new.comment_id);
    let by = Person { id: Some(by.id), login: by.login.clone() };
    Sourced::new(source, by, severity_of_remark(true), (WHOLE_CHANGE, None), text)
}

fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// The database or the engine failed; the comment is read again.
fn failed(error: &engine::Error) -> Failure {
    Failure::Retry { error: error.to_string(), after: None, origin: Origin::Elsewhere }
}
