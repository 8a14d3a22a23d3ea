//! Retention deletes what was kept long enough, and nothing else.

use aspora::store::{
    partition,
    retention::{self, Class, Swept},
    upkeep,
};

use super::{
    base::{exists, with_old_runs},
    support::{TestEngine, assert_folds, assert_sound},
};

async fn sweep(test: &TestEngine, class: Class, days: u32) -> Vec<Swept> {
    retention::set(test.pool(), class, Some(days)).await.unwrap();
    upkeep::sweep(test.pool(), false).await.unwrap().unwrap()
}

fn names(swept: &[Swept]) -> Vec<&str> {
    swept.iter().map(|one| one.name.as_str()).collect()
}

#[tokio::test]
async fn a_month_of_history_is_dropped_once_its_last_end_is_old_enough_and_its_runs_stay() {
    let (test, month, ids) = with_old_runs().await;
    assert!(sweep(&test, Class::History, 200).await.is_empty(), "no month is that old");
    let runs: i64 = test.query("select count(*) from run").await;
    let swept = sweep(&test, Class::History, 30).await;
    assert!(names(&swept).contains(&format!("event_{month}").as_str()), "{swept:?}");
    assert!(!exists(&test, &format!("event_{month}")).await);
    assert!(!exists(&test, &format!("attempt_{month}")).await);
    assert_eq!(test.query::<i64>("select count(*) from run").await, runs);
    let young: i64 = test
        .query(
            "select count(*) from run r where ended_at > now() - interval '30 days'
              and not exists (select from event e where e.run_id = r.id)",
        )
        .await;
    assert_eq!(young, 0, "younger runs keep their events");
    let newest = test.query("select id from run order by id desc limit 1").await;
    assert_folds(&test.engine, newest).await;
    assert!(!ids.is_empty());
    assert_eq!(names(&sweep(&test, Class::History, 30).await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_month_with_an_open_run_stays_whole() {
    let (test, month, ids) = with_old_runs().await;
    test
        .execute(&format!(
            "update run set status = 'waiting', step = 'verdict', ended_as = null, ended_at = null where id = '{}'",
            ids[0]
        ))
        .await;
    for class in [Class::History, Class::Effects, Class::Runs] {
        let swept = sweep(&test, class, 1).await;
        assert!(!swept.iter().any(|one| one.name.ends_with(&month)), "{swept:?}");
    }
    for table in partition::TABLES {
        assert!(exists(&test, &format!("{table}_{month}")).await, "{table}");
    }
    let kept: i64 = test.query(&format!("select count(*) from event_{month}")).await;
    assert_eq!(kept, i64::try_from(ids.len() * 3).unwrap());
}

#[tokio::test]
async fn the_runs_of_a_month_are_dropped_with_all_their_rows_and_no_others() {
    let (test, month, ids) = with_old_runs().await;
    let alive = test.accept().await;
    for id in [ids[0], alive] {
        for sql in [
            "insert into review (run_id, head_sha, turn, summary) values ('ID', 'h', 1, 's')",
            "insert into finding (run_id, head_sha, fingerprint, severity, path, message)
             values ('ID', 'h', 'f', 'low', 'p', 'm')",
            "insert into assessment (run_id, stage, head_sha, tier, decision, facts, report)
             values ('ID', 'verdict', 'h', 'low', 'd', '{}', '{}')",
            "insert into signal (delivery, topic, repository, run_id) values ('ID', 'pull', 'r', 'ID')",
            "insert into dead_letter (run_id, step, turn, attempts, error) values ('ID', 's', 1, 1, 'e')",
            "insert into effect (run_id, key, kind, request) values ('ID', 'k', 'push', '{}')",
            "insert into blob_use (run_id, place, hash) values ('ID', 'effect', '\\x00')",
            "insert into evidence (run_id, head_sha, digest, conclusion, manifests, found, verified, person, arrived_at)
             values ('ID', repeat('1', 40), repeat('0', 64), 'success', '[]', '{}', '{}', 'ci', now())",
        ] {
            test.execute(&sql.replace("ID", &id.to_string())).await;
        }
    }
    let swept = sweep(&test, Class::Runs, 30).await;
    assert!(names(&swept).contains(&format!("run_{month}").as_str()), "{swept:?}");
    for table in partition::TABLES {
        assert!(!exists(&test, &format!("{table}_{month}")).await, "{table}");
    }
    for table in
        ["review", "finding", "assessment", "signal", "dead_letter", "blob_use", "evidence", "effect"]
    {
        let left: uuid::Uuid = test.query(&format!("select run_id from {table}")).await;
        assert_eq!(left, alive, "{table}");
    }
    let orphans: i64 = test
        .query("select count(*) from requirement q where not exists (select from run where requirement_id = q.id)")
        .await;
    assert_eq!(orphans, 0);
    assert!(test.query::<i64>("select count(*) from run").await > 1, "younger runs stay");
    test.execute(&format!("delete from dead_letter where run_id = '{alive}'")).await;
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_dry_run_reports_the_same_and_changes_nothing() {
    let (test, month, _) = with_old_runs().await;
    retention::set(test.pool(), Class::Runs, Some(30)).await.unwrap();
    let dry = upkeep::sweep(test.pool(), true).await.unwrap().unwrap();
    assert!(exists(&test, &format!("run_{month}")).await);
    let wet = upkeep::sweep(test.pool(), false).await.unwrap().unwrap();
    let months = |swept: &[Swept]| -> Vec<String> {
        swept.iter().filter(|one| one.bytes.is_some()).map(|one| one.name.clone()).collect()
    };
    assert_eq!(months(&dry), months(&wet));
    assert!(months(&dry).contains(&format!("run_{month}")));
    assert!(!exists(&test, &format!("run_{month}")).await);
}

#[tokio::test]
async fn stored_responses_and_signals_are_deleted_by_age() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    for (age, name) in [("2 days", "old"), ("1 hour", "new")] {
        test.execute(&format!(
            "insert into idempotency (key, route, request_digest, status, response, created_at)
                 values ('{name}', 'r', 'd', 202, '{{}}', now() - interval '{age}')"
        ))
        .await;
        for (delivery, of, taken) in [
            ("taken", format!("'{run}'"), "now()"),
            ("waiting", format!("'{run}'"), "null"),
            ("nobody", "null".to_owned(), "null"),
        ] {
            test.execute(&format!(
                "insert into signal (delivery, topic, repository, run_id, received_at, taken_at)
                     values ('{name} {delivery}', 'pull', 'r', {of}, now() - interval '{age}', {taken})"
            ))
            .await;
        }
    }
    sweep(&test, Class::Signals, 1).await;
    assert_eq!(test.query::<String>("select string_agg(key, ',') from idempotency").await, "new");
    let left: String = test.query("select string_agg(delivery, ',' order by delivery) from signal").await;
    assert_eq!(
        left, "new nobody,new taken,new waiting,old waiting",
        "an open run may still take old signals"
    );
}

#[tokio::test]
async fn what_is_kept_for_ever_is_not_swept() {
    let (test, _, _) = with_old_runs().await;
    let before = test.snapshot().await;
    assert!(upkeep::sweep(test.pool(), false).await.unwrap().unwrap().is_empty());
    assert_eq!(test.snapshot().await, before);
    retention::set(test.pool(), Class::History, Some(1)).await.unwrap();
    retention::set(test.pool(), Class::History, None).await.unwrap();
    assert!(upkeep::sweep(test.pool(), false).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn the_upkeep_is_done_once_a_day_by_one_of_many_processes() {
    let test = TestEngine::new().await;
    let done = async || {
        let all = (0..3).map(|_| upkeep::run_if_due(test.pool()));
        let results = futures::future::try_join_all(all).await.unwrap();
        results.into_iter().flatten().count()
    };
    assert_eq!(done().await, 1);
    assert_eq!(done().await, 0, "it was done today");
    test.execute("update upkeep set done_at = done_at - interval '1 day'").await;
    assert_eq!(done().await, 1);
}

#[tokio::test]
async fn a_month_in_use_is_left_for_the_next_sweep() {
    let (test, month, _) = with_old_runs().await;
    retention::set(test.pool(), Class::Effects, Some(30)).await.unwrap();
    let mut reader = test.pool().begin().await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("select from effect_{month}"));
    sqlx::query(sql).execute(&mut *reader).await.unwrap();
    let mut connection = test.pool().acquire().await.unwrap();
    // Work that comes meanwhile waits for less than this, again and again, until the sweep gives up.
    let impatient = async {
        loop {
            let mut work = test.pool().begin().await.unwrap();
            sqlx::raw_sql("set local lock_timeout = '400ms'").execute(&mut *work).await.unwrap();
            let sql = sqlx::AssertSqlSafe(format!("select count(*) from effect_{month}"));
            sqlx::query(sql).execute(&mut *work).await.expect("new work is not queued behind a long reader");
            work.rollback().await.unwrap();
        }
    };
    let swept = tokio::select! {
        swept = retention::sweep(&mut connection, false) => swept.unwrap(),
        () = impatient => unreachable!("it never ends"),
    };
    let busy: Vec<&str> = swept.iter().filter(|one| one.is_busy).map(|one| one.name.as_str()).collect();
    assert_eq!(busy, [format!("effect_{month}")]);
    assert!(exists(&test, &format!("effect_{month}")).await);
    reader.rollback().await.unwrap();
    retention::sweep(&mut connection, false).await.unwrap();
    assert!(!exists(&test, &format!("effect_{month}")).await);
}

#[tokio::test]
async fn a_month_in_use_is_tried_again_at_the_next_check_and_not_only_tomorrow() {
    let (test, month, _) = with_old_runs().await;
    retention::set(test.pool(), Class::Effects, Some(30)).await.unwrap();
    let mut reader = test.pool().begin().await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("select from effect_{month}"));
    sqlx::query(sql).execute(&mut *reader).await.unwrap();
    assert!(upkeep::run_if_due(test.pool()).await.unwrap().is_some());
    assert!(exists(&test, &format!("effect_{month}")).await);
    reader.rollback().await.unwrap();
    assert!(upkeep::run_if_due(test.pool()).await.unwrap().is_some());
    assert!(!exists(&test, &format!("effect_{month}")).await);
    assert!(upkeep::run_if_due(test.pool()).await.unwrap().is_none(), "it is done for today");
}
