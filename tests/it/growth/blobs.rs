//! Long texts are stored once in a table of their own, and readers get them back.

use aspora::{
    core::{
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::Answer,
    store::{assessment, blob, effect, event},
};
use serde_json::json;

use super::support::{TestEngine, assert_folds, eventually};

fn long(of: &str) -> String {
    of.repeat(blob::INLINE / of.len() + 1)
}

async fn blobs(test: &TestEngine) -> i64 {
    test.query("select count(*) from blob").await
}

#[tokio::test]
async fn the_long_texts_of_an_effect_are_blobs_and_are_restored() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let (diff, words) = (long("+ ü\n"), format!("a\0{}", long("words ")));
    let request = json!({ "parent": "p", "diff": diff, "diff_is_cut": false, "n": [1, { "$blob": "x" }] });
    let result = json!({ "sha": "h", "text": [words], "short": "a\0b", "usage": { "input_tokens": 3 } });

    let begun = effect::begin(test.pool(), &lease, "1/push", "push", &request).await.unwrap();
    let effect::Begun::Fresh(intent) = begun else { panic!("{begun:?}") };
    assert_eq!(intent.request, request);
    effect::observe(test.pool(), run, "1/push", &result).await.unwrap();
    let again = effect::begin(test.pool(), &lease, "1/push", "push", &json!(1)).await.unwrap();
    assert_eq!(again, effect::Begun::Done(intent, result.clone()));

    let row = effect::get(test.pool(), run, "1/push").await.unwrap().unwrap();
    assert_eq!((&row.request, row.result.as_ref()), (&request, Some(&result)));
    let rows = effect::of_run(test.pool(), run).await.unwrap();
    assert_eq!(rows[0].result, Some(result));
    assert!(rows[0].request.get("diff").is_none());
    let diffs = effect::diffs(test.pool(), run).await.unwrap();
    assert_eq!((diffs[0].text.as_str(), diffs[0].head.as_deref()), (diff.as_str(), Some("h")));

    assert_eq!(blobs(&test).await, 3, "the diff, the words, and the text with a NUL");
    let widest: i64 =
        test.query("select max(length(request::text || result::text))::bigint from effect").await;
    assert!(widest < 1000, "{widest}");
}

#[tokio::test]
async fn the_same_text_is_stored_once_for_effects_assessments_and_events() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let text = long("same ");
    let document = json!({ "text": text });
    for key in ["a", "b"] {
        effect::begin(test.pool(), &lease, key, "llm_call", &document).await.unwrap();
    }
    let new = assessment::New {
        stage: "verdict",
        head_sha: "h",
        tier: "low",
        decision: "d",
        facts: &document,
        report: &document,
    };
    assessment::record(test.pool(), run, &new).await.unwrap();
    assessment::record(test.pool(), run, &new).await.unwrap();
    let answer = Answer { outcome: Outcome::Declined, note: text.clone(), progress: Progress::default() };
    test.engine.answer(&lease, "tester", answer).await.unwrap();

    assert_eq!(blobs(&test).await, 1);
    assert_eq!(test.query::<i64>("select count(*) from blob_use").await, 3);
    let judged = assessment::of_run(test.pool(), run).await.unwrap();
    assert_eq!((judged.len(), &judged[0].facts, &judged[0].report), (1, &document, &document));
    assert_eq!(assessment::last(test.pool(), run, "verdict").await.unwrap().unwrap().facts, document);
    let events = event::after(test.pool(), run, 1, 10).await.unwrap();
    assert!(matches!(&events[0].body.0, aspora::core::run::Event::Answered { note, .. } if *note == text));
    assert_folds(&test.engine, run).await;
}

#[tokio::test]
async fn a_blob_is_swept_when_it_has_no_references_and_was_not_stored_again_for_a_while() {
    let test = TestEngine::new().await;
    let lease = {
        test.accept().await;
        test.claim(Queue::Llm).await
    };
    effect::begin(test.pool(), &lease, "a", "llm_call", &json!({ "text": long("used ") })).await.unwrap();
    effect::begin(test.pool(), &lease, "b", "llm_call", &json!({ "text": long("idle ") })).await.unwrap();
    let sweep = async || blob::sweep(&mut test.pool().acquire().await.unwrap(), 7.0).await.unwrap();
    test.execute("delete from blob_use where hash = (select hash from blob where body like 'idle %'::bytea)")
        .await;
    assert_eq!(sweep().await, 0, "it was just stored");
    test.execute("update blob set used_at = now() - interval '8 days'").await;
    assert_eq!(sweep().await, 1);
    assert!(test.query::<bool>("select body like 'used %'::bytea from blob").await);
}

#[tokio::test]
async fn a_blob_that_is_stored_again_before_the_sweep_stays() {
    let test = TestEngine::new().await;
    let first = {
        test.accept().await;
        test.claim(Queue::Llm).await
    };
    let document = json!({ "text": long("kept ") });
    effect::begin(test.pool(), &first, "a", "llm_call", &document).await.unwrap();
    test.execute("update blob set used_at = now() - interval '8 days'").await;
    test.execute("delete from blob_use").await;
    // A writer that has stored the same content and has not committed yet.
    let mut writer = test.pool().begin().await.unwrap();
    sqlx::query("update blob set used_at = now()").execute(&mut *writer).await.unwrap();
    let pool = test.pool().clone();
    let sweep =
        tokio::spawn(async move { blob::sweep(&mut pool.acquire().await.unwrap(), 7.0).await.unwrap() });
    eventually("the sweep waits for the writer", async || {
        test.query::<bool>(
            "select exists (select from pg_locks where not granted and pid in
                    (select pid from pg_stat_activity where datname = current_database()))",
        )
        .await
    })
    .await;
    writer.commit().await.unwrap();
    assert_eq!(sweep.await.unwrap(), 0);
    assert_eq!(blobs(&test).await, 1);
}
