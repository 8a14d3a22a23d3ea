//! The ledger: an attempt records its intent before it acts on the outside world, and the observation after.
//!
//! An intent without an observation means that the act may have been made: look before acting again.

mod effects;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(super) use self::effects::{
    Answered, BasePushIntent, ChangePushIntent, CheckRunIntent, CheckUpdateIntent, CommentIntent,
    CommitMessage, IssueIntent, IssueMade, MergeIntent, MergeOrderIntent, MergeOrdered, Merged,
    ModelCallIntent, Opened, Posted, PullRequestIntent, Pushed, Reported, Reran, RerunIntent, ResolveIntent,
    Resolved, ReviewIntent, ReviewRequestIntent, StatusIntent, Tests,
};
use super::{Failure, attempt::Attempt};
use crate::{
    core::sha::Sha,
    store::effect::{self, Begun},
};

/// An act on the outside world, described by its intent. Both sides are persisted as JSON, so a change
/// must still read the rows of earlier releases.
pub(super) trait Effect: Serialize + DeserializeOwned {
    /// The kind's name in the database.
    const KIND: &'static str;
    /// What is recorded once the outcome of the act is known.
    type Observation: Serialize + DeserializeOwned;
}

/// What is known before an act.
pub(super) enum Before<E: Effect> {
    /// It is done.
    Done(E::Observation),
    /// An earlier attempt recorded the intent and may have acted: look first.
    Unknown(Recorded<E>),
    /// No attempt recorded the intent before.
    Fresh(Recorded<E>),
}

/// An intent as the first attempt recorded it; later attempts act on this one.
pub(super) struct Recorded<E> {
    pub(super) intent: E,
    pub(super) at: DateTime<Utc>,
}

/// An observation, and when it was recorded.
pub(super) struct Observed<T> {
    pub(super) observation: T,
    pub(super) at: DateTime<Utc>,
}

impl Attempt<'_> {
    /// Fails once the lease is lost: another attempt may be under way.
    pub(super) fn check_lease(&self) -> Result<(), Failure> {
        if self.lost.is_cancelled() { Err(Failure::LeaseLost) } else { Ok(()) }
    }

    /// Records the intent before the act.
    pub(super) async fn begin<E: Effect>(&self, key: &str, intent: &E) -> Result<Before<E>, Failure> {
        self.check_lease()?;
        let request = to_json(intent)?;
        let begun = effect::begin(&self.factory.pool, &self.lease, key, E::KIND, &request).await?;
        before(key, begun)
    }

    /// Records the observation after the act.
    pub(super) async fn observe<E: Effect>(
        &self,
        key: &str,
        observation: &E::Observation,
    ) -> Result<(), Failure> {
        let result = to_json(observation)?;
        Ok(effect::observe(&self.factory.pool, self.lease.run, key, &result).await?)
    }

    /// The observation of an effect that an earlier attempt at this visit of the step made.
    pub(super) async fn observed<E: Effect>(&self, key: &str) -> Result<Option<E::Observation>, Failure> {
        let row = effect::get(&self.factory.pool, self.lease.run, key).await?;
        row.and_then(|row| row.result).map(|result| observation::<E>(key, result)).transpose()
    }

    /// Acts at most once: a recorded observation is returned, and where only the intent is recorded, `find`
    /// looks for the result before `act`. Neither future is polled before its turn.
    pub(super) async fn once<E: Effect>(
        &self,
        key: &str,
        intent: &E,
        find: impl Future<Output = Result<Option<E::Observation>, Failure>>,
        act: impl Future<Output = Result<E::Observation, Failure>>,
    ) -> Result<E::Observation, Failure> {
        let found = match self.begin(key, intent).await? {
            Before::Done(observation) => return Ok(observation),
            Before::Unknown(_) => Box::pin(find).await?,
            Before::Fresh(_) => None,
        };
        let observation = match found {
            Some(observation) => observation,
            None => Box::pin(act).await?,
        };
        self.observe::<E>(key, &observation).await?;
        Ok(observation)
    }

    /// As [`Attempt::once`], for what exists once a head: an earlier run on the same branch may have made it.
    pub(super) async fn once_a_head<E: Effect>(
        &self,
        key: &str,
        intent: &E,
        find: impl Future<Output = Result<Option<E::Observation>, Failure>>,
        act: impl Future<Output = Result<E::Observation, Failure>>,
    ) -> Result<E::Observation, Failure> {
        match effect::inherited(&self.factory.pool, self.lease.run, key).await? {
            Some(result) => observation::<E>(key, result),
            None => self.once(key, intent, find, act).await,
        }
    }

    /// The heads that this run and earlier runs on the same branch pushed, oldest first.
    pub(super) async fn pushes(&self) -> Result<Vec<Observed<Pushed>>, Failure> {
        self.observations::<ChangePushIntent>().await
    }

    /// The keys with this prefix of one kind of effect that were done, as [`Attempt::observations`] lists them.
    pub(super) async fn observed_keys<E: Effect>(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let rows = effect::done_in_lineage(&self.factory.pool, self.lease.run, E::KIND).await?;
        Ok(rows.into_iter().map(|row| row.key).filter(|key| key.starts_with(prefix)).collect())
    }

    /// The observations of one kind of effect, of this run and of earlier runs on the same branch, oldest first.
    pub(super) async fn observations<E: Effect>(&self) -> Result<Vec<Observed<E::Observation>>, Failure> {
        let rows = effect::done_in_lineage(&self.factory.pool, self.lease.run, E::KIND).await?;
        let read = |row: effect::Done| {
            Ok(Observed { observation: observation::<E>(&row.key, row.result)?, at: row.done_at })
        };
        rows.into_iter().map(read).collect()
    }
}

/// The position of `head` among the pushes.
pub(super) fn position(pushes: &[Observed<Pushed>], head: &Sha) -> Option<usize> {
    pushes.iter().position(|push| push.observation.sha == *head)
}

/// What the store knows of an effect, typed.
pub(super) fn before<E: Effect>(key: &str, begun: Begun) -> Result<Before<E>, Failure> {
    let recorded = |first: effect::Intent| {
        Ok::<_, Failure>(Recorded { intent: intent(key, first.request)?, at: first.at })
    };
    Ok(match begun {
        Begun::Fresh(first) => Before::Fresh(recorded(first)?),
        Begun::Unknown(first) => Before::Unknown(recorded(first)?),
        Begun::Done(_, result) => Before::Done(observation::<E>(key, result)?),
        Begun::LeaseLost => return Err(Failure::LeaseLost),
    })
}

/// A recorded intent.
pub(super) fn intent<E: Effect>(key: &str, request: Value) -> Result<E, Failure> {
    serde_json::from_value(request)
        .map_err(|error| Failure::unusable(format!("read the intent of `{key}`: {error}")))
}

/// A recorded observation.
pub(super) fn observation<E: Effect>(key: &str, result: Value) -> Result<E::Observation, Failure> {
    serde_json::from_value(result)
        .map_err(|error| Failure::unusable(format!("read the observation of `{key}`: {error}")))
}

/// An intent or an observation as it is persisted.
pub(super) fn to_json(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(Failure::unusable)
}
