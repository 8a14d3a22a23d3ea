//! What a tree's tests came to in one story, another story of this program need not find out again. It is what Aspora
//! itself does for the runs of one database.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use aspora::store::Pool;
use serde_json::Value;

/// Repository, tree and way of testing.
type Place = (String, String, String);

static KNOWN: Mutex<BTreeMap<Place, Value>> = Mutex::new(BTreeMap::new());

/// Puts what other stories found out into the database of a new one.
pub(crate) async fn recall(pool: &Pool) {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for ((repository, tree, plan), tested) in known {
        let row =
            sqlx::query("insert into test_run (repository, tree_sha, plan, tested) values ($1, $2, $3, $4)");
        row.bind(repository).bind(tree).bind(plan).bind(tested).execute(pool).await.unwrap();
    }
}

/// Keeps what a story found out about trees whose tests ran.
pub(super) async fn remember(pool: &Pool) {
    const ALL: &str =
        "select repository, tree_sha, plan, tested from test_run where tested->>'result' <> 'not_run'";
    let rows = sqlx::query_as::<_, (String, String, String, Value)>(ALL).fetch_all(pool).await.unwrap();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend(rows.into_iter().map(|(repository, tree, plan, tested)| ((repository, tree, plan), tested)));
}
