//! Approvals by people of the GitHub twin, as many as the last verdict of a head asks for.

use anyhow::Context as _;
use serde::Deserialize;

use crate::{
    api::{Assessment, Run},
    cli::dev_server::DevServer,
    dev::github::ReviewEvent,
};

/// Permissions of those whose approval counts.
const MAY_WRITE: [&str; 2] = ["admin", "write"];

/// The approvals that a head needs and has, of the report of its last verdict.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Approvals {
    /// How many it needs.
    pub(super) needed: usize,
    /// How many count.
    counted: usize,
    #[serde(default)]
    people: Vec<Said>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Said {
    login: String,
    counts: bool,
}

impl Approvals {
    /// Those of a head; none are needed of a head without a verdict.
    pub(super) fn of(assessments: &[Assessment], head: &str) -> Self {
        let verdict = assessments.iter().find(|it| it.stage == "verdict" && it.head_sha == head);
        let approvals = verdict.and_then(|it| it.report.get("approvals"));
        approvals.and_then(|it| Self::deserialize(it).ok()).unwrap_or_default()
    }

    /// The people whose approval counts.
    pub(super) fn by(self) -> Vec<String> {
        self.people.into_iter().filter(|said| said.counts).map(|said| said.login).collect()
    }

    fn missing(&self) -> usize {
        self.needed.saturating_sub(self.counted)
    }
}

/// Lets people approve the head of a run as far as approvals are missing; their logins.
///
/// # Errors
/// When the twin does not run, or refuses a review.
pub(super) async fn approve(
    server: &DevServer,
    run: &Run,
    approvals: &Approvals,
) -> anyhow::Result<Vec<&'static str>> {
    let Some(number) = run.progress.pull else { return Ok(Vec::new()) };
    let number = i64::try_from(number).context("read the number of the pull request")?;
    let twin = server.stand_ins.twin().context("the GitHub twin does not run")?;
    // What was said of an earlier head counts no more, and may be said again.
    let has_said = |login: &str| approvals.people.iter().any(|said| said.counts && said.login == login);
    let may = server.stand_ins.people()?.into_iter();
    let may = may.filter(|it| MAY_WRITE.contains(&it.permission) && !has_said(it.login));
    let mut approved = Vec::new();
    for person in may.take(approvals.missing()) {
        let (approve, text) = (ReviewEvent::Approve, "Approved for the demo.");
        twin.review_as(person.login, &run.repository, number, approve, text).await?;
        approved.push(person.login);
    }
    Ok(approved)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;

    fn assessment(stage: &str, head: &str, approvals: &Value) -> Assessment {
        Assessment {
            id: 1,
            stage: stage.to_owned(),
            head_sha: head.to_owned(),
            tier: "critical".to_owned(),
            decision: "waiting".to_owned(),
            facts: json!({}),
            report: json!({"approvals": approvals}),
            assessed_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_approvals_are_those_of_the_verdict_of_the_head() {
        let people = json!([{"login": "ines", "counts": true}, {"login": "remy", "counts": false}]);
        let all = [
            assessment("preflight", "abc", &json!({"needed": 5, "counted": 0})),
            assessment("verdict", "def", &json!({"needed": 4, "counted": 0})),
            assessment(
                "verdict",
                "abc",
                &json!({"needed": 2, "counted": 1, "human": true, "people": people}),
            ),
        ];
        let approvals = Approvals::of(&all, "abc");
        assert_eq!((approvals.needed, approvals.missing()), (2, 1));
        assert_eq!(approvals.by(), ["ines"]);
        assert_eq!(Approvals::of(&all, "other").missing(), 0);
    }
}
