//! Breakers that all workers share, and the jobs that wait for a provider.

use std::time::Duration;

use aspora::{
    activities::Breaker,
    core::{
        outage::{Held, LONGEST_OUTAGE, Outage, Pass, Provider},
        run::{Event, State},
        why,
        workflow::{Outcome::Opened, Queue},
    },
    engine::{Ack, Verb},
    store::{attempt, event, job::Lease, outage, standing},
};
use futures::future::join_all;
use uuid::Uuid;

use super::support::{TestEngine, advance, advance_limits, answer, assert_sound, postpone_outages};

fn provider() -> Provider {
    Provider::forge("api.example.com")
}

fn breaker(test: &TestEngine) -> Breaker {
    Breaker::new(test.pool().clone(), provider())
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A call that is admitted and not answered.
async fn fails(test: &TestEngine) -> Outage {
    let pass = breaker(test).pass().await.unwrap();
    breaker(test).ended(pass, Some("503".to_owned())).await.unwrap()
}

async fn open(test: &TestEngine) -> Outage {
    for _ in 0..2 {
        assert_eq!(fails(test).await.since, None);
    }
    let outage = fails(test).await;
    assert!(outage.since.is_some());
    outage
}

/// Asks for sixteen calls at once; the passes of those that are admitted.
async fn admitted(test: &TestEngine) -> Vec<Pass> {
    let asked = join_all((0..16).map(async |_| breaker(test).pass().await)).await;
    asked.into_iter().filter_map(Result::ok).collect()
}

/// Asserts that no call is admitted. The breaker's times are an hour later meanwhile, since the first interval is a
/// second, which asking takes on a busy machine.
async fn assert_held_back(test: &TestEngine) {
    postpone_outages(test.pool(), seconds(3600)).await;
    assert!(admitted(test).await.is_empty());
    advance_limits(test.pool(), seconds(3600)).await;
}

#[tokio::test]
async fn f8_failures_in_a_row_hold_back_all_callers_but_one_probe_at_a_time() {
    let test = TestEngine::new().await;
    assert_eq!(admitted(&test).await, [Pass::default(); 16]);
    open(&test).await;
    assert_held_back(&test).await;
    let Err(Held::Outage(held)) = breaker(&test).pass().await else { panic!("it is down") };
    assert!(held.since.is_some() && !held.was_made && held.wait >= seconds(1), "{held:?}");
    // The intervals double.
    for interval in [1, 2, 4, 8, 16, 32, 60, 60] {
        advance(test.pool(), seconds(interval).mul_f64(1.25)).await;
        let probes = admitted(&test).await;
        assert_eq!(probes.len(), 1, "one probe at a time");
        breaker(&test).ended(probes[0], Some("503".to_owned())).await.unwrap();
        assert_held_back(&test).await;
    }
    advance(test.pool(), seconds(60)).await;
    let probes = admitted(&test).await;
    assert_eq!(breaker(&test).ended(probes[0], None).await, None);
    assert_eq!(admitted(&test).await.len(), 16, "an answer closes it");
    assert!(outage::list(test.pool()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_between_two_failures_begins_the_row_anew() {
    let test = TestEngine::new().await;
    for _ in 0..5 {
        fails(&test).await;
        let pass = breaker(&test).pass().await.unwrap();
        assert!(pass.is_troubled);
        breaker(&test).ended(pass, None).await;
    }
    fails(&test).await;
    assert_eq!(fails(&test).await.since, None);
    assert!(fails(&test).await.since.is_some());
}

#[tokio::test]
async fn the_answer_to_a_call_from_before_the_outage_does_not_end_it() {
    let test = TestEngine::new().await;
    fails(&test).await;
    let slow = breaker(&test).pass().await.unwrap();
    fails(&test).await;
    fails(&test).await;
    breaker(&test).ended(slow, None).await;
    assert_held_back(&test).await;
}

#[tokio::test]
async fn a_probe_whose_worker_was_lost_is_made_by_another() {
    let test = TestEngine::new().await;
    open(&test).await;
    advance(test.pool(), seconds(2)).await;
    assert_eq!(admitted(&test).await.len(), 1);
    advance(test.pool(), seconds(30)).await;
    assert!(admitted(&test).await.is_empty(), "it may still be answered");
    advance(test.pool(), seconds(31)).await;
    let probes = admitted(&test).await;
    assert_eq!(probes.len(), 1);
    breaker(&test).give_back(probes[0]).await;
    assert_eq!(admitted(&test).await.len(), 1, "one that was not made is another's at once");
}

/// Claims the one job and finds the model down.
async fn held(test: &TestEngine, outage: &Outage) -> Lease {
    let lease = test.claim(Queue::Llm).await;
    assert_eq!((lease.attempt, lease.most), (1, 5), "no attempt was used up");
    wait_out(test, &lease, outage, Ack::Committed).await;
    lease
}

async fn wait_out(test: &TestEngine, lease: &Lease, outage: &Outage, ack: Ack) {
    assert_eq!(test.engine.wait_out(lease, "tester", outage, LONGEST_OUTAGE).await.unwrap(), ack);
}

async fn why(test: &TestEngine, run: Uuid) -> String {
    let (stored, job) = standing::with_job(test.pool(), run).await.unwrap().unwrap();
    why::why(&stored.run, job.as_ref()).sentence(stored.now)
}

#[tokio::test]
async fn f8_a_job_waits_out_an_outage_with_one_event_and_no_attempt_and_says_for_whom() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let outage = open(&test).await;
    for _ in 0..7 {
        let lease = held(&test, &outage).await;
        wait_out(&test, &lease, &outage, Ack::Fenced).await;
        assert!(test.claim_all(Queue::Llm, 10).await.is_empty(), "it is not due");
        advance(test.pool(), seconds(60)).await;
    }
    held(&test, &Outage { wait: seconds(20), ..outage }).await;
    let sentence = why(&test, run).await;
    let since = "`generate` waits: the forge at api.example.com is down since ";
    assert!(sentence.starts_with(since) && sentence.ends_with("last error: 503"), "{sentence}");
    assert_eq!(test.event_kinds(run).await, ["started", "held"]);
    assert!(attempt::of_run(test.pool(), run).await.unwrap().is_empty());

    // The answer to a probe of another job makes it due, although it would have waited for longer.
    advance(test.pool(), seconds(2)).await;
    let probe = admitted(&test).await[0];
    breaker(&test).ended(probe, None).await;
    let due = "select visible_at <= clock_timestamp() + interval '2 seconds' from job";
    assert!(test.query::<bool>(due).await);
    advance(test.pool(), seconds(2)).await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Opened)).await.unwrap();
    assert_eq!(test.event_kinds(run).await, ["started", "held", "went_on", "answered"]);
    let attempts = attempt::of_run(test.pool(), run).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].ended_as.as_deref(), Some("answered"));
    assert!(test.run(run).await.run.held.is_empty());
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_job_that_fails_alone_is_delayed_by_a_quarter_of_the_time_that_it_has_failed() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let alone = Outage::of_one_call(provider(), seconds(1), "502".to_owned());
    held(&test, &alone).await;
    // As if it had begun an hour ago.
    let earlier = "update run set state = jsonb_set(state, '{held,forge api.example.com}',
                   to_jsonb(now() - interval '1 hour'))";
    test.execute(earlier).await;
    advance(test.pool(), seconds(5)).await;
    let lease = test.claim(Queue::Llm).await;
    wait_out(&test, &lease, &alone, Ack::Committed).await;
    let wait = "select extract(epoch from visible_at - clock_timestamp())::float8 from job";
    let wait = test.query::<f64>(wait).await;
    assert!((590.0..=602.0).contains(&wait), "{wait}");
    assert_eq!(test.event_kinds(run).await, ["started", "held"]);
}

#[tokio::test]
async fn f8_an_outage_that_lasts_too_long_needs_a_person() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let outage = open(&test).await;
    held(&test, &outage).await;
    advance(test.pool(), seconds(60)).await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(
        test.engine.wait_out(&lease, "tester", &outage, Duration::ZERO).await.unwrap(),
        Ack::Committed
    );
    let State::Ended { name, reason, .. } = test.run(run).await.run.state else { panic!("it goes on") };
    assert_eq!(name, "needs_human");
    let since = "`generate` failed: the forge at api.example.com has been out of reach since ";
    assert!(reason.starts_with(since), "{reason}");
    assert_eq!(test.event_kinds(run).await, ["started", "held", "exhausted"]);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_run_can_be_paused_resumed_and_cancelled_during_an_outage() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let outage = open(&test).await;
    let reason = "why".parse().unwrap();
    let lease = test.claim(Queue::Llm).await;
    test.engine.control(run, &Verb::Pause, "pm", &reason).await.unwrap();
    wait_out(&test, &lease, &outage, Ack::Committed).await;
    advance(test.pool(), seconds(60)).await;
    assert!(test.claim_all(Queue::Llm, 10).await.is_empty());
    test.engine.control(run, &Verb::Resume, "pm", &reason).await.unwrap();
    held(&test, &outage).await;
    assert_eq!(test.event_kinds(run).await, ["started", "paused", "resumed", "held"]);
    test.engine.control(run, &Verb::Cancel, "pm", &reason).await.unwrap();
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn run_now_probes_at_once() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let outage = open(&test).await;
    held(&test, &Outage { wait: seconds(60), ..outage }).await;
    test.execute("update outage set next_probe_at = now() + interval '1 minute'").await;
    assert_held_back(&test).await;
    test.engine.control(run, &Verb::RunNow, "pm", &"it is back".parse().unwrap()).await.unwrap();
    test.claim(Queue::Llm).await;
    assert_eq!(admitted(&test).await.len(), 1);
}

#[tokio::test]
async fn the_history_names_the_provider_and_the_beginning_of_its_outage() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let outage = open(&test).await;
    held(&test, &outage).await;
    let events = event::after(test.pool(), run, 0, 10).await.unwrap();
    let Event::Held { provider, since, error, .. } = &events[1].body.0 else { panic!("{events:?}") };
    assert_eq!(
        (provider.as_str(), Some(*since), error.as_str()),
        ("forge api.example.com", outage.since, "503")
    );
}

#[tokio::test]
async fn a_call_of_a_model_that_may_have_been_paid_keeps_its_number_and_uses_up_no_attempt() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let (provider, wait) = (Provider::model("api.example.com", "m"), seconds(1));
    let cut = Outage::of_one_call(provider, wait, "cut".to_owned());
    for number in 1..=7 {
        let lease = test.claim(Queue::Llm).await;
        assert_eq!((lease.attempt, lease.most), (number, 4 + number), "as many are left as before");
        wait_out(&test, &lease, &cut, Ack::Committed).await;
        advance(test.pool(), seconds(700)).await;
    }
    assert_eq!(test.event_kinds(run).await, ["started", "held"]);
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Opened)).await.unwrap();
    let attempts = attempt::of_run(test.pool(), run).await.unwrap();
    let numbers: Vec<i32> = attempts.iter().map(|row| row.attempt).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_sound(&test.engine).await;
}
