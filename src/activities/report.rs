//! Telling the forge how we judge a head: our two check runs, `risk-policy-gate` and `Code Review Agent`.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    Failure,
    attempt::{Attempt, Kind},
};
use crate::{
    core::{
        policy::{Assessment, CheckState, Decision, EVIDENCE_CHECK, GATE_CHECK, Phase, REVIEW_CHECK},
        sha::Sha,
    },
    github::{CheckOutput, CheckRun, CheckUpdate, Conclusion, NewCheckRun},
};

/// A check run as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    id: u64,
    app_id: Option<u64>,
    url: String,
}

impl Attempt<'_> {
    /// Shows the assessment as the gate's check run on its head.
    pub(super) async fn report_gate(&self, assessment: &Assessment) -> Result<(), Failure> {
        let update = CheckUpdate {
            conclusion: conclusion(assessment),
            output: CheckOutput {
                title: assessment.sentence(),
                summary: assessment.to_markdown(),
                text: String::new(),
            },
        };
        self.report(GATE_CHECK, assessment.head(), update).await?;
        let waived = |row: &&crate::core::policy::CheckRow| {
            row.name == EVIDENCE_CHECK && row.state == CheckState::NotApplicable
        };
        if assessment.checks().iter().any(|row| waived(&row)) {
            self.waive_evidence(assessment.head()).await?;
        }
        Ok(())
    }

    /// Shows the outcome of a review as our check run on its head.
    pub(super) async fn report_review(&self, head: &Sha, clean: bool, said: &str) -> Result<(), Failure> {
        let conclusion = if clean { Conclusion::Success } else { Conclusion::Failure };
        let output = CheckOutput {
            title: said.to_owned(),
            summary: format!("{said}\n\n{}", self.url()),
            text: String::new(),
        };
        self.report(REVIEW_CHECK, head, CheckUpdate { conclusion: Some(conclusion), output }).await
    }

    /// No user interface changed: the evidence that the tier lists does not apply, and we say so.
    async fn waive_evidence(&self, head: &Sha) -> Result<(), Failure> {
        let said = "not applicable: no user interface changed";
        let output = CheckOutput { title: said.to_owned(), summary: said.to_owned(), text: String::new() };
        let update = CheckUpdate { conclusion: Some(Conclusion::Neutral), output };
        self.report(EVIDENCE_CHECK, head, update).await
    }

    /// Makes the check run of this name once a head, then keeps it saying what is true.
    async fn report(&self, name: &str, head: &Sha, update: CheckUpdate) -> Result<(), Failure> {
        let forge = &self.factory.forge;
        let key = format!("check/{name}/{}", head.short());
        let external_id = format!("{}:{key}", self.task.lease.run);
        let new = NewCheckRun {
            name: name.to_owned(),
            head: head.clone(),
            external_id: external_id.clone(),
            details_url: Some(self.url()),
            update: update.clone(),
        };
        let find = async {
            Ok(forge.find_check_run(&self.repo, head, name, &external_id).await?.as_ref().map(made))
        };
        let act = async { Ok(made(&forge.create_check_run(&self.repo, &new).await?)) };
        let request = json!({ "name": name, "head": head });
        let run: Made = Box::pin(self.once_a_head(&key, Kind::CheckRun, &request, find, act)).await?;
        // What it says is part of the key: saying something new is an act of its own, made once.
        let key = format!("{key}/{}", digest(&update));
        let request = json!({ "id": run.id, "title": update.output.title, "conclusion": update.conclusion });
        let say = async { Ok(made(&forge.update_check_run(&self.repo, run.id, &update).await?)) };
        let _: Made = self.once(&key, Kind::CheckRun, &request, async { Ok(None) }, say).await?;
        Ok(())
    }
}

/// What the gate's check run concludes; nothing while it is still open.
fn conclusion(assessment: &Assessment) -> Option<Conclusion> {
    match assessment.decision() {
        Decision::Clear if assessment.phase() == Phase::Verdict => Some(Conclusion::Success),
        Decision::Clear | Decision::Waiting { .. } | Decision::Behind => None,
        Decision::Blocked { .. } => Some(Conclusion::Failure),
        Decision::Stopped { .. } => Some(Conclusion::ActionRequired),
    }
}

fn digest(update: &CheckUpdate) -> String {
    let said = format!("{:?}\0{}\0{}", update.conclusion, update.output.title, update.output.summary);
    hex::encode(&Sha256::digest(said)[..6])
}

fn made(run: &CheckRun) -> Made {
    Made { id: run.id, app_id: run.app_id, url: run.html_url.clone() }
}
