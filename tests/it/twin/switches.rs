//! Versions, moved repositories, limits, GraphQL, and faults that are switched over HTTP.

use aspora::dev::github::{InstallOn, Level, TokenKind, VersionState};

use super::{
    credentials::{everything, permissions},
    *,
};

impl World {
    async fn send(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Response {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let request = client.request(method.parse().unwrap(), format!("{}{path}", self.twin.url()));
        let request = headers
            .iter()
            .fold(request.bearer_auth(token), |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap()
    }

    pub(super) async fn graphql(&self, token: &str, query: &str) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/graphql", self.twin.url());
        let answer = client.post(url).bearer_auth(token).json(&json!({"query": query})).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(super) async fn graphql_with(&self, token: &str, query: &str, variables: &Value) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/graphql", self.twin.url());
        let body = json!({"query": query, "variables": variables});
        let answer = client.post(url).bearer_auth(token).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn control(&self, method: Method, path: &str, secret: &str, body: Value) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/_twin/{path}", self.twin.url());
        client.request(method, url).bearer_auth(secret).json(&body).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_version_is_checked_its_end_is_announced_and_then_every_route_is_gone() {
    let world = World::new().await;
    let path = format!("/repos/{REPO}");
    let ask = async |version: Option<&str>| {
        let headers: Vec<_> = version.iter().map(|version| ("x-github-api-version", *version)).collect();
        world.send("GET", &path, &world.token, &headers).await
    };
    assert_eq!(ask(None).await.headers()["x-github-api-version-selected"], "2022-11-28");
    assert_eq!(ask(Some("2026-03-10")).await.headers()["x-github-api-version-selected"], "2026-03-10");
    assert_eq!(ask(Some("2019-01-01")).await.status(), 400);
    let ending = VersionState::Ending { deprecated: 1_800_000_000, sunset: 1_830_000_000 };
    world.twin.api_version("2022-11-28", ending);
    let answer = ask(Some("2022-11-28")).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["deprecation"]),
        (200, &"@1800000000".parse().unwrap())
    );
    assert_eq!(answer.headers()["sunset"], "Tue, 28 Dec 2027 13:20:00 GMT");
    assert!(!ask(Some("2026-03-10")).await.headers().contains_key("sunset"));
    world.twin.api_version("2022-11-28", VersionState::Ended);
    assert_eq!(ask(Some("2022-11-28")).await.status(), 410);
    assert_eq!(ask(None).await.headers()["x-github-api-version-selected"], "2026-03-10");
    let rates = world.send("GET", "/rate_limit", &world.token, &[]).await.json::<Value>().await.unwrap();
    assert!(rates.get("rate").is_none() && rates["resources"]["core"].is_object());
}

#[tokio::test]
async fn a_renamed_repository_answers_301_to_its_id_which_serves_it() {
    let world = World::new().await;
    // It goes to another owner, on whose account the App is not installed.
    let token = world.classic(&["repo"]);
    let id = world.get(&format!("/repos/{REPO}")).await.1["id"].clone();
    world.twin.rename_repository(REPO, "umbrella/wealth").await.unwrap();
    let moved = world.send("GET", &format!("/repos/{REPO}/branches/topic?x=1"), &token, &[]).await;
    let location = format!("{}/repositories/{id}/branches/topic?x=1", world.twin.url());
    assert_eq!((moved.status().as_u16(), &moved.headers()["location"]), (301, &location.parse().unwrap()));
    let followed = world.send("GET", &format!("/repositories/{id}/branches/topic"), &token, &[]).await;
    assert_eq!(followed.json::<Value>().await.unwrap()["commit"]["sha"], world.head);
    let named = world.send("GET", &format!("/repositories/{id}"), &token, &[]).await;
    assert_eq!(named.json::<Value>().await.unwrap()["full_name"], "umbrella/wealth");
    let folder = tempfile::tempdir().unwrap();
    let old = world.twin.git_url(REPO).replace("http://", &format!("http://x-access-token:{token}@"));
    let cloned = tokio::process::Command::new("git")
        .current_dir(folder.path())
        .args(["clone", "--quiet", &old, "work"])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .await
        .unwrap();
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    world.twin.create_repository(REPO, &[("a", b"a")]).await.unwrap();
    assert_eq!(world.get(&format!("/repos/{REPO}")).await.0, 200, "the old name is taken by another");
}

#[tokio::test]
async fn the_old_name_of_a_repository_out_of_sight_leads_nowhere() {
    let world = World::new().await;
    world.twin.create_repository("acme/other", &[("a", b"a")]).await.unwrap();
    let app = world.twin.register_app("aspora-dev").unwrap();
    let on = InstallOn::Repositories(vec!["acme/other".to_owned()]);
    world.twin.install(app.id, &on, &everything()).unwrap();
    let token = world
        .twin
        .issue_token(TokenKind::Actions { repository: "acme/other".to_owned(), permissions: None })
        .unwrap();
    world.twin.rename_repository(REPO, "acme/renamed").await.unwrap();
    assert_eq!(world.send("GET", &format!("/repos/{REPO}"), &token, &[]).await.status(), 404);
}

#[tokio::test]
async fn graphql_says_who_the_viewer_is_and_fails_in_its_own_form() {
    let world = World::new().await;
    let (app, _, token) = world.installed(&permissions(&[("contents", Level::Read)])).await;
    let (status, answer) = world.graphql(&token, "{viewer{login databaseId}}").await;
    let viewer = json!({"login": "aspora-dev[bot]", "databaseId": app.bot_id});
    assert_eq!((status, &answer["data"]["viewer"]), (200, &viewer));
    let person = world.fine_grained(everything());
    assert_eq!(
        world.graphql(&person, "query { me: viewer { login } }").await.1["data"]["me"]["login"],
        "ada"
    );
    let (status, answer) = world.graphql(&token, "{viewer{shoeSize}}").await;
    assert_eq!((status, &answer["errors"][0]["extensions"]["code"]), (200, &json!("undefinedField")));
    assert_eq!(world.graphql("ghs_wrong", "{viewer{login}}").await.0, 401);
    let mutation = "mutation { enablePullRequestAutoMerge(input: {}) { clientMutationId } }";
    assert_eq!(world.graphql(&token, mutation).await.0, 501, "what is not built is refused aloud");
}

#[tokio::test]
async fn each_credential_has_a_limit_of_its_own() {
    let world = World::new().await;
    let (.., token) = world.installed(&everything()).await;
    let person = world.fine_grained(everything());
    let actions = world
        .twin
        .issue_token(TokenKind::Actions { repository: REPO.to_owned(), permissions: None })
        .unwrap();
    let path = format!("/repos/{REPO}");
    for (token, limit) in [(&token, "5000"), (&person, "5000"), (&actions, "1000")] {
        assert_eq!(world.send("GET", &path, token, &[]).await.headers()["x-ratelimit-limit"], limit);
    }
    world.twin.limit_rate(Some((1, 3600)));
    assert_eq!(world.send("GET", &path, &token, &[]).await.status(), 200);
    let used_up = world.send("GET", &path, &token, &[]).await;
    assert_eq!(
        (used_up.status().as_u16(), &used_up.headers()["x-ratelimit-remaining"]),
        (403, &"0".parse().unwrap())
    );
    assert_eq!(world.send("GET", "/rate_limit", &token, &[]).await.status(), 200, "asking costs nothing");
    assert_eq!(world.send("GET", &path, &person, &[]).await.status(), 200);
    world.twin.rate_limit_status(429);
    assert_eq!(world.send("GET", &path, &token, &[]).await.status(), 429);
    world.twin.limit_rate(None);
    assert_eq!(world.send("GET", &path, &token, &[]).await.status(), 200);
}

#[tokio::test]
async fn a_classic_token_names_its_scopes_in_each_answer() {
    let world = World::new().await;
    let token = world.classic(&["repo", "workflow"]);
    let answer = world.send("GET", "/user", &token, &[]).await;
    assert_eq!(answer.headers()["x-oauth-scopes"], "repo, workflow");
}

#[tokio::test]
async fn faults_and_switches_are_set_over_http_with_the_twins_own_secret_only() {
    let world = World::new().await;
    let secret = world.twin.control_secret().to_owned();
    let file = std::fs::read_to_string(world.data.path().join("control")).unwrap();
    assert_eq!(file, format!("{}\n{secret}\n", world.twin.url()));
    let rule = json!({"path": "/repos/*/*", "nth": 1, "fault": {"kind": "error_before", "status": 502}});
    assert_eq!(world.control(Method::POST, "faults", "wrong", rule.clone()).await, 404);
    assert_eq!(world.control(Method::POST, "faults", &world.token, rule.clone()).await, 404);
    assert_eq!(world.control(Method::POST, "faults", &secret, json!({"path": 1})).await, 422);
    assert_eq!(world.control(Method::POST, "faults", &secret, rule.clone()).await, 204);
    assert_eq!(world.get(&format!("/repos/{REPO}")).await.0, 502);
    assert_eq!(world.control(Method::POST, "faults", &secret, rule).await, 204);
    assert_eq!(world.control(Method::DELETE, "faults", &secret, Value::Null).await, 204);
    assert_eq!(world.get(&format!("/repos/{REPO}")).await.0, 200);
    assert_eq!(world.control(Method::PUT, "switches", &secret, json!({"page_size": 1})).await, 204);
    world.open_pull().await;
    assert_eq!(world.get("pulls/1/files?per_page=100").await.1.as_array().unwrap().len(), 1);
    assert_eq!(world.control(Method::PUT, "switches", &secret, json!({"page_sise": 1})).await, 422);
}

#[tokio::test]
async fn a_stale_list_is_as_it_was_at_the_read_before() {
    let world = World::new().await;
    world.open_pull().await;
    let stale = || FaultRule {
        method: "GET".into(),
        path: "/repos/*/*/issues/1/comments".into(),
        nth: 1,
        fault: Fault::StaleList,
    };
    let count = async || world.get("issues/1/comments").await.1.as_array().unwrap().len();
    world.twin.comment_as("ada", REPO, 1, "one").await.unwrap();
    world.twin.inject(stale()).unwrap();
    assert_eq!(count().await, 0, "nothing was read before");
    assert_eq!(count().await, 1);
    world.twin.comment_as("ada", REPO, 1, "two").await.unwrap();
    world.twin.inject(stale()).unwrap();
    assert_eq!((count().await, count().await), (1, 2));
}

#[tokio::test]
async fn a_bot_has_no_permission_and_roles_show_as_the_four_old_ones() {
    let world = World::new().await;
    let path = |login: &str| format!("collaborators/{login}/permission");
    let (status, refused) = world.get(&path("aspora-dev%5Bbot%5D")).await;
    assert_eq!((status, &refused["message"]), (404, &json!("aspora-dev[bot] is not a user")));
    for (role, permission) in
        [("admin", "admin"), ("maintain", "write"), ("triage", "read"), ("read", "read")]
    {
        world.twin.set_permission(REPO, "ada", role).unwrap();
        let shown = world.get(&path("ada")).await.1;
        assert_eq!((&shown["permission"], &shown["role_name"]), (&json!(permission), &json!(role)));
    }
    world.spec.assert_conforms();
}
