//! Judge: the gate of a pull request that others opened. It is theirs: it is judged by the code that judges ours, shown
//! the verdict, and left to its people, who push, review and merge. One visit judges head after head, since all that it
//! waits for ends its wait.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer_with},
    brief::Theirs,
    facts, merging, quiet,
    verdict::park,
    wait::wait_for_people,
};
use crate::{
    core::{
        judging::Judging,
        policy::{Assessment, Decision, Facts, REVIEW_CHECK, Stop, judge},
        pull::Description,
        run::{Awaited, Progress},
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

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let theirs = at.brief.theirs().ok_or_else(|| Failure::unusable("`judge` is about what others opened"))?;
    if theirs.judging == Judging::Off {
        let note = "the product no longer judges the pull requests of others";
        return Ok(answer_with(Outcome::Closed, note, Progress::default()));
    }
    if let Some(wait) = quiet::unchanged(at).await? {
        return Ok(wait);
    }
    let (pull, facts) = at.look().await?;
    describe(at, theirs, &pull).await?;
    let assessment = judge(&facts);
    // Recorded before anything follows from it: the merge judges the recorded facts again.
    facts::record(at, &facts, &assessment).await?;
    let progress = Progress {
        base: Some(facts.base.clone()),
        head: Some(facts.head.clone()),
        tier: Some(assessment.tier()),
        ..Progress::default()
    };
    if let Some(over) = over(at, &pull, &assessment, &progress).await? {
        return Ok(over);
    }
    note_shadow(at, theirs, &assessment).await?;
    at.report_gate(&assessment).await?;
    Ok(match next(at, theirs, &facts, &assessment).await? {
        Next::Step(outcome, note) => answer_with(outcome, note, progress),
        Next::Wait(wait) => {
            at.asking(with_progress(quiet::with_look(at, *wait, &pull, &facts), progress), &facts)
        }
    })
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
    let is_shown = theirs.judging == Judging::On;
    if theirs.not_pushed_to().is_none() && at.rounds_left > 0 && is_fix_asked(at).await? {
        return Ok(Next::Step(Outcome::Blocked, "a person asks for a fix".to_owned()));
    }
    if theirs.tests
        && facts.tests.as_ref().is_none_or(|tests| tests.head.is_none() && tests.withheld.is_none())
        && !facts.pull_state.draft
    {
        return Ok(Next::Step(Outcome::Untested, format!("{} is not tested here", facts.head.short())));
    }
    if wants_review(facts, assessment) {
        let note = format!("the policy asks for a review of {}", facts.head.short());
        return Ok(Next::Step(Outcome::Unreviewed, note));
    }
    if let Decision::Clear = assessment.decision() {
        let is_asked = theirs.pull.merge_head.as_deref() == Some(facts.head.as_str());
        if is_shown && (theirs.merges || is_asked) {
            return Ok(Next::Step(Outcome::Cleared, assessment.sentence()));
        }
    }
    if is_shown {
        at.rerun_checks(assessment).await?;
    }
    Ok(Next::Wait(Box::new(wait(at, theirs, assessment))))
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
fn wait(at: &Attempt<'_>, theirs: &Theirs, assessment: &Assessment) -> Reply {
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

/// Records what would have been done, where the product only tries the judgement out.
async fn note_shadow(at: &Attempt<'_>, theirs: &Theirs, assessment: &Assessment) -> Result<(), Failure> {
    if theirs.judging != Judging::Shadow {
        return Ok(());
    }
    let (pool, spec, head) = (&at.factory.pool, &at.stored.spec, assessment.head().as_str());
    let new = shadow::New {
        run: at.lease.run,
        product: &spec.product,
        repository: &spec.repository,
        pull: theirs.pull.number,
        head,
        tier: &assessment.tier().to_string(),
        decision: assessment.decision().as_str(),
        sentence: &assessment.sentence(),
    };
    shadow::became(pool, at.lease.run, "pushed", None, head).await?;
    Ok(shadow::record(pool, &new).await?)
}
