//! The facts that the figures of runs rest on, read for many runs at once.

use std::collections::HashMap;

use uuid::Uuid;

use crate::core::measure::{
    Approved, FIRST_PULL_MINUTES, Facts, FindingCount, Happening, LOOP_MINUTES, Objectives,
};
use crate::store::{Connection, Result};

/// What is known of these runs: the facts of those that have ended, and nothing of those that have not. A run that does not
/// exist is left out.
pub(super) async fn of(tx: &mut Connection, runs: &[Uuid]) -> Result<HashMap<Uuid, Option<Facts>>> {
    let (Some(least), Some(most)) = (runs.iter().min(), runs.iter().max()) else { return Ok(HashMap::new()) };
    let rows = sqlx::query_file!("src/store/history/measure/runs.sql", runs, least, most);
    let rows = rows.fetch_all(&mut *tx).await?;
    let mut all = HashMap::new();
    for row in rows {
        let (Some(ended_as), Some(ended_at)) = (row.ended_as, row.ended_at) else {
            all.insert(row.id, None);
            continue;
        };
        let facts = Facts {
            product: row.product,
            tier: row.tier,
            is_ours: !row.is_theirs,
            ended_as,
            ended_at,
            submitted_at: row.submitted_at,
            is_merged: row.is_merged,
            is_unjudged: row.is_unjudged,
            history: None,
            approved: None,
            findings: Vec::new(),
            tokens: 0,
            micro_dollars: 0,
            coverage: None,
            incidents: 0,
            objectives: Objectives {
                first_pull_minutes: row.first_pull_minutes.unwrap_or(FIRST_PULL_MINUTES),
                loop_minutes: row.loop_minutes.unwrap_or(LOOP_MINUTES),
            },
        };
        all.insert(row.id, Some(facts));
    }
    let ended: Vec<Uuid> = all.iter().filter(|(_, facts)| facts.is_some()).map(|(id, _)| *id).collect();
    if !ended.is_empty() {
        histories(tx, &ended, &mut all).await?;
        verdicts(tx, &ended, &mut all).await?;
        usage(tx, &ended, &mut all).await?;
        later(tx, &ended, &mut all).await?;
    }
    Ok(all)
}

fn facts(all: &mut HashMap<Uuid, Option<Facts>>, run: Uuid) -> Option<&mut Facts> {
    all.get_mut(&run)?.as_mut()
}

async fn histories(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Option<Facts>>) -> Result<()> {
    let (least, most) = (runs.iter().min(), runs.iter().max());
    let rows = sqlx::query_file!("src/store/history/measure/history.sql", runs, least, most);
    for row in rows.fetch_all(tx).await? {
        let Some(facts) = facts(all, row.run_id) else { continue };
        if row.seq == 1 {
            facts.history = Some(Vec::new());
        }
        // One without its beginning says nothing.
        let Some(history) = &mut facts.history else { continue };
        history.push(Happening {
            at: row.at,
            began_at: row.began_at,
            step: row.step,
            kind: row.kind,
            outcome: row.outcome,
            awaited: row.awaited,
            cause: row.cause,
            has_pull: row.has_pull,
            has_merged: row.has_merged,
            head: row.head,
            detail: row.detail,
        });
    }
    Ok(())
}

async fn verdicts(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Option<Facts>>) -> Result<()> {
    let rows = sqlx::query_file!("src/store/history/measure/approved.sql", runs).fetch_all(tx).await?;
    for row in rows {
        if let Some(facts) = facts(all, row.run_id) {
            facts.approved = Some(if row.by_people { Approved::ByPeople } else { Approved::ByNobody });
        }
    }
    Ok(())
}

async fn usage(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Option<Facts>>) -> Result<()> {
    let keys: Vec<String> = runs.iter().map(Uuid::to_string).collect();
    let rows = sqlx::query!(
        "select key, settled_tokens, settled_micro_dollars from budget_use where scope = 'run' and key = any($1)",
        &keys
    );
    for row in rows.fetch_all(tx).await? {
        let run = row.key.parse().ok();
        if let Some(facts) = run.and_then(|run| facts(all, run)) {
            (facts.tokens, facts.micro_dollars) = (row.settled_tokens, row.settled_micro_dollars);
        }
    }
    Ok(())
}

/// What may come after the end: findings, coverage, incidents.
async fn later(tx: &mut Connection, runs: &[Uuid], all: &mut HashMap<Uuid, Option<Facts>>) -> Result<()> {
    let rows = sqlx::query_file!("src/store/history/measure/findings.sql", runs);
    for row in rows.fetch_all(&mut *tx).await? {
        if let Some(facts) = facts(all, row.run_id) {
            let (reviewer, severity, state) = (row.reviewer, row.severity, row.state);
            facts.findings.push(FindingCount { reviewer, severity, state, count: row.count });
        }
    }
    let (least, most) = (runs.iter().min(), runs.iter().max());
    let rows = sqlx::query_file!("src/store/history/measure/coverage.sql", runs, least, most);
    for row in rows.fetch_all(&mut *tx).await? {
        if let Some(facts) = facts(all, row.run_id) {
            facts.coverage = Some((row.covered, row.total));
        }
    }
    let rows = sqlx::query!(
        r#"select run_id as "run_id!", count(*) as "count!" from incident where run_id = any($1) group by run_id"#,
        runs
    );
    for row in rows.fetch_all(tx).await? {
        if let Some(facts) = facts(all, row.run_id) {
            facts.incidents = row.count;
        }
    }
    Ok(())
}
