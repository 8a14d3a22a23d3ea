//! Judge: the gate of a pull request that others opened. It is theirs: it is judged by the code that judges ours, shown
//! the verdict, and left to its people, who push, review and merge. One visit judges head after head, since all that it
//! waits for ends its wait.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer_with},
    brief::Theirs,
    facts, merging, quiet,
    verdict::park,
    wait::{wait, wait_for_people, wait_for_push},
};
use crate::{
    core::{
        judging::Judging,
        policy::{Assessment, Decision, Facts, REVIEW_CHECK, Stop, judge},
        pull::Description,
        run::{Awaited, Progress},
        words::listed,
        workflow::Outcome,
    },
    github::Pull,
    store::{pull, remark, shadow},
};

/// What an open pull request needs next.
enum Next {
    /// A step that answers for it.
    Step(Outcome, String),
    /// A wait.
    Wait(Box<Reply>),
}

/// How often an attempt looks at a pull request of which each look finds other products touched.
const MOST_LOOKS: u32 = 3;

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let theirs = at.brief.theirs().ok_or_else(|| Failure::unusable("`judge` is about what others opened"))?;
    if let Some(other) = pull::judged_already(&at.factory.pool, at.lease.run).await? {
        let note = format!("run {other} judges this pull request");
        return Ok(answer_with(Outcome::Closed, note, Progress::default()));
    }
    if theirs.by.anywhere == Judging::Off {
        let note = "no product here judges the pull requests of others any more";
        return Ok(answer_with(Outcome::Closed, note, Progress::default()));
    }
    if let Some(wait) = quiet::unchanged(at).await? {
        return Ok(wait);
    }
    let mut again: Option<Attempt<'_>> = None;
    for _ in 0..MOST_LOOKS {
        let at = again.as_ref().unwrap_or(at);
        let (pull, facts) = at.look().await?;
        match at.resettled(&facts).await? {
            Some(other) => again = Some(other),
            None => return judged(at, &pull, &facts).await,
        }
    }
    Err(Failure::retry(format!("{MOST_LOOKS} times a push touched other products while it was looked at")))
}

/// What follows from one look, by the settings that count for it.
async fn judged(at: &Attempt<'_>, pull: &Pull, facts: &Facts) -> Result<Reply, Failure> {
    let theirs = at.brief.theirs().ok_or_else(|| Failure::unusable("`judge` is about what others opened"))?;
    describe(at, theirs, pull).await?;
    let assessment = judge(facts);
    if theirs.by.wanted.judging == Judging::Off {
        return excused(at, theirs, (pull, facts), &assessment).await;
    }
    // Recorded before anything follows from it: the merge judges the recorded facts again.
    facts::record(at, facts, &assessment).await?;
    let progress = Progress {
        base: Some(facts.base.clone()),
        head: Some(facts.head.clone()),
        tier: Some(assessment.tier()),
        ..Progress::default()
    };
    if let Some(over) = over(at, pull, &assessment, &progress).await? {
        return Ok(over);
    }
    note_shadow(at, theirs, &assessment).await?;
    at.report_gate(facts, &assessment).await?;
    Ok(match next(at, theirs, facts, &assessment).await? {
        Next::Step(outcome, note) => answer_with(outcome, note, progress),
        Next::Wait(wait) => {
            at.asking(with_progress(quiet::with_look(at, *wait, pull, facts), progress), facts)
        }
    })
}

/// The answer about a pull request that touches only products which judge none. It is not judged, and its run goes on: a push
/// may touch another product.
async fn excused(
    at: &Attempt<'_>,
    theirs: &Theirs,
    (pull, facts): (&Pull, &Facts),
    assessment: &Assessment,
) -> Result<Reply, Failure> {
    let head = facts.head.clone();
    let touched = listed(theirs.pull.products.as_deref().unwrap_or_default());
    let progress =
        Progress { base: Some(facts.base.clone()), head: Some(head.clone()), ..Progress::default() };
    let stopped = match assessment.decision() {
        Decision::Stopped { reason: Stop::Merged } => Some("merged"),
        Decision::Stopped { reason: Stop::Closed | Stop::Retargeted { .. } } => Some("closed"),
        _ => None,
    };
    if let Some(became) = stopped {
        shadow::became(&at.factory.pool, at.lease.run, became, None, head.as_str()).await?;
        // The merge is on record, so that it is not taken for one past a verdict.
        let progress =
            Progress { merged: pull.merge_commit_sha.clone().filter(|_| became == "merged"), ..progress };
        let note = format!(
            "{}; it touched only {touched}, where the pull requests of others are not judged",
            assessment.sentence()
        );
        return Ok(answer_with(Outcome::Closed, note, progress));
    }
    let reason = format!("a push that touches a product which judges it; it touches only {touched}");
    if theirs.by.anywhere == Judging::On {
        // A check belongs to a commit: it would be that of another pull request too.
        if let Some(sibling) = at.siblings(pull).await?.first() {
            let reason = format!("{reason}, and #{sibling} has the same head, so that no check says so");
            return Ok(with_progress(wait(at, reason), progress));
        }
        let title =
            format!("not judged: it touches only {touched}, where the pull requests of others are not");
        at.report_excused(&head, &title).await?;
    }
    Ok(with_progress(wait_for_push(at, reason), progress))
}

/// The answer about a pull request that is no longer open, or not into the base that it is judged for.
async fn over(
    at: &Attempt<'_>,
    pull: &Pull,
    assessment: &Assessment,
    progress: &Progress,
) -> Result<Option<Reply>, Failure> {
    let (became, by, reply) = match assessment.decision() {
        Decision::Stopped { reason: Stop::Merged } => {
            let judged = merging::judged(&at.factory.pool, at.lease.run, pull).await?;
            let is_cleared = judged.progress.unjudged.is_none();
            let outcome = if is_cleared { Outcome::Merged } else { Outcome::Closed };
            let reply = answer_with(outcome, judged.note, progress.with(&judged.progress));
            ("merged", Some(judged.by), reply)
        }
        Decision::Stopped { reason: Stop::Closed | Stop::Retargeted { .. } } => {
            let note = assessment.sentence();
            ("closed", None, answer_with(Outcome::Closed, note, progress.clone()))
        }
        _ => return Ok(None),
    };
    let (pool, head) = (&at.factory.pool, pull.head_sha.as_str());
    shadow::became(pool, at.lease.run, became, by.as_deref(), head).await?;
    Ok(Some(reply))
}

/// What an open pull request needs next.
async fn next(
    at: &Attempt<'_>,
    theirs: &Theirs,
    facts: &Facts,
    assessment: &Assessment,
) -> Result<Next, Failure> {
    let is_shown = theirs.by.wanted.judging == Judging::On;
    if theirs.not_pushed_to().is_none() && at.rounds_left > 0 && is_fix_asked(at).await? {
        return Ok(Next::Step(Outcome::Blocked, "a person asks for a fix".to_owned()));
    }
    if theirs.by.wanted.tests
        && facts.tests.as_ref().is_none_or(|tests| tests.head.is_none() && tests.withheld.is_none())
        && !facts.pull_state.draft
    {
        return Ok(Next::Step(Outcome::Untested, format!("{} is not tested here", facts.head.short())));
    }
    if wants_review(facts, assessment) {
        let note = format!("the policy asks for a review of {}", facts.head.short());
        return Ok(Next::Step(Outcome::Unreviewed, note));
    }
    if *assessment.decision() == Decision::Clear && theirs.is_merged_by_us(&facts.head) {
        return Ok(Next::Step(Outcome::Cleared, assessment.sentence()));
    }
    if is_shown {
        at.rerun_checks(assessment).await?;
    }
    Ok(Next::Wait(Box::new(wait_for_next(at, theirs, assessment))))
}

/// Whether a review is to be paid for: the policy lists it, there is none, and this head may pass with it. One that is behind
/// or blocked needs a new head, which would need another review.
fn wants_review(facts: &Facts, assessment: &Assessment) -> bool {
    let lists = assessment.demands().is_some_and(|demands| demands.lists(REVIEW_CHECK));
    let may_pass = matches!(assessment.decision(), Decision::Waiting { .. } | Decision::Clear);
    lists && may_pass && !facts.pull_state.draft && facts.review_of_head().is_none()
}

/// Whether a person asked for a fix that no visit of the remediation has taken up.
async fn is_fix_asked(at: &Attempt<'_>) -> Result<bool, Failure> {
    Ok(remark::is_asked(&at.factory.pool, at.lease.run).await?)
}

/// The wait for what the people of the pull request, or its checks, do next.
fn wait_for_next(at: &Attempt<'_>, theirs: &Theirs, assessment: &Assessment) -> Reply {
    let author = theirs.author();
    let reason = match assessment.decision() {
        Decision::Waiting { .. } => return park(at, assessment),
        Decision::Clear => format!("{author} or anybody else who may to merge it: {}", assessment.sentence()),
        Decision::Behind => format!("{author} to update the branch: {}", assessment.sentence()),
        Decision::Blocked { .. } | Decision::Stopped { .. } => {
            format!("a new head or a word of people: {}", assessment.sentence())
        }
    };
    wait_for_people(at, reason, Awaited::Keepers)
}

fn with_progress(reply: Reply, progress: Progress) -> Reply {
    match reply {
        Reply::Park(park, _) => Reply::Park(park, progress),
        reply => reply,
    }
}

/// Keeps what people are shown of the pull request.
async fn describe(at: &Attempt<'_>, theirs: &Theirs, pull: &Pull) -> Result<(), Failure> {
    let author = pull.author.as_ref();
    let description = Description {
        title: pull.title.clone(),
        body: pull.body.clone(),
        author_login: author.map(|author| author.login.clone()),
        author_account: author.and_then(|author| i64::try_from(author.id).ok()),
    };
    Ok(pull::describe(&at.factory.pool, theirs.pull.id, &description).await?)
}

/// Records what would have been done for each product, where its products only try the judgement out.
async fn note_shadow(at: &Attempt<'_>, theirs: &Theirs, assessment: &Assessment) -> Result<(), Failure> {
    if theirs.by.wanted.judging != Judging::Shadow {
        return Ok(());
    }
    let (pool, head) = (&at.factory.pool, assessment.head().as_str());
    shadow::became(pool, at.lease.run, "pushed", None, head).await?;
    for product in theirs.by.names() {
        let new = shadow::New {
            run: at.lease.run,
            product,
            repository: &at.stored.spec.repository,
            pull: theirs.pull.number,
            head,
            tier: &assessment.tier().to_string(),
            decision: assessment.decision().as_str(),
            sentence: &assessment.sentence(),
        };
        shadow::record(pool, &new).await?;
    }
    Ok(())
}
