//! What the failed checks of a head report: a model that fixes them is shown what people see, not their names alone.

use super::{Failure, attempt::Attempt, facts};
use crate::{
    core::{
        policy::{Decision, Remedy, StatusState},
        redact::redact,
        sha::Sha,
    },
    github::{Annotation, CheckRun},
    llm::CheckReport,
    store::assessment,
};

/// The most failed checks that are shown in full.
const MOST_CHECKS: usize = 5;
/// The most annotations of one check that are shown.
const MOST_ANNOTATIONS: usize = 100;
/// The most bytes of one log that are shown, from its end: that is where it says what went wrong.
const LOG_LIMIT: usize = 24 * 1024;
/// The most bytes of a summary or a text that are shown.
const TEXT_LIMIT: usize = 16 * 1024;

impl Attempt<'_> {
    /// The reports of the checks that the last judgement of `head` wants fixed.
    pub(super) async fn failed_checks(&self, head: &Sha) -> Result<Vec<CheckReport>, Failure> {
        let rows = assessment::of_run(&self.factory.pool, self.lease.run).await?;
        let Some(last) = rows.into_iter().find(|row| row.head_sha == head.as_str()) else {
            return Ok(Vec::new());
        };
        let last = facts::judged_again(last)?;
        let Decision::Blocked { remediable, .. } = last.decision() else { return Ok(Vec::new()) };
        let mut reports = Vec::new();
        for remedy in remediable {
            if let Remedy::Check { name, run, .. } = remedy {
                reports.extend(match run {
                    Some(run) => vec![self.check_report(head, *run).await?],
                    None => self.status_reports(head, name).await?,
                });
            }
        }
        reports.truncate(MOST_CHECKS);
        Ok(reports)
    }

    async fn check_report(&self, head: &Sha, id: u64) -> Result<CheckReport, Failure> {
        let forge = &self.factory.forge;
        let run = forge.check_run(&self.repo, id).await?;
        let annotations = forge.annotations(&self.repo, id).await?;
        let log = self.log_of(head, &run).await?;
        let CheckRun { name, output, .. } = run;
        // Without a log, the long text is where the app says what went wrong.
        let text = if log.is_some() { String::new() } else { output.text };
        let summary = [output.summary, text].map(|text| redact(&beginning(&text))).join("\n\n");
        Ok(CheckReport {
            name,
            title: redact(&output.title),
            summary: summary.trim().to_owned(),
            annotations: annotations.iter().take(MOST_ANNOTATIONS).map(line).collect(),
            log: log.map(|log| redact(&log)),
        })
    }

    /// The end of the log of a check run that is a job of GitHub Actions.
    async fn log_of(&self, head: &Sha, run: &CheckRun) -> Result<Option<String>, Failure> {
        let forge = &self.factory.forge;
        let runs = forge.workflow_runs(&self.repo, head).await?.unwrap_or_default();
        let of_run =
            runs.iter().find(|known| known.check_suite_id.is_some() && known.check_suite_id == run.suite);
        let Some(of_run) = of_run else { return Ok(None) };
        let jobs = forge.jobs(&self.repo, of_run.id).await?.unwrap_or_default();
        let Some(job) = jobs.iter().find(|job| job.check_run() == Some(run.id)) else { return Ok(None) };
        Ok(forge.job_log(&self.repo, job.id, LOG_LIMIT).await?)
    }

    async fn status_reports(&self, head: &Sha, name: &str) -> Result<Vec<CheckReport>, Failure> {
        let all = self.factory.forge.statuses(&self.repo, head).await?;
        let failed = all.into_iter().filter(|status| {
            status.context == name && matches!(status.state, StatusState::Failure | StatusState::Error)
        });
        let report = failed.map(|status| CheckReport {
            name: status.context,
            title: redact(&status.description),
            summary: redact(&status.target_url),
            ..CheckReport::default()
        });
        Ok(report.collect())
    }
}

fn beginning(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_LIMIT)].to_owned()
}

fn line(annotation: &Annotation) -> String {
    let Annotation { path, start_line, annotation_level, title, message } = annotation;
    let at = start_line.map(|line| format!(":{line}")).unwrap_or_default();
    let title = if title.is_empty() { String::new() } else { format!("{title}: ") };
    redact(&format!("{path}{at} {annotation_level}: {title}{}", beginning(message)))
}
