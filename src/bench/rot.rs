//! Whether a long past, or somebody's old snapshot, makes the work slower.

use serde_json::{Map, Value, json};

use super::{
    Report,
    audit::Audit,
    crew::Commits,
    drain::drained,
    figures::{Spread, figure},
    ground::Database,
    say,
    stage::Stage,
};
use crate::store::throwaway::Snapshot;

/// The least share of the empty database's figure: beside a past, and with a snapshot too.
const GOAL: (f64, f64) = (0.9, 0.8);

/// What lies in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Nothing.
    Empty,
    /// A long past.
    Past,
    /// A long past, and another session's open snapshot.
    Held,
}

/// Both workloads in every case in turn, as often as asked for; medians are compared.
pub(super) async fn measure(stage: &Stage<'_>) -> anyhow::Result<Report> {
    let past = stage.past().await?;
    let (mut found, mut audit) = (Vec::new(), Audit::default());
    for round in 0..stage.plan.sizes.repeats {
        let mut cases = [Case::Empty, Case::Past, Case::Held];
        let first = round % cases.len();
        // Neither goes first every time.
        cases.rotate_left(first);
        for case in cases {
            say(&format!("rot … round {} of {}, {case:?}", round + 1, stage.plan.sizes.repeats));
            let (drain, chain, seen) = in_case(stage, past, case).await?;
            found.push((case, drain, chain));
            audit.add(seen);
        }
    }
    let drain = |case| Spread::of(found.iter().filter(|it| it.0 == case).map(|it| it.1)).median();
    let chain = |case| Spread::of(found.iter().filter(|it| it.0 == case).map(|it| it.2)).median();
    let mut line = Map::new();
    let mut met = true;
    for (name, rate) in [("drain", &drain as &dyn Fn(Case) -> f64), ("chain", &chain)] {
        let empty = rate(Case::Empty);
        let (past, held) = (rate(Case::Past) / empty, rate(Case::Held) / empty);
        line.insert(format!("{name}_empty_per_s"), figure(empty));
        line.insert(format!("{name}_past_share"), figure(past));
        line.insert(format!("{name}_held_share"), figure(held));
        met &= past >= GOAL.0 && held >= GOAL.1;
    }
    line.insert("past_runs".to_owned(), stage.plan.sizes.past.into());
    line.insert("repeats".to_owned(), stage.plan.sizes.repeats.into());
    line.insert("goal".to_owned(), json!("0.9 of empty beside the past, 0.8 with a held snapshot as well"));
    line.insert("met".to_owned(), met.into());
    line.insert("lost".to_owned(), (audit.wrong - audit.unfinished).into());
    line.insert("unfinished".to_owned(), audit.unfinished.into());
    Ok(Report::audited(Value::Object(line), &audit))
}

/// Drains and chains once, in steps a second.
async fn in_case(stage: &Stage<'_>, past: &Database, case: Case) -> anyhow::Result<(f64, f64, Audit)> {
    let fresh = if case == Case::Empty { Some(stage.ground.fresh().await?) } else { None };
    let database = fresh.as_ref().unwrap_or(past);
    let (sizes, setup) = (stage.plan.sizes, stage.setup(Commits::Grouped));
    let held = if case == Case::Held { Some(Snapshot::hold(&database.url).await?) } else { None };
    let drain = drained(database, &database.graphs.single, sizes.drain, setup).await?;
    let chain = drained(database, &database.graphs.chain, sizes.chain, setup).await?;
    drop(held);
    if let Some(fresh) = &fresh {
        stage.ground.discard(fresh).await?;
    }
    let mut audit = drain.audit;
    audit.add(chain.audit);
    Ok((drain.rate, chain.rate, audit))
}
