//! Notices: derived from where a run stands, and owed to the places that people subscribed.
//!
//! A trigger records the run in the transaction that moves it, on the fast path and on the slow one. What follows from it
//! is derived here, a moment later and as often as it takes: the key of a notice is unique, and so is its delivery to a
//! place. So a crash loses nothing and doubles nothing, and the transactions that move runs wait for none of this.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::{Engine, Error};
use crate::{
    core::{
        notice::{
            ANSWER_HOURS, Audience, Content, Notice, NoticeKind, Person, Requester, Situation, reaches,
        },
        retro::filing::DAYS,
        run::State,
        subject::Subject,
        why::why,
        words::counted,
    },
    store::{
        self, Connection, delivery, gap,
        notice::{self, Due, Surroundings},
        retro::proposal,
        run::StoredRun,
        subscription::{self, Candidate},
    },
};

impl Engine {
    /// Derives the notices of the run that is due longest; false if none is.
    ///
    /// # Errors
    /// When the database does not answer; the run is then due again after half a minute.
    pub async fn notify_due(&self) -> Result<bool, Error> {
        let Some(due) = notice::claim(&self.pool).await? else { return Ok(false) };
        let mut tx = self.pool.begin().await?;
        let next = derive(&mut tx, due).await?;
        notice::done(&mut tx, due, next).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Stores the notices of a run, and owes them. Returns when the run must be looked at again although it does not move.
async fn derive(tx: &mut Connection, due: Due) -> Result<Option<DateTime<Utc>>, Error> {
    let Some(stored) = crate::store::run::get(&mut *tx, due.run_id).await? else { return Ok(None) };
    let Some(found) = Notice::of(&stored.run) else { return Ok(None) };
    let Some(around) = notice::surroundings(tx, due.run_id, stored.version).await? else { return Ok(None) };
    let since = put(tx, &stored, &around, &found, began(&stored)).await?;
    let hours = around.answer_hours.and_then(|hours| u16::try_from(hours).ok()).unwrap_or(ANSWER_HOURS);
    let Some(overdue_at) = found.overdue_at(since, hours) else { return Ok(None) };
    if overdue_at > stored.now {
        return Ok(Some(overdue_at));
    }
    put(tx, &stored, &around, &found.overdue(), overdue_at).await?;
    Ok(None)
}

/// Since when a run stands where it does, as far as people are concerned.
fn began(stored: &StoredRun) -> DateTime<Utc> {
    match &stored.run.state {
        State::Paused(pause) => pause.since,
        _ => stored.updated_at,
    }
}

/// Tells the people of a product, once, that a harness gap is overdue.
pub(super) async fn gap_overdue(
    tx: &mut Connection,
    row: &gap::Row,
    sentence: &str,
    at: DateTime<Utc>,
) -> Result<(), store::Error> {
    let found = Notice {
        kind: NoticeKind::Sla,
        about: "gap".to_owned(),
        to: &[Audience::Approvers, Audience::Keepers],
        advice: "See that its case is merged, or say that there is no gap.",
    };
    let content = Content {
        kind: Some(found.kind),
        at,
        title: row.title.clone(),
        product: row.product.clone(),
        sentence: sentence.to_owned(),
        advice: found.advice.to_owned(),
        run: row.run,
        requirement: None,
        repository: Some(row.repository.clone()),
        pull: None,
        tier: None,
    };
    let key = format!("gap:{}/overdue", row.id);
    let put =
        notice::put(tx, &notice::New { run_id: row.run, key: &key, kind: found.kind, at, content: &content })
            .await?;
    if !put.is_new {
        return Ok(());
    }
    let requester = Requester { names: vec![row.opened_by.clone()], login: None };
    let situation = Situation { requester: &requester, actor: "", tier: None };
    for candidate in subscription::candidates(tx, &row.product).await? {
        if wants(&candidate, &found, &situation) {
            delivery::owe(tx, put.id, row.run, candidate.id, &reached(&candidate)).await?;
        }
    }
    Ok(())
}

/// Notifies the people of a product, once, that something is proposed.
pub(super) async fn proposal_filed(tx: &mut Connection, row: &proposal::Row) -> Result<(), store::Error> {
    let found = Notice {
        kind: NoticeKind::Proposal,
        about: "filed".to_owned(),
        to: &[Audience::Keepers],
        advice: "Open the product's page, then accept or dismiss it.",
    };
    let runs = counted(row.runs.len(), "run");
    let content = Content {
        kind: Some(found.kind),
        at: row.filed_at,
        title: row.title.clone(),
        product: row.product.clone(),
        sentence: format!("`{}` came in {runs} of {} within {DAYS} days.", row.cause, row.product),
        advice: found.advice.to_owned(),
        run: None,
        requirement: None,
        repository: None,
        pull: None,
        tier: None,
    };
    let (key, at) = (format!("proposal:{}", row.id), row.filed_at);
    let new = notice::New { run_id: None, key: &key, kind: found.kind, at, content: &content };
    let put = notice::put(tx, &new).await?;
    if !put.is_new {
        return Ok(());
    }
    let situation = Situation { requester: &Requester::default(), actor: "", tier: None };
    for candidate in subscription::candidates(tx, &row.product).await? {
        if wants(&candidate, &found, &situation) {
            delivery::owe(tx, put.id, None, candidate.id, &reached(&candidate)).await?;
        }
    }
    Ok(())
}

/// Stores a notice once and owes it to each place that it reaches. Returns since when it is so, by what was stored first.
async fn put(
    tx: &mut Connection,
    stored: &StoredRun,
    around: &Surroundings,
    found: &Notice,
    at: DateTime<Utc>,
) -> Result<DateTime<Utc>, Error> {
    let run = stored.spec.id;
    let names = [&around.requested_by, &around.requester_name].into_iter().flatten().cloned().collect();
    let requester = Requester { names, login: around.requester_login.clone() };
    let situation = Situation { requester: &requester, actor: &around.actor, tier: stored.run.progress.tier };
    let content = content(stored, around, found, at);
    let key = format!("{run}/{}", found.key());
    let new = notice::New { run_id: Some(run), key: &key, kind: found.kind, at, content: &content };
    let put = notice::put(tx, &new).await?;
    if !put.is_new || situation.is_own_act(found) {
        return Ok(put.at);
    }
    for candidate in subscription::candidates(tx, &stored.spec.product).await? {
        if wants(&candidate, found, &situation) {
            delivery::owe(tx, put.id, Some(run), candidate.id, &reached(&candidate)).await?;
        }
    }
    Ok(put.at)
}

fn content(stored: &StoredRun, around: &Surroundings, found: &Notice, at: DateTime<Utc>) -> Content {
    let requirement = match stored.spec.subject {
        Subject::Requirement(requirement) => Some(requirement),
        Subject::Pull(_) | Subject::Gap(_) => None,
    };
    Content {
        kind: Some(found.kind),
        at,
        title: around.title.clone(),
        product: stored.spec.product.clone(),
        sentence: match &stored.run.progress.broke {
            Some(broke) if found.is_of_base() => broke.clone(),
            _ => why(&stored.run, None).sentence(stored.now),
        },
        advice: found.advice.to_owned(),
        run: Some(stored.spec.id),
        requirement,
        repository: Some(stored.spec.repository.clone()),
        pull: stored.run.progress.pull,
        tier: stored.run.progress.tier,
    }
}

/// Whether a subscription is for a notice.
fn wants(candidate: &Candidate, found: &Notice, situation: &Situation<'_>) -> bool {
    let kinds: Vec<NoticeKind> =
        candidate.kinds.iter().flatten().filter_map(|kind| kind.parse().ok()).collect();
    // A list that only names kinds of a later release is not an empty list.
    let names_none = candidate.kinds.as_ref().is_none_or(Vec::is_empty);
    let names_unknown = !names_none && kinds.is_empty();
    if names_unknown || !found.kind.is_wanted(&kinds) {
        return false;
    }
    if !candidate.personal {
        return true;
    }
    let Candidate { owner, login, reads, steers, .. } = candidate;
    let person = Person { name: owner.clone(), login: login.clone(), reads: *reads, steers: *steers };
    reaches(found, &person, situation)
}

/// What a subscription reaches. A person with two subscriptions of one address gets one message; two webhooks are two
/// programs, each with a secret of its own.
fn reached(candidate: &Candidate) -> String {
    match candidate.target.as_str() {
        "webhook" => candidate.id.to_string(),
        target => hex::encode(Sha256::digest(format!("{target}\0{}", candidate.address.to_lowercase()))),
    }
}
