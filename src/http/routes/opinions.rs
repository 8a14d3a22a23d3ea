//! What people say of a run's head: approve, reject, withdraw.
//!
//! The same again answers 200 with the run as it is. Whether it counts is the verdict's to say, as for a review on the
//! forge.

use axum::http::StatusCode;
use serde::Serialize;

use super::{
    controls::{self, Control},
    responses::{InvalidReason, NotFound},
};
use crate::{
    api::{self, Problem, Run},
    core::{access::Principal, opinion::Opinion, policy::Via, sha::Sha},
    engine::Said,
    http::middleware::{
        error::Error,
        extract,
        idempotency::{Outcome, Reply},
        problem::Kind,
    },
    store::{self, Connection},
};

/// Approves the run's head with the account on the forge that is linked to the key's owner. It counts under the same
/// rules as a review on the forge, and a push voids it.
#[utoipa::path(post, path = "/api/v1/runs/{id}/approve", tag = "runs", request_body = api::Approve,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, whose verdict judges again.", body = Run),
        (status = 403, description = "The key may not approve (`forbidden`), or no login on the forge is linked to its owner (`no-forge-login`).", body = Problem, content_type = "application/problem+json"),
        NotFound,
        (status = 409, description = "The run's head is another (`stale_head`), or the run has ended.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn approve(control: Control<api::Approve>) -> Result<Outcome, Error> {
    let (head, reason) = (&control.body.head_sha, control.body.reason.as_deref());
    say(&control, Opinion::Approve, head, reason).await
}

/// Rejects the run's head: it is not merged, nor is a later head, until the same person withdraws this or approves.
#[utoipa::path(post, path = "/api/v1/runs/{id}/reject", tag = "runs", request_body = api::Reject,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, whose verdict judges again.", body = Run),
        (status = 403, description = "The key may not reject (`forbidden`), or no login on the forge is linked to its owner (`no-forge-login`).", body = Problem, content_type = "application/problem+json"),
        NotFound,
        (status = 409, description = "The run's head is another (`stale_head`), or the run has ended.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn reject(control: Control<api::Reject>) -> Result<Outcome, Error> {
    let (head, reason) = (&control.body.head_sha, Some(control.body.reason.as_str()));
    say(&control, Opinion::Reject, head, reason).await
}

/// Withdraws what the caller said of the change here, also after the run has ended without being merged: a retry then
/// goes on.
#[utoipa::path(post, path = "/api/v1/runs/{id}/withdraw", tag = "runs", request_body = api::Approve,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The run, whose verdict judges again.", body = Run),
        (status = 403, description = "The key may not approve (`forbidden`), or no login on the forge is linked to its owner (`no-forge-login`).", body = Problem, content_type = "application/problem+json"),
        NotFound,
        (status = 409, description = "The run's head is another (`stale_head`), its change is merged, or the caller said nothing of it here.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn withdraw(control: Control<api::Approve>) -> Result<Outcome, Error> {
    let (head, reason) = (&control.body.head_sha, control.body.reason.as_deref());
    say(&control, Opinion::Withdraw, head, reason).await
}

/// The login on the forge of who says something of a head.
///
/// # Errors
/// [`Kind::NoLogin`], saying what to do.
pub(crate) fn login(who: &Principal) -> Result<&str, Error> {
    who.login.as_deref().ok_or_else(|| {
        let detail = format!(
            "{} has no login on the forge here, so that nobody can say what it may do there; an admin links one: \
             aspora key create --person \"{}\" --role {} --forge-login LOGIN",
            who.name, who.name, who.role
        );
        Error::new(Kind::NoLogin, detail)
    })
}

async fn say<T: serde::de::DeserializeOwned + Serialize>(
    control: &Control<T>,
    opinion: Opinion,
    head: &str,
    reason: Option<&str>,
) -> Result<Outcome, Error> {
    let (app, run) = (&control.app, control.run);
    let login = login(control.caller.principal())?;
    let head: Sha = head.parse().map_err(|_| {
        Error::field("/head_sha", "must be a commit: all 40 lower-case hexadecimal digits of it")
    })?;
    let reason = reason.map(extract::reason).transpose()?;
    let once = control.once(opinion.as_str())?;
    let said = Said { head: &head, opinion, via: Via::Aspora, login, account: None, reason: reason.as_ref() };
    let pool = app.engine.pool();
    // Read beforehand: a transaction that waits for a second connection can exhaust the pool.
    let spent = store::effect::spent(pool, run).await?;
    once.run(pool, async |tx: &mut Connection| {
        app.engine.opine_in(tx, run, said, control.caller.author()).await?;
        let body = controls::view(app, tx, run, spent).await?;
        Ok(Reply { status: StatusCode::OK, location: None, body })
    })
    .await
}
