//! Review: the model reads one head; what it finds is kept, posted as comments and shown as a check.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Failure, Reply,
    attempt::{Attempt, Kind, answer},
    context,
};
use crate::{
    core::{
        change::lines_shown,
        finding::{Finding, tally},
        sha::Sha,
        workflow::Outcome,
    },
    github::{self, NewReview, NewReviewComment, text},
    llm::{self, Complaint, Repair, Source},
    store::review,
    workspace::Mirror,
};

/// The most answers that are asked for, the first included.
const MOST_ANSWERS: u32 = 3;

/// A posted review as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Posted {
    id: u64,
}

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let pull = at.pull().await?;
    if pull.head_sha != head {
        let note = format!("the head moved from {} to {}", head.short(), pull.head_sha.short());
        return Ok(answer(Outcome::Moved, note));
    }
    let mirror = at.mirror().await?;
    let base = at.base(&mirror).await?;
    let diff = mirror.diff(&base, &head).await?.text;
    let findings = match known(at, &head).await? {
        Some(findings) => findings,
        None => examine(at, &mirror, &base, &head, &diff).await?,
    };
    post(at, pull.number, &head, &diff, &findings).await?;
    let holding = findings.iter().any(|finding| {
        finding.severity.blocks() || (at.task.rounds_left > 0 && finding.severity.is_actionable())
    });
    let said = format!("{} on {}", tally(&findings), head.short());
    at.report_review(&head, !holding, &said).await?;
    Ok(answer(if holding { Outcome::Findings } else { Outcome::Clean }, said))
}

/// The findings of a review of this head that is complete already.
async fn known(at: &Attempt<'_>, head: &Sha) -> Result<Option<Vec<Finding>>, Failure> {
    let (pool, run) = (&at.factory.pool, at.task.lease.run);
    if review::of_head(pool, run, head.as_str()).await?.is_none() {
        return Ok(None);
    }
    let rows = review::findings(pool, run).await?;
    Ok(Some(rows.iter().filter(|row| row.head_sha == head.as_str()).map(review::Row::finding).collect()))
}

/// Asks the model, and keeps what it found. An answer that cannot be read is never a clean review.
async fn examine(
    at: &Attempt<'_>,
    mirror: &Mirror,
    base: &Sha,
    head: &Sha,
    diff: &str,
) -> Result<Vec<Finding>, Failure> {
    let requirement = &at.requirement;
    let change = mirror.change(base, head).await?;
    let paths = change.files.iter().map(|file| file.path.as_str()).collect();
    let texts = context::texts(mirror, head, paths).await?;
    let files: Vec<Source> =
        texts.iter().map(|(path, text)| Source { path: path.clone(), text: text.clone() }).collect();
    let spec = context::text(mirror, base, "SPEC.md").await?;
    let tier = at.progress().tier.map_or_else(|| "unknown".to_owned(), |tier| tier.to_string());
    let mut prompt = llm::Review {
        product: &requirement.product,
        title: &requirement.title,
        body: &requirement.body,
        spec: spec.as_deref(),
        tier: &tier,
        diff,
        files: &files,
    }
    .prompt();
    let line = |path: &str, line: u32| {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        texts.get(path)?.lines().nth(index).map(str::to_owned)
    };
    let mut last = String::new();
    for number in 1..=MOST_ANSWERS {
        let reply = at.ask(number, &prompt, head).await?;
        match llm::read_review(&reply.text, line) {
            Ok((summary, findings)) => {
                review::record(&at.factory.pool, &at.task.lease, head, &summary, &findings).await?;
                return Ok(findings);
            }
            Err(unreadable) => last = unreadable.to_string(),
        }
        let complaints = [Complaint { what: last.clone(), path: None, nearest: String::new() }];
        prompt = Repair { asked: &prompt, answer: &reply.text, complaints: &complaints, attempt: number + 1 }
            .prompt();
    }
    Err(Failure::last(format!("none of {MOST_ANSWERS} reviews of {} could be read: {last}", head.short())))
}

/// Posts the findings as one review of the head; a line outside of the diff goes into its body.
async fn post(
    at: &Attempt<'_>,
    pull: u64,
    head: &Sha,
    diff: &str,
    findings: &[Finding],
) -> Result<(), Failure> {
    let forge = &at.factory.forge;
    let key = format!("review/{}", head.short());
    let marker = text::Marker::new(&format!("{}:{key}", at.task.lease.run));
    let shown = lines_shown(diff);
    let place = |finding: &Finding| {
        let line =
            finding.line.filter(|line| shown.get(&finding.path).is_some_and(|lines| lines.contains(line)));
        Some((finding.path.parse().ok()?, line?))
    };
    let (mut comments, mut elsewhere) = (Vec::new(), String::new());
    for finding in findings {
        match place(finding) {
            Some((path, line)) => comments.push(NewReviewComment { path, line, body: words(finding) }),
            None => elsewhere += &format!("\n- `{}`: {}", text::line(&finding.path), words(finding)),
        }
    }
    let body = format!("**Aspora review of {}**: {}\n{elsewhere}", head.short(), tally(findings));
    let new = NewReview { commit: head.clone(), body, marker: marker.clone(), comments };
    let request = json!({ "head": head, "findings": findings.len() });
    let find = async { Ok(forge.find_review(&at.repo, pull, &marker).await?.as_ref().map(posted)) };
    let act = async { Ok(posted(&forge.create_review(&at.repo, pull, &new).await?)) };
    let _: Posted = Box::pin(at.once_a_head(&key, Kind::Review, &request, find, act)).await?;
    Ok(())
}

fn posted(review: &github::Review) -> Posted {
    Posted { id: review.id }
}

fn words(finding: &Finding) -> String {
    format!("**{}**: {}", finding.severity.as_str().to_uppercase(), text::neutralise(&finding.message))
}
