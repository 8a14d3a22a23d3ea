//! Proposals are filed in the transaction that looks back, under its lock, so that each is filed once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::retro::{
    LookBack, Proposed,
    filing::{DAYS, Known},
};
use crate::store::{self, Connection, Result};

/// The most runs that a proposal names, the newest.
const MOST_RUNS: usize = 10;
/// A product and a cause.
type Place = (String, String);

/// Files what is due of the causes of these looks back.
pub(super) async fn file(tx: &mut Connection, changed: &[(Uuid, &str, LookBack)]) -> Result<()> {
    let mut newest: BTreeMap<Place, (DateTime<Utc>, &Proposed)> = BTreeMap::new();
    for (_, product, it) in changed {
        for lesson in &it.lessons {
            let Some(proposed) = &lesson.proposed else { continue };
            let place = ((*product).to_owned(), lesson.cause.clone());
            let newer = newest.get(&place).is_none_or(|(at, _)| *at <= lesson.at);
            if newer {
                newest.insert(place, (lesson.at, proposed));
            }
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    let now = store::now(tx).await?;
    let mut known = known(tx, &newest.keys().cloned().collect()).await?;
    for (place, (_, proposed)) in newest {
        let (its, runs) = known.remove(&place).unwrap_or_default();
        if its.is_due(now) {
            insert(tx, &place, proposed, &runs).await?;
        }
    }
    Ok(())
}

/// What is known of these causes, with the runs that have them, the newest first.
async fn known(tx: &mut Connection, places: &BTreeSet<Place>) -> Result<BTreeMap<Place, (Known, Vec<Uuid>)>> {
    let (products, causes): (Vec<String>, Vec<String>) = places.iter().cloned().unzip();
    let mut all: BTreeMap<Place, (Known, Vec<Uuid>)> = BTreeMap::new();
    let rows = sqlx::query!(
        "select l.product, l.cause, l.run_id, l.at
         from unnest($1::text[], $2::text[]) as its (product, cause)
         join lesson l on l.product = its.product and l.cause = its.cause
         where l.kind is not null and l.at > now() - make_interval(days => $3)
         order by l.at desc, l.run_id desc",
        &products,
        &causes,
        i32::try_from(DAYS).unwrap_or(i32::MAX)
    );
    for row in rows.fetch_all(&mut *tx).await? {
        let (known, runs) = all.entry((row.product, row.cause)).or_default();
        known.runs.push(row.at);
        runs.push(row.run_id);
    }
    let rows = sqlx::query!(
        r#"select p.product, p.cause, bool_or(p.state = 'open') as "is_open!", max(p.decided_at) as decided_at
           from unnest($1::text[], $2::text[]) as its (product, cause)
           join proposal p on p.product = its.product and p.cause = its.cause
           group by p.product, p.cause"#,
        &products,
        &causes
    );
    for row in rows.fetch_all(tx).await? {
        let (known, _) = all.entry((row.product, row.cause)).or_default();
        (known.is_open, known.decided_at) = (row.is_open, row.decided_at);
    }
    Ok(all)
}

async fn insert(
    tx: &mut Connection,
    (product, cause): &Place,
    proposed: &Proposed,
    runs: &[Uuid],
) -> Result<()> {
    sqlx::query!(
        "insert into proposal (id, product, cause, kind, title, body, runs) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict do nothing",
        Uuid::now_v7(),
        product,
        cause,
        proposed.kind.as_str(),
        proposed.title,
        proposed.text,
        &runs[..runs.len().min(MOST_RUNS)]
    )
    .execute(tx)
    .await
    .map(|_| ())
}
