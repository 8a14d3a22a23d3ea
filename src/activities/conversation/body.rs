//! What our one comment on a pull request says. It names no time and no progress of a check, so that it changes only
//! when something does that a person cares about.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Talk;
use crate::{
    activities::{
        Failure,
        brief::{Asked, Owner},
        facts,
    },
    core::{
        command::{self, Verb},
        policy::{Assessment, Decision, Phase, Tier, Wait},
        run::{Awaited, State},
        sha::Sha,
        workflow::End,
    },
    github::text,
    store::{assessment, requirement},
};

impl Talk<'_> {
    /// The whole comment, in Markdown.
    pub(super) async fn body(&self, head: &Sha) -> Result<String, Failure> {
        let pool = &self.factory.pool;
        let rows = assessment::of_run(pool, self.stored.spec.id).await?;
        let last = rows.into_iter().find(|row| row.head_sha == head.as_str());
        let judged = last.map(facts::judged_again).transpose()?;
        let mut body =
            format!("### Aspora: {}\n\n{}\n\n", text::line(&self.brief.title), self.opening().await?);
        let _ = writeln!(body, "**{}**\n", text::line(&self.state(head)));
        if let Some(tier) = self.stored.run.progress.tier {
            let _ = writeln!(body, "- Tier: {tier}, at `{}`", head.short());
        }
        if let Some(tests) = judged.as_ref().and_then(tests) {
            let _ = writeln!(body, "- Tests: {}", text::line(tests));
        }
        let is_live = !matches!(self.stored.run.state, State::Ended { .. });
        for missing in judged.iter().filter(|_| is_live).flat_map(missing) {
            let _ = writeln!(body, "- Missing: {}", text::line(&missing));
        }
        let _ = write!(body, "\n[The run]({}) has the whole judgement.\n", self.url());
        body += &commands();
        if !self.factory.forge.abilities(&self.repo).await?.creates_check_runs
            && let Some(judged) = &judged
        {
            // There is no check run that could hold it.
            let _ = write!(body, "\n### risk-policy-gate\n\n{}\n", judged.to_markdown());
        }
        Ok(body)
    }

    /// Whose change it is, and what we have to do with it.
    async fn opening(&self) -> Result<String, Failure> {
        let product = text::line(&self.brief.named());
        Ok(match &self.brief.owner {
            Owner::Us(Asked::Gap(gap)) => format!(
                "A harness case of Aspora, the code factory, for {product}, with the fix of what it shows: {}; opened by {}.",
                gap.issue.map_or_else(|| "no issue".to_owned(), |issue| format!("issue #{issue}")),
                text::line(&gap.opened_by)
            ),
            Owner::Us(Asked::Requirement { id, .. }) => {
                let asked_by = requirement::requester(&self.factory.pool, *id).await?.name;
                let asked_by = text::line(&asked_by);
                format!("A change of Aspora, the code factory, for {product}; asked for by {asked_by}.")
            }
            Owner::Others(theirs) => {
                let because = theirs.by.because();
                let strictest = match because.is_empty() {
                    true => String::new(),
                    false => format!(" Of their settings the strictest count: {}.", because.join("; ")),
                };
                format!(
                    "A pull request of {}, judged by the policy of {product} at `{}`.{} Aspora changes nothing here \
                     unless a person asks for it.",
                    text::line(theirs.author()),
                    text::line(&self.stored.spec.base_branch),
                    text::line(&strictest)
                )
            }
        })
    }

    /// Where the run stands, in one sentence.
    fn state(&self, head: &Sha) -> String {
        match &self.stored.run.state {
            State::At { .. } => format!("At work on {}{}.", head.short(), self.round()),
            State::Waiting { park, .. } if park.awaited == Awaited::Machines => {
                format!("Waiting for checks and programs at {}.", head.short())
            }
            State::Waiting { park, .. } => format!("Waiting for {}.", park.reason),
            State::Paused(pause) if pause.takeover => format!(
                "Taken over by {}: {}. `{} resume` gives it back.",
                pause.by,
                pause.reason,
                command::PREFIX
            ),
            State::Paused(pause) => format!("Paused by {}: {}.", pause.by, pause.reason),
            State::Ended { end: End::Succeeded, reason, .. } => format!("Done: {reason}."),
            State::Ended { name, reason, .. } => format!("Ended as {name}: {reason}."),
        }
    }

    /// Which round of remediation the head comes from.
    fn round(&self) -> String {
        match self.stored.run.visits.get("remediate") {
            Some(round) if *round > 0 => format!(", round {round} of remediation"),
            _ => String::new(),
        }
    }
}

/// What our own run of the head's tests came to.
fn tests(judged: &Assessment) -> Option<&str> {
    let part = judged.tree().children.iter().find(|part| part.name == "tests")?;
    Some(&part.sentence)
}

/// What is missing and who can give it.
fn missing(judged: &Assessment) -> Vec<String> {
    match judged.decision() {
        Decision::Waiting { on } => {
            let checks: Vec<&str> = on.iter().filter_map(check).collect();
            let listed = (!checks.is_empty()).then(|| format!("checks {}", checks.join(", ")));
            let others = on.iter().filter(|wait| check(wait).is_none());
            listed.into_iter().chain(others.map(|wait| by_people(wait, judged.tier()))).collect()
        }
        Decision::Blocked { reasons, .. } => reasons.clone(),
        Decision::Clear if judged.phase() == Phase::Preflight => vec!["a review".to_owned()],
        Decision::Clear | Decision::Behind | Decision::Stopped { .. } => Vec::new(),
    }
}

fn check(wait: &Wait) -> Option<&str> {
    match wait {
        Wait::Check { name, .. } | Wait::Unreadable { name, .. } => Some(name),
        _ => None,
    }
}

fn by_people(wait: &Wait, tier: Tier) -> String {
    match wait {
        Wait::Approvals { .. } => {
            let asked = if tier == Tier::Critical { ", nor asked for it" } else { "" };
            format!(
                "{}, of people with write permission who neither opened the pull request nor wrote a commit \
                 of it{asked}; a new push resets them",
                wait.sentence()
            )
        }
        Wait::Refusal { .. } => {
            format!("{}: their approval of this head, or its withdrawal", wait.sentence())
        }
        wait => wait.sentence(),
    }
}

/// The commands, for people.
fn commands() -> String {
    let mut listed = String::from(
        "\n<details><summary>Commands</summary>\n\nA comment of a person with write permission that begins with \
         one of these:\n\n",
    );
    for verb in Verb::ALL {
        let text = if verb == Verb::Fix { " TEXT" } else { "" };
        let _ = writeln!(listed, "- `{} {}{text}`: {}", command::PREFIX, verb.as_str(), verb.does());
    }
    listed + "\n</details>\n"
}

/// The name of a content.
pub(super) fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..6])
}
