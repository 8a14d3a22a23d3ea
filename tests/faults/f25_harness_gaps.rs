//! F25: workers and Postgres are killed while many harness gaps are due to be reminded of.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aspora::dev::github::Phase;

use crate::{
    env::{Crash, FaultEnv, TestPostgres},
    support::eventually,
};

/// How many gaps there are, unless `ASPORA_GAPS` says so.
const GAPS: i64 = 24;
/// The longest that nothing more may be said: a test that fails waits so long.
const LONGEST: Duration = Duration::from_secs(180);
/// How often Postgres crashes in all, and how often workers are killed besides.
const CRASHES: usize = 4;
const KILLS: usize = 6;

/// Makes a repository with so many open issues, and an open gap of each whose clock began an hour ago.
async fn make(env: &FaultEnv, count: i64) -> String {
    let started = env.start_run("p").await;
    for number in 0..count {
        env.twin
            .open_issue_as("asha", &started.repository, &format!("Incident {number}"), &[])
            .await
            .unwrap();
    }
    sqlx::query(
        "with reported as (
             insert into incident (id, product, source, key, title, happened_at)
             select gen_random_uuid(), 'p', 'issue', number::text, 'Incident ' || number, now()
             from generate_series(1, $1) number
             returning id, key)
         insert into harness_gap (id, incident, product, repository, kind, label, limit_minutes, policy_digest, started_at,
                                  issue, opened_by, look_at)
         select gen_random_uuid(), id, 'p', $2, 'productionIncident', 'harness-gap', 2880, 'p', now() - interval '1 hour',
                key::bigint, 'asha', 'infinity'
         from reported",
    )
    .bind(count)
    .bind(&started.repository)
    .execute(env.pool())
    .await
    .unwrap();
    started.repository
}

/// Lets all clocks have begun earlier, and be looked at.
async fn age(env: &FaultEnv, hours: i32) {
    let sql = "update harness_gap set started_at = started_at - make_interval(hours => $1), look_at = now(), news = news + 1";
    eventually("the clocks are moved", async || {
        sqlx::query(sql).bind(hours).execute(env.pool()).await.is_ok()
    })
    .await;
}

/// How many comments each issue has with each of these words.
fn said(env: &FaultEnv, repository: &str) -> BTreeMap<(i64, &'static str), usize> {
    let mut counts = BTreeMap::new();
    for comment in env.twin.comments(repository) {
        for word in ["50 %", "75 %", "overdue"] {
            if comment.body.contains(word) {
                *counts.entry((comment.issue, word)).or_default() += 1;
            }
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f25_each_reminder_comes_once_through_kills_of_workers_and_of_postgres() {
    let count: i64 = std::env::var("ASPORA_GAPS").ok().map_or(GAPS, |count| count.parse().unwrap());
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("gaps").await;
    let repository = make(&env, count).await;
    let comments_in_all = usize::try_from(count).unwrap() * 3;
    let (crash_every, kill_every) = (comments_in_all / CRASHES, comments_in_all / KILLS);
    let (comments, crashes, kills) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, crashed, kill, of) =
        (Arc::clone(&comments), Arc::clone(&crashes), Arc::clone(&kills), postgres.clone());
    env.twin.on_request(Arc::new(move |request, phase| {
        if request.method != "POST" || !request.path.contains("/comments") || phase != Phase::AfterApply {
            return;
        }
        // The comment is there, and nobody has recorded it.
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        if number % crash_every == 0 {
            crashed.fetch_add(1, Ordering::SeqCst);
            of.crash(Crash::Kill);
        }
        if number % crash_every == 0 || number % kill_every == 0 {
            kill.fetch_add(1, Ordering::SeqCst);
        }
    }));
    for (hours, word) in [(24, "50 %"), (12, "75 %"), (12, "overdue")] {
        age(&env, hours).await;
        // The hours pass at the forge too: a thousand reminders take most of the calls that it allows in one.
        env.twin.limit_rate(None);
        let mut last = (0, Instant::now());
        loop {
            // A kill that the hook asked for happens here, in the middle of whatever the workers do then.
            if kills.swap(0, Ordering::SeqCst) > 0 {
                env.workers.kill_all();
                // What a worker that is gone had claimed would be due again after two minutes.
                let due = "update harness_gap set look_at = now() where look_at < 'infinity'";
                eventually("claims end", async || sqlx::query(due).execute(env.pool()).await.is_ok()).await;
            }
            env.workers.top_up(2);
            let said = said(&env, &repository);
            if (1..=count).all(|issue| said.contains_key(&(issue, word))) {
                break;
            }
            let times = said.keys().filter(|(_, known)| *known == word).count();
            if times > last.0 {
                last = (times, Instant::now());
            }
            assert!(
                last.1.elapsed() < LONGEST,
                "{word} is said of {times} of {count} issues, and of no other since"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let said = said(&env, &repository);
    let doubled: Vec<_> = said.iter().filter(|(_, times)| **times != 1).collect();
    assert!(doubled.is_empty(), "said twice: {doubled:?}");
    assert_eq!(said.len(), usize::try_from(count).unwrap() * 3);
    assert!(crashes.load(Ordering::SeqCst) >= 2, "Postgres was killed");
    let events: Vec<(i64, i64)> = sqlx::query_as(
        "select count(*), count(distinct (gap, once)) from harness_gap_event where kind in ('reminder', 'overdue')",
    )
    .fetch_all(env.pool())
    .await
    .unwrap();
    assert_eq!(events, [(count * 3, count * 3)]);
}
