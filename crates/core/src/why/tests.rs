use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::*;
use crate::{
    job::JobState::{Available, Expired, RateLimited, Running, Scheduled, Suspect},
    run::{Park, Pause, Progress},
};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn run(state: State) -> Run {
    Run {
        state,
        turn: 1,
        visits: BTreeMap::new(),
        forgiven: BTreeMap::new(),
        held: BTreeMap::new(),
        asked: 0,
        given_back: false,
        progress: Progress::default(),
    }
}

fn job() -> Job {
    Job {
        queue: "llm".to_owned(),
        visible_at: at(0),
        attempts: 0,
        most: 5,
        last: None,
        state: Available,
        lost: 0,
        error: None,
        held_back: None,
        outage: None,
        beside: None,
        full: None,
        served: true,
        hold: None,
    }
}

fn begun(state: JobState, visible_at: i64) -> Job {
    let last = Some(("w1".to_owned(), at(10)));
    Job { attempts: 2, last, visible_at: at(visible_at), state, ..job() }
}

fn check(state: &State, job: Option<&Job>, sentence: &str) {
    let cause = why(&run(state.clone()), job);
    assert_eq!(cause.sentence(at(100)), sentence);
}

/// A run at `review` with this job, after 100 s.
#[track_caller]
fn at_review(job: &Job, sentence: &str) {
    check(&State::At { step: "review".to_owned(), since: at(0) }, Some(job), sentence);
}

#[test]
fn a_running_attempt_comes_first() {
    let running = "`review` has been running for 1 min 30 s on w1, attempt 2 of 5.";
    let failed = Job { error: Some("503".to_owned()), ..begun(Scheduled, 130) };
    at_review(&begun(Running, 130), running);
    at_review(&Job { state: Running, ..failed.clone() }, running);
    at_review(&Job { served: false, lost: 2, ..begun(Running, 130) }, running);
    at_review(&failed, "`review` failed in attempt 2 of 5 and is retried in 30 s; last error: 503");
}

#[test]
fn a_job_that_waits_out_an_outage_says_who_is_down_and_when_it_is_probed() {
    let held_back = Some(("model api.example.com/m".to_owned(), None));
    let outage = |open| Some(Breaker { open, error: "503".to_owned() });
    let held = |open| Job { held_back: held_back.clone(), outage: outage(open), ..begun(RateLimited, 130) };
    at_review(
        &held(Some((at(60), at(120)))),
        "`review` waits: the model m at api.example.com is down since 00:01 UTC (next probe in 20 s); last error: 503",
    );
    at_review(
        &held(None),
        "`review` waits for the model m at api.example.com, which could not be used at 00:02 UTC; it goes on in 30 s; \
         last error: 503",
    );
    let both = Job { beside: Some(("model x.ai/b".to_owned(), at(0))), ..held(Some((at(60), at(120)))) };
    at_review(
        &both,
        "`review` waits: the model m at api.example.com is down since 00:01 UTC (next probe in 20 s); last error: \
         503; its fallback, the model b at x.ai, is down since 00:00 UTC",
    );
}

#[test]
fn a_job_that_is_not_due_says_why_and_until_when() {
    let limit = Some(("github:x:y".to_owned(), Some("429".to_owned())));
    let job =
        Job { held_back: limit, error: Some("503".to_owned()), served: false, ..begun(RateLimited, 130) };
    at_review(&job, "`review` is held back by the rate limit github:x:y until 00:02:10 UTC: 429.");
    at_review(
        &begun(Scheduled, 130),
        "`review` needs a newer release than the one of w1; it is offered again in 30 s.",
    );
}

#[test]
fn a_due_job_says_what_keeps_it_from_being_claimed() {
    let queued = "`review` has been queued for 1 min 40 s; the workers of `llm` are busy.";
    at_review(&job(), queued);
    let full = Some(Full { key: "model:default".to_owned(), held: 2, most: 2 });
    let lost = Job { lost: 1, ..begun(Expired, 40) };
    at_review(
        &Job { served: false, full: full.clone(), ..job() },
        "`review` has been due for 1 min 40 s, but no worker of the queue `llm` is connected: start one.",
    );
    at_review(
        &Job { full, ..begun(Suspect, 40) },
        "`review` has been waiting 1 min 0 s for a slot: 2 of at most 2 jobs of model:default are running.",
    );
    at_review(
        &Job { lost: 2, ..begun(Suspect, 40) },
        "`review` has lost 2 workers in a row, attempt 2 of 5, and has been waiting 1 min 0 s for a worker without another such job.",
    );
    at_review(
        &lost,
        "`review` lost its worker w1 1 min 0 s ago in attempt 2 of 5; the next free worker takes it.",
    );
}

#[test]
fn an_expired_delay_is_not_mentioned() {
    let queued = "`review` has been queued for 1 s; the workers of `llm` are busy.";
    let failed = Job { error: Some("503".to_owned()), ..begun(Available, 99) };
    at_review(&failed, queued);
    at_review(&Job { held_back: Some(("github:x:y".to_owned(), None)), ..failed }, queued);
    // A worker gave it back.
    at_review(&begun(Available, 99), queued);
}

#[test]
fn a_run_without_its_job_says_so() {
    let here = State::At { step: "review".to_owned(), since: at(0) };
    let sentence = "`review`, entered 1 min 40 s ago, has no job: the job table was changed by hand.";
    check(&here, None, sentence);
}

#[test]
fn a_paused_run_says_who_paused_it_why_and_what_to_do() {
    let pause = Pause {
        was: Box::new(State::At { step: "review".to_owned(), since: at(0) }),
        queued: true,
        by: "pm@acme".to_owned(),
        reason: "waiting for legal".to_owned(),
        cause: PauseCause::Person,
        since: at(-7_280),
        takeover: false,
    };
    let taken_over = State::Paused(Pause { by: "asha".to_owned(), takeover: true, ..pause.clone() });
    let paused = State::Paused(pause);
    check(
        &taken_over,
        None,
        "Taken over 2 h 3 min ago by asha: waiting for legal; resume it to give it back.",
    );
    check(
        &paused,
        Some(&job()),
        "Paused 2 h 3 min ago by pm@acme: waiting for legal; resume it to continue.",
    );
    check(
        &paused,
        Some(&begun(Running, 130)),
        "Paused 2 h 3 min ago by pm@acme: waiting for legal; a worker is still finishing its attempt; resume it to continue.",
    );
}

#[test]
fn a_waiting_run_says_for_what_and_an_ended_run_why() {
    let park = Park::new("CI Pipeline", vec![], at(7_300));
    let waiting = State::Waiting { step: "verdict".to_owned(), since: at(0), park };
    check(
        &waiting,
        None,
        "`verdict` has been waiting 1 min 40 s for CI Pipeline; it runs again in 2 h 0 min at the latest.",
    );
    let end = |reason: &str| State::Ended {
        name: "done".to_owned(),
        end: End::Succeeded,
        reason: reason.to_owned(),
    };
    check(&end("merged as abc"), Some(&job()), "Done: merged as abc");
    check(&end(""), None, "Done.");
}
