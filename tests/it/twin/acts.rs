//! What people do at the twin's pages: the same as over REST, with the same refusals and webhooks.

use super::*;
use crate::support::browser::{Browser, Shown};

/// People with accounts and permissions, in their browsers.
struct People {
    admin: Browser,
    writer: Browser,
    reader: Browser,
    author: Browser,
}

impl People {
    async fn of(world: &World) -> Self {
        let mut browsers = Vec::new();
        for (login, permission) in [("ines", "admin"), ("noor", "write"), ("remy", "read"), ("ada", "write")]
        {
            world.twin.set_permission(REPO, login, permission).unwrap();
            let password = world.twin.open_account(login).unwrap();
            browsers.push(Browser::of(&world.twin.url(), login, &password).await);
        }
        let [admin, writer, reader, author] = browsers.try_into().ok().unwrap();
        Self { admin, writer, reader, author }
    }
}

/// A pull request of ada's.
async fn pull_of_ada(world: &World) -> String {
    world.twin.set_permission(REPO, "ada", "write").unwrap();
    let kind = TokenKind::Classic { login: "ada".to_owned(), scopes: vec!["repo".to_owned()] };
    let token = world.twin.issue_token(kind).unwrap();
    let new = json!({"title": "Risk", "head": "topic", "base": "main", "body": "why"});
    let made = ask(&world.twin, &token, Method::POST, "pulls", Some(new)).await.unwrap();
    assert_eq!(made.status(), 201);
    format!("/{REPO}/pull/1")
}

fn done(shown: &Shown) {
    assert_eq!(shown.status, 303, "{shown:?}");
}

fn refused(shown: &Shown, status: u16, words: &str) {
    assert!(shown.status == status && shown.text.contains(words), "{status} {words}: {shown:?}");
}

#[tokio::test]
async fn reviews_are_submitted_drafted_and_dismissed_on_the_page() {
    let world = World::new().await;
    let (people, pull) = (People::of(&world).await, pull_of_ada(&world).await);
    let reviews = format!("{pull}/reviews");
    let event = |event: &'static str| [("event", event)];
    let own = people.author.fill(&pull, &reviews, &event("APPROVE")).await;
    refused(&own, 422, "Review Can not approve your own pull request");
    refused(
        &people.writer.fill(&pull, &reviews, &event("REQUEST_CHANGES")).await,
        422,
        "Review body is required",
    );
    let wrong =
        [("event", "COMMENT"), ("path1", "risk.py"), ("line1", "9"), ("side1", "RIGHT"), ("text1", "?")];
    refused(&people.writer.fill(&pull, &reviews, &wrong).await, 422, "must be part of the diff");
    let wrong = [("event", "COMMENT"), ("path1", "risk.py"), ("line1", "two"), ("text1", "?")];
    refused(&people.writer.fill(&pull, &reviews, &wrong).await, 422, "must be a positive whole number");

    let lines =
        [("event", ""), ("path1", "risk.py"), ("line1", "2"), ("side1", "RIGHT"), ("text1", "why <b>2</b>?")];
    let draft = people.writer.fill(&pull, &reviews, &lines).await;
    done(&draft);
    let of_draft = |browser: Shown| browser.text.contains("why &lt;b&gt;2&lt;/b&gt;?");
    assert!(of_draft(people.writer.open(&pull).await) && !of_draft(people.admin.open(&pull).await));
    assert_eq!(world.get("pulls/1/reviews").await.1, json!([]), "a draft is its author's alone");
    assert_eq!(world.get("pulls/1/comments").await.1, json!([]));
    let id = world.twin.reviews(REPO)[0].id;
    let events = format!("{reviews}/{id}/events");
    refused(&people.admin.fill(&pull, &events, &event("APPROVE")).await, 404, "Not Found");
    done(&people.writer.fill(&pull, &events, &event("REQUEST_CHANGES")).await);
    refused(&people.writer.fill(&pull, &events, &event("APPROVE")).await, 422, "not pending");
    assert_eq!(world.get("pulls/1/reviews").await.1[0]["state"], "CHANGES_REQUESTED");

    let dismissals = format!("{reviews}/{id}/dismissals");
    refused(&people.reader.fill(&pull, &dismissals, &[]).await, 403, "Must have push access");
    done(&people.admin.fill(&pull, &dismissals, &[]).await);
    assert_eq!(world.twin.reviews(REPO)[0].state, "DISMISSED");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_pull_request_is_drafted_closed_reopened_and_merged_on_the_page() {
    let world = World::new().await;
    let (people, pull) = (People::of(&world).await, pull_of_ada(&world).await);
    let act = |what: &str| format!("{pull}/{what}");
    done(&people.author.fill(&pull, &act("draft"), &[("draft", "true")]).await);
    refused(&people.writer.fill(&pull, &act("merge"), &[]).await, 405, "Pull Request is still a draft");
    done(&people.author.fill(&pull, &act("draft"), &[("draft", "false")]).await);
    refused(
        &people.reader.fill(&pull, &act("state"), &[("state", "closed")]).await,
        403,
        "Must have push access",
    );
    done(&people.author.fill(&pull, &act("state"), &[("state", "closed")]).await);
    refused(&people.writer.fill(&pull, &act("merge"), &[]).await, 405, "Pull Request is not mergeable");
    done(&people.writer.fill(&pull, &act("state"), &[("state", "open")]).await);
    done(&people.reader.fill(&pull, &act("comments"), &[("body", "Looks fine.\r\nReally.")]).await);
    assert_eq!(world.twin.comments(REPO)[0].body, "Looks fine.\nReally.");
    let stale = [("sha", "0".repeat(40))];
    let stale: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
    refused(&people.writer.fill(&pull, &act("merge"), &stale).await, 409, "Head branch was modified");
    done(&people.writer.fill(&pull, &act("merge"), &[("merge_method", "squash")]).await);
    assert_eq!(world.twin.pulls(REPO)[0].merge.as_ref().unwrap().by, "noor");
    refused(&people.writer.fill("/", &act("state"), &[("state", "open")]).await, 422, "cannot be reopened");
    refused(&people.writer.fill("/", &act("draft"), &[("draft", "true")]).await, 422, "not open");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_file_is_committed_by_the_editor_under_the_rules_of_the_branch() {
    let world = World::new().await;
    let (people, _) = (People::of(&world).await, pull_of_ada(&world).await);
    let (edit, open) = (format!("/{REPO}/edit"), format!("/{REPO}/edit?branch=topic&path=risk.py"));
    assert!(people.writer.open(&open).await.text.contains("a = 1\nb = 2\n</textarea>"));
    assert_eq!(Browser::new(&world.twin.url()).open(&open).await.status, 401);
    let fields = |branch: &'static str, path: &'static str, text: &'static str, head: String| {
        vec![
            ("branch", branch.to_owned()),
            ("path", path.to_owned()),
            ("text", text.to_owned()),
            ("head", head),
        ]
    };
    let send = async |browser: &Browser, fields: &[(&str, String)]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.fill("/", &edit, &fields).await
    };
    let new = fields("topic", "risk.py", "a = 3\n", world.head.clone());
    refused(&send(&people.reader, &new).await, 403, "Must have push access");
    done(&send(&people.writer, &new).await);
    refused(&send(&people.writer, &new).await, 409, "The branch has moved");
    let head = world.twin.branch(REPO, "topic").await.unwrap().unwrap();
    assert_eq!(world.twin.pulls(REPO)[0].head_sha, head, "the pull request follows");
    assert_eq!(world.get(&format!("commits/{head}")).await.1["author"]["login"], "noor");
    // The same text again is an empty commit.
    done(&send(&people.writer, &fields("topic", "risk.py", "a = 3\n", head.clone())).await);
    let outside = fields("topic", "../risk.py", "", head);
    refused(&send(&people.writer, &outside).await, 422, "must be that of a file");
    let rules = aspora::dev::github::Rules { pull_request: true, ..Default::default() };
    world.twin.protect(REPO, "main", rules).unwrap();
    let main = world.twin.branch(REPO, "main").await.unwrap().unwrap();
    let protected = fields("main", "risk.py", "a = 4\n", main);
    refused(&send(&people.writer, &protected).await, 422, "Changes must be made through a pull request.");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_check_is_failed_and_run_again_on_its_page() {
    let passes = Ci {
        names: vec!["CI Pipeline".to_owned()].into(),
        run: Arc::new(|_| {
            let passed = CheckResult {
                name: "CI Pipeline".to_owned(),
                conclusion: "success".to_owned(),
                title: "passed".to_owned(),
                summary: "passed".to_owned(),
                text: None,
            };
            Box::pin(async move { vec![passed] })
        }),
    };
    let world = World::with(|config| config.ci = Some(passes)).await;
    let (people, _) = (People::of(&world).await, pull_of_ada(&world).await);
    world.twin.settled().await;
    let conclusions = || {
        let runs = world.twin.check_runs(REPO).into_iter();
        runs.map(|run| run.conclusion.unwrap_or_default()).collect::<Vec<_>>()
    };
    let page = format!("/{REPO}/runs/{}", world.twin.check_runs(REPO)[0].id);
    let act = |what: &str| format!("{page}/{what}");
    refused(&people.reader.fill(&page, &act("fail"), &[]).await, 403, "Must have push access");
    refused(&people.writer.fill(&page, &act("rerun"), &[]).await, 403, "has no failed jobs");
    done(&people.writer.fill(&page, &act("fail"), &[]).await);
    assert_eq!(conclusions(), ["failure"]);
    done(&people.writer.fill(&page, &act("rerun"), &[]).await);
    world.twin.settled().await;
    assert_eq!(conclusions(), ["failure", "success"]);
    let ours =
        world.twin.set_check(APP, REPO, &world.head, "risk-policy-gate", Some("failure")).await.unwrap();
    let (ours, none) = (format!("/{REPO}/runs/{ours}"), [("identifier", "none")]);
    done(&people.writer.fill(&page, &format!("{ours}/rerun"), &[]).await);
    refused(
        &people.writer.fill(&page, &format!("{ours}/fail"), &[]).await,
        403,
        "Only checks of the twin's CI",
    );
    refused(&people.writer.fill(&page, &format!("{ours}/press"), &none).await, 422, "has no action");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn acts_need_a_session_a_name_of_the_twin_and_a_form_of_its_own() {
    let world = World::new().await;
    let (people, pull) = (People::of(&world).await, pull_of_ada(&world).await);
    let (base, comments) = (world.twin.url(), format!("{pull}/comments"));
    let wrong = Browser::new(&base).send("/login", &[("login", "ines"), ("password", "wrong")]).await;
    refused(&wrong, 401, "Incorrect username or password.");
    let nobody = Browser::new(&base).send("/login", &[("login", "nobody"), ("password", "")]).await;
    refused(&nobody, 401, "Incorrect username or password.");
    let body = [("body", "hello")];
    refused(&Browser::new(&base).send(&comments, &body).await, 401, "You must be signed in");
    refused(&people.writer.send(&comments, &body).await, 403, "not from a page of your session");
    let proof = people.admin.open(&pull).await.text;
    let proof = proof.split("name=\"proof\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let stolen = [("body", "hello"), ("proof", proof)];
    refused(&people.writer.send(&comments, &stolen).await, 403, "not from a page of your session");
    for header in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        refused(&people.admin.send_with(&comments, &stolen, &[header]).await, 403, "A page of another site");
    }
    let host = [("host", "evil.example")];
    refused(&people.admin.send_with(&comments, &stolen, &host).await, 403, "not a name of the twin");
    done(&people.admin.send(&comments, &stolen).await);
    done(&people.admin.fill(&pull, "/logout", &[]).await);
    refused(&people.admin.send(&comments, &stolen).await, 401, "You must be signed in");
    assert_eq!(world.twin.comments(REPO).len(), 1);
    let outside = [
        ("login", "noor"),
        ("password", &*world.twin.open_account("noor").unwrap()),
        ("next", "//evil.example"),
    ];
    assert_eq!(Browser::new(&base).send("/login", &outside).await.location, "/");
}
