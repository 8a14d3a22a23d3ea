//! A run that waits for people alone looks at its pull request twice an hour, in case a webhook was lost. Where the pull
//! request has not changed since the last whole look, one call says so, and nothing else is asked.

use chrono::TimeDelta;

use super::{Failure, Reply, attempt::Attempt, wait::wait_on};
use crate::{
    core::{
        policy::{Facts, PullState},
        run::{Awaited, Event, LastLook, Park},
    },
    github::Pull,
    store::event,
};

/// After this long the next look is a whole one: what people may do, and the base, change without the pull request.
const WHOLE: TimeDelta = TimeDelta::days(3);

/// The wait again, if the timer alone woke the run from a wait for approvers and its pull request is as it was.
///
/// That reviews, comments, their edits and their dismissal change `updated_at` is seen in the payloads that GitHub
/// publishes as examples (@octokit/webhooks-examples: `pull_request_review`, `issue_comment`).
pub(super) async fn unchanged(at: &Attempt<'_>) -> Result<Option<Reply>, Failure> {
    let Some((park, look)) = woken_by_the_clock(at).await? else { return Ok(None) };
    let stale_at = at.brief.theirs().and_then(|theirs| theirs.pull.stale_at);
    if at.stored.now - look.at > whole(at) || stale_at.is_some_and(|stale| look.at <= stale) {
        return Ok(None);
    }
    let pull = at.pull().await?;
    let is_same =
        pull.state == PullState::Open && pull.head_sha == at.head()? && pull.updated_at == look.changed;
    Ok(is_same.then(|| wait_on(at, park)))
}

/// The wait and its look, if nothing but the timer has happened since.
async fn woken_by_the_clock(at: &Attempt<'_>) -> Result<Option<(Park, LastLook)>, Failure> {
    let version = at.stored.version;
    let last = event::after(&at.factory.pool, at.lease.run, version.saturating_sub(2).max(0), 2).await?;
    let [parked, woken] = last.as_slice() else { return Ok(None) };
    Ok(match (&parked.body.0, &woken.body.0) {
        (Event::Parked { park, .. }, Event::Woken) if rests(at, park.awaited) => {
            park.look.map(|look| (park.clone(), look))
        }
        _ => None,
    })
}

/// Whether a wait rests on the pull request alone. One of others waits for what its people do to it, not for approvers alone.
fn rests(at: &Attempt<'_>, awaited: Awaited) -> bool {
    awaited == Awaited::Approvers || (at.brief.theirs().is_some() && awaited.is_people())
}

/// For how long a whole look is enough. One of others is woken by its timer once a day, and then looked at whole.
fn whole(at: &Attempt<'_>) -> TimeDelta {
    if at.brief.theirs().is_some() { TimeDelta::hours(12) } else { WHOLE }
}

/// The wait with this look, if the pull request had been still before it.
pub(super) fn with_look(at: &Attempt<'_>, reply: Reply, pull: &Pull, facts: &Facts) -> Reply {
    let look = LastLook { changed: pull.updated_at, at: facts.at };
    let is_still = (look.at - look.changed).to_std().is_ok_and(|still| still >= at.factory.polling.still);
    match reply {
        Reply::Park(park, progress) if rests(at, park.awaited) && is_still => {
            Reply::Park(Park { look: Some(look), ..park }, progress)
        }
        reply => reply,
    }
}
