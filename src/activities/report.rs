//! Reports our judgement of a head to the forge, as the check runs `risk-policy-gate` and `Code Review Agent`.
//! Where our credential may not make check runs, as commit statuses of these names (`statuses`).

pub(super) mod statuses;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Failure,
    attempt::Attempt,
    count,
    ledger::{CheckRunIntent, CheckUpdateIntent, Effect, Reported},
};
use crate::{
    core::{
        evidence::Verified,
        policy::{
            Assessment, CheckRow, CheckState, Conclusion, Decision, EVIDENCE_CHECK, EvidenceReport, Facts,
            GATE_CHECK, Phase, REVIEW_CHECK, evidence_report,
        },
        sha::Sha,
    },
    github::{Button, CheckOutput, CheckRun, CheckUpdate, NewCheckRun},
};

impl Attempt<'_> {
    /// Shows the assessment as the gate's check run on its head, and what came of the evidence as another.
    pub(super) async fn report_gate(&self, facts: &Facts, assessment: &Assessment) -> Result<(), Failure> {
        let output = CheckOutput {
            title: assessment.sentence(),
            summary: assessment.to_markdown(),
            text: String::new(),
        };
        let update =
            CheckUpdate { conclusion: conclusion(assessment), output, buttons: Button::ALL.to_vec() };
        self.report(GATE_CHECK, assessment.head(), update).await?;
        let is_waived = |row: &CheckRow| row.name == EVIDENCE_CHECK && row.state == CheckState::NotApplicable;
        if assessment.checks().iter().any(is_waived) {
            return self.waive_evidence(assessment.head()).await;
        }
        self.report_evidence(facts).await
    }

    /// Shows what came of the evidence of a head as our check run on it, where we report that check.
    async fn report_evidence(&self, facts: &Facts) -> Result<(), Failure> {
        let Some(EvidenceReport { conclusion, title, verified }) = evidence_report(facts) else {
            return Ok(());
        };
        let summary = verified.map_or_else(|| title.clone(), |verified| summary(&verified));
        let summary = format!("{summary}\n\n{}", self.url());
        let output = CheckOutput { title, summary, text: String::new() };
        let update = CheckUpdate { conclusion, output, buttons: Vec::new() };
        self.report(EVIDENCE_CHECK, &facts.head, update).await
    }

    /// Shows, where other pull requests into the base are shown a verdict, that this head is not judged: a check that the
    /// base demands would be awaited for ever.
    pub(super) async fn report_excused(&self, head: &Sha, title: &str) -> Result<(), Failure> {
        let output = CheckOutput {
            title: title.to_owned(),
            summary: format!("{title}\n\n{}", self.url()),
            text: String::new(),
        };
        let update = CheckUpdate { conclusion: Some(Conclusion::Neutral), output, buttons: Vec::new() };
        self.show(GATE_CHECK, head, update).await
    }

    /// Shows the result of a review as our check run on its head.
    pub(super) async fn report_review(&self, head: &Sha, clean: bool, title: &str) -> Result<(), Failure> {
        let conclusion = if clean { Conclusion::Success } else { Conclusion::Failure };
        let output = CheckOutput {
            title: title.to_owned(),
            summary: format!("{title}\n\n{}", self.url()),
            text: String::new(),
        };
        let update = CheckUpdate { conclusion: Some(conclusion), output, buttons: Vec::new() };
        self.report(REVIEW_CHECK, head, update).await
    }

    /// Reports that the evidence which the tier lists does not apply: no user interface changed.
    async fn waive_evidence(&self, head: &Sha) -> Result<(), Failure> {
        let title = "not applicable: no user interface changed";
        let output = CheckOutput { title: title.to_owned(), summary: title.to_owned(), text: String::new() };
        let update = CheckUpdate { conclusion: Some(Conclusion::Neutral), output, buttons: Vec::new() };
        self.report(EVIDENCE_CHECK, head, update).await
    }

    /// Reports, unless nothing is said on the forge.
    async fn report(&self, name: &str, head: &Sha, update: CheckUpdate) -> Result<(), Failure> {
        if self.brief.is_silent() {
            return Ok(());
        }
        self.show(name, head, update).await
    }

    /// Reports as a check run, or as a commit status where the credential may make none. GitHub's refusal teaches
    /// the client which; it is asked once.
    async fn show(&self, name: &str, head: &Sha, update: CheckUpdate) -> Result<(), Failure> {
        let forge = &self.factory.forge;
        if forge.abilities(&self.repo).await?.creates_check_runs {
            let reported = Box::pin(self.report_check_run(name, head, &update)).await;
            if reported.is_ok() || forge.abilities(&self.repo).await?.creates_check_runs {
                return reported;
            }
        }
        Box::pin(self.report_status(name, head, &update)).await
    }

    /// Creates the check run of this name once a head, and updates it whenever there is something new to say.
    async fn report_check_run(&self, name: &str, head: &Sha, update: &CheckUpdate) -> Result<(), Failure> {
        let key = check_key(name, head);
        let run = self.create_check(&key, name, head, update).await?;
        let next = self.next_key::<CheckUpdateIntent>(&key, &digest(update)).await?;
        let Some(key) = next else { return Ok(()) };
        let title = update.output.title.clone();
        let intent = CheckUpdateIntent { id: run.id, title, conclusion: update.conclusion };
        let forge = &self.factory.forge;
        let act = async { Ok(reported(&forge.update_check_run(&self.repo, run.id, update).await?)) };
        self.once(&key, &intent, async { Ok(None) }, act).await?;
        Ok(())
    }

    /// The key of the next report below `prefix`; `None` if the last one had the same content. The key holds the
    /// content, and how many reports there were, because a content may come back.
    async fn next_key<E: Effect>(&self, prefix: &str, content: &str) -> Result<Option<String>, Failure> {
        let reports = self.observed_keys::<E>(&format!("{prefix}/")).await?;
        let is_shown = reports.last().is_some_and(|last| last.ends_with(content));
        Ok((!is_shown).then(|| update_key(prefix, count(reports.len()), content)))
    }

    async fn create_check(
        &self,
        key: &str,
        name: &str,
        head: &Sha,
        update: &CheckUpdate,
    ) -> Result<Reported, Failure> {
        let forge = &self.factory.forge;
        let external_id = external_id(self.lease.run, key);
        let new = NewCheckRun {
            name: name.to_owned(),
            head: head.clone(),
            external_id: external_id.clone(),
            details_url: Some(self.url()),
            update: update.clone(),
        };
        let find = async {
            Ok(forge.find_check_run(&self.repo, head, name, &external_id).await?.as_ref().map(reported))
        };
        let act = async { Ok(reported(&forge.create_check_run(&self.repo, &new).await?)) };
        let intent = CheckRunIntent { name: name.to_owned(), head: head.clone() };
        Box::pin(self.once_a_head(key, &intent, find, act)).await
    }
}

/// The key of the creation of a check run.
pub(super) fn check_key(name: &str, head: &Sha) -> String {
    format!("check/{name}/{}", head.short())
}

/// The key of a report below `prefix`, after `earlier` ones.
pub(super) fn update_key(prefix: &str, earlier: u32, content: &str) -> String {
    format!("{prefix}/{earlier}/{content}")
}

/// The name by which a check run of ours is found again.
pub(super) fn external_id(run: Uuid, key: &str) -> String {
    format!("{run}:{key}")
}

/// The run that a check run of ours belongs to, by its `external_id`.
#[must_use]
pub fn run_of_check(external_id: &str) -> Option<Uuid> {
    external_id.split(':').next()?.parse().ok()
}

/// The conclusion of the gate's check run; `None` leaves it in progress.
pub(super) fn conclusion(assessment: &Assessment) -> Option<Conclusion> {
    match assessment.decision() {
        Decision::Clear if assessment.phase() == Phase::Verdict => Some(Conclusion::Success),
        Decision::Clear | Decision::Waiting { .. } | Decision::Behind => None,
        Decision::Blocked { .. } => Some(Conclusion::Failure),
        Decision::Stopped { .. } => Some(Conclusion::ActionRequired),
    }
}

pub(super) fn digest(update: &CheckUpdate) -> String {
    let content = format!("{:?}\0{}\0{}", update.conclusion, update.output.title, update.output.summary);
    hex::encode(&Sha256::digest(content)[..6])
}

/// Each flow and what is wrong with it, as a list of Markdown in which what others wrote is code.
fn summary(verified: &Verified) -> String {
    let held = verified.flows.iter().filter(|flow| flow.is_verified());
    let held = held.map(|flow| format!("- `{}`: verified", flow.flow));
    let faults = verified.faults().into_iter().map(|fault| format!("- `{}`", fault.text.replace('`', "'")));
    held.chain(faults).collect::<Vec<_>>().join("\n")
}

fn reported(run: &CheckRun) -> Reported {
    Reported { id: run.id, app_id: run.app_id, url: run.html_url.clone() }
}
