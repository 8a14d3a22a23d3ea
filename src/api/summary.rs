//! A fact of a run's history in plain English, the same on pages and in terminals.

use std::fmt::{self, Display, Formatter};

use super::Fact;
use crate::core::{
    consent::Consent,
    opinion::Opinion,
    outage::Provider,
    policy::Via,
    words::{counted, one_line, seconds_in_words},
};

/// What happened to a run, on one line, such as `gave up after 3 attempts: the model timed out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What happened, in a few words.
    pub what: String,
    /// The note, the reason or the error; empty if there is none. It can be foreign text.
    pub detail: String,
}

impl Fact {
    /// What happened. The step and the actor stand beside the fact, in [`Event`](super::Event).
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (what, detail) = match self {
            Self::Started => ("started".to_owned(), ""),
            Self::Answered { outcome, note, .. } => (outcome.clone(), note.as_str()),
            Self::Parked { waiting_for, .. } => (format!("waiting for {waiting_for}"), ""),
            Self::Signalled { topic } => ("signal received".to_owned(), topic.as_str()),
            Self::Woken => ("timer fired".to_owned(), ""),
            Self::Failed { attempt, error, retry_at, .. } => {
                let next = retry_at.format("%H:%M:%S UTC");
                (format!("attempt {attempt} failed, next at {next}"), error.as_str())
            }
            Self::Held { provider, since, error, .. } => {
                let who = provider.parse().map_or_else(|_| provider.clone(), |it: Provider| it.in_words());
                (format!("held: {who} is out of reach since {}", since.format("%H:%M UTC")), error.as_str())
            }
            Self::WentOn { after_s, .. } => (format!("went on after {}", seconds_in_words(*after_s)), ""),
            Self::Stranded { reason } => ("not supported by this release".to_owned(), reason.as_str()),
            Self::Exhausted { attempts, error, .. } => {
                (format!("gave up after {}", counted(attempts, "attempt")), error.as_str())
            }
            Self::Forked { from_run, begins_at, reason, .. } => {
                (format!("forked from run {from_run} at {begins_at}"), reason.as_str())
            }
            Self::Paused { reason, .. } => ("paused".to_owned(), reason.as_str()),
            Self::TakenOver { by, reason } => (format!("taken over by {by}"), reason.as_str()),
            Self::Resumed { reason } => ("resumed".to_owned(), reason.as_str()),
            Self::Cancelled { reason } => ("cancelled".to_owned(), reason.as_str()),
            Self::Hurried { reason } => ("made due now".to_owned(), reason.as_str()),
            Self::Skipped { outcome, reason } => (format!("skipped as {outcome}"), reason.as_str()),
            Self::NotPermitted { asked, reason } => (format!("not permitted: {asked}"), reason.as_str()),
            Self::FindingDismissed { finding, reason, .. } => {
                (format!("finding dismissed: {finding}"), reason.as_str())
            }
            Self::Asked { round, questions } => {
                (format!("asked {} (round {round})", counted(questions, "question")), "")
            }
            Self::QuestionAnswered { round } => (format!("answered the questions of round {round}"), ""),
            Self::ConsentAsked { packages, .. } => {
                (format!("asked about its dependencies ({})", counted(packages, "package")), "")
            }
            Self::ConsentGiven { answer, login, reason, .. } => {
                let done = answer.parse().map_or("said an unknown thing of", Consent::done);
                (format!("{done} the dependencies as {login}"), reason.as_str())
            }
            Self::Amended { edition, reason, .. } => {
                (format!("requirement amended (edition {edition})"), reason.as_str())
            }
            Self::OpinionGiven { opinion, head, login, via, reason } => {
                (said(opinion, head, login, via), reason.as_str())
            }
            Self::EvidenceRecorded { head, conclusion, flows, faults } => {
                let (head, flows) = (head.chars().take(7).collect::<String>(), counted(flows.len(), "flow"));
                let held = if conclusion == "success" { "verified" } else { "refused" };
                let first = faults.first().map(String::as_str).unwrap_or_default();
                (format!("evidence of {head} {held} ({flows})"), first)
            }
            Self::PullChanged { note, .. } => ("after the end".to_owned(), note.as_str()),
            Self::BaseChecked { broke, note, .. } => (
                if broke.is_empty() { "the base recovered" } else { "the base broke" }.to_owned(),
                note.as_str(),
            ),
            Self::RetriedFrom { begins_at, reason } => (format!("retried from {begins_at}"), reason.as_str()),
            Self::Other => ("unknown event".to_owned(), "it was recorded by a newer release"),
        };
        Summary { what: one_line(&what), detail: one_line(detail) }
    }
}

/// What a person said of a head: `approved abc1234 as asha`.
fn said(opinion: &str, head: &str, login: &str, via: &str) -> String {
    let done = Opinion::named(opinion).map_or("gave an unknown opinion of", Opinion::done);
    let head: String = head.chars().take(7).collect();
    let place = if via == Via::Comment.as_str() { Via::Comment.aside() } else { "" };
    format!("{done} {head} as {login}{place}")
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::api::Progress;

    #[track_caller]
    fn check(fact: &Fact, expected: &str) {
        assert_eq!(fact.summary().to_string(), expected);
    }

    fn answered(note: &str) -> Fact {
        let (outcome, progress) = ("findings".to_owned(), Progress::default());
        Fact::Answered { turn: 1, outcome, note: note.to_owned(), progress }
    }

    #[test]
    fn every_fact_has_a_summary() {
        let (error, at) = ("the model timed out".to_owned(), DateTime::UNIX_EPOCH);
        check(&Fact::Started, "started");
        check(&answered("2 actionable (1 blocking)"), "findings: 2 actionable (1 blocking)");
        check(&answered(" "), "findings");
        let (waiting_for, progress) = ("2 checks".to_owned(), Progress::default());
        check(
            &Fact::Parked { turn: 1, waiting_for, topics: vec![], until: at, progress },
            "waiting for 2 checks",
        );
        check(&Fact::Signalled { topic: "checks".to_owned() }, "signal received: checks");
        check(&Fact::Woken, "timer fired");
        check(
            &Fact::Failed { turn: 1, attempt: 2, error: error.clone(), retry_at: at },
            "attempt 2 failed, next at 00:00:00 UTC: the model timed out",
        );
        check(
            &Fact::Exhausted { turn: 1, attempts: 1, error },
            "gave up after 1 attempt: the model timed out",
        );
        let provider = "model x.ai/m".to_owned();
        check(
            &Fact::Held { turn: 1, provider, since: at, error: "503".to_owned() },
            "held: the model m at x.ai is out of reach since 00:00 UTC: 503",
        );
        check(&Fact::WentOn { turn: 1, after_s: 1_263 }, "went on after 21 min 3 s");
        check(&Fact::Stranded { reason: "no `lint`".to_owned() }, "not supported by this release: no `lint`");
        check(&Fact::Other, "unknown event: it was recorded by a newer release");
    }

    #[test]
    fn what_people_did_is_said_with_their_reason() {
        let (reason, begins_at) = (|| "why".to_owned(), || "review".to_owned());
        let from_run = Uuid::nil();
        check(
            &Fact::Forked {
                from_run,
                from_seq: 9,
                begins_at: begins_at(),
                reason: reason(),
                progress: Progress::default(),
            },
            "forked from run 00000000-0000-0000-0000-000000000000 at review: why",
        );
        check(&Fact::Paused { reason: reason(), cause: "person".to_owned() }, "paused: why");
        check(&Fact::TakenOver { by: "asha".to_owned(), reason: reason() }, "taken over by asha: why");
        check(&Fact::Resumed { reason: reason() }, "resumed: why");
        check(&Fact::Cancelled { reason: reason() }, "cancelled: why");
        check(&Fact::Hurried { reason: reason() }, "made due now: why");
        check(&Fact::Skipped { outcome: "clean".to_owned(), reason: reason() }, "skipped as clean: why");
        check(
            &Fact::NotPermitted { asked: "Take over".to_owned(), reason: reason() },
            "not permitted: Take over: why",
        );
        let finding = "a.py:3 divides by zero".to_owned();
        check(
            &Fact::FindingDismissed { fingerprint: "f".to_owned(), finding, reason: reason() },
            "finding dismissed: a.py:3 divides by zero: why",
        );
        check(&Fact::Asked { round: 1, questions: 2 }, "asked 2 questions (round 1)");
        check(&Fact::QuestionAnswered { round: 1 }, "answered the questions of round 1");
        let digest = || "0".repeat(64);
        check(
            &Fact::Amended { edition: 1, before: digest(), after: digest(), reason: reason() },
            "requirement amended (edition 1): why",
        );
        let said = |opinion: &str, via: &str, reason: String| Fact::OpinionGiven {
            opinion: opinion.to_owned(),
            head: "def4567def4567def4567def4567def4567def45".to_owned(),
            login: "asha".to_owned(),
            via: via.to_owned(),
            reason,
        };
        check(&said("approve", "aspora", String::new()), "approved def4567 as asha");
        check(&said("reject", "comment", reason()), "rejected def4567 as asha by a comment: why");
        check(&said("withdraw", "aspora", String::new()), "withdrew what was said of def4567 as asha");
        let note = "merged unjudged by asha".to_owned();
        check(
            &Fact::PullChanged { state: "merged".to_owned(), note, progress: Progress::default() },
            "after the end: merged unjudged by asha",
        );
        let note = "`ci` fails on main".to_owned();
        let sha = "def4567".to_owned();
        check(
            &Fact::BaseChecked { sha, broke: vec!["ci".to_owned()], green_again: vec![], note },
            "the base broke: `ci` fails on main",
        );
        check(&Fact::RetriedFrom { begins_at: begins_at(), reason: reason() }, "retried from review: why");
    }

    #[test]
    fn a_summary_is_one_line() {
        check(&answered("a\r\n  b\u{1b}[31m\0c"), "findings: a b [31m c");
    }
}
