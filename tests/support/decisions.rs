//! Every decision that a test records is judged again at its end, and must come out as it was recorded. What it found out
//! about trees is kept then too.

use std::{path::PathBuf, thread};

use aspora::{
    core::policy::judged_again,
    store::{self, Pool, assessment, assessment::Decided},
};

/// A folder into which every decision is written, to choose from for `tests/data/decisions.json`.
const KEPT_IN: &str = "ASPORA_DECISIONS";

/// What a test adds to recorded facts that it has changed: the decision that rests on them need not come out again.
pub(crate) const CHANGED: &str = "changed_by_the_test";

/// As [`assert_come_out_again`], from a destructor: on a thread with its own runtime, as the test's may be shutting down.
pub(crate) fn assert_at_the_end(database_url: &str) {
    let url = database_url.to_owned();
    let judged = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let pool = store::connect(&url, 1).await.unwrap();
            assert_come_out_again(&pool).await;
            super::tested::remember(&pool).await;
            pool.close().await;
        });
    });
    assert!(
        judged.join().is_ok() || thread::panicking(),
        "a recorded decision comes out otherwise; see above"
    );
}

/// Judges every recorded decision again from its recorded facts; how many there are.
pub(crate) async fn assert_come_out_again(pool: &Pool) -> usize {
    let all = assessment::before(pool, i64::MAX, None, None, 10_000).await.unwrap();
    for decided in all.iter().filter(|decided| decided.facts.get(CHANGED).is_none()) {
        keep(decided);
        let differences = judged_again(&decided.stage, &decided.facts, &decided.report).unwrap();
        assert!(
            differences.is_empty(),
            "decision {} of run {} comes out otherwise: {differences:#?}",
            decided.id,
            decided.run_id
        );
    }
    all.len()
}

fn keep(decided: &Decided) {
    let Some(folder) = std::env::var_os(KEPT_IN).map(PathBuf::from) else { return };
    let Decided { id, run_id, stage, facts, report, .. } = decided;
    let kept = serde_json::json!({ "stage": stage, "facts": facts, "report": report });
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{run_id}-{id}.json")), kept.to_string()).unwrap();
}
