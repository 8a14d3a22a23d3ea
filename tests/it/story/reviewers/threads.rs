//! Threads: those of bots alone are resolved once they are fixed, a person's is a person's, and what a branch demands has
//! a name.

use aspora::dev::github::{Enforcement, Rules};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_a_person_wrote_in_is_left_to_people_and_named_while_the_branch_demands_it() {
    let world = world(json!([App::Greptile.setting()])).await;
    let rules = Rules { conversations: true, ..Rules::default() };
    world.twin.add_ruleset(REPO, "main", Enforcement::Active, rules).unwrap();
    let (run, head) = awaited(&world).await;
    unseen(&world, run, async || {
        let comments = [(PATH, 1, App::Greptile.high()), (PATH, 2, App::Greptile.high())];
        App::Greptile.end(&world, App::Greptile.slug(), &head, &comments).await;
        let (first, _) = world.twin.threads(REPO, 1).remove(0);
        world.twin.answer_as("asha", REPO, first.id, "Is it meant to be zero?").await.unwrap();
    })
    .await;
    let fixed = world.until_head_changes(run, &head).await;
    App::Greptile.clean(&world, &fixed).await;
    let reason = world.until_waiting_for(run, "people to resolve 1 open conversation").await;
    let threads = world.twin.threads(REPO, 1);
    assert!(reason.contains(&format!("#discussion_r{}", threads[0].0.id)), "{reason}");
    let resolved: Vec<_> = threads.iter().map(|(_, by)| by.as_deref()).collect();
    assert_eq!(resolved, [None, Some(world.twin.bot())], "a person wrote in the first one");
    assert_eq!(world.merges(), 0);
    world.twin.resolve_thread_as("asha", REPO, threads[0].0.id, true).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demand_that_we_may_not_read_is_named_where_the_merge_meets_it() {
    let world = world(json!([{"kind": "greptile", "mode": "advisory"}, {"kind": "builtin"}])).await;
    // An App without the permission to read the administration sees no classic protection.
    world.twin.protect(REPO, "main", Rules { conversations: true, ..Rules::default() }).unwrap();
    let (run, head) = awaited(&world).await;
    App::Greptile.end(&world, App::Greptile.slug(), &head, &[(PATH, 1, App::Greptile.high())]).await;
    let reason = world.until_waiting_for(run, "what the rules of `main` demand").await;
    let (first, _) = world.twin.threads(REPO, 1).remove(0);
    assert!(reason.contains("conversations are open at"), "{reason}");
    assert!(reason.contains(&format!("#discussion_r{}", first.id)), "{reason}");
    world.twin.resolve_thread_as("asha", REPO, first.id, true).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_head_does_not_change_is_found_again_and_its_thread_stays_open() {
    let world = world_that_fixes_by(json!([App::Greptile.setting()]), "ROUND = 0\nLAST = 10").await;
    let (run, head) = awaited(&world).await;
    unseen(&world, run, async || {
        App::Greptile.end(&world, App::Greptile.slug(), &head, &[(PATH, 1, App::Greptile.high())]).await;
    })
    .await;
    let next = world.until_head_changes(run, &head).await;
    App::Greptile.clean(&world, &next).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let open: Vec<_> = findings(&world, run).await.into_iter().filter(|it| it["state"] == "open").collect();
    assert!(open.iter().any(|it| it["head_sha"] == json!(next)), "{open:#?}");
    assert_eq!(world.twin.threads(REPO, 1)[0].1, None);
}
