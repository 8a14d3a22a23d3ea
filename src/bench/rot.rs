//! Whether many finished runs, or an old snapshot of another session, make the work slower.

use serde_json::{Map, Value, json};

use super::{
    Report,
    drain::drained,
    environment::Environment,
    figures::{Spread, figure},
    progress,
    server::Database,
    throwaway::Snapshot,
    verify::Verification,
    worker::Commits,
};

/// The least share of the figure of an empty database: beside finished runs, and with a snapshot too.
const GOAL: (f64, f64) = (0.9, 0.8);

/// What is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Nothing.
    Empty,
    /// Many finished runs.
    Past,
    /// Many finished runs, and an open snapshot of another session.
    Held,
}

/// Measures both workloads in every case in turn and compares the medians.
pub(super) async fn measure(env: &Environment<'_>) -> anyhow::Result<Report> {
    let past = env.past().await?;
    let (mut found, mut verification) = (Vec::new(), Verification::default());
    for round in 0..env.plan.sizes.repeats {
        let mut cases = [Case::Empty, Case::Past, Case::Held];
        let first = round % cases.len();
        // No case goes first every time.
        cases.rotate_left(first);
        for case in cases {
            progress(&format!("rot … round {} of {}, {case:?}", round + 1, env.plan.sizes.repeats));
            let (drain, chain, seen) = in_case(env, past, case).await?;
            found.push((case, drain, chain));
            verification.add(seen);
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
    line.insert("past_runs".to_owned(), env.plan.sizes.past.into());
    line.insert("repeats".to_owned(), env.plan.sizes.repeats.into());
    line.insert("goal".to_owned(), json!("0.9 of empty beside the past, 0.8 with a held snapshot as well"));
    line.insert("met".to_owned(), met.into());
    line.insert("lost".to_owned(), (verification.lost()).into());
    line.insert("unfinished".to_owned(), verification.unfinished.into());
    Ok(Report::verified(Value::Object(line), &verification))
}

/// Measures both once, in steps a second.
async fn in_case(
    env: &Environment<'_>,
    past: &Database,
    case: Case,
) -> anyhow::Result<(f64, f64, Verification)> {
    let fresh = if case == Case::Empty { Some(env.server.create().await?) } else { None };
    let database = fresh.as_ref().unwrap_or(past);
    let (sizes, setup) = (env.plan.sizes, env.setup(Commits::Batched));
    let held = if case == Case::Held { Some(Snapshot::open(&database.url).await?) } else { None };
    let drain = drained(database, &database.graphs.single, sizes.drain, setup).await?;
    let chain = drained(database, &database.graphs.chain, sizes.chain, setup).await?;
    drop(held);
    if let Some(fresh) = &fresh {
        env.server.drop_database(fresh).await?;
    }
    let mut verification = drain.verification;
    verification.add(chain.verification);
    Ok((drain.rate, chain.rate, verification))
}
