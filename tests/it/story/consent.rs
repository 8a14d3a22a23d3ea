//! A product that asks before other dependencies than those of its base are installed.

use aspora::{
    core::{access::Role, judging::Judging, run::Event, sha::Sha},
    dev::{github::ReviewEvent, model::Script},
    engine::people::{self, NewKey},
    llm::Task,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    world::{REPO, World},
};

const PATH: &str = ".aspora/product.toml";
/// Set-up leaves the names of what it would install.
const ASKS: &str = "setup = 'cp requirements.txt /deps/installed'\n\
                    test = 'test -s lib/round.py && python3 -m unittest discover -s tests -t .'\ndependencies = 'ask'\n";
const DEPENDENCIES: &str = "requirements.txt";
const LEFT_PAD: &str = "left-pad ==1.3.0 added";

/// One more file of an answer.
fn and(path: &str, text: &str) -> String {
    format!("=== file: {path}\n{text}\n=== end: {path}\n")
}

/// A change that names these dependencies.
fn with_dependencies(names: &str) -> String {
    format!("{}{}", file("lib/round.py", "ROUND = 0"), and(DEPENDENCIES, names))
}

fn pad() -> String {
    with_dependencies("left-pad==1.3.0")
}

/// A script whose first answer brings a dependency, and which does without it once it is refused.
fn brings(answer: &str) -> Script {
    let refused = ["dependencies that a person has refused"];
    let plain = file("lib/round.py", "ROUND = 0");
    with_clean_reviews(generates(answer).with(Task::Repair, &refused, &[], &plain))
}

async fn asking(script: Script) -> World {
    let world = World::with(|setup| {
        setup.script = script;
        // What is known of a tree is not set up again, and these stories are about what is.
        setup.tests_anew = true;
        setup.ci = Some(passing_ci());
    })
    .await;
    prepare(&world).await;
    world
}

/// The product asks, and its people may write.
async fn prepare(world: &World) {
    world.push_as("ada", "main", DEPENDENCIES, "# none\n").await;
    world.push_as("ada", "main", PATH, ASKS).await;
    for login in ["asha", "bilal", "chen"] {
        world.twin.set_permission(REPO, login, "write").unwrap();
    }
    world.twin.set_permission(REPO, "out", "read").unwrap();
}

/// A key of a person with this login on the forge.
async fn key(world: &World, login: &str, role: Role) -> String {
    let (person, forge_login) = (format!("{login} k").parse().unwrap(), Some(login.to_owned()));
    let new =
        NewKey { person, forge_login, role, products: None, expires_at: None, requests_per_minute: None };
    people::issue(&world.pool, &new, "tests").await.unwrap().key.reveal().to_owned()
}

/// Says yes or no with a key to the set with this digest; the status and the answer.
async fn say(world: &World, key: &str, run: Uuid, digest: &str, answer: &str) -> (u16, Value) {
    let url = format!("{}/api/v1/runs/{run}/dependencies", world.url);
    let body = json!({ "digest": digest, "answer": answer, "reason": "looked at it" });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).bearer_auth(key).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn asked(world: &World, run: Uuid) -> Value {
    let (status, asked) = world.call("GET", &format!("runs/{run}/dependencies"), None).await;
    assert_eq!(status, 200, "{asked}");
    asked
}

/// The digest of the set that the run waits for, once it does.
async fn until_asked(world: &World, run: Uuid, packages: &str) -> String {
    let reason = world.until_waiting_for(run, packages).await;
    assert!(reason.contains("a person's yes or no to its dependencies"), "{reason}");
    assert!(reason.contains(&format!("aspora run dependencies {run}")), "{reason}");
    asked(world, run).await["open"].as_str().expect("a set is open").to_owned()
}

/// How often a run asked people, and how often they answered.
async fn counts(world: &World, run: Uuid) -> (usize, usize) {
    let events = world.events(run).await;
    let count = |is: fn(&Event) -> bool| events.iter().filter(|row| is(&row.body.0)).count();
    (
        count(|event| matches!(event, Event::ConsentAsked { .. })),
        count(|event| matches!(event, Event::ConsentGiven { .. })),
    )
}

/// The tests that ran on heads with these dependencies: set-up ran before them.
async fn tested(world: &World, run: Uuid) -> Vec<String> {
    let (_, all) = world.call("GET", &format!("runs/{run}/tests"), None).await;
    all.as_array().unwrap().iter().map(|it| it["purpose"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_with_a_new_dependency_waits_for_a_yes_and_is_merged() {
    let world = asking(brings(&pad())).await;
    let run = world.submit(COUNT_ROUNDS).await;
    let digest = until_asked(&world, run, LEFT_PAD).await;
    assert!(tested(&world, run).await.is_empty(), "nothing of it is set up");
    assert_eq!(world.twin.pulls(REPO).len(), 0, "nothing of it is pushed");
    let set = &asked(&world, run).await["asked"][0];
    let package = json!({
        "name": "left-pad", "from": [], "to": ["==1.3.0"], "comes_in": "named in requirements.txt",
        "sentence": "left-pad ==1.3.0 added (named in requirements.txt)",
    });
    assert_eq!((&set["packages"], &set["step"]), (&json!([package]), &json!("generate")), "{set}");
    let (_, why) = world.call("GET", &format!("runs/{run}/why"), None).await;
    assert!(why["sentence"].as_str().unwrap().contains("left-pad ==1.3.0 added"), "{why}");
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("Yes, install them") && page.contains(&digest), "{page}");
    let (_, mine) = world.call("GET", "requirements?view=needs-me", None).await;
    assert_eq!(mine["items"][0]["run_id"], json!(run.to_string()), "{mine}");
    // A worker that stops and one that begins neither lose nor double it.
    world.stop_worker().await;
    world.start_worker(|_| {});
    world.skip_back_off(run, std::time::Duration::from_secs(8 * 86_400)).await;
    until_asked(&world, run, LEFT_PAD).await;

    let (asha, agent) = (key(&world, "asha", Role::Engineer).await, key(&world, "bot", Role::Agent).await);
    assert_eq!(say(&world, &agent, run, &digest, "yes").await.0, 403, "no program says yes");
    let (status, other) = say(&world, &asha, run, &"0".repeat(64), "yes").await;
    assert_eq!(status, 409, "{other}");
    let (status, wrong) = say(&world, &asha, run, &digest, "maybe").await;
    assert_eq!((status, &wrong["errors"][0]["pointer"]), (422, &json!("/answer")), "{wrong}");
    for _ in 0..2 {
        let (status, said) = say(&world, &asha, run, &digest, "yes").await;
        assert_eq!((status, &said["asked"][0]["answered_by"]), (200, &json!("asha k")), "{said}");
    }
    let (status, late) = say(&world, &asha, run, &digest, "no").await;
    assert_eq!(status, 409, "what was said of our own change stays: {late}");
    world.until_waiting_for(run, "approval").await;
    assert_eq!(counts(&world, run).await, (1, 1), "the pushed head has the same files, and asks no more");
    assert_eq!(world.model_calls(Task::Generate), 1, "the draft is kept");
    assert!(tested(&world, run).await.contains(&"head".to_owned()));
    let head = world.head(run).await;
    for check in ["harness-integration", "Security Scan"] {
        world.twin.set_check("scanner", REPO, &head, check, Some("success")).await.unwrap();
    }
    for login in ["bilal", "chen"] {
        world.twin.review_as(login, REPO, 1, ReviewEvent::Approve, "yes").await.unwrap();
    }
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.reason(run).await);
    let acts: Vec<String> =
        sqlx::query_scalar("select act from audit where run_id = $1 and act = 'run.dependencies'")
            .bind(run)
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(acts.len(), 1);
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_dependency_is_refused_comes_without_it() {
    let world = asking(brings(&pad())).await;
    let run = world.submit(COUNT_ROUNDS).await;
    let digest = until_asked(&world, run, "left-pad").await;
    let asha = key(&world, "asha", Role::Engineer).await;
    assert_eq!(say(&world, &asha, run, &digest, "no").await.0, 200);
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.reason(run).await);
    let prompts = world.model.ledger().into_iter().filter(|entry| entry.task == Some(Task::Repair));
    let prompts: Vec<String> = prompts.map(|entry| entry.prompt).collect();
    let [prompt] = &prompts[..] else { panic!("one answer more: {prompts:?}") };
    let refusal =
        "these dependencies were refused by asha k (looked at it): left-pad ==1.3.0 added; do without them";
    assert!(prompt.contains(refusal), "{prompt}");
    assert_eq!((world.model_calls(Task::Generate), counts(&world, run).await), (1, (1, 1)));
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_insists_on_what_was_refused_needs_a_person_and_pushes_nothing() {
    let script = generates(&pad()).with(Task::Repair, &[], &[], &pad());
    let world = asking(with_clean_reviews(script)).await;
    let run = world.submit(COUNT_ROUNDS).await;
    let digest = until_asked(&world, run, "left-pad").await;
    let asha = key(&world, "asha", Role::Engineer).await;
    assert_eq!(say(&world, &asha, run, &digest, "no").await.0, 200);
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("after 2 rounds with the model it still brings what was refused"), "{reason}");
    assert_eq!((world.model_calls(Task::Repair), world.twin.pulls(REPO).len()), (2, 0));
    assert_eq!(counts(&world, run).await, (1, 1), "the same set is not asked about again");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_dependencies_ask_again_and_those_of_the_base_never() {
    // The first head has a finding, whose fix brings another dependency.
    let fix = with_dependencies("left-pad==1.3.0\nright-pad==2.0.0");
    let script = generates(&pad())
        .with(
            Task::Review,
            &["ROUND = 0"],
            &["ROUND = 1"],
            &finds("high", "lib/round.py", "pads one side only"),
        )
        .with(Task::Remediate, &[], &[], &fix.replace("ROUND = 0", "ROUND = 1"));
    let world = asking(with_clean_reviews(script)).await;
    let run = world.submit(COUNT_ROUNDS).await;
    let first = until_asked(&world, run, "left-pad").await;
    let asha = key(&world, "asha", Role::Engineer).await;
    assert_eq!(say(&world, &asha, run, &first, "yes").await.0, 200);
    let second = until_asked(&world, run, "right-pad ==2.0.0 added").await;
    assert_ne!(first, second);
    let (status, stale) = say(&world, &asha, run, &first, "yes").await;
    assert_eq!(status, 409, "the first is no longer asked about: {stale}");
    assert_eq!(say(&world, &asha, run, &second, "yes").await.0, 200);
    world.until_waiting_for(run, "approval").await;
    assert_eq!(counts(&world, run).await, (2, 2));
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Remediate)), (1, 1));
    // A change that leaves the dependencies alone is not asked about.
    let plain = asking(with_clean_reviews(generates(&file("lib/round.py", "ROUND = 0")))).await;
    let run = plain.submit(COUNT_ROUNDS).await;
    assert_eq!(plain.run_to_end(run).await, "done", "{}", plain.reason(run).await);
    assert_eq!(counts(&plain, run).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_of_someone_who_may_not_write_does_not_count() {
    let world = asking(brings(&pad())).await;
    let run = world.submit(COUNT_ROUNDS).await;
    let digest = until_asked(&world, run, "left-pad").await;
    let (out, asha) = (key(&world, "out", Role::Engineer).await, key(&world, "asha", Role::Engineer).await);
    assert_eq!(say(&world, &out, run, &digest, "yes").await.0, 200);
    let reason = world.until_waiting_for(run, "another person's yes or no").await;
    assert!(reason.contains("out said yes and may not write to "), "{reason}");
    assert!(tested(&world, run).await.is_empty());
    assert_eq!(say(&world, &asha, run, &digest, "yes").await.0, 200);
    world.until_waiting_for(run, "approval").await;
    assert_eq!(counts(&world, run).await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_cannot_say_that_nobody_is_asked() {
    let world = asking(brings(&pad())).await;
    let pull = on_a_branch(&world, "asha", "left-pad==1.3.0\n").await;
    let lenient = ASKS.replace("'ask'", "'allow'");
    world.push_as("asha", "deps", PATH, &lenient).await;
    let run = world.judge_of(pull).await;
    until_asked(&world, run, "left-pad").await;
    assert!(tested(&world, run).await.is_empty());
}

/// Opens a pull request that names these dependencies, of a product that tests what others open; its number.
async fn on_a_branch(world: &World, person: &str, names: &str) -> i64 {
    world.set_judging(Judging::On, (false, true)).await;
    world.push_as(person, "deps", "lib/round.py", "ROUND = 0\n").await;
    world.push_as(person, "deps", DEPENDENCIES, names).await;
    world.twin.open_pull_as(person, REPO, "deps", "Bring a dependency").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_of_others_asks_everybody_but_its_author() {
    let world = asking(brings(&pad())).await;
    let pull = on_a_branch(&world, "asha", "left-pad==1.3.0\n").await;
    let run = world.judge_of(pull).await;
    let digest = until_asked(&world, run, "left-pad").await;
    assert!(tested(&world, run).await.is_empty(), "nothing of it is set up");
    let (asha, bilal) = (key(&world, "asha", Role::Admin).await, key(&world, "bilal", Role::Engineer).await);
    let (status, own) = say(&world, &asha, run, &digest, "yes").await;
    assert_eq!((status, &own["code"]), (403, &json!("forbidden")), "{own}");
    assert!(own["detail"].as_str().unwrap().contains("you opened this pull request"), "{own}");
    // A no blocks the head, and the gate says so; it can be taken back.
    assert_eq!(say(&world, &bilal, run, &digest, "no").await.0, 200);
    let head: Sha = world.twin.pulls(REPO)[0].head_sha.parse().unwrap();
    world.until_gate(head.as_str(), Some("failure")).await;
    world.until_waiting_for(run, "these dependencies were refused by bilal k").await;
    assert_eq!(say(&world, &bilal, run, &digest, "yes").await.0, 200);
    world.eventually("its tests run", async || tested(&world, run).await.contains(&"head".to_owned())).await;
    // The same files on a later head ask no more; other files do.
    world.push_as("asha", "deps", "lib/round.py", "ROUND = 2\n").await;
    world.until_head_changes(run, head.as_str()).await;
    assert_eq!(counts(&world, run).await.0, 1);
    world.push_as("asha", "deps", DEPENDENCIES, "left-pad==1.4.0\n").await;
    let other = until_asked(&world, run, "left-pad ==1.4.0 added").await;
    assert_ne!(other, digest);
    assert_eq!(counts(&world, run).await.0, 2);
}
