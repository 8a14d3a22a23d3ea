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
        change::{ChangeKind, lines_changed, lines_shown},
        finding::{Finding, tally},
        policy::FindingState,
        push::Arrival,
        sha::Sha,
        workflow::Outcome,
    },
    github::{self, NewReview, NewReviewComment, text},
    llm::{self, Complaint, Source},
    store::review::{self, New},
    workspace::{self, Diff, Mirror},
};

/// The texts of the changed files on the head, by path.
type Texts = BTreeMap<String, String>;

/// What a review came to.
enum Reviewed {
    /// It is complete, with these open findings.
    Complete(Vec<Finding>),
    /// The change could not be reviewed.
    Failed(String),
}

/// The head that is reviewed.
struct Subject<'a> {
    mirror: &'a Mirror,
    base: &'a Sha,
    head: &'a Sha,
    diff: &'a Diff,
    arrival: Arrival,
}

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let pull = at.pull().await?;
    if pull.head_sha != head {
        return Ok(moved(&head, &pull.head_sha));
    }
    let mirror = at.mirror().await?;
    let base = at.base(&mirror).await?;
    let diff = mirror.diff(&base, &head).await?;
    let arrival = at.arrival((&mirror, &base), &pull, &at.pushes().await?).await?;
    let subject = Subject { mirror: &mirror, base: &base, head: &head, diff: &diff, arrival };
    let reviewed = match recorded(at, &head, arrival).await? {
        Some(reviewed) => reviewed,
        None => examine(at, &subject).await?,
    };
    let (clean, note) = match reviewed {
        Reviewed::Failed(why) => (false, format!("the review of {} failed: {why}", head.short())),
        Reviewed::Complete(findings) => {
            post(at, pull.number, &head, &diff.text, &findings).await?;
            let clean = !findings.iter().any(|finding| finding.holds_merge(at.rounds_left));
            (clean, format!("{} on {}", tally(&findings), head.short()))
        }
    };
    at.report_review(&head, clean, &note).await?;
    Ok(answer(if clean { Outcome::Clean } else { Outcome::Findings }, note))
}

/// The review of this head, if there is one that a later push did not void.
async fn recorded(at: &Attempt<'_>, head: &Sha, arrival: Arrival) -> Result<Option<Reviewed>, Failure> {
    let (pool, run) = (&at.factory.pool, at.lease.run);
    let Some(review) = review::of_head(pool, run, head.as_str()).await? else { return Ok(None) };
    if arrival.returned && arrival.since.is_some_and(|since| review.reviewed_at < since) {
        return Ok(None);
    }
    // What was judged by an earlier text says nothing about this one.
    if review.edition != at.brief.edition() {
        return Ok(None);
    }
    if let Some(why) = review.failed {
        return Ok(Some(Reviewed::Failed(why)));
    }
    let found = review::findings_of_head(pool, run, head).await?;
    let open = found.into_iter().filter(|found| found.state == FindingState::Open);
    Ok(Some(Reviewed::Complete(open.map(|found| found.finding).collect())))
}

/// Asks the model and records its findings. An answer that cannot be read is never a clean review, nor is one of
/// a change that it was not shown whole; that one is not asked for.
async fn examine(at: &Attempt<'_>, subject: &Subject<'_>) -> Result<Reviewed, Failure> {
    let Subject { mirror, base, head, diff, arrival } = subject;
    let (texts, mut left_out) = texts(mirror, base, head).await?;
    if diff.cut {
        left_out.push(format!("all but the first {} bytes of the diff", diff.text.len()));
    }
    let (prompt, too_large) = prompt(at, subject, &texts).await?;
    left_out.extend(too_large);
    let not_before = arrival.since.filter(|_| arrival.returned);
    let (pool, lease) = (&at.factory.pool, &at.lease);
    if !left_out.is_empty() {
        let why = format!("the reviewer would not be shown {}", left_out.join(", "));
        let edition = at.brief.edition();
        let new = New { failed: Some(&why), not_before, edition, ..New::complete(head, "", &[]) };
        review::record(pool, lease, &new).await?;
        return Ok(Reviewed::Failed(why));
    }
    let read = |answer: String| {
        let review = llm::read_review(&answer, |path, line| line_of(&texts, path, line));
        ready(Ok(review.map_err(|unreadable| vec![Complaint::general(&unreadable.to_string())])))
    };
    let (summary, findings) = at.ask(head, prompt, read).await?;
    let changed = changed_since_found(at, subject).await?;
    let edition = at.brief.edition();
    let new = New { changed: &changed, not_before, edition, ..New::complete(head, &summary, &findings) };
    review::record(pool, lease, &new).await?;
    // What a person dismissed before is dismissed here too.
    let recorded = recorded(at, head, *arrival).await?;
    Ok(recorded.unwrap_or(Reviewed::Complete(findings)))
}

/// The texts of the changed files on the head, and those of them that are no text.
async fn texts(mirror: &Mirror, base: &Sha, head: &Sha) -> Result<(Texts, Vec<String>), Failure> {
    let change = mirror.change(base, head).await?;
    let files = change.files.iter().filter(|file| file.kind != ChangeKind::Deleted);
    let paths: Vec<&str> = files.map(|file| file.path.as_str()).collect();
    let texts = context::texts(mirror, head, paths.clone()).await?;
    let no_text = paths.into_iter().filter(|path| !texts.contains_key(*path));
    let left_out = no_text.map(|path| format!("{path} (not text)")).collect();
    Ok((texts, left_out))
}

/// The fingerprints of open findings of earlier heads whose lines have changed since.
async fn changed_since_found(at: &Attempt<'_>, subject: &Subject<'_>) -> Result<Vec<String>, Failure> {
    let rows = review::findings(&at.factory.pool, at.lease.run).await?;
    let (mut diffs, mut changed) = (BTreeMap::new(), Vec::new());
    for row in rows.into_iter().filter(|row| row.state == "open" && row.head_sha != subject.head.as_str()) {
        let Ok(found_on) = row.head_sha.parse::<Sha>() else { continue };
        if !diffs.contains_key(&row.head_sha) {
            let diff = match subject.mirror.diff(&found_on, subject.head).await {
                Ok(diff) => diff.text,
                // A forced push may have removed the commit; then nobody can say what changed.
                Err(workspace::Error::Missing(_)) => String::new(),
                Err(error) => return Err(error.into()),
            };
            diffs.insert(row.head_sha.clone(), lines_changed(&diff));
        }
        let finding = row.finding();
        let lines = diffs.get(&row.head_sha).and_then(|lines| lines.get(&finding.path));
        if lines.is_some_and(|lines| finding.line.is_none_or(|line| lines.contains(&line))) {
            changed.push(finding.fingerprint);
        }
    }
    Ok(changed)
}

/// The prompt, and what of the change it leaves out for its size.
async fn prompt(
    at: &Attempt<'_>,
    subject: &Subject<'_>,
    texts: &Texts,
) -> Result<(llm::Prompt, Vec<String>), Failure> {
    let requirement = &at.brief;
    let files: Vec<Source> =
        texts.iter().map(|(path, text)| Source { path: path.clone(), text: text.clone() }).collect();
    let spec = context::text(subject.mirror, subject.base, context::SPEC).await?;
    let tier = at.progress().tier.map_or_else(|| "unknown".to_owned(), |tier| tier.to_string());
    let review = llm::Review {
        product: &requirement.product,
        title: &requirement.title,
        body: &requirement.body,
        said: &at.said().await?,
        spec: spec.as_deref(),
        tier: &tier,
        diff: &subject.diff.text,
        files: &files,
    };
    Ok((review.prompt(), review.left_out()))
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
    if at.brief.is_silent() {
        return Ok(());
    }
    let forge = &at.factory.forge;
    let key = match at.brief.edition() {
        0 => format!("review/{}", head.short()),
        edition => format!("review/{}/after.{edition}", head.short()),
    };
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
