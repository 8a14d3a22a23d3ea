//! Looking back: once for each end, and one proposal for what comes in three runs.

use std::time::Duration;

use aspora::{
    core::{
        finding::{Finding, Severity},
        retro::ProposalKind,
        run::Progress,
        workflow::{
            Outcome::{Closed, Findings, Opened, Passed, Pushed},
            Queue,
        },
    },
    store::{
        measure,
        retention::{self, Class},
        retro::{self, proposal},
        review, upkeep,
    },
};
use uuid::Uuid;

use super::{
    fold::{declined, fold},
    support::{TestEngine, answer, assert_sound},
};

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";
const NEXT: &str = "fedcba9876543210fedcba9876543210fedcba98";

/// A run whose review found a flaw in this file, which took a round; it ended before it was merged.
async fn with_a_round(test: &TestEngine, path: &str) -> Uuid {
    let run = test.accept().await;
    let head =
        |sha: &str| Progress { pull: Some(7), head: Some(sha.parse().unwrap()), ..Progress::default() };
    for (queue, outcome, progress) in [
        (Queue::Llm, Opened, head(HEAD)),
        (Queue::Github, Passed, Progress::default()),
        (Queue::Llm, Findings, Progress::default()),
        (Queue::Llm, Pushed, head(NEXT)),
        (Queue::Github, Closed, Progress::default()),
    ] {
        let lease = test.claim(queue).await;
        if outcome == Findings {
            let found = Finding::new(Severity::High, path, Some(3), "Division by zero", "x / y");
            let review = (HEAD.parse().unwrap(), [found]);
            review::record(test.pool(), &lease, &review::New::complete(&review.0, "One flaw.", &review.1))
                .await
                .unwrap();
        }
        let answered = aspora::engine::Answer { progress, ..answer(outcome) };
        test.engine.answer(&lease, "tester", answered).await.unwrap();
    }
    run
}

/// The causes of a run, joined.
async fn causes(test: &TestEngine, run: Uuid) -> String {
    test.query(&format!(
        "select coalesce(string_agg(cause, ' ' order by cause), '') from lesson where run_id = '{run}'"
    ))
    .await
}

async fn proposals(test: &TestEngine) -> Vec<proposal::Row> {
    proposal::list(test.pool(), &proposal::Filter { limit: 100, ..proposal::Filter::default() })
        .await
        .unwrap()
}

/// All looks back, their lessons and the proposals, but for when they were made.
async fn everything(test: &TestEngine) -> String {
    let looks =
        "select coalesce(string_agg(run_id || body::text, chr(10) order by run_id), '') from run_look_back";
    let lessons = "select coalesce(string_agg(l::text, chr(10) order by l::text), '') from lesson l";
    let proposals = "select coalesce(string_agg(p.id || p.state, chr(10) order by p.id), '') from proposal p";
    let mut all = String::new();
    for sql in [looks, lessons, proposals] {
        all += &test.query::<String>(sql).await;
    }
    all
}

#[tokio::test]
async fn the_third_run_files_one_proposal_and_the_fourth_none() {
    let test = TestEngine::new().await;
    for count in 1..=4 {
        let run = with_a_round(&test, "wealth/api.py").await;
        fold(&test).await;
        assert_eq!(causes(&test, run).await, "finding:wealth/api.py");
        assert_eq!(proposals(&test).await.len(), usize::from(count >= 3), "after {count} runs");
    }
    let filed = proposals(&test).await.remove(0);
    assert_eq!((filed.cause.as_str(), filed.kind.as_str()), ("finding:wealth/api.py", "harness_case"));
    assert_eq!((filed.runs.len(), filed.state.as_str()), (3, "open"));
    // Another cause, and the same one in another product, are other proposals.
    test.execute(
        "update lesson set product = 'goals' where run_id = (select min(run_id::text)::uuid from lesson)",
    )
    .await;
    for _ in 0..2 {
        with_a_round(&test, "wealth/b.py").await;
    }
    fold(&test).await;
    assert_eq!(proposals(&test).await.len(), 1);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn however_many_fold_at_once_one_proposal_is_filed() {
    let test = TestEngine::new().await;
    for _ in 0..4 {
        with_a_round(&test, "a.py").await;
    }
    let mut folding = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let pool = test.pool().clone();
        folding.spawn(async move { while measure::fold(&pool).await.unwrap() > 0 {} });
    }
    folding.join_all().await;
    fold(&test).await;
    assert_eq!(proposals(&test).await.len(), 1);
    assert_eq!(test.query::<i64>("select count(*) from run_look_back").await, 4);
}

#[tokio::test]
async fn a_fold_that_is_killed_has_looked_at_nothing() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        with_a_round(&test, "a.py").await;
    }
    let mut killed = test.pool().begin().await.unwrap();
    measure::fold_in(&mut killed, 500).await.unwrap();
    killed.rollback().await.unwrap();
    assert_eq!((proposals(&test).await.len(), everything(&test).await), (0, String::new()));
    fold(&test).await;
    assert_eq!(proposals(&test).await.len(), 1);
}

#[tokio::test]
async fn a_run_that_is_retried_is_looked_back_at_when_it_ends_again() {
    let test = TestEngine::new().await;
    let run = declined(&test).await;
    fold(&test).await;
    assert_eq!(causes(&test, run).await, "declined");
    let before = retro::of_run(test.pool(), run).await.unwrap().unwrap();
    test.engine.retry(run, None, "asha", &"once more".parse().unwrap()).await.unwrap();
    fold(&test).await;
    assert_eq!(retro::of_run(test.pool(), run).await.unwrap(), None, "it goes on");
    assert_eq!(causes(&test, run).await, "");
    let lease = test.claim(Queue::Llm).await;
    let progress = Progress { pull: Some(7), head: Some(HEAD.parse().unwrap()), ..Progress::default() };
    let opened = aspora::engine::Answer { progress, ..answer(Opened) };
    test.engine.answer(&lease, "tester", opened).await.unwrap();
    let lease = test.claim(Queue::Github).await;
    test.engine.answer(&lease, "tester", answer(Closed)).await.unwrap();
    fold(&test).await;
    let after = retro::of_run(test.pool(), run).await.unwrap().unwrap();
    assert!(after.it.time["ended"] > 0 && !before.it.time.contains_key("ended"), "{after:?}");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn what_was_decided_is_filed_again_after_three_new_runs_and_not_before() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        with_a_round(&test, "a.py").await;
    }
    fold(&test).await;
    let first = proposals(&test).await.remove(0);
    let mut connection = test.pool().acquire().await.unwrap();
    assert!(proposal::dismiss(&mut connection, first.id, "asha", "not worth it").await.unwrap());
    assert!(!proposal::dismiss(&mut connection, first.id, "asha", "not worth it").await.unwrap());
    let accepted =
        proposal::accept(&mut connection, first.id, (ProposalKind::PromptNote, "x"), ("asha", "late")).await;
    assert!(!accepted.unwrap(), "it is over");
    drop(connection);
    for count in 1..=3 {
        with_a_round(&test, "a.py").await;
        fold(&test).await;
        assert_eq!(proposals(&test).await.len(), if count < 3 { 1 } else { 2 }, "after {count} new runs");
    }
    let again = proposals(&test).await.remove(0);
    assert_eq!((again.state.as_str(), again.runs.len()), ("open", 6), "{again:?}");
    assert!(again.id != first.id);
}

#[tokio::test]
async fn a_rebuild_comes_to_the_same_and_old_runs_file_nothing() {
    let test = TestEngine::new().await;
    for path in ["a.py", "a.py", "b.py", "a.py"] {
        with_a_round(&test, path).await;
        fold(&test).await;
    }
    declined(&test).await;
    fold(&test).await;
    let before = everything(&test).await;
    assert_eq!(proposals(&test).await.len(), 1);
    measure::rebuild(test.pool()).await.unwrap();
    assert_eq!(everything(&test).await, before);
    // Made from nothing, in one batch, it is the same again: each run says its own, whatever else is read with it.
    test.execute("delete from run_look_back").await;
    test.execute("delete from lesson").await;
    measure::rebuild(test.pool()).await.unwrap();
    assert_eq!(everything(&test).await, before);
    test.execute("delete from proposal").await;
    test.execute("alter table run disable trigger user").await;
    test.execute("update run set ended_at = ended_at - interval '31 days'").await;
    measure::rebuild(test.pool()).await.unwrap();
    assert_eq!(proposals(&test).await.len(), 0, "what ended long ago is no habit");
}

#[tokio::test]
async fn a_deleted_history_leaves_what_was_read_out_of_it_and_makes_nothing_up() {
    let test = super::kept::with_old_runs().await;
    let looks = "select count(*) from run_look_back";
    assert_eq!(test.query::<i64>(looks).await, 60);
    let before = everything(&test).await;
    retention::set(test.pool(), Class::History, Some(30)).await.unwrap();
    assert!(!upkeep::sweep(test.pool(), false).await.unwrap().unwrap().is_empty());
    measure::rebuild(test.pool()).await.unwrap();
    assert_eq!(everything(&test).await, before);
    test.execute("delete from run_look_back").await;
    let rebuilt = measure::rebuild(test.pool()).await.unwrap();
    let without = i64::try_from(rebuilt.without_history).unwrap();
    assert!(without > 0);
    assert_eq!(test.query::<i64>(looks).await, 60 - without, "no data is no look back");
}

#[tokio::test]
async fn looks_back_go_with_their_runs_and_proposals_stay() {
    let test = super::kept::with_old_runs().await;
    test.execute(
        "insert into proposal (id, product, cause, kind, title, body, runs)
         select gen_random_uuid(), product, 'form', 'prompt_note', 'T', 'B', array[id] from run order by id limit 1",
    )
    .await;
    let filed = proposals(&test).await.len();
    retention::set(test.pool(), Class::Runs, Some(30)).await.unwrap();
    assert!(!upkeep::sweep(test.pool(), false).await.unwrap().unwrap().is_empty());
    let left: i64 = test.query("select count(*) from run").await;
    assert!(left < 60);
    assert_eq!(test.query::<i64>("select count(*) from run_look_back").await, left);
    assert_eq!(
        test.query::<i64>("select count(*) from lesson where run_id not in (select id from run)").await,
        0
    );
    assert!(filed > 0 && proposals(&test).await.len() == filed);
}

#[tokio::test]
async fn prompts_show_the_newest_ten_notes_of_their_product_as_of_a_time() {
    let test = TestEngine::new().await;
    test.execute(
        "insert into proposal (id, product, cause, kind, title, body, runs, state, accepted_as, note, decided_by, reason, decided_at)
         select gen_random_uuid(), 'wealth', 'c' || n, 'prompt_note', 'T', 'B', array[gen_random_uuid()], 'accepted',
                case n when 12 then 'harness_case' else 'prompt_note' end, 'note ' || n, 'asha', 'r',
                now() - n * interval '1 minute'
         from generate_series(1, 13) n",
    )
    .await;
    let wealth = ["wealth".to_owned()];
    let texts = async |products: &[String], by| {
        let notes = proposal::notes(test.pool(), products, by).await.unwrap();
        notes.into_iter().map(|note| note.text).collect::<Vec<_>>()
    };
    let all = texts(&wealth, None).await;
    assert_eq!((all.len(), all[0].as_str(), all[9].as_str()), (10, "note 1", "note 10"));
    let now = aspora::store::now(&mut test.pool().acquire().await.unwrap()).await.unwrap();
    let then = now - Duration::from_secs(60 * 10 + 30);
    assert_eq!(texts(&wealth, Some(then)).await, ["note 11", "note 13"]);
    assert!(texts(&["goals".to_owned()], None).await.is_empty());
}
