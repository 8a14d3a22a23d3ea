//! Evidence as the store keeps it: what came before, and whose pictures a run may show.

use std::collections::BTreeMap;

use aspora::{
    core::{
        evidence::{Manifest, Upload, Verified, verify},
        run::{Progress, Topic},
        sha::Sha,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Denied, Error, EvidenceSent, Verb},
    store::{self, audit::Author, blob::Hash, evidence},
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::support::{
    TestEngine, assert_folds, assert_sound,
    captured::{manifest, picture},
};

const FLOW: &str = "portfolio-view";

fn sha(digit: char) -> Sha {
    digit.to_string().repeat(40).parse().unwrap()
}

/// A run that is past its first step, at this head.
async fn at_head(test: &TestEngine, head: &Sha) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let progress = Progress { head: Some(head.clone()), pull: Some(1), ..Progress::default() };
    let answer = Answer { outcome: Outcome::Opened, note: "opened".to_owned(), progress };
    test.engine.answer(&lease, "tester", answer).await.unwrap();
    run
}

/// Sends evidence of a head; whether it was known.
async fn send(test: &TestEngine, run: Uuid, head: &Sha, bytes: &[u8]) -> Result<bool, Error> {
    let written = manifest(FLOW, head.as_str(), bytes).to_string();
    let manifests = [Manifest::parse(written.as_bytes()).unwrap()];
    let files = BTreeMap::from([(format!("{FLOW}-1.png"), bytes.to_vec())]);
    let arrived_at = store::now(&mut test.pool().acquire().await.unwrap()).await.unwrap();
    let found = verify(&Upload { head, arrived_at, manifests: &manifests, files: &files });
    let verified: Verified = found.under(&aspora::core::evidence::Demand::default());
    let hash: Hash = Sha256::digest(bytes).into();
    let sent = EvidenceSent {
        head,
        digest: &hex::encode(hash),
        manifests: &manifests,
        found: &found,
        verified: &verified,
        pictures: &BTreeMap::from([(hash, bytes)]),
        arrived_at,
    };
    let mut tx = test.pool().begin().await.unwrap();
    let by = Author { person: "ci", key: None, request: None };
    let known = test.engine.record_evidence_in(&mut tx, run, sent, by).await?;
    tx.commit().await.unwrap();
    Ok(known.is_some())
}

#[tokio::test]
async fn evidence_is_recorded_once_and_leaves_a_signal_for_the_step_under_way() {
    let test = TestEngine::new().await;
    let head = sha('1');
    let run = at_head(&test, &head).await;
    assert!(!send(&test, run, &head, &picture(1, 1)).await.unwrap());
    assert!(send(&test, run, &head, &picture(1, 1)).await.unwrap(), "the same again");
    assert!(!send(&test, run, &head, &picture(2, 1)).await.unwrap());
    let all = evidence::of_run(test.pool(), run).await.unwrap();
    assert_eq!(all.len(), 2);
    let newest = evidence::newest(test.pool(), run, &head).await.unwrap().unwrap();
    assert_eq!((newest.id, newest.conclusion.as_str()), (all[0].id, "success"));
    assert!(evidence::newest(test.pool(), run, &sha('2')).await.unwrap().is_none());
    let signals = store::signal::of_run(test.pool(), run).await.unwrap();
    let left = signals.iter().filter(|it| it.topic == Topic::Checks.as_str() && it.taken_at.is_none());
    assert_eq!(left.count(), 2);
    let stale = send(&test, run, &sha('2'), &picture(3, 1)).await.unwrap_err();
    assert!(matches!(stale, Error::Denied(Denied::StaleHead { .. })), "{stale}");
    assert_folds(&test.engine, run).await;
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn what_was_shown_before_is_of_the_change_that_was_merged_last() {
    let test = TestEngine::new().await;
    let (before, after) = (sha('1'), sha('2'));
    let merged = at_head(&test, &before).await;
    send(&test, merged, &before, &picture(1, 1)).await.unwrap();
    let reason = "it is over".parse().unwrap();
    test.engine.control(merged, &Verb::Cancel, "tester", &reason).await.unwrap();
    test.execute(&format!("update run set ended_as = 'succeeded' where id = '{merged}'")).await;
    let run = at_head(&test, &after).await;
    send(&test, run, &after, &picture(2, 1)).await.unwrap();
    let base = evidence::of_base(test.pool(), run).await.unwrap();
    assert_eq!(base.iter().map(|row| row.run_id).collect::<Vec<_>>(), [merged]);
    assert!(evidence::of_base(test.pool(), merged).await.unwrap().is_empty(), "the other is not merged");
    let hash: Hash = Sha256::digest(picture(1, 1)).into();
    assert_eq!(evidence::picture(test.pool(), run, &hash).await.unwrap(), Some(picture(1, 1)));
    let (name, repository) = ("other".parse().unwrap(), "acme/other".parse().unwrap());
    store::product::put(test.pool(), &name, &repository, "main", &[]).await.unwrap();
    test.execute(&format!("update run set product = 'other' where id = '{run}'")).await;
    assert_eq!(evidence::picture(test.pool(), run, &hash).await.unwrap(), None, "of another product");
}
