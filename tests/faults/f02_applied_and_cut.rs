//! F2: the forge does what it is asked, and the answer is lost. Whoever asked looks before it asks again.

use aspora::{
    dev::github::{Fault, FaultRule},
    store::Pool,
};

use crate::{
    floor::{Floor, Ground},
    invariants,
    support::skip_waits,
};

/// Everything that changes the forge, and which of them goes wrong; the last is a push. A check run that is set
/// once more to what it says already is no second effect: that is done until it is answered.
const CHANGES: [(&str, &str, u32); 5] = [
    ("POST", "/repos/**", EVERY),
    ("PUT", "/repos/**", EVERY),
    ("DELETE", "/repos/**", EVERY),
    ("PATCH", "/repos/**", 1),
    ("POST", "/**/git-receive-pack", EVERY),
];
const EVERY: u32 = 0;

/// Answers changes so, for good.
fn always(floor: &Floor, fault: Fault) {
    for (method, path, nth) in CHANGES {
        let rule = FaultRule { method: method.to_owned(), path: path.to_owned(), nth, fault };
        floor.twin.inject(rule).unwrap();
    }
}

/// Lets waits between attempts pass until nothing more is to do.
async fn hurry(pool: &Pool) {
    loop {
        skip_waits(pool).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// A run that never hears that a change was made; every one of them has been made once.
async fn is_made_once(fault: Fault) {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let begun = floor.begin("p").await;
    always(&floor, fault);
    floor.crew.hire();
    tokio::select! {
        _ = floor.ended(&begun) => {}
        () = hurry(floor.pool()) => {}
    }
    invariants::hold(&floor, &begun, None).await;
    invariants::model_was_asked(&floor, 1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_no_change_that_was_made_and_not_answered_is_made_twice() {
    is_made_once(Fault::ApplyThenCut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_no_change_that_was_made_and_answered_as_failed_is_made_twice() {
    is_made_once(Fault::ApplyThenError(502)).await;
}
