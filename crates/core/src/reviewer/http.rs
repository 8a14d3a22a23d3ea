//! The findings of a head as a reviewer answers them over HTTP, at
//! `GET {base}/reviews/{owner}/{repo}/pr/{n}/findings?sha=`.
//!
//! The answer names the commit: `{"sha": "…", "findings": […]}`. A bare list of findings is read too, as the document
//! that the product comes from has it; a bare list without any says nothing, since one that answers `[]` before it has
//! reviewed anything was among the document's own mistakes.

use serde::Deserialize;

use super::Remark;
use crate::{finding::Severity, path::RepoPath, sha::Sha};

/// The most findings of one answer.
const FINDINGS_LIMIT: usize = 500;
/// The most characters of a message.
const MESSAGE_LIMIT: usize = 2_000;

/// An answer that is no review of the head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableFindings {
    /// It is not JSON of the expected form.
    #[error("the answer is not as expected: {0}")]
    Form(String),
    /// It is about another commit.
    #[error("the answer is about {0}, not about this head")]
    OtherCommit(String),
    /// It names no commit and has no findings, so that it may be from before any review.
    #[error("the answer has no findings and does not say of which commit")]
    NoCommit,
    /// The review is not complete.
    #[error("the review is `{0}`")]
    Incomplete(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Named {
        sha: String,
        #[serde(default)]
        status: Option<String>,
        findings: Vec<Item>,
    },
    Bare(Vec<Item>),
}

#[derive(Deserialize)]
struct Item {
    severity: String,
    #[serde(default, alias = "file")]
    path: String,
    #[serde(default)]
    line: Option<u32>,
    message: String,
    #[serde(default, alias = "head_sha")]
    sha: Option<String>,
}

/// The remarks of an answer about this head.
///
/// # Errors
/// [`UnreadableFindings`]: such an answer is never a clean review.
pub fn read_findings(text: &str, head: &Sha) -> Result<Vec<Remark>, UnreadableFindings> {
    let answer: Answer = serde_json::from_str(text)
        .map_err(|_| UnreadableFindings::Form("expected {\"sha\": …, \"findings\": […]}".to_owned()))?;
    let items = match answer {
        Answer::Named { sha, .. } if sha != head.as_str() => {
            return Err(UnreadableFindings::OtherCommit(short(&sha)));
        }
        Answer::Named { status: Some(status), .. }
            if !matches!(&*status, "complete" | "completed" | "done") =>
        {
            return Err(UnreadableFindings::Incomplete(short(&status)));
        }
        Answer::Named { findings, .. } => findings,
        Answer::Bare(findings) if findings.is_empty() => return Err(UnreadableFindings::NoCommit),
        Answer::Bare(findings) => findings,
    };
    if items.len() > FINDINGS_LIMIT {
        let error = format!("{} findings, over the {FINDINGS_LIMIT} that are read", items.len());
        return Err(UnreadableFindings::Form(error));
    }
    items.into_iter().enumerate().map(|(at, item)| item.remark(at, head)).collect()
}

impl Item {
    fn remark(self, at: usize, head: &Sha) -> Result<Remark, UnreadableFindings> {
        let wrong = |why: &str| UnreadableFindings::Form(format!("/findings/{at}: {why}"));
        if let Some(sha) = self.sha.filter(|sha| sha != head.as_str()) {
            return Err(UnreadableFindings::OtherCommit(short(&sha)));
        }
        if !self.path.is_empty() && self.path.parse::<RepoPath>().is_err() {
            return Err(wrong("its path is no path of a repository"));
        }
        let message: String = self.message.chars().filter(|c| !c.is_control()).take(MESSAGE_LIMIT).collect();
        if message.trim().is_empty() {
            return Err(wrong("its message is empty"));
        }
        let Ok(severity) = self.severity.parse::<Severity>();
        Ok(Remark { severity, path: self.path, line: self.line.filter(|line| *line > 0), message })
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
