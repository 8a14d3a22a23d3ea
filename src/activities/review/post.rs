//! Posts the review of a head, in the words of the document that the product comes from: "Actionable findings", and a line
//! for each with 🔴 or 🟡. Workflows that wait for these words start on it; a clean review does not have them, since GitHub's
//! `contains` does not mind letter case.

use std::fmt::Write as _;

use crate::{
    activities::{
        Failure,
        attempt::Attempt,
        ledger::{Posted, ReviewIntent},
    },
    core::{
        change::lines_shown,
        finding::Finding,
        reviewer::{Maker, Reviewer},
        sha::Sha,
        words::counted,
    },
    github::{self, NewReview, NewReviewComment, text},
};

/// Posts the findings as one review of the head; a finding at a line outside of the diff goes into its body.
pub(super) async fn post(
    at: &Attempt<'_>,
    (pull, head): (u64, &Sha),
    diff: &str,
    findings: &[Finding],
    reviewers: &[Reviewer],
) -> Result<(), Failure> {
    if at.brief.is_silent() {
        return Ok(());
    }
    let forge = &at.factory.forge;
    let key = match at.brief.edition() {
        0 => format!("review/{}", head.short()),
        edition => format!("review/{}/after.{edition}", head.short()),
    };
    let marker = text::Marker::new(&format!("{}:{key}", at.lease.run));
    let comments = comments(diff, findings, reviewers);
    let new =
        NewReview { commit: head.clone(), body: body(head, findings), marker: marker.clone(), comments };
    let intent = ReviewIntent { head: head.clone(), findings: findings.len() };
    let find = async { Ok(forge.find_review(&at.repo, pull, &marker).await?.as_ref().map(posted)) };
    let act = async {
        match forge.create_review(&at.repo, pull, &new).await {
            // Nothing was posted, and nobody says for which comment: all of them go into the body.
            Err(error) if error.is_outside_the_diff() => {
                Ok(posted(&forge.create_review(&at.repo, pull, &in_the_body(&new)).await?))
            }
            answer => Ok(posted(&answer?)),
        }
    };
    Box::pin(at.once_a_head(&key, &intent, find, act)).await?;
    Ok(())
}

/// What the review says: the counts, and a line for each finding.
fn body(head: &Sha, findings: &[Finding]) -> String {
    let actionable = findings.iter().filter(|finding| finding.is_actionable()).count();
    let blocking = findings.iter().filter(|finding| finding.is_blocking()).count();
    let mut body = format!("**Aspora review of {}**\n\n", head.short());
    let _ = match actionable {
        0 => writeln!(body, "✅ Clean: nothing to act on"),
        _ => writeln!(body, "Actionable findings: {actionable} ({blocking} blocking)"),
    };
    if !findings.is_empty() {
        body.push('\n');
    }
    for finding in findings {
        let place = match finding.line {
            Some(line) => format!("{} line {line}", text::line(&finding.path)),
            None if finding.path.is_empty() => "the whole change".to_owned(),
            None => text::line(&finding.path),
        };
        let (mark, word) = (mark(finding), finding.severity.as_str().to_uppercase());
        let _ = writeln!(body, "{mark} {word}: {place}: {}{}", text::line(&finding.message), source(finding));
    }
    if actionable > 0 {
        let _ = writeln!(body, "\nStatus: BLOCKED ({})", counted(actionable, "actionable finding"));
    }
    body
}

/// 🔴 for what blocks the merge, 🟡 for what is sent to remediation, ⚪ for the rest.
const fn mark(finding: &Finding) -> &'static str {
    match (finding.is_blocking(), finding.is_actionable()) {
        (true, _) => "🔴",
        (false, true) => "🟡",
        (false, false) => "⚪",
    }
}

/// Who found it, where that is not the built-in reviewer alone.
fn source(finding: &Finding) -> String {
    let Some(source) = &finding.source else { return String::new() };
    let advisory = if finding.advisory { ", advisory" } else { "" };
    format!(" ({}{advisory})", text::line(source))
}

/// The comments at lines of the diff; what an app on the forge found has its own comments there already.
fn comments(diff: &str, findings: &[Finding], reviewers: &[Reviewer]) -> Vec<NewReviewComment> {
    let shown = lines_shown(diff);
    let is_on_the_forge =
        |name: &str| reviewers.iter().any(|it| it.name == name && matches!(it.maker, Maker::Forge(_)));
    let is_new = |finding: &&Finding| !finding.source.as_deref().is_some_and(is_on_the_forge);
    let place = |finding: &Finding| {
        let line =
            finding.line.filter(|line| shown.get(&finding.path).is_some_and(|lines| lines.contains(line)))?;
        Some(NewReviewComment { path: finding.path.parse().ok()?, line, body: comment(finding) })
    };
    findings.iter().filter(is_new).filter_map(place).collect()
}

/// The same review without comments at lines: its body has a line for each.
fn in_the_body(new: &NewReview) -> NewReview {
    NewReview { comments: Vec::new(), ..new.clone() }
}

fn comment(finding: &Finding) -> String {
    format!("**{}**: {}", finding.severity.as_str().to_uppercase(), text::neutralise(&finding.message))
}

fn posted(review: &github::Review) -> Posted {
    Posted { id: review.id }
}
