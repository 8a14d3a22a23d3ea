//! People who sign in at the twin's pages and approve a critical change there, as in `aspora dev`.

use std::collections::BTreeMap;

use aspora::dev::{self, github::CI_APP};

use super::{
    support::browser::{Browser, Shown},
    world::{REPO, World},
};

/// The title of a requirement whose change the Wealth policy calls critical.
const ORDER_LIMIT: &str = "Limit the largest order that a customer may place";

fn refused(shown: &Shown, status: u16, words: &str) {
    assert!(shown.status == status && shown.text.contains(words), "{status} {words}: {shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_approve_a_critical_change_on_pages_and_it_is_merged() {
    let world = World::new().await;
    dev::admit(&world.twin, REPO).unwrap();
    let base = world.twin.url();
    let mut people = BTreeMap::new();
    for person in dev::people(&world.twin).unwrap() {
        people.insert(person.login, Browser::of(&base, person.login, &person.password).await);
    }
    let run = world.submit(ORDER_LIMIT).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let pull = format!("/{REPO}/pull/1");
    let reviews = format!("{pull}/reviews");
    let approve = [("event", "APPROVE"), ("body", "")];

    // Nobody who is not signed in, no other site and no forged form approves.
    let ines = &people["ines"];
    refused(&Browser::new(&base).send(&reviews, &approve).await, 401, "You must be signed in");
    refused(&ines.send(&reviews, &approve).await, 403, "not from a page of your session");
    let forged = [("event", "APPROVE"), ("proof", "0123")];
    refused(&ines.send(&reviews, &forged).await, 403, "not from a page of your session");
    let foreign = [("origin", "https://evil.example")];
    refused(&ines.send_with(&reviews, &approve, &foreign).await, 403, "A page of another site");
    // A reader cannot merge, and their approval does not count.
    let remy = &people["remy"];
    refused(&remy.fill(&pull, &format!("{pull}/merge"), &[]).await, 403, "Must have push access");
    refused(&people["olga"].fill(&pull, &reviews, &approve).await, 404, "Not Found");
    assert_eq!(remy.fill(&pull, &reviews, &approve).await.status, 303);
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;

    assert_eq!(ines.fill(&pull, &reviews, &approve).await.status, 303);
    world.until_waiting_for(run, "1 of 2 approvals by people on ").await;
    assert_eq!(people["noor"].fill(&pull, &reviews, &approve).await.status, 303);
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.merges(), world.applied("PUT", "/repos/*/*/pulls/*/merge-async")), (1, 1));
    for check in ["harness-integration", "Security Scan"] {
        let runs =
            world.twin.check_runs(REPO).into_iter().filter(|run| run.app == CI_APP && run.name == check);
        let conclusions: Vec<_> = runs.filter_map(|run| run.conclusion).collect();
        assert_eq!(conclusions, ["success"], "{check}");
    }
    refused(&ines.fill(&pull, &format!("{pull}/merge"), &[]).await, 405, "Pull Request is not mergeable");
}
