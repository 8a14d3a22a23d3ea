//! Commands that people write on the pull request, and our one comment there.

use aspora::{
    core::run::{Event, Pause, State},
    dev::github::Comment,
    store::audit,
};
use uuid::Uuid;

use super::{
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, Setup, World},
};

/// A run that waits for its checks, at a product where asha may write and reader may not.
async fn waiting() -> (World, Uuid) {
    let world = World::with(simple).await;
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    world.twin.set_permission(REPO, "reader", "read").unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    (world, run)
}

fn simple(setup: &mut Setup) {
    setup.ci = None;
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// Writes a comment, and waits until it has a reaction of ours; the reaction, and our line if there is one.
async fn says(world: &World, by: &str, text: &str) -> (String, Option<String>) {
    let id = world.twin.comment_as(by, REPO, 1, text).await.unwrap();
    let reaction = || world.twin.reactions(REPO).into_iter().find(|it| it.comment == id);
    world.eventually(&format!("{text} of {by} is answered"), async || reaction().is_some()).await;
    let answered = async || answered(world, id).await;
    world.eventually("the answer is recorded", answered).await;
    let marker = format!("/{id} -->");
    let reply =
        ours(world).into_iter().find(|it| it.body.contains("aspora:command/") && it.body.contains(&marker));
    (reaction().unwrap().content, reply.map(|it| it.body))
}

async fn answered(world: &World, id: i64) -> bool {
    let sql = "select exists (select from command where comment_id = $1 and answered_at is not null)";
    sqlx::query_scalar(sql).bind(id).fetch_one(&world.pool).await.unwrap()
}

/// The comments of our account.
fn ours(world: &World) -> Vec<Comment> {
    let us = world.twin.pulls(REPO)[0].author.clone();
    world.twin.comments(REPO).into_iter().filter(|it| it.author == us).collect()
}

/// Our comment that says where the run stands; asserts that it is one.
fn standing(world: &World) -> String {
    let all: Vec<String> =
        ours(world).into_iter().map(|it| it.body).filter(|it| it.contains("aspora:conversation/")).collect();
    assert!(all.len() < 2, "{all:?}");
    all.into_iter().next().unwrap_or_default()
}

async fn paused(world: &World, run: Uuid) -> Option<Pause> {
    match world.run(run).await.run.state {
        State::Paused(pause) => Some(pause),
        State::At { .. } | State::Waiting { .. } | State::Ended { .. } => None,
    }
}

async fn count(world: &World, run: Uuid, is: impl Fn(&Event) -> bool) -> usize {
    world.events(run).await.iter().filter(|row| is(&row.body.0)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_may_write_commands_the_run_and_is_answered() {
    let (world, run) = waiting().await;
    assert_eq!(says(&world, "asha", "/aspora pause until Monday").await, ("+1".to_owned(), None));
    let pause = paused(&world, run).await.unwrap();
    let reason = "`/aspora pause` on the pull request: until Monday";
    assert_eq!((pause.by.as_str(), pause.reason.as_str(), pause.takeover), ("asha", reason, false));
    let (reaction, line) = says(&world, "asha", "/aspora why").await;
    assert!(reaction == "+1" && line.as_ref().unwrap().contains("ago by asha"), "{line:?}");
    let line = says(&world, "asha", "/aspora pause").await.1.unwrap();
    assert!(line.contains("nothing changed"), "{line}");
    world.eventually("our comment says so", async || standing(&world).contains("Paused by asha")).await;
    says(&world, "asha", "/aspora resume").await;
    assert!(paused(&world, run).await.is_none());
    let (reaction, line) = says(&world, "asha", "/aspora lgtm").await;
    assert!(reaction == "confused" && line.as_ref().unwrap().contains("status, why, pause"), "{line:?}");
    assert_eq!(says(&world, "asha", "/aspora fix").await.0, "confused");
    says(&world, "asha", "/aspora takeover").await;
    assert!(paused(&world, run).await.unwrap().takeover);
    says(&world, "asha", "/aspora resume").await;
    world.until_waiting_for(run, "CI Pipeline").await;
    says(&world, "asha", "/aspora cancel not now").await;
    assert_eq!(world.until_ended(run).await, "cancelled");
    let said = async || standing(&world).contains("Ended as cancelled");
    world.eventually("our comment says how it ended", said).await;
    assert_eq!(says(&world, "asha", "/aspora retry").await.0, "+1");
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.eventually("our comment says that it is done", async || standing(&world).contains("Done: ")).await;
    let (reaction, line) = says(&world, "asha", "/aspora retry").await;
    assert!(reaction == "confused" && line.is_some(), "{line:?}");
    let acts: Vec<_> = audit::of_run(&world.pool, run).await.unwrap();
    let acts: Vec<&str> =
        acts.iter().filter(|row| row.person == "asha").map(|row| row.act.as_str()).collect();
    for act in ["run.pause", "run.resume", "run.take-over", "run.cancel", "run.retry"] {
        assert!(acts.contains(&act), "{act}: {acts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_else_changes_nothing() {
    let (world, run) = waiting().await;
    for by in ["reader", "stranger"] {
        assert_eq!(says(&world, by, "/aspora cancel").await, ("-1".to_owned(), None), "{by}");
    }
    world.twin.comment_as("helper[bot]", REPO, 1, "/aspora cancel").await.unwrap();
    says(&world, "asha", "/aspora status").await;
    assert_eq!(world.twin.reactions(REPO).len(), 3, "a bot is not answered");
    world.until_waiting_for(run, "CI Pipeline").await;
    let refused = count(&world, run, |event| matches!(event, Event::NotPermitted { .. })).await;
    assert!(refused <= 2, "{}", world.history(run).await);
    // An account that is known here is no better off at the forge.
    world.twin.set_permission(REPO, "asha", "read").unwrap();
    assert_eq!(says(&world, "asha", "/aspora cancel").await.0, "-1", "the forge is asked each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_deliveries_are_one_command_and_a_lost_one_is_made_up_for() {
    let (world, run) = waiting().await;
    says(&world, "asha", "/aspora pause").await;
    says(&world, "asha", "/aspora resume").await;
    world.twin.settled().await;
    let comments = || world.twin.webhooks().sent().into_iter().filter(|it| it.event == "issue_comment");
    for delivery in comments().cycle().take(10 * comments().count()) {
        let id = delivery.id.to_string();
        let (status, _) = super::webhooks::deliver(&world, &id, &delivery.event, &delivery.payload).await;
        assert_eq!(status, 200);
    }
    world.until_waiting_for(run, "CI Pipeline").await;
    let pauses = || count(&world, run, |event| matches!(event, Event::Paused { .. }));
    assert_eq!(pauses().await, 1);
    world.twin.webhooks().drop_next(u32::MAX);
    says(&world, "asha", "/aspora pause").await;
    assert_eq!(pauses().await, 2);
    says(&world, "asha", "/aspora resume").await;
    assert!(paused(&world, run).await.is_none(), "a paused run is listened to as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_hostile_comments_are_no_command() {
    let (world, run) = waiting().await;
    let around = [
        ("> ", ""),
        ("```\n", "\n```"),
        ("    ", ""),
        ("Please: ", ""),
        ("<!-- ", " -->"),
        ("- ", ""),
        ("`", "`"),
        ("\u{200b}", ""),
        ("@asha ", ""),
        ("\\", ""),
    ];
    let verbs = ["pause", "cancel", "takeover", "retry", "resume"];
    for round in 0..4 {
        for (before, after) in around {
            for verb in verbs {
                let text = format!("{before}/aspora {verb}{after}\n\n{round}");
                world.twin.comment_as("asha", REPO, 1, &text).await.unwrap();
            }
        }
    }
    // What quotes our marker is not ours, and an edit makes no command.
    let quoted = standing(&world);
    world.twin.comment_as("stranger", REPO, 1, &quoted).await.unwrap();
    let id = world.twin.comment_as("asha", REPO, 1, "hello").await.unwrap();
    // The times of the forge have whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    world.twin.edit_comment_as("asha", REPO, id, "/aspora cancel").await.unwrap();
    let before = world.events(run).await.len();
    says(&world, "asha", "/aspora status").await;
    assert_eq!(world.twin.reactions(REPO).len(), 1, "only the status is answered");
    world.until_waiting_for(run, "CI Pipeline").await;
    let acts = audit::of_run(&world.pool, run).await.unwrap();
    assert!(acts.iter().all(|row| row.person != "asha"), "{acts:?}");
    assert!(world.events(run).await.len() < before + 100, "nobody is kept busy");
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let all = world.twin.comments(REPO);
    assert_eq!(all.iter().filter(|it| it.author == "stranger").count(), 1, "it is left alone");
    world.eventually("our comment says the end", async || standing(&world).contains("Done: ")).await;
}
