//! The base's own checks after a merge: what is recorded of them, once.

use std::time::Duration;

use aspora::{
    core::{
        aftermath::{Reported, RevertOnRed, Standing},
        reason::Reason,
        run::{Progress, Topic},
        workflow::{Outcome, Queue},
    },
    engine::{Answer, BaseSeen},
    store::{self, base_watch, deployment, incident, merged, revert, signal::News},
};
use serde_json::json;
use uuid::Uuid;

use super::support::{TestEngine, assert_folds};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// A run that was merged as [`SHA`].
async fn merged_run(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let sha: aspora::core::sha::Sha = SHA.parse().unwrap();
    let progress =
        Progress { head: Some(sha.clone()), pull: Some(7), merged: Some(sha), ..Progress::default() };
    let answer = Answer { outcome: Outcome::Declined, note: "merged".to_owned(), progress };
    test.engine.answer(&lease, "w1", answer).await.unwrap();
    run
}

fn ci(standing: Standing) -> Vec<Reported> {
    vec![Reported { name: "ci".to_owned(), standing, url: Some("https://ci.test/1".to_owned()) }]
}

fn seen(now: Standing, before: Standing) -> BaseSeen {
    BaseSeen { checks: ci(now), before: vec![ci(before)], least: Duration::from_secs(15) }
}

async fn due(test: &TestEngine) -> base_watch::Due {
    test.execute("update base_watch set due_at = now() where not is_over").await;
    base_watch::claim(test.pool()).await.unwrap().expect("a watch is due")
}

#[tokio::test]
async fn a_check_that_broke_is_one_incident_however_often_it_is_seen() {
    let test = TestEngine::new().await;
    let run = merged_run(&test).await;
    let first = due(&test).await;
    test.engine.base_seen(first, &seen(Standing::Red, Standing::Green)).await.unwrap();
    // A worker that was killed after its commit looks again, as does another one whose claim ran out.
    test.engine.base_seen(first, &seen(Standing::Red, Standing::Green)).await.unwrap();
    test.engine.base_seen(due(&test).await, &seen(Standing::Red, Standing::Green)).await.unwrap();
    let incidents = incident::of_run(test.pool(), run).await.unwrap();
    assert_eq!(incidents.len(), 1);
    let found = &incidents[0];
    assert_eq!(
        (found.source.as_str(), found.key.as_str(), found.url.as_deref()),
        ("checks", SHA, Some("https://ci.test/1"))
    );
    assert_eq!(found.title, "`ci` fails on main since this merge, and was green before (#7)");
    let kinds = test.event_kinds(run).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "base_checked").count(), 1, "{kinds:?}");
    assert_folds(&test.engine, run).await;
    test.engine.base_seen(due(&test).await, &seen(Standing::Pending, Standing::Green)).await.unwrap();
    test.engine.base_seen(due(&test).await, &seen(Standing::Green, Standing::Green)).await.unwrap();
    let again = incident::of_run(test.pool(), run).await.unwrap();
    assert_eq!(again.len(), 1);
    assert!(again[0].title.contains("green again at"), "{}", again[0].title);
    let kinds = test.event_kinds(run).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "base_checked").count(), 2, "{kinds:?}");
    // As if a person had a subscription, without which nothing is due.
    test.execute("insert into notice_due (run_id) select id from run").await;
    while test.engine.notify_due().await.unwrap() {}
    let keys: String = test.query("select string_agg(key, ' ') from notice").await;
    assert_eq!(keys, format!("{run}/needs_you/base/{SHA}"));
}

#[tokio::test]
async fn what_was_red_before_is_no_incident_and_what_has_not_ended_is_not_known_at_the_end() {
    let test = TestEngine::new().await;
    let run = merged_run(&test).await;
    test.engine.base_seen(due(&test).await, &seen(Standing::Red, Standing::Red)).await.unwrap();
    let row = base_watch::get(test.pool(), run).await.unwrap().unwrap();
    assert!(row.looked_at.is_some() && !row.is_over);
    assert_eq!(test.query::<i64>("select count(*) from incident").await, 0);
    test.execute("update base_watch set until_at = now()").await;
    test.engine.base_seen(due(&test).await, &seen(Standing::Pending, Standing::Green)).await.unwrap();
    let row = base_watch::get(test.pool(), run).await.unwrap().unwrap();
    assert!(row.is_over);
    assert_eq!(base_watch::claim(test.pool()).await.unwrap(), None);
    assert_eq!(aspora::api::BaseWatch::from(row).state, "not_known");
}

#[tokio::test]
async fn news_during_a_look_is_looked_at_and_a_failed_look_is_repeated() {
    let test = TestEngine::new().await;
    let run = merged_run(&test).await;
    let claimed = due(&test).await;
    let news = News {
        delivery: "d1".to_owned(),
        topic: Topic::Checks,
        repository: "acme/wealth-product".to_owned(),
        repository_id: None,
        whole: false,
        branch: Some("main".to_owned()),
        pull: None,
        sha: Some(SHA.to_owned()),
    };
    test.engine.receive_signal(&news).await.unwrap();
    test.engine.base_seen(claimed, &seen(Standing::Pending, Standing::Green)).await.unwrap();
    let claimed = base_watch::claim(test.pool()).await.unwrap().expect("the news made it due");
    base_watch::postpone(test.pool(), claimed, Some(Duration::from_secs(60)), "502").await.unwrap();
    assert_eq!(base_watch::claim(test.pool()).await.unwrap(), None);
    base_watch::postpone(test.pool(), claimed, None, "502").await.unwrap();
    let row = base_watch::get(test.pool(), run).await.unwrap().unwrap();
    assert_eq!((row.is_over, row.error.as_deref()), (true, Some("502")));
    let shown = aspora::api::BaseWatch::from(row);
    assert_eq!((shown.state.as_str(), shown.sentence.as_str()), ("not_known", "not known: 502"));
}

#[tokio::test]
async fn a_product_that_wants_it_gets_one_run_that_reverts_and_a_full_one_gets_it_later() {
    let test = TestEngine::new().await;
    let name = "wealth".parse().unwrap();
    store::product::watch(test.pool(), &name, None, RevertOnRed::Open).await.unwrap();
    let run = merged_run(&test).await;
    let live = test.accept().await;
    store::product::cap(test.pool(), &name, Some(1)).await.unwrap();
    test.engine.base_seen(due(&test).await, &seen(Standing::Red, Standing::Green)).await.unwrap();
    assert!(due(&test).await.wants_revert);
    let full = test.engine.revert_wanted(run).await.unwrap_err();
    assert!(full.to_string().contains("at most 1 may be open"), "{full}");
    assert!(revert::of(test.pool(), run).await.unwrap().is_empty());
    let why: Reason = "make room".parse().unwrap();
    test.engine.cancel(live, "ada", &why).await.unwrap();
    test.engine.revert_wanted(run).await.unwrap();
    test.engine.revert_wanted(run).await.unwrap();
    let reverts = revert::of(test.pool(), run).await.unwrap();
    assert_eq!(reverts.len(), 1);
    assert_eq!((reverts[0].asked_by.as_str(), reverts[0].of_sha.as_str()), ("base-watch", SHA));
    assert!(reverts[0].reason.starts_with("`ci` fails on main since this merge"), "{}", reverts[0].reason);
    assert!(!due(&test).await.wants_revert);
    let by_hand = test.engine.revert(run, "ada", &why).await.unwrap();
    assert_eq!((by_hand.run, by_hand.is_new), (reverts[0].run_id, false));
}

#[tokio::test]
async fn a_deployment_that_came_before_the_merge_was_known_is_looked_at_again() {
    let test = TestEngine::new().await;
    let sent = json!({
        "action": "created", "repository": {"full_name": "acme/wealth-product"},
        "deployment": {"id": 5, "sha": SHA, "environment": "production", "created_at": "2026-11-01T10:00:00Z"},
    });
    let delivery = aspora::github::webhook::read(Some("deployment"), Some("d1"), &sent).unwrap();
    let aspora::github::webhook::Meaning::Deployed(news) = delivery.meaning else { panic!("no deployment") };
    let mut tx = test.pool().begin().await.unwrap();
    deployment::record(&mut tx, "d1", ("acme/wealth-product", None), &news).await.unwrap();
    tx.commit().await.unwrap();
    let claimed = deployment::claim(test.pool()).await.unwrap().unwrap();
    deployment::done(test.pool(), &claimed, &[]).await.unwrap();
    assert_eq!(deployment::claim(test.pool()).await.unwrap(), None);
    let run = merged_run(&test).await;
    merged::settle(&mut test.pool().acquire().await.unwrap()).await.unwrap();
    let again = deployment::claim(test.pool()).await.unwrap().expect("it is due again");
    // The look that was under way when it became due again does not count.
    deployment::done(test.pool(), &deployment::Due { attempts: 9, ..again.clone() }, &[]).await.unwrap();
    deployment::done(test.pool(), &again, &[run]).await.unwrap();
    deployment::done(test.pool(), &again, &[run]).await.unwrap();
    assert_eq!(deployment::of_run(test.pool(), run).await.unwrap().len(), 1);
    let mut connection = test.pool().acquire().await.unwrap();
    assert_eq!(deployment::sweep(&mut connection, 0.0).await.unwrap(), 0, "a run's deployments stay");
    test.execute("delete from deployment_run").await;
    assert_eq!(deployment::sweep(&mut connection, 0.0).await.unwrap(), 1);
}
