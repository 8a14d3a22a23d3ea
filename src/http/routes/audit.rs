//! The audit log: listed, and followed from its beginning to its end.

use axum::{Json, extract::State};
use uuid::Uuid;

use super::responses::NotFound;
use super::runs;
use crate::{
    api::{AuditEntries, AuditEntry, AuditVerification},
    http::{
        AppState,
        middleware::{
            error::Error,
            extract::{Id, Query},
        },
    },
    store::audit::{self, Filter},
};

/// What people and keys did, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit",
    params(
        ("person" = Option<String>, Query, description = "Only acts of this person."),
        ("run" = Option<Uuid>, Query, description = "Only acts on this run."),
        ("cursor" = Option<i64>, Query, description = "The next_cursor of the page before.", minimum = 1),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 50.", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page.", body = AuditEntries)))]
pub(super) async fn list(State(app): State<AppState>, query: Query) -> Result<Json<AuditEntries>, Error> {
    let query = query.only(&["person", "run", "cursor", "limit"])?;
    let limit = i64::from(query.number("limit", 1, 100, 50)?);
    let wrong =
        |_| Error::parameter("cursor", "is not a cursor of this list; send next_cursor as it was given");
    let before = query.text("cursor").map(str::parse::<i64>).transpose().map_err(wrong)?;
    let not_a_run = |_| Error::parameter("run", "is not the id of a run, a UUID");
    let run = query.text("run").map(str::parse::<Uuid>).transpose().map_err(not_a_run)?;
    let person = query.text("person").map(str::to_owned);
    // One more than requested shows whether there is a next page.
    let filter = Filter { person, run, before, limit: limit + 1 };
    let mut rows = audit::list(app.engine.pool(), &filter).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > limit);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| row.seq);
    Ok(Json(AuditEntries { items: rows.into_iter().map(AuditEntry::from).collect(), next_cursor }))
}

/// The newest acts on a run, oldest first, at most 200.
#[utoipa::path(get, path = "/api/v1/runs/{id}/audit", tag = "audit", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The acts.", body = Vec<AuditEntry>),
    NotFound,
))]
pub(super) async fn of_run(State(app): State<AppState>, Id(id): Id) -> Result<Json<Vec<AuditEntry>>, Error> {
    let pool = app.engine.pool();
    runs::run(pool, id).await?;
    Ok(Json(audit::of_run(pool, id).await?.into_iter().map(AuditEntry::from).collect()))
}

/// Whether every entry of the log is as it was written, and otherwise the first that is not.
#[utoipa::path(get, path = "/api/v1/audit/verification", tag = "audit", responses(
    (status = 200, description = "What was found.", body = AuditVerification),
))]
pub(super) async fn verify(State(app): State<AppState>) -> Result<Json<AuditVerification>, Error> {
    Ok(Json(audit::verify(app.engine.pool()).await?.into()))
}
