//! What people did, as the audit log says it. Each of these is the last statement of the act's transaction, or nearly:
//! acts that record themselves at the same time wait for each other until they commit.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Accepted, ConsentSaid, EvidenceSent, Said};
use crate::{
    core::{
        budget::{Limits, Scope},
        opinion::Opinion,
        reason::Reason,
        requirement::Requirement,
        run::{Run, State},
        sha::Sha,
    },
    store::{
        self, Connection, Result,
        audit::{Act, Author, append},
        gap, opinion,
        retro::proposal,
        schedule,
    },
};

/// A scope and its limits.
type Limited = (Scope, Limits);

/// Where a run stands, in short.
pub(super) fn standing(run: &Run) -> Value {
    match &run.state {
        State::Ended { end, .. } => json!({ "state": "ended", "as": end.as_str() }),
        state => json!({ "state": state.as_str(), "step": run.step() }),
    }
}

/// A person changed where a run stands.
pub(super) async fn run_changed(
    tx: &mut Connection,
    by: Author<'_>,
    act: &str,
    run: Uuid,
    before: Value,
    reason: &Reason,
) -> Result<()> {
    let Some(now) = store::run::lock(tx, run).await? else { return Ok(()) };
    let (subject, after) = (run.to_string(), standing(&now.run));
    let act = Act {
        act,
        subject: &subject,
        run: Some(run),
        product: Some(&now.spec.product),
        before: Some(before),
        after: Some(after),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

/// A person forked a run.
pub(super) async fn forked(
    tx: &mut Connection,
    by: Author<'_>,
    from: Uuid,
    fork: Uuid,
    step: &str,
    reason: &Reason,
) -> Result<()> {
    let Some(old) = store::run::lock(tx, from).await? else { return Ok(()) };
    let subject = from.to_string();
    let act = Act {
        act: "run.fork",
        subject: &subject,
        run: Some(from),
        product: Some(&old.spec.product),
        before: None,
        after: Some(json!({ "fork": fork, "step": step })),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

/// A person had the merge of a run reverted by a run of its own.
pub(super) async fn reverted(
    tx: &mut Connection,
    by: Author<'_>,
    (run, product): (Uuid, &str),
    accepted: Accepted,
    reason: &Reason,
) -> Result<()> {
    let subject = run.to_string();
    let act = Act {
        act: "run.revert",
        subject: &subject,
        run: Some(run),
        product: Some(product),
        before: None,
        after: Some(json!({ "run": accepted.run, "requirement": accepted.requirement })),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

/// A person submitted a requirement.
pub(super) async fn submitted(
    tx: &mut Connection,
    by: Author<'_>,
    requirement: &Requirement,
    accepted: Accepted,
) -> Result<()> {
    let subject = accepted.requirement.to_string();
    let act = Act {
        act: "requirement.submit",
        subject: &subject,
        run: Some(accepted.run),
        product: Some(requirement.product.as_str()),
        after: Some(json!({ "title": requirement.title, "priority": requirement.priority })),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person opened a harness gap.
pub(super) async fn gap_opened(
    tx: &mut Connection,
    by: Author<'_>,
    product: &str,
    gap: Uuid,
    title: &str,
) -> Result<()> {
    let subject = gap.to_string();
    let act = Act {
        act: "gap.open",
        subject: &subject,
        product: Some(product),
        after: Some(json!({ "title": title })),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person said that there is no harness gap.
pub(super) async fn gap_dismissed(
    tx: &mut Connection,
    by: Author<'_>,
    gap: &gap::Row,
    reason: &Reason,
) -> Result<()> {
    let subject = gap.id.to_string();
    let act = Act {
        act: "gap.dismiss",
        subject: &subject,
        run: gap.run,
        product: Some(&gap.product),
        before: Some(json!({ "state": gap.state })),
        after: Some(json!({ "state": "dismissed" })),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

/// A person accepted or dismissed a proposal.
pub(super) async fn proposal_decided(
    tx: &mut Connection,
    by: Author<'_>,
    act: &str,
    (before, now): (&proposal::Row, &proposal::Row),
    reason: &Reason,
) -> Result<()> {
    let subject = now.id.to_string();
    let act = Act {
        act,
        subject: &subject,
        run: None,
        product: Some(&now.product),
        before: Some(json!({ "state": before.state })),
        after: Some(
            json!({ "state": now.state, "cause": now.cause, "as": now.accepted_as, "text": now.note }),
        ),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

/// A person set the limits of a run or of a product.
pub(super) async fn budget_set(
    tx: &mut Connection,
    by: Author<'_>,
    key: &str,
    (before, after): (&[Limited], &[Limited]),
    reason: &Reason,
) -> Result<()> {
    let is_run = after.iter().any(|(scope, _)| *scope == Scope::Run);
    let run = key.parse().ok().filter(|_| is_run);
    let act = Act {
        act: "budget.set",
        subject: key,
        run,
        product: Some(key).filter(|_| !is_run),
        before: Some(limits(before)),
        after: Some(limits(after)),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

fn limits(all: &[Limited]) -> Value {
    let one = |limits: &Limits| json!({ "tokens": limits.tokens, "micro_dollars": limits.micro_dollars });
    all.iter().map(|(scope, limits)| (scope.as_str().to_owned(), one(limits))).collect()
}

/// A person released what was reserved for interrupted calls.
pub(super) async fn released(
    tx: &mut Connection,
    by: Author<'_>,
    run: Uuid,
    calls: u32,
    reason: &Reason,
) -> Result<()> {
    let subject = run.to_string();
    let act = Act {
        act: "budget.release",
        subject: &subject,
        run: Some(run),
        after: Some(json!({ "released": calls })),
        reason: Some(reason.as_str()),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person dismissed a finding of a run, of a product.
pub(super) async fn dismissed(
    tx: &mut Connection,
    by: Author<'_>,
    (run, product): (Uuid, &str),
    fingerprint: &str,
    reason: &Reason,
) -> Result<()> {
    let act = Act {
        act: "finding.dismiss",
        subject: fingerprint,
        run: Some(run),
        product: Some(product),
        before: Some(json!({ "state": "open" })),
        after: Some(json!({ "state": "dismissed" })),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

/// A person asked for something to be fixed in a run's change.
pub(super) async fn remarked(tx: &mut Connection, by: Author<'_>, run: Uuid, reason: &Reason) -> Result<()> {
    let Some(stored) = store::run::lock(tx, run).await? else { return Ok(()) };
    let subject = run.to_string();
    let act = Act {
        act: "run.fix",
        subject: &subject,
        run: Some(run),
        product: Some(&stored.spec.product),
        reason: Some(reason.as_str()),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person asked for the merge of a head of a pull request that others opened.
pub(super) async fn merge_asked(
    tx: &mut Connection,
    by: Author<'_>,
    run: Uuid,
    head: &Sha,
    reason: &Reason,
) -> Result<()> {
    let Some(stored) = store::run::lock(tx, run).await? else { return Ok(()) };
    let subject = run.to_string();
    let act = Act {
        act: "run.merge",
        subject: &subject,
        run: Some(run),
        product: Some(&stored.spec.product),
        after: Some(json!({ "head": head })),
        reason: Some(reason.as_str()),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person answered a round of questions that a step of a run, of a product, asked. The texts are not in the log.
pub(super) async fn answered(
    tx: &mut Connection,
    by: Author<'_>,
    (run, product): (Uuid, &str),
    (round, step): (i32, &str),
) -> Result<()> {
    let subject = run.to_string();
    let act = Act {
        act: "run.answer",
        subject: &subject,
        run: Some(run),
        product: Some(product),
        after: Some(json!({ "round": round, "step": step })),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person amended a requirement, with this newest run. The texts are not in the log, but their digests.
pub(super) async fn amended(
    tx: &mut Connection,
    by: Author<'_>,
    (requirement, run, product): (Uuid, Uuid, &str),
    (edition, (before, after)): (u32, &(String, String)),
    reason: &Reason,
) -> Result<()> {
    let subject = requirement.to_string();
    let act = Act {
        act: "requirement.amend",
        subject: &subject,
        run: Some(run),
        product: Some(product),
        before: Some(json!({ "edition": edition.saturating_sub(1), "digest": before })),
        after: Some(json!({ "edition": edition, "digest": after })),
        reason: Some(reason.as_str()),
    };
    append(tx, by, act).await
}

/// A person approved or rejected a head of a run, or took that back.
pub(super) async fn opined(
    tx: &mut Connection,
    by: Author<'_>,
    run: Uuid,
    said: Said<'_>,
    before: Option<&opinion::Row>,
) -> Result<()> {
    let Some(stored) = store::run::lock(tx, run).await? else { return Ok(()) };
    let view = |opinion: &str, head: &str, login: &str| json!({ "opinion": opinion, "head": head, "forge_login": login });
    let act = Act {
        act: match said.opinion {
            Opinion::Approve => "run.approve",
            Opinion::Reject => "run.reject",
            Opinion::Withdraw => "run.withdraw",
        },
        subject: said.head.as_str(),
        run: Some(run),
        product: Some(&stored.spec.product),
        before: before.map(|row| view(&row.opinion, &row.head_sha, &row.forge_login)),
        after: Some(view(said.opinion.as_str(), said.head.as_str(), said.login)),
        reason: said.reason.map(Reason::as_str),
    };
    append(tx, by, act).await
}

/// A key sent browser evidence of a head.
pub(super) async fn evidence_sent(
    tx: &mut Connection,
    by: Author<'_>,
    run: Uuid,
    sent: EvidenceSent<'_>,
) -> Result<()> {
    let Some(stored) = store::run::lock(tx, run).await? else { return Ok(()) };
    let flows: Vec<&str> = sent.verified.flows.iter().map(|flow| flow.flow.as_str()).collect();
    let act = Act {
        act: "evidence.send",
        subject: sent.head.as_str(),
        run: Some(run),
        product: Some(&stored.spec.product),
        after: Some(json!({ "evidence": sent.digest, "verified": sent.verified.holds(), "flows": flows })),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person said yes or no to the dependencies that a run of a product asked about.
pub(super) async fn consented(
    tx: &mut Connection,
    by: Author<'_>,
    (run, product): (Uuid, &str),
    said: ConsentSaid<'_>,
    before: Option<&str>,
) -> Result<()> {
    let subject = run.to_string();
    let view = |answer: &str| json!({ "dependencies": said.digest, "answer": answer });
    let after = json!({ "dependencies": said.digest, "answer": said.consent, "forge_login": said.login });
    let act = Act {
        act: "run.dependencies",
        subject: &subject,
        run: Some(run),
        product: Some(product),
        before: before.map(view),
        after: Some(after),
        reason: said.reason.map(Reason::as_str),
    };
    append(tx, by, act).await
}

/// A person had a provider probed that is down.
pub(super) async fn probed(
    tx: &mut Connection,
    by: Author<'_>,
    provider: &str,
    jobs: i64,
    reason: &Reason,
) -> Result<()> {
    let act = Act {
        act: "outage.probe",
        subject: provider,
        after: Some(json!({ "waiting": jobs })),
        reason: Some(reason.as_str()),
        ..Act::default()
    };
    append(tx, by, act).await
}

/// A person set, paused, resumed or removed a schedule.
pub(super) async fn schedule(
    tx: &mut Connection,
    by: Author<'_>,
    act: &str,
    before: Option<&schedule::Row>,
    after: Option<&schedule::Row>,
    reason: &str,
) -> Result<()> {
    let view = |row: &schedule::Row| {
        json!({
            "cron": row.cron, "product": row.product, "title": row.title, "priority": row.priority,
            "paused": row.next_at.is_none(),
        })
    };
    let Some(either) = after.or(before) else { return Ok(()) };
    let act = Act {
        act,
        subject: &either.name,
        run: None,
        product: Some(&either.product),
        before: before.map(view),
        after: after.map(view),
        reason: Some(reason).filter(|reason| !reason.is_empty()),
    };
    append(tx, by, act).await
}
