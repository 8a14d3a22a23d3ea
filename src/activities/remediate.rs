//! Remediate: the model fixes what the review, the gate and the tests found on the head, which makes a new head.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::DateTime;

use super::{
    Failure, Reply,
    ask::{MOST_ANSWERS, Objection},
    attempt::{Attempt, answer, answer_with, moved},
    brief::Theirs,
    context::Context,
    count,
    draft::Draft,
    facts,
    ledger::{self, ChangePushIntent, CommitMessage},
    publish::{Offer, Published, edits},
    tested::{Tried, spent, spent_refused},
};
use crate::{
    core::{
        circles::{Pushed, findings_return, tree_returns},
        edit::Written,
        finding::Finding,
        policy::{Decision, FindingState},
        retro::TOO_WIDE,
        run::Progress,
        sha::Sha,
        words::counted,
        workflow::Outcome,
    },
    llm::{self, CheckReport},
    store::{assessment, effect, remark, review},
    workspace::{self, Mirror, NewCommit},
};

/// The most files that a fix may touch beyond those of the change.
const MOST_NEW_FILES: usize = 10;

/// What a fix is made for.
struct Complaints {
    findings: Vec<Finding>,
    /// What people ask for.
    remarks: Vec<Finding>,
    /// What the last judgement of the head holds against it, besides findings.
    blockers: Vec<String>,
    /// What the failed checks among them report.
    checks: Vec<CheckReport>,
    /// The paths that the pull request changes so far.
    changed: Vec<String>,
}

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    if let Some(why) = at.brief.theirs().and_then(Theirs::not_pushed_to) {
        return Ok(answer(Outcome::Unfixable, why));
    }
    if let Some(reply) = at.awaits_answers().await? {
        return Ok(reply);
    }
    let head = at.head()?;
    let pull = at.pull().await?;
    if pull.head_sha != head && !may_have_pushed(at, &pull.head_sha).await? {
        return Ok(moved(&head, &pull.head_sha));
    }
    // A person who sends the run here, or asks for something, wants another round, whatever came of the last one.
    if !at.run().was_sent_here()
        && remarks(at).await?.is_empty()
        && let Some(note) = findings_are_back(at, &head).await?
    {
        return Ok(answer(Outcome::Unfixable, note));
    }
    if let Some(why) = failed_review(at, &head).await? {
        return Ok(answer(Outcome::Unfixable, format!("the review of {} failed: {why}", head.short())));
    }
    let mirror = at.mirror().await?;
    let complaints = complaints(at, &mirror, &head).await?;
    let (offers, reds) = (AtomicU32::new(0), AtomicU32::new(0));
    let counts = (&offers, &reds);
    draft(at, &mirror, &head, &complaints, |draft| offer(at, &mirror, &head, &complaints, counts, draft))
        .await
}

/// Publishes the fix; else what the forge declined in it.
async fn offer(
    at: &Attempt<'_>,
    mirror: &Mirror,
    head: &Sha,
    complaints: &Complaints,
    (offers, reds): (&AtomicU32, &AtomicU32),
    draft: Draft,
) -> Result<Result<Reply, Objection>, Failure> {
    let unfixable = |note| Ok(Ok(answer(Outcome::Unfixable, note)));
    let (title, why, files) = match draft {
        Draft::Declined(reason) => return unfixable(reason),
        Draft::Asked(reply) => return Ok(Ok(reply)),
        Draft::Written { title, why, files } => (title, why, files),
    };
    if let Some(note) = too_wide(&files, &complaints.changed) {
        return unfixable(note);
    }
    if let Some(note) = tree_is_back(at, mirror, head, &files, &complaints.findings).await? {
        return unfixable(note);
    }
    let base = at.base(mirror).await?;
    match at.try_out(mirror, (&base, head), &files).await? {
        Tried::Fine => {}
        Tried::Asks(withheld) => return Ok(Ok(at.asks_consent(*withheld))),
        Tried::Refused(refusal, most) => {
            return match spent_refused(&refusal, most, reds) {
                Some(why) => unfixable(why),
                None => Ok(Err(Objection::Refused(refusal))),
            };
        }
        Tried::Red(red, most) => {
            return match spent(at, &red, most, reds) {
                Some(why) => unfixable(why),
                None => Ok(Err(Objection::Red(red))),
            };
        }
    }
    let title = title.unwrap_or_else(|| "fix: Resolve review findings".to_owned());
    let message = CommitMessage { title, explanation: why };
    let number = offers.fetch_add(1, Ordering::Relaxed) + 1;
    let offer = Offer { parent: head, files: &files, message: &message, expected: Some(head), number };
    Ok(match at.publish(mirror, offer).await? {
        Published::Done(pushed) => {
            remark::address(&at.factory.pool, at.lease.run, &visit(at), &pushed.sha).await?;
            Ok(done(head, pushed, complaints))
        }
        Published::Moved(_) => Ok(answer(Outcome::Moved, "the branch was moved by someone else")),
        Published::Declined(complaint) => Err(Objection::unusable(complaint)),
    })
}

fn done(head: &Sha, pushed: ledger::Pushed, complaints: &Complaints) -> Reply {
    let remarks = match count(complaints.remarks.len()) {
        0 => String::new(),
        some => format!("{}, ", counted(some, "remark")),
    };
    let note = format!(
        "pushed {} over {}: {}, {}, {remarks}{}",
        pushed.sha.short(),
        head.short(),
        counted(count(complaints.findings.len()), "finding"),
        counted(count(complaints.blockers.len()), "blocker"),
        pushed.tests
    );
    answer_with(Outcome::Pushed, note, Progress { head: Some(pushed.sha), ..Progress::default() })
}

/// Whether `head` may be the push of an earlier attempt at this visit of the step.
async fn may_have_pushed(at: &Attempt<'_>, head: &Sha) -> Result<bool, Failure> {
    for number in (1..=MOST_ANSWERS).rev() {
        let key = at.push_key(number);
        let Some(row) = effect::get(&at.factory.pool, at.lease.run, &key).await? else { continue };
        // Without an observation, the push that follows finds out whether the head is ours.
        let Some(result) = row.result else { return Ok(true) };
        return Ok(ledger::observation::<ChangePushIntent>(&key, result)?.sha == *head);
    }
    Ok(false)
}

/// Why the review of this head failed: no fix of ours would make it complete.
async fn failed_review(at: &Attempt<'_>, head: &Sha) -> Result<Option<String>, Failure> {
    let review = review::of_head(&at.factory.pool, at.lease.run, head.as_str()).await?;
    let review = review.filter(|review| review.edition == at.brief.edition());
    Ok(review.and_then(|review| review.failed))
}

/// Why another round would only cost money: the findings are those of an earlier round.
async fn findings_are_back(at: &Attempt<'_>, head: &Sha) -> Result<Option<String>, Failure> {
    let rounds = review::rounds(&at.factory.pool, at.lease.run).await?;
    Ok(findings_return(&rounds, head.as_str()))
}

/// Why the rounds would never end: the fix brings back the tree of an earlier head.
async fn tree_is_back(
    at: &Attempt<'_>,
    mirror: &Mirror,
    head: &Sha,
    files: &[Written],
    findings: &[Finding],
) -> Result<Option<String>, Failure> {
    let mut heads = Vec::new();
    for push in at.pushes().await? {
        let sha = push.observation.sha;
        if let Some(tree) = mirror.tree_of(&sha).await? {
            heads.push(Pushed { head: sha.to_string(), tree: tree.to_string() });
        }
        // What this visit pushed in an earlier attempt comes after the head that it fixes.
        if sha == *head {
            break;
        }
    }
    // This commit is never pushed: it only gives the tree.
    let (files, message) = (edits(files), "the tree of a fix".to_owned());
    let commit = NewCommit { parent: head.clone(), files, message, at: DateTime::UNIX_EPOCH };
    let commit = mirror.commit(&commit).await?;
    let Some(tree) = mirror.tree_of(&commit).await? else { return Ok(None) };
    let fixed = findings.iter().map(|finding| finding.fingerprint.clone()).collect();
    Ok(tree_returns(&heads, tree.as_str(), &fixed))
}

async fn complaints(at: &Attempt<'_>, mirror: &Mirror, head: &Sha) -> Result<Complaints, Failure> {
    Ok(Complaints {
        findings: findings(at, head).await?,
        remarks: remarks(at).await?,
        blockers: blockers(at, head).await?,
        checks: at.failed_checks(head).await?,
        changed: changed(at, mirror, head).await?,
    })
}

/// The name of this visit of the step, also among runs on the same branch.
fn visit(at: &Attempt<'_>) -> String {
    format!("{}/{}", at.lease.run, at.scope())
}

/// What people ask for in this round: what was open before its first call of the model, so that what comes later is
/// left to the next round and not taken for answered.
async fn remarks(at: &Attempt<'_>) -> Result<Vec<Finding>, Failure> {
    let (pool, run, visit) = (&at.factory.pool, at.lease.run, visit(at));
    let asked = format!("{}/model.1", at.scope());
    if effect::get(pool, run, &asked).await?.is_none() {
        remark::give(pool, run, &visit).await?;
    }
    let given = remark::of_visit(pool, run, &visit).await?.into_iter();
    Ok(given
        .map(|remark| {
            let message = format!("{} asks: {}", remark.by.login, remark.finding.message);
            Finding { message, ..remark.finding }
        })
        .collect())
}

/// The open findings of this head that ask for a fix.
async fn findings(at: &Attempt<'_>, head: &Sha) -> Result<Vec<Finding>, Failure> {
    let found = review::findings_of_head(&at.factory.pool, at.lease.run, head).await?;
    let open = found.into_iter().filter(|found| found.state == FindingState::Open);
    Ok(open.map(|found| found.finding).filter(|finding| finding.is_actionable()).collect())
}

async fn blockers(at: &Attempt<'_>, head: &Sha) -> Result<Vec<String>, Failure> {
    let rows = assessment::of_run(&at.factory.pool, at.lease.run).await?;
    let Some(last) = rows.into_iter().find(|row| row.head_sha == head.as_str()) else {
        return Ok(Vec::new());
    };
    Ok(match facts::judged_again(last)?.decision() {
        Decision::Blocked { reasons, .. } => reasons.clone(),
        Decision::Clear | Decision::Waiting { .. } | Decision::Behind | Decision::Stopped { .. } => {
            Vec::new()
        }
    })
}

async fn changed(at: &Attempt<'_>, mirror: &Mirror, head: &Sha) -> Result<Vec<String>, Failure> {
    let base = at.base(mirror).await?;
    let change = mirror.change(&base, head).await.or_else(|error| match error {
        workspace::Error::Missing(_) => Ok(crate::core::change::Change::default()),
        error => Err(error),
    })?;
    Ok(change.files.into_iter().map(|file| file.path).collect())
}

async fn draft<R>(
    at: &Attempt<'_>,
    mirror: &Mirror,
    head: &Sha,
    complaints: &Complaints,
    accept: impl Fn(Draft) -> R,
) -> Result<Reply, Failure>
where
    R: Future<Output = Result<Result<Reply, Objection>, Failure>>,
{
    let requirement = &at.brief;
    let about = format!("{} {}", requirement.title, requirement.body);
    let context = Context::read(mirror, head, &about, &complaints.changed).await?;
    let tests = at.red_tests(mirror, head).await?.map(|red| red.shown());
    let prompt = llm::Remediate {
        product: &requirement.named(),
        title: &requirement.title,
        body: &requirement.body,
        said: &at.said_and_noted().await?,
        findings: &complaints.findings,
        remarks: &complaints.remarks,
        blockers: &complaints.blockers,
        checks: &complaints.checks,
        tests: tests.as_deref(),
        files: &context.files,
    }
    .prompt();
    at.draft(mirror, head, prompt, accept).await
}

/// Why the fix is refused, if it reaches too far beyond the change.
fn too_wide(files: &[Written], changed: &[String]) -> Option<String> {
    let new = files.iter().filter(|file| !changed.iter().any(|path| path == file.path.as_str())).count();
    (new > MOST_NEW_FILES)
        .then(|| format!("{TOO_WIDE}{new} files beyond the change; the limit is {MOST_NEW_FILES}"))
}
