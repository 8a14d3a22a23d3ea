//! What a look back rests on beside the facts that figures rest on, read for many runs at once.

use std::collections::HashMap;

use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::retro::{
    Asked, Blocked, Call, Captured, Cleared, ConsentAsked, Details, Found, Held, Incident, Raised, Remark,
    Tried,
};
use crate::store::{Connection, Result};

/// What could be fixed, as a report names it. Findings are read from the reviews.
#[derive(Debug, Deserialize)]
#[serde(tag = "mend", rename_all = "snake_case")]
enum Reported {
    Docs {
        satisfied_by: Vec<String>,
    },
    Check {
        name: String,
    },
    Tests,
    #[serde(other)]
    Other,
}

impl Reported {
    fn held(self) -> Option<Held> {
        match self {
            Self::Docs { satisfied_by } => {
                Some(Held::Docs(satisfied_by.into_iter().next().unwrap_or_default()))
            }
            Self::Check { name } => Some(Held::Check(name)),
            Self::Tests => Some(Held::Tests),
            Self::Other => None,
        }
    }
}

/// What is recorded of these runs; one without any of it is left out.
pub(super) async fn of(tx: &mut Connection, runs: &[Uuid]) -> Result<HashMap<Uuid, Details>> {
    let mut all = HashMap::new();
    if runs.is_empty() {
        return Ok(all);
    }
    calls(tx, runs, &mut all).await?;
    reviews(tx, runs, &mut all).await?;
    judgements(tx, runs, &mut all).await?;
    around(tx, runs, &mut all).await?;
    Ok(all)
}

fn bounds(runs: &[Uuid]) -> (Option<&Uuid>, Option<&Uuid>) {
    (runs.iter().min(), runs.iter().max())
}

async fn calls(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Details>) -> Result<()> {
    let (least, most) = bounds(runs);
    let rows = sqlx::query_file!("src/store/history/retro/calls.sql", runs, least, most);
    for row in rows.fetch_all(tx).await? {
        let (tokens, micro_dollars) = (row.tokens, row.micro_dollars);
        let call = Call { at: row.intended_at, done_at: row.done_at, key: row.key, tokens, micro_dollars };
        all.entry(row.run_id).or_default().calls.push(call);
    }
    Ok(())
}

async fn reviews(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Details>) -> Result<()> {
    let rows = sqlx::query_file!("src/store/history/retro/findings.sql", runs);
    for row in rows.fetch_all(tx).await? {
        let (path, is_actionable, message) = (row.path, row.is_actionable, row.message);
        let found = Found { head: row.head_sha, path, is_actionable, message };
        all.entry(row.run_id).or_default().findings.push(found);
    }
    Ok(())
}

async fn judgements(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Details>) -> Result<()> {
    let rows = sqlx::query_file!("src/store/history/retro/blocked.sql", runs);
    for row in rows.fetch_all(&mut *tx).await? {
        let remediable = row.remediable.map(|it| it.0).unwrap_or_default();
        let held = remediable.into_iter().filter_map(Reported::held).collect();
        let blocked = Blocked { at: row.assessed_at, head: row.head_sha, held };
        all.entry(row.run_id).or_default().blocked.push(blocked);
    }
    let rows = sqlx::query_file!("src/store/history/retro/cleared.sql", runs);
    for row in rows.fetch_all(tx).await? {
        all.entry(row.run_id).or_default().cleared = Some(Cleared {
            tier: row.tier,
            approved_by: u32::try_from(row.approved_by).unwrap_or(u32::MAX),
            needs_people: row.needs_people,
            raised: row.raised.0,
        });
    }
    Ok(())
}

async fn around(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Details>) -> Result<()> {
    let (least, most) = bounds(runs);
    let rows = sqlx::query_file!("src/store/history/retro/around.sql", runs, least, most);
    for row in rows.fetch_all(tx).await? {
        let (its, at, until, text) = (all.entry(row.run_id).or_default(), row.at, row.until, row.text);
        match row.what.as_str() {
            "tried" => its.tries.push(Tried { at, is_proof: row.flag }),
            "remark" => {
                its.remarks.extend(row.texts.into_iter().map(|visit| Remark { path: text.clone(), visit }));
            }
            "asked" => {
                let questions = u32::try_from(row.count).unwrap_or_default();
                its.questions.push(Asked { at, until, questions });
            }
            "consent" => its.consents.push(ConsentAsked { at, until, is_refused: row.flag }),
            "captured" => its.captures.push(Captured { head: text, flows: row.texts, holds: row.flag }),
            "lost" => its.lost.extend(until.map(|until| (at, until))),
            "incident" => its.incidents.push(Incident { at, title: text, fixed: row.texts }),
            _ => its.files.push(text),
        }
    }
    Ok(())
}
