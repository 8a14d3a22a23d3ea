//! What was kept long enough goes, and nothing else.

use aspora::store::{
    partition,
    retention::{self, Class, Swept},
    upkeep,
};

use super::{
    base::{exists, with_old_runs},
    support::{Ground, assert_folds, assert_sound},
};

async fn sweep(ground: &Ground, class: Class, days: u32) -> Vec<Swept> {
    retention::set(ground.pool(), class, Some(days)).await.unwrap();
    upkeep::sweep(ground.pool(), false).await.unwrap().unwrap()
}

fn names(swept: &[Swept]) -> Vec<&str> {
    swept.iter().map(|one| one.name.as_str()).collect()
}

#[tokio::test]
async fn a_month_of_history_goes_once_its_newest_end_is_old_enough_and_its_runs_stay() {
    let (ground, month, ids) = with_old_runs().await;
    assert!(sweep(&ground, Class::History, 200).await.is_empty(), "none is so old");
    let runs: i64 = ground.ask("select count(*) from run").await;
    let swept = sweep(&ground, Class::History, 30).await;
    assert!(names(&swept).contains(&format!("event_{month}").as_str()), "{swept:?}");
    assert!(!exists(&ground, &format!("event_{month}")).await);
    assert!(!exists(&ground, &format!("attempt_{month}")).await);
    assert_eq!(ground.ask::<i64>("select count(*) from run").await, runs);
    let young: i64 = ground
        .ask(
            "select count(*) from run r where ended_at > now() - interval '30 days'
              and not exists (select from event e where e.run_id = r.id)",
        )
        .await;
    assert_eq!(young, 0, "what is younger stays whole");
    let newest = ground.ask("select id from run order by id desc limit 1").await;
    assert_folds(&ground.engine, newest).await;
    assert!(!ids.is_empty());
    assert_eq!(names(&sweep(&ground, Class::History, 30).await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_month_with_a_live_run_stays_whole() {
    let (ground, month, ids) = with_old_runs().await;
    ground
        .execute(&format!(
            "update run set status = 'waiting', step = 'verdict', ended_as = null, ended_at = null where id = '{}'",
            ids[0]
        ))
        .await;
    for class in [Class::History, Class::Effects, Class::Runs] {
        let swept = sweep(&ground, class, 1).await;
        assert!(!swept.iter().any(|one| one.name.ends_with(&month)), "{swept:?}");
    }
    for table in partition::TABLES {
        assert!(exists(&ground, &format!("{table}_{month}")).await, "{table}");
    }
    let kept: i64 = ground.ask(&format!("select count(*) from event_{month}")).await;
    assert_eq!(kept, i64::try_from(ids.len() * 3).unwrap());
}

#[tokio::test]
async fn the_runs_of_a_month_go_with_everything_that_names_them_and_no_other() {
    let (ground, month, ids) = with_old_runs().await;
    let alive = ground.accept().await;
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
        ] {
            ground.execute(&sql.replace("ID", &id.to_string())).await;
        }
    }
    let swept = sweep(&ground, Class::Runs, 30).await;
    assert!(names(&swept).contains(&format!("run_{month}").as_str()), "{swept:?}");
    for table in partition::TABLES {
        assert!(!exists(&ground, &format!("{table}_{month}")).await, "{table}");
    }
    for table in ["review", "finding", "assessment", "signal", "dead_letter", "blob_use", "effect"] {
        let left: uuid::Uuid = ground.ask(&format!("select run_id from {table}")).await;
        assert_eq!(left, alive, "{table}");
    }
    let orphans: i64 = ground
        .ask("select count(*) from requirement q where not exists (select from run where requirement_id = q.id)")
        .await;
    assert_eq!(orphans, 0);
    assert!(ground.ask::<i64>("select count(*) from run").await > 1, "the young ones stay");
    ground.execute(&format!("delete from dead_letter where run_id = '{alive}'")).await;
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_changes_nothing() {
    let (ground, month, _) = with_old_runs().await;
    retention::set(ground.pool(), Class::Runs, Some(30)).await.unwrap();
    let dry = upkeep::sweep(ground.pool(), true).await.unwrap().unwrap();
    assert!(exists(&ground, &format!("run_{month}")).await);
    let wet = upkeep::sweep(ground.pool(), false).await.unwrap().unwrap();
    let months = |swept: &[Swept]| -> Vec<String> {
        swept.iter().filter(|one| one.bytes.is_some()).map(|one| one.name.clone()).collect()
    };
    assert_eq!(months(&dry), months(&wet));
    assert!(months(&dry).contains(&format!("run_{month}")));
    assert!(!exists(&ground, &format!("run_{month}")).await);
}

#[tokio::test]
async fn answers_and_news_go_by_their_age() {
    let ground = Ground::new().await;
    let run = ground.accept().await;
    for (age, name) in [("2 days", "old"), ("1 hour", "new")] {
        ground
            .execute(&format!(
                "insert into idempotency (key, route, request_digest, status, response, created_at)
                 values ('{name}', 'r', 'd', 202, '{{}}', now() - interval '{age}')"
            ))
            .await;
        for (delivery, of, taken) in [
            ("taken", format!("'{run}'"), "now()"),
            ("waiting", format!("'{run}'"), "null"),
            ("nobody", "null".to_owned(), "null"),
        ] {
            ground
                .execute(&format!(
                    "insert into signal (delivery, topic, repository, run_id, received_at, taken_at)
                     values ('{name} {delivery}', 'pull', 'r', {of}, now() - interval '{age}', {taken})"
                ))
                .await;
        }
    }
    sweep(&ground, Class::Signals, 1).await;
    assert_eq!(ground.ask::<String>("select string_agg(key, ',') from idempotency").await, "new");
    let left: String = ground.ask("select string_agg(delivery, ',' order by delivery) from signal").await;
    assert_eq!(left, "new nobody,new taken,new waiting,old waiting", "a live run still waits for old news");
}

#[tokio::test]
async fn what_is_kept_for_ever_is_not_swept() {
    let (ground, _, _) = with_old_runs().await;
    let before = ground.picture().await;
    assert!(upkeep::sweep(ground.pool(), false).await.unwrap().unwrap().is_empty());
    assert_eq!(ground.picture().await, before);
    retention::set(ground.pool(), Class::History, Some(1)).await.unwrap();
    retention::set(ground.pool(), Class::History, None).await.unwrap();
    assert!(upkeep::sweep(ground.pool(), false).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn the_upkeep_is_done_once_a_day_however_many_look() {
    let ground = Ground::new().await;
    let looks = async || {
        let all = (0..3).map(|_| upkeep::run_if_due(ground.pool()));
        let done = futures::future::try_join_all(all).await.unwrap();
        done.into_iter().flatten().count()
    };
    assert_eq!(looks().await, 1);
    assert_eq!(looks().await, 0, "it was done today");
    ground.execute("update upkeep set done_at = done_at - interval '1 day'").await;
    assert_eq!(looks().await, 1);
}

#[tokio::test]
async fn a_busy_month_is_left_for_another_day() {
    let (ground, month, _) = with_old_runs().await;
    retention::set(ground.pool(), Class::Effects, Some(30)).await.unwrap();
    let mut reader = ground.pool().begin().await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("select from effect_{month}"));
    sqlx::query(sql).execute(&mut *reader).await.unwrap();
    let mut connection = ground.pool().acquire().await.unwrap();
    let swept = retention::sweep(&mut connection, false).await.unwrap();
    let busy: Vec<&str> = swept.iter().filter(|one| one.is_busy).map(|one| one.name.as_str()).collect();
    assert_eq!(busy, [format!("effect_{month}")]);
    assert!(exists(&ground, &format!("effect_{month}")).await);
    reader.rollback().await.unwrap();
    retention::sweep(&mut connection, false).await.unwrap();
    assert!(!exists(&ground, &format!("effect_{month}")).await);
}
