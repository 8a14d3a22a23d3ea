//! A person's commit on the run's branch: nothing of ours is pushed after it until the run is given back.

use aspora::{
    core::run::{Pause, State},
    dev::github::Phase,
    llm::Task,
};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::{REPO, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_push_during_remediation_is_law_until_it_is_given_back() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        let script = generates(&file("lib/round.py", "ROUND = 1"))
            .with(Task::Remediate, &[], &[], &file("lib/round.py", "ROUND = 2"))
            .with(Task::Review, &["ROUND = 1"], &["ROUND = 7"], &finds("high", "lib/round.py", "Too few"));
        setup.script = with_clean_reviews(script);
    })
    .await;
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    let is_push = |twin: &aspora::dev::github::Twin, method: &str, path: &str, phase| {
        let is_push = phase == Phase::Before && method == "POST" && path.ends_with("/git-receive-pack");
        is_push && !twin.pulls(REPO).is_empty()
    };
    world.once_when(is_push, |twin| async move {
        let branch = twin.pulls(REPO)[0].head_ref.clone();
        let file: (&str, &[u8]) = ("lib/round.py", b"ROUND = 7\n");
        twin.push_as("asha", REPO, &branch, &[file]).await.unwrap();
    });
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_paused(run).await;
    let State::Paused(Pause { by, reason, takeover, .. }) = world.run(run).await.run.state else {
        panic!("{}", world.history(run).await)
    };
    assert!(takeover && by == "asha" && reason.starts_with("pushed "), "{by}: {reason}");
    let branch = world.twin.pulls(REPO)[0].head_ref.clone();
    let theirs = world.twin.branch(REPO, &branch).await.unwrap().unwrap();
    assert!(reason.contains(&theirs[..7]), "{reason}");
    let (_, why) = world.call("GET", &format!("runs/{run}/why"), None).await;
    assert!(why["sentence"].as_str().unwrap().starts_with("Taken over "), "{why}");
    let said = async || world.twin.comments(REPO).iter().any(|it| it.body.contains("Taken over by asha"));
    world.eventually("our comment says it", said).await;
    assert_eq!(world.twin.branch(REPO, &branch).await.unwrap(), Some(theirs.clone()));
    world.twin.comment_as("asha", REPO, 1, "/aspora resume").await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    let merged = world.twin.main_file(REPO, "lib/round.py").await.unwrap().unwrap();
    assert_eq!(merged, b"ROUND = 7\n", "their commit is merged, and nothing of ours came after it");
    assert_eq!(world.head(run).await, theirs);
}
