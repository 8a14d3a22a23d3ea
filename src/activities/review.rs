//! Review: the model reviews one head; its findings are recorded, posted as comments and shown as a check.

use std::{collections::BTreeMap, future::ready};

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, moved},
    context,
    ledger::{Posted, ReviewIntent},
};
use crate::{
    core::{
        change::lines_shown,
        finding::{Finding, tally},
        sha::Sha,
        workflow::Outcome,
    },
    github::{self, NewReview, NewReviewComment, text},
    llm::{self, Complaint, Source},
    store::review,
    workspace::Mirror,
};

/// The texts of the changed files on the head, by path.
type Texts = BTreeMap<String, String>;

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let pull = at.pull().await?;
    if pull.head_sha != head {
        return Ok(moved(&head, &pull.head_sha));
    }
    let mirror = at.mirror().await?;
    let base = at.base(&mirror).await?;
    let diff = mirror.diff(&base, &head).await?.text;
    let findings = match recorded(at, &head).await? {
        Some(findings) => findings,
        None => examine(at, &mirror, &base, &head, &diff).await?,
    };
    post(at, pull.number, &head, &diff, &findings).await?;
    let clean = !findings.iter().any(|finding| finding.holds_merge(at.rounds_left));
    let note = format!("{} on {}", tally(&findings), head.short());
    at.report_review(&head, clean, &note).await?;
    Ok(answer(if clean { Outcome::Clean } else { Outcome::Findings }, note))
}

/// The findings of this head, if its review is complete already.
async fn recorded(at: &Attempt<'_>, head: &Sha) -> Result<Option<Vec<Finding>>, Failure> {
    let (pool, run) = (&at.factory.pool, at.lease.run);
    if review::of_head(pool, run, head.as_str()).await?.is_none() {
        return Ok(None);
    }
    let found = review::findings_of_head(pool, run, head).await?;
    Ok(Some(found.into_iter().map(|found| found.finding).collect()))
}

/// Asks the model and records its findings. An answer that cannot be read is never a clean review.
async fn examine(
    at: &Attempt<'_>,
    mirror: &Mirror,
    base: &Sha,
    head: &Sha,
    diff: &str,
) -> Result<Vec<Finding>, Failure> {
    let change = mirror.change(base, head).await?;
    let paths = change.files.iter().map(|file| file.path.as_str()).collect();
    let texts = context::texts(mirror, head, paths).await?;
    let prompt = prompt(at, mirror, base, diff, &texts).await?;
    let read = |answer: String| {
        let review = llm::read_review(&answer, |path, line| line_of(&texts, path, line));
        ready(Ok(review.map_err(|unreadable| vec![Complaint::general(&unreadable.to_string())])))
    };
    let (summary, findings) = at.ask(head, prompt, read).await?;
    review::record(&at.factory.pool, &at.lease, head, &summary, &findings).await?;
    Ok(findings)
}

async fn prompt(
    at: &Attempt<'_>,
    mirror: &Mirror,
    base: &Sha,
    diff: &str,
    texts: &Texts,
) -> Result<llm::Prompt, Failure> {
    let requirement = &at.requirement;
    let files: Vec<Source> =
        texts.iter().map(|(path, text)| Source { path: path.clone(), text: text.clone() }).collect();
    let spec = context::text(mirror, base, context::SPEC).await?;
    let tier = at.progress().tier.map_or_else(|| "unknown".to_owned(), |tier| tier.to_string());
    Ok(llm::Review {
        product: &requirement.product,
        title: &requirement.title,
        body: &requirement.body,
        spec: spec.as_deref(),
        tier: &tier,
        diff,
        files: &files,
    }
    .prompt())
}

/// A line of a changed file, from 1.
fn line_of(texts: &Texts, path: &str, line: u32) -> Option<String> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    texts.get(path)?.lines().nth(index).map(str::to_owned)
}

/// Posts the findings as one review of the head; a finding at a line outside of the diff goes into its body.
async fn post(
    at: &Attempt<'_>,
    pull: u64,
    head: &Sha,
    diff: &str,
    findings: &[Finding],
) -> Result<(), Failure> {
    let forge = &at.factory.forge;
    let key = format!("review/{}", head.short());
    let marker = text::Marker::new(&format!("{}:{key}", at.lease.run));
    let (comments, elsewhere) = comments(diff, findings);
    let body = format!("**Aspora review of {}**: {}\n{elsewhere}", head.short(), tally(findings));
    let new = NewReview { commit: head.clone(), body, marker: marker.clone(), comments };
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

/// The comments at lines of the diff, and a list of the findings elsewhere.
fn comments(diff: &str, findings: &[Finding]) -> (Vec<NewReviewComment>, String) {
    let shown = lines_shown(diff);
    let place = |finding: &Finding| {
        let line =
            finding.line.filter(|line| shown.get(&finding.path).is_some_and(|lines| lines.contains(line)));
        Some((finding.path.parse().ok()?, line?))
    };
    let (mut comments, mut elsewhere) = (Vec::new(), String::new());
    for finding in findings {
        match place(finding) {
            Some((path, line)) => comments.push(NewReviewComment { path, line, body: comment(finding) }),
            None => elsewhere += &format!("\n- `{}`: {}", text::line(&finding.path), comment(finding)),
        }
    }
    (comments, elsewhere)
}

/// The same review without comments at lines: each is in the body, with its place.
fn in_the_body(new: &NewReview) -> NewReview {
    let line = |comment: &NewReviewComment| {
        format!("\n- `{}:{}`: {}", text::line(comment.path.as_str()), comment.line, comment.body)
    };
    let lines: String = new.comments.iter().map(line).collect();
    NewReview { body: format!("{}{lines}", new.body), comments: Vec::new(), ..new.clone() }
}

fn comment(finding: &Finding) -> String {
    format!("**{}**: {}", finding.severity.as_str().to_uppercase(), text::neutralise(&finding.message))
}

fn posted(review: &github::Review) -> Posted {
    Posted { id: review.id }
}
