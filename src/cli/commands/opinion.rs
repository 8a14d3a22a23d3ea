//! `aspora run approve`, `reject` and `withdraw`, and the findings that `dismiss` names.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::{Client, Printer, plain};
use crate::{
    api::{self, Assessment, Finding, Run},
    core::{opinion::Opinion, words::counted},
};

/// The most changed paths that are listed.
const PATHS: usize = 20;

/// A run's head, and what to say of it.
#[derive(Debug, Args)]
pub(crate) struct Say {
    /// Id of the run.
    id: Uuid,
    /// The head that you looked at, all 40 digits [default: the run's head, which is shown].
    #[arg(long, value_name = "SHA")]
    head: Option<String>,
    /// The reason, recorded in the history.
    #[arg(short, long)]
    reason: Option<String>,
}

/// A run's head, and why it is rejected.
#[derive(Debug, Args)]
pub(crate) struct Reject {
    /// Id of the run.
    id: Uuid,
    /// The head that you looked at, all 40 digits [default: the run's head, which is shown].
    #[arg(long, value_name = "SHA")]
    head: Option<String>,
    /// The reason, recorded in the history.
    #[arg(short, long)]
    reason: String,
}

impl From<Reject> for Say {
    fn from(it: Reject) -> Self {
        Self { id: it.id, head: it.head, reason: Some(it.reason) }
    }
}

/// Says it of the head, and prints what the head is about unless it is named.
pub(super) async fn say(
    client: &Client,
    printer: &Printer,
    opinion: Opinion,
    it: Say,
) -> anyhow::Result<Run> {
    let Say { id, head, reason } = it;
    let head_sha = match head {
        Some(head) => head,
        None => shown_head(client, printer, id).await?,
    };
    Ok(client.control(id, opinion.as_str(), &api::Approve { head_sha, reason }).await?)
}

/// The run's head, once it is shown what it changes and what is missing. JSON has it in the answer.
async fn shown_head(client: &Client, printer: &Printer, id: Uuid) -> anyhow::Result<String> {
    let run = client.run(id).await?;
    let head = run.progress.head.clone().context("the run has no head yet: there is nothing to say of it")?;
    let all = client.assessments(id).await?;
    let newest = all.iter().find(|it| it.head_sha == head);
    printer.aside(&about(&run, &head, newest))?;
    Ok(head)
}

/// What a person looks at before they say something of a head.
fn about(run: &Run, head: &str, assessment: Option<&Assessment>) -> String {
    let mut text = format!("head     {}\n", plain(head));
    if let Some(url) = &run.pull_url {
        let _ = writeln!(text, "pull     {}", plain(url));
    }
    let Some(assessment) = assessment else { return text + "This head is not judged yet." };
    let _ = writeln!(text, "tier     {}\ndecision {}", plain(&assessment.tier), plain(&assessment.decision));
    let report = &assessment.report;
    let approvals = &report["approvals"];
    if let (Some(counted), Some(needed)) = (approvals["counted"].as_u64(), approvals["needed"].as_u64()) {
        let who = if approvals["human"] == true { " by people" } else { "" };
        let _ = writeln!(text, "approved {counted} of {needed}{who}");
    }
    for part in list(&report["tree"]["children"]).iter().filter(|part| is_open(part)) {
        let _ = writeln!(text, "missing  {}: {}", word(&part["name"]), word(&part["sentence"]));
    }
    let paths = list(&report["classification"]["paths"]);
    for path in paths.iter().take(PATHS) {
        let _ = writeln!(text, "changes  {} ({})", word(&path["path"]), word(&path["tier"]));
    }
    if let Some(more) = paths.len().checked_sub(PATHS).filter(|more| *more > 0) {
        let _ = writeln!(text, "changes  {}", counted(more, "further path"));
    }
    text.trim_end().to_owned()
}

fn is_open(part: &Value) -> bool {
    matches!(part["status"].as_str(), Some("waiting" | "failed"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

/// The findings of a run, a line each, with the fingerprint that `dismiss` takes.
pub(super) fn findings(all: &[Finding]) -> String {
    if all.is_empty() {
        return "No findings.".to_owned();
    }
    let mut text =
        format!("{:<16} {:<9} {:<9} {:<8} WHERE AND WHAT\n", "FINGERPRINT", "SEVERITY", "STATE", "HEAD");
    for found in all {
        let line = found.line.map(|line| format!(":{line}")).unwrap_or_default();
        let (fingerprint, severity, state) =
            (plain(&found.fingerprint), plain(&found.severity), plain(&found.state));
        let head = crate::cli::text::short(&found.head_sha);
        let what = plain(&format!("{}{line} {}", found.path, found.message));
        let _ = writeln!(text, "{fingerprint:<16} {severity:<9} {state:<9} {head:<8} {what}");
    }
    text.trim_end().to_owned()
}
