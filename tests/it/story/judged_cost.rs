//! What a pull request of others costs beside many that are open. `ASPORA_OPEN_PULLS=1000 cargo test --test it
//! story::judged_cost -- --nocapture` prints the figures for a thousand.

use std::{sync::Arc, time::Instant};

use aspora::{activities::Lister, core::judging::Judging, dev::github::APP, llm::Task};

use super::world::{REPO, World};

/// How many are open, unless the environment says otherwise.
const OPEN: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn one_more_among_many_is_judged_at_once_and_all_are_found_by_one_listing_a_hundred() {
    let open = std::env::var("ASPORA_OPEN_PULLS").map_or(OPEN, |count| count.parse().unwrap());
    let world = World::judging(Judging::Off, |_| {}).await;
    for number in 0..open {
        world.opens("asha", &format!("lib/round_{number}.py"), "ROUND = 1\n").await;
    }
    world.twin.settled().await;
    world.set_judging(Judging::On, (false, false)).await;
    let (began, before) = (Instant::now(), world.twin.ledger().len());
    let pull = world.opens("bilal", "lib/one_more.py", "ONE = 1\n").await;
    let head = world.twin.pulls(REPO).into_iter().find(|it| it.number == pull).unwrap().head_sha;
    let is_reported = || world.twin.check_runs(REPO).iter().any(|it| it.app == APP && it.head_sha == head);
    world.eventually("the gate is reported", async || is_reported()).await;
    let (took, calls) = (began.elapsed(), world.twin.ledger().len() - before);
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "bilal or anybody else").await;

    let before = world.listings();
    let lister = Lister::new(world.engine.clone(), Arc::new(world.forge()));
    let changed = lister.list_if_due().await.unwrap().unwrap();
    let listed = world.listings() - before;
    println!(
        "{open} open: {took:?} from the push to the check, {calls} calls; {listed} listings found {changed}"
    );
    assert!(changed >= open, "{changed} of {open} that no webhook announced");
    assert_eq!(listed, (open + 1).div_ceil(100), "one listing for each hundred");
    let asked = world.model_calls(Task::Generate)
        + world.model_calls(Task::Review)
        + world.model_calls(Task::Remediate);
    assert_eq!(asked, 0, "no model is asked");
}
