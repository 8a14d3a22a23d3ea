//! Pull requests that other people and programs open: each is judged by the policy, shown the verdict, and left to its
//! people.

use aspora::{
    core::judging::Judging,
    dev::github::{APP, ReviewEvent},
    llm::Task,
    store::product,
};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::with_clean_reviews,
    world::{REPO, Setup, World},
};

/// The gate's check.
const GATE: &str = "risk-policy-gate";
/// The people of the repository, who may write to it.
const PEOPLE: [&str; 3] = ["asha", "bilal", "chen"];

impl World {
    /// A world whose product judges what others open, and whose CI passes.
    pub(crate) async fn judging(judging: Judging, change: impl FnOnce(&mut Setup)) -> Self {
        let world = Self::with(|setup| {
            setup.ci = Some(passing_ci());
            setup.script = with_clean_reviews(setup.script.clone());
            change(setup);
        })
        .await;
        world.set_judging(judging, (false, false)).await;
        for person in PEOPLE {
            world.twin.set_permission(REPO, person, "write").unwrap();
        }
        world
    }

    /// Sets what becomes of what others open: whether it is judged, merged and tested.
    pub(crate) async fn set_judging(&self, judging: Judging, ours: (bool, bool)) {
        product::judge_theirs(&self.pool, &"wealth".parse().unwrap(), judging, ours).await.unwrap();
    }

    /// Pushes a file to a new branch and opens a pull request of it, as a person; its number.
    pub(crate) async fn opens(&self, person: &str, path: &str, text: &str) -> i64 {
        let branch = format!("{person}-{path}").replace(['/', '.', '[', ']'], "-");
        self.push_as(person, &branch, path, text).await;
        self.twin.open_pull_as(person, REPO, &branch, &format!("Change {path}")).await.unwrap()
    }

    /// The runs about a pull request, oldest first, once there are so many.
    pub(crate) async fn runs_about(&self, pull: i64, count: usize) -> Vec<Uuid> {
        let runs = async || -> Vec<Uuid> {
            sqlx::query_scalar("select id from run where pull = $1 order by created_at, id")
                .bind(pull)
                .fetch_all(&self.pool)
                .await
                .unwrap()
        };
        self.eventually(&format!("{count} runs about #{pull}"), async || runs().await.len() >= count).await;
        let runs = runs().await;
        assert_eq!(runs.len(), count);
        runs
    }

    /// The run that judges a pull request.
    pub(crate) async fn judge_of(&self, pull: i64) -> Uuid {
        self.runs_about(pull, 1).await[0]
    }

    /// The conclusion of our gate on a head; `None` while it is in progress.
    pub(crate) fn gate(&self, head: &str) -> Option<String> {
        let runs = self.twin.check_runs(REPO).into_iter();
        let mut ours = runs.filter(|it| it.app == APP && it.name == GATE && it.head_sha == head);
        let gate = ours.next().expect("the gate is reported");
        assert!(ours.next().is_none(), "one check a head");
        gate.conclusion
    }

    /// Waits until the gate on a head is concluded so.
    pub(crate) async fn until_gate(&self, head: &str, conclusion: Option<&str>) {
        let is_there = |it: &aspora::dev::github::CheckRun| {
            it.app == APP && it.name == GATE && it.head_sha == head && it.conclusion.as_deref() == conclusion
        };
        let what = format!("the gate says {conclusion:?}");
        self.eventually(&what, async || self.twin.check_runs(REPO).iter().any(is_there)).await;
    }

    /// How many calls listed pull requests.
    pub(crate) fn listings(&self) -> usize {
        let lists = format!("/repos/{REPO}/pulls");
        let is_one = |path: &str| path.split('?').next() == Some(&*lists);
        self.twin.ledger().iter().filter(|it| it.method == "GET" && is_one(&it.path)).count()
    }

    /// Our comments on a pull request.
    pub(crate) fn said_on(&self, pull: i64) -> Vec<String> {
        let comments = self.twin.comments(REPO).into_iter();
        comments.filter(|it| it.issue == pull && it.author.contains("[bot]")).map(|it| it.body).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_pull_request_is_judged_blocked_approved_and_merged_by_that_person() {
    let world = World::judging(Judging::On, |_| {}).await;
    let twin = &world.twin;
    // A new route without its documents: high, and blocked by the drift.
    let pull = world.opens("asha", "db/migrations/0002_round.sql", "create table round (n int);").await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "2 of 2 approvals by people").await;
    let head = twin.pulls(REPO)[0].head_sha.clone();
    assert_eq!(world.gate(&head), None, "in progress while people are awaited");
    world.eventually("one comment says so", async || world.said_on(pull).len() == 1).await;
    for check in ["harness-integration", "Security Scan"] {
        twin.set_check("scanner", REPO, &head, check, Some("success")).await.unwrap();
    }
    // The author's own word counts for nothing.
    let own = twin.review_as("asha", REPO, pull, ReviewEvent::Approve, "mine").await;
    assert!(own.is_err(), "GitHub refuses it");
    twin.review_as("bilal", REPO, pull, ReviewEvent::RequestChanges, "no").await.unwrap();
    world.until_waiting_for(run, "bilal to approve").await;
    twin.review_as("bilal", REPO, pull, ReviewEvent::Approve, "yes").await.unwrap();
    world.until_waiting_for(run, "1 of 2 approvals by people").await;
    twin.review_as("chen", REPO, pull, ReviewEvent::Approve, "yes").await.unwrap();
    world.until_gate(&head, Some("success")).await;
    world.until_waiting_for(run, "asha or anybody else who may to merge it").await;
    assert_eq!(world.merges(), 0, "the merge is theirs");
    twin.merge_as("asha", REPO, pull).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert!(world.reason(run).await.starts_with("merged by asha as "));
    assert_eq!(world.run(run).await.run.progress.unjudged, None);
    assert_eq!(world.model_calls(Task::Generate) + world.model_calls(Task::Remediate), 0);
    assert_eq!(world.said_on(pull).len(), 1, "one comment, edited");
    assert_eq!(world.gate(&head).as_deref(), Some("success"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_merged_past_a_red_gate_is_recorded_with_who_did_it() {
    let world = World::judging(Judging::On, |setup| setup.ci = None).await;
    let pull = world.opens("asha", "lib/round.py", "ROUND = 1\n").await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let head = world.twin.pulls(REPO)[0].head_sha.clone();
    for check in ["CI Pipeline", "harness-smoke"] {
        world.twin.set_check("aspora-ci", REPO, &head, check, Some("failure")).await.unwrap();
    }
    world.until_gate(&head, Some("failure")).await;
    world.until_waiting_for(run, "a new head or a word of people").await;
    world.twin.merge_as("bilal", REPO, pull).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "closed");
    let reason = world.reason(run).await;
    assert!(reason.starts_with("merged unjudged by bilal as "), "{reason}");
    assert_eq!(world.run(run).await.run.progress.unjudged.as_deref(), Some("bilal"));
    assert_eq!(
        world.model_calls(Task::Review),
        0,
        "no model is asked about what the policy asks no review for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nothing_of_others_is_looked_at() {
    let world = World::judging(Judging::Off, |_| {}).await;
    let pull = world.opens("asha", "lib/round.py", "ROUND = 1\n").await;
    world.twin.comment_as("asha", REPO, pull, "/aspora status").await.unwrap();
    world.twin.settled().await;
    world.set_judging(Judging::On, (false, false)).await;
    let second = world.opens("bilal", "lib/two.py", "TWO = 2\n").await;
    world.judge_of(second).await;
    world.runs_about(pull, 0).await;
    assert!(world.said_on(pull).is_empty());
}
