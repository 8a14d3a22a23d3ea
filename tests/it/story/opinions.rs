//! People who approve, reject and withdraw here, under the rules of reviews on the forge.

use aspora::{
    core::{access::Role, run::Event},
    dev::github::{Fault, FaultRule, ReviewEvent},
    engine::people::{self, NewKey},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

const MIGRATION: &str = "db/migrations/0002_round.sql";

async fn world(path: &'static str) -> World {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file(path, "create table round (n int);")));
    })
    .await;
    for login in ["asha", "bilal", "chen"] {
        world.twin.set_permission(REPO, login, "write").unwrap();
    }
    world.twin.set_permission(REPO, "out", "read").unwrap();
    world
}

/// A key of a person with this login on the forge.
async fn key(world: &World, person: &str, login: Option<&str>, role: Role) -> String {
    let (person, forge_login) = (person.parse().unwrap(), login.map(str::to_owned));
    let new =
        NewKey { person, forge_login, role, products: None, expires_at: None, requests_per_minute: None };
    people::issue(&world.pool, &new, "tests").await.unwrap().key.reveal().to_owned()
}

/// Says something of a head with a key; the status and the answer.
async fn say(world: &World, key: &str, run: Uuid, verb: &str, head: &str) -> (u16, Value) {
    let url = format!("{}/api/v1/runs/{run}/{verb}", world.url);
    let body = json!({ "head_sha": head, "reason": "I have looked at it" });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).bearer_auth(key).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn pass_the_rest(world: &World, head: &str) {
    for check in ["harness-integration", "Security Scan"] {
        world.twin.set_check("scanner", REPO, head, check, Some("success")).await.unwrap();
    }
}

fn approvals(missing: u32, head: &str) -> String {
    format!("{missing} of 2 approvals by people on {}, reset by a new push", &head[..7])
}

/// Waits until the newest verdict says this of a login.
async fn until_judged(world: &World, run: Uuid, login: &str, why: &str) {
    let said = async || {
        let row = aspora::store::assessment::newest(&world.pool, run).await.unwrap();
        let people = row.map(|row| row.report["approvals"]["people"].clone()).unwrap_or_default();
        people.as_array().is_some_and(|all| all.iter().any(|it| it["login"] == login && it["why"] == why))
    };
    world.eventually(&format!("{login}: {why}"), said).await;
}

/// Waits until a look at the pull request that began after this call has ended in a wait. A look that changes nothing
/// of the verdict is in the history alone.
async fn until_looked_again(world: &World, run: Uuid) {
    let parked = async || {
        let events = world.events(run).await;
        events.iter().filter(|row| matches!(row.body.0, Event::Parked { .. })).count()
    };
    let before = parked().await;
    // The first of them may have begun before.
    world.eventually("two more looks", async || parked().await >= before + 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_a_critical_change_merges_after_one_approval_here_and_one_on_the_forge() {
    let world = world(MIGRATION).await;
    let asha = key(&world, "Asha K", Some("asha"), Role::Engineer).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    pass_the_rest(&world, &head).await;
    world.until_waiting_only_for(run, &approvals(2, &head)).await;
    assert_eq!(say(&world, &asha, run, "approve", &head).await.0, 200);
    world.until_waiting_only_for(run, &approvals(1, &head)).await;
    until_judged(&world, run, "asha", "approved this head in Aspora").await;
    // The same person there counts once.
    world.twin.review_as("asha", REPO, 1, ReviewEvent::Approve, "good").await.unwrap();
    until_looked_again(&world, run).await;
    world.until_waiting_only_for(run, &approvals(1, &head)).await;
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    let verbs: Vec<_> = view["actions"].as_array().unwrap().iter().map(|it| it["verb"].clone()).collect();
    assert!(
        verbs.contains(&json!("pause")) && !verbs.contains(&json!("approve")),
        "ada has no login: {verbs:?}"
    );
    world.twin.review_as("bilal", REPO, 1, ReviewEvent::Approve, "good").await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    assert!(history.contains("asha approved abc\n"), "{history}");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_j12_none_of_these_counts_or_it_is_refused() {
    let world = world(MIGRATION).await;
    let asha = key(&world, "Asha K", Some("asha"), Role::Engineer).await;
    let reader = key(&world, "Out", Some("out"), Role::Engineer).await;
    let nobody = key(&world, "Nobody", Some("not-on-the-forge"), Role::Admin).await;
    let unlinked = key(&world, "Ute", None, Role::Engineer).await;
    let (agent, pm) =
        (key(&world, "Bot", Some("bilal"), Role::Agent).await, key(&world, "Pia", None, Role::Pm).await);
    let url = format!("{}/api/v1/requirements", world.url);
    let body = json!({ "product": "wealth", "title": COUNT_ROUNDS, "body": "Soon." });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.post(url).bearer_auth(&asha).json(&body).send().await.unwrap();
    let run: Uuid = asked.json::<Value>().await.unwrap()["run_id"].as_str().unwrap().parse().unwrap();
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    let other = "0123456789abcdef0123456789abcdef01234567";
    for (key, head, status, code) in [
        (&agent, head.as_str(), 403, "forbidden"),
        (&pm, head.as_str(), 403, "forbidden"),
        (&unlinked, head.as_str(), 403, "no-forge-login"),
        (&asha, other, 409, "stale_head"),
        (&asha, "abc1234", 422, "invalid"),
    ] {
        let (got, problem) = say(&world, key, run, "approve", head).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{problem}");
    }
    let (_, stale) = say(&world, &asha, run, "reject", other).await;
    assert!(stale["detail"].as_str().unwrap().contains(&format!("the head is {head} now")), "{stale}");
    for key in [&asha, &reader, &nobody] {
        assert_eq!(say(&world, key, run, "approve", &head).await.0, 200);
    }
    until_judged(&world, run, "asha", "does not count: they asked for the change, and it is critical").await;
    until_judged(&world, run, "out", "does not count: without write permission").await;
    let stranger = "does not count: without write permission";
    until_judged(&world, run, "not-on-the-forge", stranger).await;
    pass_the_rest(&world, &head).await;
    world.until_waiting_only_for(run, &approvals(2, &head)).await;
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_a_revoked_key_approves_nothing_and_a_login_that_another_took_is_not_theirs() {
    let world = world(MIGRATION).await;
    let asha = key(&world, "Asha K", Some("asha"), Role::Engineer).await;
    let bilal = key(&world, "Bilal", Some("bilal"), Role::Engineer).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    for key in [&asha, &bilal] {
        assert_eq!(say(&world, key, run, "approve", &head).await.0, 200);
    }
    until_judged(&world, run, "asha", "approved this head in Aspora").await;
    until_judged(&world, run, "bilal", "approved this head in Aspora").await;
    let id = "select id from api_key where person = 'Asha K'";
    let id: Uuid = sqlx::query_scalar(id).fetch_one(&world.pool).await.unwrap();
    people::revoke(&world.pool, id, "tests", &"lost".parse().unwrap()).await.unwrap();
    // As if the account had been another when its number was first asked for.
    sqlx::query("alter table opinion disable trigger user").execute(&world.pool).await.unwrap();
    let taken = "update opinion set forge_account = 424242 where person = 'Bilal'";
    sqlx::query(taken).execute(&world.pool).await.unwrap();
    let again = async || {
        let why = json!({ "reason": "look again" });
        world.call("POST", &format!("runs/{run}/run-now"), Some(why)).await.0 == 200
    };
    world.eventually("the run looks again", again).await;
    let revoked = "does not count: the key that it was given with was revoked";
    until_judged(&world, run, "asha", revoked).await;
    until_judged(&world, run, "bilal", "does not count: without write permission").await;
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_a_push_voids_what_was_said_and_a_refusal_outlives_it() {
    let world = World::with(|setup| setup.ci = None).await;
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    world.twin.set_permission(REPO, "bilal", "write").unwrap();
    let asha = key(&world, "Asha K", Some("asha"), Role::Engineer).await;
    let bilal = key(&world, "Bilal", Some("bilal"), Role::Engineer).await;
    let run = world.submit(super::script::RISK_CHECKER).await;
    world.until_waiting_for(run, "CI Pipeline (not reported)").await;
    let first = world.head(run).await;
    assert_eq!(say(&world, &asha, run, "approve", &first).await.0, 200);
    until_judged(&world, run, "asha", "approved this head in Aspora").await;
    world.push_as("chen", "main", "CHANGES.md", "A new morning.\n").await;
    let second = world.until_head_changes(run, &first).await;
    until_judged(&world, run, "asha", "does not count: it was given for another commit").await;
    assert_eq!(say(&world, &asha, run, "approve", &first).await.0, 409, "the head is another");
    assert_eq!(say(&world, &bilal, run, "reject", &second).await.0, 200);
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("bilal in Aspora asked for changes; only they can withdraw it"), "{reason}");
    assert_eq!(say(&world, &asha, run, "approve", &second).await.0, 409, "the run has ended");
    assert_eq!(say(&world, &bilal, run, "withdraw", &second).await.0, 200);
    world.pass_checks(&second).await;
    world.control(run, "retry", &json!({ "reason": "bilal is satisfied" })).await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_a_refusal_counts_where_our_token_may_not_read_permissions_and_an_approval_does_not() {
    let world = world(MIGRATION).await;
    let asha = key(&world, "Asha K", Some("asha"), Role::Engineer).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    for nth in 1..=20 {
        let (method, path) = ("GET".to_owned(), "/repos/*/*/collaborators/*/permission".to_owned());
        world.twin.inject(FaultRule { method, path, nth, fault: Fault::ErrorBefore(403) }).unwrap();
    }
    assert_eq!(say(&world, &asha, run, "approve", &head).await.0, 200);
    let unread = "does not count: our token may not read what asha may do";
    until_judged(&world, run, "asha", unread).await;
    assert_eq!(say(&world, &asha, run, "reject", &head).await.0, 200);
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_who_said_what_and_takes_a_stale_form_for_what_it_is() {
    let world = world(MIGRATION).await;
    sqlx::query("update person set forge_login = 'chen' where name = 'ada'")
        .execute(&world.pool)
        .await
        .unwrap();
    let run = world
        .submit_as(json!({
            "product": "wealth", "title": COUNT_ROUNDS, "body": "Soon.",
        }))
        .await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    let page = world.page(&format!("runs/{run}")).await;
    for expected in [
        "0 of 2 approvals by people (mergePolicy.critical of wealth)",
        "not who asked for it (ada)",
        "Your approval would not count: you asked for the change, and it is critical.",
        &format!("Reject {}", &head[..7]),
        "mergePolicy.critical of wealth</div>",
    ] {
        assert!(page.contains(expected), "{expected} is missing in {page}");
    }
    assert!(!page.contains(&format!("Approve {}", &head[..7])), "{page}");
    let asha = key(&world, "Asha K", Some("asha"), Role::Engineer).await;
    let form = async |fields: &[(&str, &str)]| {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let request = client.build().unwrap().post(format!("{}/runs/{run}/opinion", world.url));
        let request = request.bearer_auth(&asha).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let other = "0123456789abcdef0123456789abcdef01234567";
    let (status, page) = form(&[("opinion", "approve"), ("head", other), ("reason", "")]).await;
    assert_eq!(status, 409, "{page}");
    assert!(
        page.contains(&format!("/compare/{other}...{head}")) && page.contains("Nothing was recorded"),
        "{page}"
    );
    assert_eq!(form(&[("opinion", "reject"), ("head", &head), ("reason", " ")]).await.0, 400);
    assert_eq!(form(&[("opinion", "approve"), ("head", &head), ("reason", "")]).await.0, 303);
    until_judged(&world, run, "asha", "approved this head in Aspora").await;
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("1 of 2 approvals by people") && page.contains("asha (Asha K)"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_a_comment_approves_the_head_that_it_names_or_that_was_there_before_it() {
    let world = world(MIGRATION).await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    pass_the_rest(&world, &head).await;
    world.until_waiting_only_for(run, &approvals(2, &head)).await;
    let reaction = async |by: &str, text: &str| {
        let id = world.twin.comment_as(by, REPO, 1, text).await.unwrap();
        let of_it = || world.twin.reactions(REPO).into_iter().find(|it| it.comment == id);
        world.eventually(&format!("{text} is answered"), async || of_it().is_some()).await;
        of_it().unwrap().content
    };
    assert_eq!(reaction("asha", "/aspora approve 0123456").await, "confused", "another commit");
    assert_eq!(reaction("stranger", "/aspora approve").await, "-1");
    assert_eq!(reaction("asha", &format!("/aspora approve {}", &head[..7])).await, "+1");
    world.until_waiting_only_for(run, &approvals(1, &head)).await;
    // The forge's times are whole seconds: a comment of the second of the push may be older than it.
    world.eventually("bilal approves", async || reaction("bilal", "/aspora approve").await == "+1").await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}
