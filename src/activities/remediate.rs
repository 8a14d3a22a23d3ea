//! Remediate: the model fixes what review, gate and tests hold against the head; the head moves.

use chrono::DateTime;

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, learnt},
    context::Context,
    draft::Draft,
    ledger::pushes,
    publish::{Published, Tests, edits},
};
use crate::{
    core::{
        circles::{Pushed, findings_return, tree_returns},
        edit::Written,
        finding::Finding,
        run::Progress,
        sha::Sha,
        workflow::Outcome,
    },
    llm,
    store::{assessment, effect, review},
    workspace::{self, Mirror, NewCommit},
};

/// A fix that touches more files than this beyond the change itself is no fix.
const MOST_NEW_FILES: usize = 10;

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let pull = at.pull().await?;
    let ours =
        at.progress().head.as_ref() == Some(&pull.head_sha) || already_pushed(at, &pull.head_sha).await?;
    if !ours {
        let note = format!("the head moved from {} to {}", head.short(), pull.head_sha.short());
        return Ok(answer(Outcome::Moved, note));
    }
    // Somebody who sends the run here wants another round, whatever the last one came to.
    if !at.task.stored.run.was_sent_here()
        && let Some(note) = in_circles(at, &head).await?
    {
        return Ok(answer(Outcome::Unfixable, note));
    }
    let mirror = at.mirror().await?;
    let findings = open(at, &head).await?;
    let blockers = blockers(at, &head).await?;
    let changed = changed(at, &mirror, &head).await?;
    let (intent, files) = match draft(at, &mirror, &head, &findings, &blockers, &changed).await? {
        Draft::Declined(reason) => return Ok(answer(Outcome::Unfixable, reason)),
        Draft::Written { answer, files } => (answer, files),
    };
    if let Some(note) = grown(&files, &changed) {
        return Ok(answer(Outcome::Unfixable, note));
    }
    if let Some(note) = back_again(at, &mirror, &head, &files, &findings).await? {
        return Ok(answer(Outcome::Unfixable, note));
    }
    let title = intent.title.unwrap_or_else(|| "fix: Resolve review findings".to_owned());
    let message = format!("{title}\n\n{}", intent.explanation);
    match at.publish(&mirror, &head, &files, &message, Some(&head)).await {
        Ok(Published::Done(pushed)) => {
            let note = format!(
                "pushed {} over {}: {} findings, {} blockers, {}",
                pushed.sha.short(),
                head.short(),
                findings.len(),
                blockers.len(),
                pushed.tests.words()
            );
            Ok(learnt(Outcome::Pushed, note, Progress { head: Some(pushed.sha), ..Progress::default() }))
        }
        Ok(Published::Moved(_)) => Ok(answer(Outcome::Moved, "somebody else moved the branch meanwhile")),
        Err(failure) => Err(failure),
    }
}

/// Whether this visit of the step pushed that head in an earlier attempt.
async fn already_pushed(at: &Attempt<'_>, head: &Sha) -> Result<bool, Failure> {
    let key = format!("{}/push", at.scope());
    let effect = effect::get(&at.factory.pool, at.task.lease.run, &key).await?;
    // An intent whose observation is missing may well be this head: the push itself tells.
    Ok(effect.is_some_and(|effect| {
        effect
            .result
            .is_none_or(|result| result.get("sha").and_then(|sha| sha.as_str()) == Some(head.as_str()))
    }))
}

/// Findings that are those of an earlier round: another one would only cost money.
async fn in_circles(at: &Attempt<'_>, head: &Sha) -> Result<Option<String>, Failure> {
    let rounds = review::rounds(&at.factory.pool, at.task.lease.run).await?;
    Ok(findings_return(&rounds, head.as_str()))
}

/// A fix that brings back what an earlier head was: the rounds would go on for ever.
async fn back_again(
    at: &Attempt<'_>,
    mirror: &Mirror,
    head: &Sha,
    files: &[Written],
    findings: &[Finding],
) -> Result<Option<String>, Failure> {
    let effects = effect::of_lineage(&at.factory.pool, at.task.lease.run).await?;
    let mut heads = Vec::new();
    for (sha, _) in pushes(&effects) {
        let sha: Sha = sha.parse().map_err(Failure::last)?;
        if let Some(tree) = mirror.tree_of(&sha).await? {
            heads.push(Pushed { head: sha.to_string(), tree: tree.to_string() });
        }
        // What this very step pushed in an earlier attempt comes after the head that it mends.
        if sha == *head {
            break;
        }
    }
    // Nobody sees this commit: it only tells the tree.
    let (files, message) = (edits(files), "the fix, on trial".to_owned());
    let trial = NewCommit { parent: head.clone(), files, message, at: DateTime::UNIX_EPOCH };
    let trial = mirror.commit(&trial).await?;
    let Some(tree) = mirror.tree_of(&trial).await? else { return Ok(None) };
    let mended = findings.iter().map(|finding| finding.fingerprint.clone()).collect();
    Ok(tree_returns(&heads, tree.as_str(), &mended))
}

/// The findings of this head that are sent to remediation.
async fn open(at: &Attempt<'_>, head: &Sha) -> Result<Vec<Finding>, Failure> {
    let rows = review::findings(&at.factory.pool, at.task.lease.run).await?;
    let here = rows.iter().filter(|row| row.head_sha == head.as_str() && row.state == "open");
    Ok(here.map(review::Row::finding).filter(|finding| finding.severity.is_actionable()).collect())
}

/// What the last judgement of this head holds against it, besides findings.
async fn blockers(at: &Attempt<'_>, head: &Sha) -> Result<Vec<String>, Failure> {
    let rows = assessment::of_run(&at.factory.pool, at.task.lease.run).await?;
    let Some(last) = rows.into_iter().find(|row| row.head_sha == head.as_str()) else {
        return Ok(Vec::new());
    };
    let reasons = last.report.pointer("/decision/reasons").and_then(|reasons| reasons.as_array()).cloned();
    Ok(reasons.unwrap_or_default().iter().filter_map(|reason| reason.as_str().map(str::to_owned)).collect())
}

/// The paths that the pull request changes so far.
async fn changed(at: &Attempt<'_>, mirror: &Mirror, head: &Sha) -> Result<Vec<String>, Failure> {
    let base = at.base(mirror).await?;
    let change = mirror.change(&base, head).await.or_else(|error| match error {
        workspace::Error::Missing(_) => Ok(crate::core::change::Change::default()),
        error => Err(error),
    })?;
    Ok(change.files.into_iter().map(|file| file.path).collect())
}

async fn draft(
    at: &Attempt<'_>,
    mirror: &Mirror,
    head: &Sha,
    findings: &[Finding],
    blockers: &[String],
    changed: &[String],
) -> Result<Draft, Failure> {
    let requirement = &at.requirement;
    let about = format!("{} {}", requirement.title, requirement.body);
    let context = Context::read(mirror, head, &about, changed).await?;
    let tests = match at.test(mirror, head).await? {
        Tests::Failed(output) => Some(output),
        Tests::Passed | Tests::NotRun(_) => None,
    };
    let prompt = llm::Remediate {
        product: &requirement.product,
        title: &requirement.title,
        body: &requirement.body,
        findings,
        blockers,
        tests: tests.as_deref(),
        files: &context.files,
    }
    .prompt();
    at.draft(mirror, head, prompt).await
}

/// Why this is no fix any more, if it is not.
fn grown(files: &[Written], changed: &[String]) -> Option<String> {
    let new = files.iter().filter(|file| !changed.iter().any(|path| path == file.path.as_str())).count();
    (new > MOST_NEW_FILES)
        .then(|| format!("the fix would touch {new} files beyond the change; the limit is {MOST_NEW_FILES}"))
}
