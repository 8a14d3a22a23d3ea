//! The looks back at runs that have ended: made where these are counted, in the same transaction and under the same lock, so
//! that each is made once and survives a killed worker. What comes again and again is filed as a proposal there too.

mod details;
mod filing;
pub mod proposal;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::{
    measure::Facts,
    retro::{Lesson, LookBack},
};
use crate::store::{Connection, Pool, Result};

/// A stored look back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When it was made, or last came to something else.
    pub looked_at: DateTime<Utc>,
    /// What it says.
    pub it: LookBack,
}

/// Looks back at these runs again: those that have ended, and away from those that have not.
pub(super) async fn look(tx: &mut Connection, all: &HashMap<Uuid, Option<Facts>>) -> Result<()> {
    let ended: Vec<Uuid> = all.iter().filter(|(_, facts)| facts.is_some()).map(|(run, _)| *run).collect();
    let open: Vec<Uuid> = all.iter().filter(|(_, facts)| facts.is_none()).map(|(run, _)| *run).collect();
    remove(tx, &open).await?;
    let details = details::of(tx, &ended).await?;
    let mut before = stored(tx, &ended).await?;
    let mut changed = Vec::new();
    for (run, facts) in all {
        let Some(facts) = facts else { continue };
        let details = details.get(run).cloned().unwrap_or_default();
        let before = before.remove(run);
        let now =
            LookBack::of(facts, &details).or_else(|| Some(before.as_ref()?.with_later(facts, &details)));
        if let Some(now) = now.filter(|now| before.as_ref() != Some(now)) {
            changed.push((*run, facts.product.as_str(), now));
        }
    }
    put(tx, &changed).await?;
    filing::file(tx, &changed).await
}

async fn remove(tx: &mut Connection, runs: &[Uuid]) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    sqlx::query!("delete from lesson where run_id = any($1)", runs).execute(&mut *tx).await?;
    sqlx::query!("delete from run_look_back where run_id = any($1)", runs).execute(tx).await.map(|_| ())
}

async fn stored(tx: &mut Connection, runs: &[Uuid]) -> Result<HashMap<Uuid, LookBack>> {
    let rows = sqlx::query!(
        r#"select run_id, body as "body: Json<LookBack>" from run_look_back where run_id = any($1)"#,
        runs
    );
    Ok(rows.fetch_all(tx).await?.into_iter().map(|row| (row.run_id, row.body.0)).collect())
}

/// Stores looks back in place of what the runs had.
async fn put(tx: &mut Connection, changed: &[(Uuid, &str, LookBack)]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let runs: Vec<Uuid> = changed.iter().map(|(run, ..)| *run).collect();
    let products: Vec<String> = changed.iter().map(|(_, product, _)| (*product).to_owned()).collect();
    let bodies: Vec<serde_json::Value> = changed.iter().map(|(.., it)| serde_json::json!(it)).collect();
    sqlx::query!(
        "insert into run_look_back (run_id, product, body) select * from unnest($1::uuid[], $2::text[], $3::jsonb[])
         on conflict (run_id) do update
         set product = excluded.product, body = excluded.body, looked_at = now()",
        &runs,
        &products,
        &bodies
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("delete from lesson where run_id = any($1)", &runs).execute(&mut *tx).await?;
    let each: Vec<(Uuid, &str, &Lesson)> = changed
        .iter()
        .flat_map(|(run, product, it)| it.lessons.iter().map(move |lesson| (*run, *product, lesson)))
        .collect();
    let runs: Vec<Uuid> = each.iter().map(|(run, ..)| *run).collect();
    let products: Vec<String> = each.iter().map(|(_, product, _)| (*product).to_owned()).collect();
    let causes: Vec<String> = each.iter().map(|(.., lesson)| lesson.cause.clone()).collect();
    let times: Vec<DateTime<Utc>> = each.iter().map(|(.., lesson)| lesson.at).collect();
    let kinds: Vec<Option<String>> = each.iter().map(|(.., lesson)| kind(lesson)).collect();
    sqlx::query!(
        "insert into lesson (run_id, cause, product, at, kind)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])",
        &runs,
        &causes,
        &products,
        &times,
        &kinds as _
    )
    .execute(tx)
    .await
    .map(|_| ())
}

fn kind(lesson: &Lesson) -> Option<String> {
    lesson.proposed.as_ref().map(|proposed| proposed.kind.as_str().to_owned())
}

/// The look back at a run, if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Option<Row>> {
    let row = sqlx::query!(
        r#"select looked_at, body as "body: Json<LookBack>" from run_look_back where run_id = $1"#,
        run
    );
    Ok(row.fetch_optional(pool).await?.map(|row| Row { looked_at: row.looked_at, it: row.body.0 }))
}

/// Whether a run is still to be counted, and looked back at with that.
///
/// # Errors
/// When the database does not answer.
pub async fn is_due(pool: &Pool, run: Uuid) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from measure_due where run_id = $1) as "due!""#, run)
        .fetch_one(pool)
        .await
}

/// The open or last decided proposal about each cause of a run, by cause.
///
/// # Errors
/// When the database does not answer.
pub async fn proposals_of_run(pool: &Pool, run: Uuid) -> Result<HashMap<String, (Uuid, String)>> {
    let rows = sqlx::query!(
        "select distinct on (p.cause) p.cause, p.id, p.state
         from lesson l join proposal p on p.product = l.product and p.cause = l.cause
         where l.run_id = $1
         order by p.cause, p.id desc",
        run
    );
    Ok(rows.fetch_all(pool).await?.into_iter().map(|row| (row.cause, (row.id, row.state))).collect())
}
