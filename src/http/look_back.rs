//! The look back at a run, for REST and the pages.

use crate::{
    api::LookBack,
    core::access::Right,
    http::middleware::caller::Caller,
    store::{self, Pool, retro, run::StoredRun},
};

/// Reads the look back at a run, or why there is none. What reviews said is left out for who may not read payloads.
pub(crate) async fn of(pool: &Pool, stored: &StoredRun, caller: &Caller) -> store::Result<LookBack> {
    let run = stored.spec.id;
    if !stored.run.has_ended() {
        return Ok(LookBack::without(run, "running", "the run has not ended"));
    }
    if let Some(row) = retro::of_run(pool, run).await? {
        let proposals = retro::proposals_of_run(pool, run).await?;
        return Ok(LookBack::new(run, row, &proposals, caller.may(Right::ReadPayload)));
    }
    Ok(match retro::is_due(pool, run).await? {
        true => LookBack::without(run, "due", "the run has just ended, and a worker looks back at it next"),
        false => LookBack::without(run, "no_data", "no data: the history of the run is deleted"),
    })
}
