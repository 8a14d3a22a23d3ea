//! Webhooks as GitHub sends them: to whom, how, once; and the list of deliveries, from which they are sent again.

use std::sync::atomic::{AtomicUsize, Ordering};

use aspora::dev::github::{APP, ContentType, InstallOn, JobEnd, RegisteredApp};
use aws_lc_rs::hmac;

use super::{
    credentials::{everything, jwt, jwt_after},
    operation::{Received, names, receiver},
    *,
};
use crate::support::webhooks::{assert_conform, deviations};

const SECRET: &str = "s3cret";

/// A twin whose App has subscribed to these events; what its webhook received.
async fn subscribed(events: &[&str]) -> (World, RegisteredApp, i64, Received) {
    let (received, url) = receiver().await;
    let world = World::new().await;
    let app = world.twin.register_app(APP).unwrap();
    world.twin.subscribe(app.id, &events.iter().map(|&event| event.to_owned()).collect::<Vec<_>>()).unwrap();
    let on = InstallOn::Repositories(vec![REPO.to_owned()]);
    let installation = world.twin.install(app.id, &on, &everything()).unwrap();
    world.twin.set_webhook(Some(Webhook { url, secret: SECRET.into() }));
    (world, app, installation, received)
}

/// A receiver that answers everything with this status, and how many requests it got.
async fn answering(status: u16) -> (String, Arc<AtomicUsize>) {
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    let answer = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { http::StatusCode::from_u16(status).unwrap() }
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, count)
}

impl World {
    async fn deliveries(&self, app: &RegisteredApp, query: &str) -> Value {
        let path = format!("/app/hook/deliveries{query}");
        let asked = self.ask_as(Some(&jwt(app)), "GET", &path, None).await;
        assert_eq!(asked.status, 200, "{}", asked.body);
        asked.body
    }

    async fn comment(&self) {
        self.twin.comment_as("ada", REPO, 1, "hi").await.unwrap();
        self.twin.settled().await;
    }
}

fn signature(algorithm: hmac::Algorithm, body: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(algorithm, SECRET.as_bytes()), body))
}

#[tokio::test]
async fn a_delivery_has_all_headers_and_names_the_apps_installation() {
    let (world, app, installation, received) = subscribed(&["push", "pull_request"]).await;
    world.open_pull().await;
    world.twin.settled().await;
    assert_eq!(names(&received), ["pull_request opened"]);
    let (headers, body) = received.lock().unwrap().remove(0);
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-github-hook-installation-target-type"), "integration");
    assert_eq!(header("x-github-hook-installation-target-id"), app.id.to_string());
    assert!(header("x-github-hook-id").parse::<u64>().is_ok());
    assert!(header("x-github-delivery").parse::<uuid::Uuid>().is_ok());
    let release = header("user-agent").strip_prefix("GitHub-Hookshot/").unwrap().to_owned();
    assert!(release.len() == 7 && release.bytes().all(|digit| digit.is_ascii_hexdigit()), "{release}");
    assert_eq!((header("accept"), header("content-type")), ("*/*".into(), "application/json".into()));
    let sha1 = signature(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &body);
    assert_eq!(header("x-hub-signature"), format!("sha1={sha1}"));
    assert_eq!(header("x-hub-signature-256"), format!("sha256={}", signature(hmac::HMAC_SHA256, &body)));
    let payload: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(payload["installation"]["id"], installation);
    assert_eq!(
        (&payload["organization"]["login"], &payload["sender"]["login"]),
        (&json!("acme"), &json!(BOT))
    );
}

#[tokio::test]
async fn a_form_has_the_payload_in_a_field_and_its_body_is_what_is_signed() {
    let (world, _, _, received) = subscribed(&["pull_request"]).await;
    world.twin.webhooks().send_as(ContentType::Form);
    world.open_pull().await;
    world.twin.settled().await;
    let (headers, body) = received.lock().unwrap().remove(0);
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let fields: Vec<_> = url::form_urlencoded::parse(&body).into_owned().collect();
    assert_eq!((fields.len(), &*fields[0].0), (1, "payload"));
    let payload: Value = serde_json::from_str(&fields[0].1).unwrap();
    assert_eq!(payload["action"], "opened");
    let signed = format!("sha256={}", signature(hmac::HMAC_SHA256, &body));
    assert_eq!(headers["x-hub-signature-256"], signed.as_str());
}

#[tokio::test]
async fn an_app_gets_what_it_subscribed_to_where_it_is_installed_and_not_suspended() {
    let (world, app, installation, received) = subscribed(&["issue_comment"]).await;
    world.open_pull().await;
    world.comment().await;
    assert_eq!(names(&received), ["issue_comment created"], "not the pull request");
    world.twin.suspend_installation(installation, true).unwrap();
    world.comment().await;
    world.twin.suspend_installation(installation, false).unwrap();
    let other = "acme/other";
    world.twin.create_repository(other, &[("README.md", b"x")]).await.unwrap();
    world.twin.push_as("ada", other, "topic", &[("x", b"x")]).await.unwrap();
    world.twin.subscribe(app.id, &["push".to_owned()]).unwrap();
    world.twin.push_as("ada", other, "topic", &[("x", b"y")]).await.unwrap();
    world.comment().await;
    let after = ["issue_comment created", "installation suspend", "installation unsuspend"];
    assert_eq!(names(&received), after);
    world.twin.push_as("ada", REPO, "topic", &[("x", b"y")]).await.unwrap();
    world.twin.settled().await;
    assert_eq!(names(&received)[3..], ["push"]);
}

#[tokio::test]
async fn what_concerns_one_app_alone_goes_to_that_app_unasked() {
    let (world, _, _, received) = subscribed(&[]).await;
    let actions = json!([{"label": "Again", "description": "Gate", "identifier": "regate"}]);
    let run = json!({"name": "gate", "head_sha": world.head, "conclusion": "failure", "actions": actions});
    let ours = world.post("check-runs", run).await.1["id"].as_i64().unwrap();
    let theirs = world.twin.set_check(CI_APP, REPO, &world.head, "CI", Some("success")).await.unwrap();
    for run in [ours, theirs] {
        world.twin.rerequest_check_as("ada", REPO, run).await.unwrap();
    }
    world.twin.request_action_as("ada", REPO, ours, "regate").await.unwrap();
    world.twin.request_action_as("ada", REPO, ours, "nothing").await.unwrap_err();
    world.twin.settled().await;
    assert_eq!(names(&received), ["check_run rerequested", "check_run requested_action"]);
    let sent = world.twin.webhooks().sent();
    assert_conform(&sent);
    assert_eq!(sent[1].payload["requested_action"]["identifier"], "regate");
    assert_eq!(
        (&sent[1].payload["sender"]["login"], &sent[0].payload["check_run"]["id"]),
        (&json!("ada"), &json!(ours))
    );
    let four = json!(vec![json!({"label": "x", "description": "x", "identifier": "x"}); 4]);
    let run = json!({"name": "gate", "head_sha": world.head, "actions": four});
    assert_eq!(world.post("check-runs", run).await.0, 422);
}

#[tokio::test]
async fn installations_and_repositories_announce_what_becomes_of_them() {
    let (world, app, installation, received) = subscribed(&["repository"]).await;
    let on = |names: &[&str]| InstallOn::Repositories(names.iter().map(|&name| name.to_owned()).collect());
    world.twin.set_private(REPO, false).unwrap();
    world.twin.set_private(REPO, true).unwrap();
    world.twin.create_repository("acme/other", &[("README.md", b"x")]).await.unwrap();
    world.twin.install(app.id, &on(&[REPO, "acme/other"]), &everything()).unwrap();
    world.twin.install(app.id, &on(&[REPO]), &everything()).unwrap();
    let fewer = everything().into_iter().take(2).collect();
    world.twin.install(app.id, &on(&[REPO]), &fewer).unwrap();
    world.twin.rename_repository(REPO, "acme/renamed").await.unwrap();
    world.twin.uninstall(installation).unwrap();
    world.twin.install(app.id, &InstallOn::Owner("acme".into()), &everything()).unwrap();
    world.twin.install(app.id, &InstallOn::Owner("others".into()), &everything()).unwrap();
    world.twin.rename_repository("acme/renamed", "others/renamed").await.unwrap();
    world.twin.settled().await;
    let expected = [
        "repository publicized",
        "repository privatized",
        "installation_repositories added",
        "installation_repositories removed",
        "installation new_permissions_accepted",
        "repository renamed",
        "installation deleted",
        "installation created",
        "installation created",
        "repository transferred",
    ];
    assert_eq!(names(&received), expected);
    let sent = world.twin.webhooks().sent();
    assert_conform(&sent);
    assert_eq!(sent[2].payload["repositories_added"][0]["full_name"], "acme/other");
    assert_eq!(sent[5].payload["changes"]["repository"]["name"]["from"], "wealth-product");
    assert_eq!(sent[7].payload["repositories"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn every_payload_is_as_github_describes_it() {
    let everything = "push pull_request pull_request_review check_run check_suite workflow_run status issue_comment merge_group";
    let (world, _, _, _received) = subscribed(&everything.split(' ').collect::<Vec<_>>()).await;
    let twin = &world.twin;
    world.open_pull().await;
    world.patch("pulls/1", json!({"title": "Better"})).await;
    world.comment().await;
    let issue = world.post("issues", json!({"title": "Gap", "labels": ["harness-gap"]})).await.1;
    twin.comment_as("ada", REPO, issue["number"].as_i64().unwrap(), "on an issue").await.unwrap();
    let review = twin.review_as("ada", REPO, 1, ReviewEvent::Approve, "good").await.unwrap();
    world.put(&format!("pulls/1/reviews/{review}/dismissals"), json!({"message": "stale"})).await;
    twin.set_status_as("ada", REPO, &world.head, ("ci", "success", "")).await.unwrap();
    let run = twin.run_workflow(REPO, &world.head, "CI", &["test"]).await.unwrap();
    twin.move_job(REPO, run, "test").await.unwrap();
    let end = JobEnd { conclusion: "failure".into(), ..JobEnd::default() };
    twin.end_job(REPO, run, "test", end).await.unwrap();
    twin.push_as("ada", REPO, "topic", &[("x", b"x")]).await.unwrap();
    twin.demand_queue(REPO, "main").unwrap();
    world.put("pulls/1/merge-async", json!({})).await;
    let merged = async || world.get("pulls/1").await.1["merged"] == true;
    eventually("the queue lands it", merged).await;
    twin.settled().await;
    let sent = twin.webhooks().sent();
    let mut events: Vec<_> = sent.iter().map(|delivery| delivery.event.as_str()).collect();
    events.sort_unstable();
    events.dedup();
    let mut expected: Vec<_> = everything.split(' ').collect();
    expected.sort_unstable();
    assert_eq!(events, expected);
    assert_conform(&sent);
    let mut wrong = sent[0].clone();
    wrong.payload["sender"] = json!({"login": "ada"});
    assert!(!deviations(&wrong).is_empty(), "a sender without an id is found");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_delivery_that_fails_is_not_sent_again_by_itself() {
    let (world, app, _, received) = subscribed(&["issue_comment"]).await;
    world.open_pull().await;
    let secret = || SECRET.to_owned();
    for status in [500, 302, 404] {
        let (url, count) = answering(status).await;
        world.twin.set_webhook(Some(Webhook { url, secret: secret() }));
        world.comment().await;
        assert_eq!(count.load(Ordering::SeqCst), 1, "after {status}");
    }
    world.twin.set_webhook(Some(Webhook { url: "http://127.0.0.1:1/hook".into(), secret: secret() }));
    world.comment().await;
    world.twin.webhooks().drop_next(1);
    world.comment().await;
    assert_eq!(names(&received), [""; 0]);
    let all = world.deliveries(&app, "").await;
    let said: Vec<_> = all.as_array().unwrap().iter().map(|it| (&it["status_code"], &it["status"])).collect();
    let unreached = || (json!(502), json!("failed to connect to host"));
    let expected = [unreached(), unreached(), (json!(404), json!("Not Found")), (json!(302), json!("Found"))];
    assert_eq!(said[..4], expected.iter().map(|(code, status)| (code, status)).collect::<Vec<_>>());
    assert_eq!((said.len(), said[4].0), (5, &json!(500)));
    assert_eq!(world.deliveries(&app, "?status=failure").await.as_array().unwrap().len(), 4);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn the_app_asks_for_a_redelivery_which_keeps_the_guid() {
    let (world, app, _, received) = subscribed(&["issue_comment"]).await;
    world.open_pull().await;
    world.twin.webhooks().drop_next(1);
    world.comment().await;
    let lost = world.deliveries(&app, "").await[0].clone();
    assert_eq!((&lost["event"], &lost["action"]), (&json!("issue_comment"), &json!("created")));
    let path = format!("/app/hook/deliveries/{}", lost["id"]);
    let token = world.fine_grained(everything());
    assert_eq!(world.ask_as(Some(&token), "GET", &path, None).await.status, 401, "for the App alone");
    let whole = world.ask_as(Some(&jwt(&app)), "GET", &path, None).await.body;
    assert_eq!(whole["request"]["headers"]["X-GitHub-Event"], "issue_comment");
    assert_eq!(whole["request"]["payload"]["comment"]["body"], "hi");
    let asked = world.ask_as(Some(&jwt(&app)), "POST", &format!("{path}/attempts"), None).await;
    assert_eq!(asked.status, 202);
    world.twin.settled().await;
    let again = world.deliveries(&app, "").await[0].clone();
    assert_eq!((&again["guid"], &again["redelivery"]), (&lost["guid"], &json!(true)));
    assert!(again["id"] != lost["id"] && again["status"] == "OK", "{again}");
    assert_eq!(received.lock().unwrap()[0].0["x-github-delivery"], lost["guid"].as_str().unwrap());
    let unknown = world.ask_as(Some(&jwt(&app)), "POST", "/app/hook/deliveries/1/attempts", None).await;
    assert_eq!(unknown.status, 404);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn the_list_has_pages_by_cursor_and_forgets_after_three_days_but_not_at_a_restart() {
    let (world, app, _, _received) = subscribed(&["issue_comment"]).await;
    world.open_pull().await;
    for _ in 0..5 {
        world.comment().await;
    }
    let all = world.deliveries(&app, "").await;
    let ids = |page: &Value| page.as_array().unwrap().iter().map(|it| it["id"].clone()).collect::<Vec<_>>();
    let next = |link: &str, name: &str| {
        let link = link.split(", ").find(|link| link.contains(&format!("rel=\"{name}\"")))?;
        Some(link.split(&['<', '>']).nth(1)?.strip_prefix(&world.twin.url())?.to_owned())
    };
    let (mut path, mut read, mut pages) = ("/app/hook/deliveries?per_page=2".to_owned(), Vec::new(), 0);
    let last = loop {
        let asked = world.ask_as(Some(&jwt(&app)), "GET", &path, None).await;
        read.extend(ids(&asked.body));
        pages += 1;
        let link = asked.headers["link"].to_str().unwrap().to_owned();
        match next(&link, "next") {
            Some(further) => path = further,
            None => break link,
        }
    };
    assert_eq!((pages, &read), (3, &ids(&all)));
    let previous = world.ask_as(Some(&jwt(&app)), "GET", &next(&last, "prev").unwrap(), None).await;
    assert_eq!(ids(&previous.body), read[2..4]);
    let wrong = world.ask_as(Some(&jwt(&app)), "GET", "/app/hook/deliveries?cursor=x", None).await;
    assert_eq!(wrong.status, 422);
    world.spec.assert_conforms();
    let World { twin, token, data, .. } = world;
    twin.stop().await;
    let twin = Twin::start(config(data.path())).await.unwrap();
    let world = World { twin, token, data, spec: SpecChecker::new().unwrap(), head: String::new() };
    assert_eq!(world.deliveries(&app, "").await, all);
    let almost: i64 = 3 * 24 * 3600 - 60;
    world.twin.advance_clock(std::time::Duration::from_secs(almost.unsigned_abs()));
    let jwt = |seconds| jwt_after(&app, seconds);
    let count = async |seconds| {
        let asked = world.ask_as(Some(&jwt(seconds)), "GET", "/app/hook/deliveries", None).await;
        asked.body.as_array().unwrap().len()
    };
    assert_eq!(count(almost).await, 5);
    world.twin.advance_clock(std::time::Duration::from_secs(61));
    assert_eq!(count(almost + 61).await, 0);
}
