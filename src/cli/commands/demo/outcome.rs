//! What became of the products of `aspora demo --all`: as JSON, and a line each for people.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    api::{Gap, MetricsFigure, Run},
    cli::{after_merge::Asked, text::plain},
    dev::MainTests,
};

/// The result, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) products: Vec<Product>,
    /// The figures of `GET /api/v1/metrics` that are printed.
    pub(super) figures: Vec<MetricsFigure>,
    /// The address of the dashboard, for as long as the server runs.
    pub(super) dashboard: String,
    /// What the set-up of the three took; next to nothing where their layer was there.
    pub(super) set_up_ms: u128,
    /// From the start of the demo to its end.
    pub(super) wall_ms: u128,
}

/// What became of one product.
#[derive(Debug, Serialize)]
pub(super) struct Product {
    pub(super) product: String,
    /// One for each of its requirements.
    pub(super) runs: Vec<Outcome>,
    /// What became of its incident; nothing for a product that has none.
    pub(super) gap: Option<Conversion>,
    /// The tests of the base branch after everything was merged.
    pub(super) main: Option<MainTests>,
    /// What the merged service answered.
    pub(super) answers: Vec<Asked>,
    /// What went wrong beside the runs.
    pub(super) fault: Option<String>,
    /// From the first submission to the last answer.
    pub(super) wall_ms: u128,
}

/// What became of one run.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) title: String,
    pub(super) run_id: Uuid,
    /// How the run ended: `succeeded`, `failed`, `blocked`, `cancelled`.
    pub(super) end: String,
    pub(super) tier: Option<String>,
    /// What went back to the model, a sentence each.
    pub(super) sent_back: Vec<String>,
    /// The people of the twin who approved the head that was merged.
    pub(super) approved_by: Vec<String>,
    pub(super) pull_url: Option<String>,
    pub(super) merged_sha: Option<String>,
    /// What went wrong.
    pub(super) fault: Option<String>,
}

/// What became of an incident.
#[derive(Debug, Serialize)]
pub(super) struct Conversion {
    pub(super) gap: Gap,
    /// The run of which it is known that it brings the fault.
    pub(super) guilty: Uuid,
    /// The run that wrote the case and the fix.
    pub(super) run: Outcome,
}

impl Outcome {
    pub(super) fn new(title: &str, run: &Run, sent_back: Vec<String>, approved_by: Vec<String>) -> Self {
        Self {
            title: title.to_owned(),
            run_id: run.id,
            end: run.ended_as.clone().unwrap_or_default(),
            tier: run.progress.tier.clone(),
            sent_back,
            approved_by,
            pull_url: run.pull_url.clone(),
            merged_sha: run.progress.merged.clone(),
            fault: run.reason.clone().filter(|_| run.progress.merged.is_none()),
        }
    }

    /// Whether its change was merged.
    pub(super) fn is_good(&self) -> bool {
        self.fault.is_none() && self.end == "succeeded" && self.merged_sha.is_some()
    }

    fn lines(&self, product: &str) -> Vec<String> {
        let tier = self.tier.as_deref().unwrap_or("unknown");
        let mut lines = vec![format!("\n{product}, “{}”: {}, tier {tier}", plain(&self.title), self.end)];
        lines.extend(self.sent_back.iter().map(|it| plain(it)));
        lines.push(match self.approved_by.as_slice() {
            [] => "approved by no person: the policy asks for none".to_owned(),
            people => format!("approved by {}, of the GitHub twin", people.join(" and ")),
        });
        lines.extend(self.pull_url.as_deref().map(plain));
        lines.extend(self.fault.as_ref().map(|fault| format!("FAULT: {}", plain(fault))));
        lines
    }
}

impl Conversion {
    /// Whether its case was merged in time, and it was laid to the run that brought the fault.
    pub(super) fn is_good(&self) -> bool {
        let gap = &self.gap;
        let is_in_time = (gap.state.as_str(), gap.clock.reading.as_str()) == ("converted", "in_time");
        is_in_time && gap.caused_by == Some(self.guilty) && self.run.is_good()
    }

    fn lines(&self) -> Vec<String> {
        let gap = &self.gap;
        let case = if gap.case_files.is_empty() { "no case".to_owned() } else { gap.case_files.join(", ") };
        let mut lines = self.run.lines(&format!("{}, incident", gap.product));
        lines.push(plain(&format!("harness gap {}, clock {}: {case}", gap.state, gap.clock.reading)));
        lines.push(match gap.caused_by {
            Some(run) if run == self.guilty => format!("laid to the run that brought the fault, {run}"),
            Some(run) => format!("FAULT: laid to the run {run} INSTEAD OF {}", self.guilty),
            None => format!("FAULT: laid to no run INSTEAD OF {}", self.guilty),
        });
        lines
    }
}

impl Product {
    /// Whether all was merged, its tests pass, and its service answers as expected.
    pub(super) fn is_good(&self) -> bool {
        let is_tested = self.main.as_ref().is_some_and(|main| main.passed);
        let is_answered = !self.answers.is_empty() && self.answers.iter().all(Asked::fits);
        let is_merged = self.runs.iter().all(Outcome::is_good);
        let is_converted = self.gap.as_ref().is_none_or(Conversion::is_good);
        self.fault.is_none() && is_merged && is_converted && is_tested && is_answered
    }

    /// All of it, a line each.
    pub(super) fn text(&self) -> String {
        let mut lines: Vec<String> = self.runs.iter().flat_map(|run| run.lines(&self.product)).collect();
        lines.extend(self.gap.iter().flat_map(Conversion::lines));
        if let Some(main) = &self.main {
            let result = if main.passed { "pass" } else { "FAIL" };
            lines.push(format!("on main {}: {result} ({})", main.commands.join(", "), main.said));
        }
        lines.extend(self.answers.iter().map(|it| plain(&it.sentence())));
        lines.extend(self.fault.as_ref().map(|fault| format!("FAULT: {}", plain(fault))));
        lines.join("\n  ").replace("\n  \n", "\n\n")
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn merged(run_id: Uuid) -> Outcome {
        Outcome {
            title: "Savings goals".to_owned(),
            run_id,
            end: "succeeded".to_owned(),
            tier: Some("medium".to_owned()),
            sent_back: vec![],
            approved_by: vec![],
            pull_url: None,
            merged_sha: Some("abc".to_owned()),
            fault: None,
        }
    }

    fn converted(state: &str, reading: &str, caused_by: Option<Uuid>) -> Conversion {
        let at = DateTime::UNIX_EPOCH;
        let gap = json!({
            "id": Uuid::nil(), "product": "wealth", "repository": "local/wealth", "title": "It fails", "source": "person",
            "happened_at": at, "state": state, "caused_by": caused_by, "opened_by": "ines", "created_at": at,
            "case_files": ["tests/harness/test_small_sale.py"],
            "clock": {"started_at": at, "due_at": at, "limit_minutes": 2880, "by_policy": true, "reading": reading},
        });
        let gap = serde_json::from_value(gap).unwrap();
        Conversion { gap, guilty: Uuid::nil(), run: merged(Uuid::max()) }
    }

    #[test]
    fn an_incident_is_good_once_its_case_is_merged_in_time_and_laid_to_its_run() {
        assert!(converted("converted", "in_time", Some(Uuid::nil())).is_good());
        assert!(!converted("open", "running", Some(Uuid::nil())).is_good());
        assert!(!converted("converted", "late", Some(Uuid::nil())).is_good());
        assert!(!converted("converted", "in_time", None).is_good());
        let other = converted("converted", "in_time", Some(Uuid::max()));
        assert!(
            !other.is_good() && other.lines().iter().any(|line| line.starts_with("FAULT: laid to the run"))
        );
    }

    #[test]
    fn a_run_that_was_not_merged_is_not_good() {
        assert!(merged(Uuid::nil()).is_good());
        assert!(!Outcome { merged_sha: None, ..merged(Uuid::nil()) }.is_good());
        assert!(!Outcome { end: "blocked".to_owned(), ..merged(Uuid::nil()) }.is_good());
    }
}
