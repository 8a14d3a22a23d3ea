//! Each call is judged by the kind of its credential, as GitHub's permission data says.

use aspora::dev::github::{InstallOn, Level, Permissions, RegisteredApp, TokenKind};
use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// A JWT with these claims, signed with the key of an App.
fn signed(app: &RegisteredApp, claims: &Value) -> String {
    let text: String = app.private_key_pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pair = KeyPair::from_der(&STANDARD.decode(text).unwrap()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(super) fn jwt(app: &RegisteredApp) -> String {
    jwt_after(app, 0)
}

/// A JWT for a twin whose clock is so many seconds ahead.
pub(super) fn jwt_after(app: &RegisteredApp, seconds: i64) -> String {
    let now = now() + seconds;
    signed(app, &json!({"iat": now - 60, "exp": now + 540, "iss": app.id}))
}

pub(super) fn permissions(all: &[(&str, Level)]) -> Permissions {
    all.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
}

/// Everything that the table names, as far as a credential can have it.
pub(super) fn everything() -> Permissions {
    let names = "actions administration checks contents deployments issues pull_requests statuses workflows";
    permissions(&names.split(' ').map(|name| (name, Level::Write)).collect::<Vec<_>>())
}

pub(super) struct Asked {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or("")
    }
}

impl World {
    pub(super) async fn ask_as(
        &self,
        credential: Option<&str>,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Asked {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut request = client.request(method.parse().unwrap(), format!("{}{path}", self.twin.url()));
        if let Some(credential) = credential {
            request = request.bearer_auth(credential);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Asked { status, headers, body: answer.json().await.unwrap_or_default() }
    }

    /// An App with an installation on the product's repository, and a token of it with these permissions.
    pub(super) async fn installed(&self, permissions: &Permissions) -> (RegisteredApp, i64, String) {
        let app = self.twin.register_app("aspora-dev").unwrap();
        let on = InstallOn::Repositories(vec![REPO.to_owned()]);
        let id = self.twin.install(app.id, &on, permissions).unwrap();
        let token = self.minted(&app, id).await;
        (app, id, token)
    }

    /// A token of an installation, with everything that is granted to it.
    pub(super) async fn minted(&self, app: &RegisteredApp, installation: i64) -> String {
        let minted = self.mint(app, installation, json!({})).await;
        assert_eq!(minted.status, 201, "{}", minted.body);
        minted.body["token"].as_str().unwrap().to_owned()
    }

    async fn mint(&self, app: &RegisteredApp, installation: i64, wish: Value) -> Asked {
        let path = format!("/app/installations/{installation}/access_tokens");
        self.ask_as(Some(&jwt(app)), "POST", &path, Some(wish)).await
    }

    pub(super) fn fine_grained(&self, permissions: Permissions) -> String {
        let (login, repositories) = ("ada".to_owned(), vec![REPO.to_owned()]);
        self.twin.set_permission(REPO, "ada", "admin").unwrap();
        self.twin.issue_token(TokenKind::FineGrained { login, permissions, repositories }).unwrap()
    }

    pub(super) fn classic(&self, scopes: &[&str]) -> String {
        self.twin.set_permission(REPO, "ada", "admin").unwrap();
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.twin.issue_token(TokenKind::Classic { login: "ada".to_owned(), scopes }).unwrap()
    }
}

#[tokio::test]
async fn a_header_lists_alternatives_with_semicolons() {
    let world = World::new().await;
    let (.., token) = world.installed(&permissions(&[])).await;
    let asked = world.ask_as(Some(&token), "GET", &format!("/repos/{REPO}/pulls/1"), None).await;
    assert_eq!((asked.status, asked.message()), (403, "Resource not accessible by integration"));
    assert_eq!(asked.headers["x-accepted-github-permissions"], "pull_requests=read; contents=read");
}

#[tokio::test]
async fn what_is_out_of_sight_is_404_and_without_a_credential_nobody_is_known() {
    let world = World::new().await;
    world.twin.create_repository("acme/other", &[("a", b"a")]).await.unwrap();
    let (.., token) = world.installed(&everything()).await;
    let classic = world.classic(&["read:org"]);
    for (credential, path, status, message) in [
        (Some(&*token), "/repos/acme/other", 404, "Not Found"),
        (Some(&*classic), "/repos/acme/wealth-product", 404, "Not Found"),
        (Some(&*token), "/user", 403, "Resource not accessible by integration"),
        (Some("ghs_nothing"), "/repos/acme/wealth-product", 401, "Bad credentials"),
        (None, "/repos/acme/wealth-product", 404, "Not Found"),
        (None, "/user", 401, "Requires authentication"),
        (None, "/app", 401, "A JSON web token could not be decoded"),
    ] {
        let asked = world.ask_as(credential, "GET", path, None).await;
        assert_eq!((asked.status, asked.message()), (status, message), "{path}");
    }
    world.twin.set_private(REPO, false).unwrap();
    assert_eq!(world.ask_as(None, "GET", &format!("/repos/{REPO}"), None).await.body["visibility"], "public");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_persons_token_may_do_no_more_than_the_person() {
    let world = World::new().await;
    let token = world.fine_grained(everything());
    let status = format!("/repos/{REPO}/statuses/{}", world.head);
    let set = async || {
        let body = json!({"state": "success", "context": "ci"});
        world.ask_as(Some(&token), "POST", &status, Some(body)).await.status
    };
    assert_eq!(set().await, 201);
    world.twin.set_permission(REPO, "ada", "read").unwrap();
    assert_eq!(set().await, 403);
    world.twin.set_permission(REPO, "ada", "none").unwrap();
    assert_eq!(set().await, 404);
}

#[tokio::test]
async fn a_jwt_is_judged_by_its_signature_its_issuer_and_its_times() {
    let world = World::new().await;
    let (app, other) =
        (world.twin.register_app("aspora-dev").unwrap(), world.twin.register_app("other").unwrap());
    let exp = "'Expiration time' claim ('exp') is too far in the future";
    let ended = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires";
    let claims = |iat: i64, exp: i64, iss: Value| json!({"iat": now() + iat, "exp": now() + exp, "iss": iss});
    let own = json!(app.id);
    for (token, status, message) in [
        (signed(&app, &claims(-60, 540, own.clone())), 200, ""),
        (signed(&app, &claims(-60, 540, json!(app.id.to_string()))), 200, ""),
        (signed(&app, &claims(-60, 540, json!("Iv1.aspora-dev"))), 200, ""),
        (signed(&app, &claims(-60, 660, own.clone())), 401, exp),
        (signed(&app, &claims(-120, -60, own.clone())), 401, ended),
        (signed(&other, &claims(-60, 540, own)), 401, "A JSON web token could not be decoded"),
        (signed(&app, &claims(-60, 540, json!(1))), 404, "Integration not found"),
    ] {
        let asked = world.ask_as(Some(&token), "GET", "/app", None).await;
        assert_eq!((asked.status, asked.message()), (status, message));
    }
    let asked = world.ask_as(Some(&jwt(&app)), "GET", "/app", None).await;
    assert_eq!((&asked.body["id"], &asked.body["slug"]), (&json!(app.id), &json!("aspora-dev")));
    assert_ne!(app.id, app.bot_id);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_token_is_minted_within_the_grant_and_narrowed_as_asked() {
    let world = World::new().await;
    world.twin.create_repository("acme/other", &[("a", b"a")]).await.unwrap();
    let grant = permissions(&[("contents", Level::Write), ("issues", Level::Read)]);
    let (app, id, _) = world.installed(&grant).await;
    let minted = world
        .mint(&app, id, json!({"repositories": ["wealth-product"], "permissions": {"contents": "read"}}))
        .await;
    assert_eq!((minted.status, &minted.body["permissions"]), (201, &json!({"contents": "read"})));
    assert_eq!(minted.body["repositories"][0]["full_name"], REPO);
    let token = minted.body["token"].as_str().unwrap();
    assert_eq!(token.len(), 40);
    let reached = world.ask_as(Some(token), "GET", "/installation/repositories", None).await;
    assert_eq!(reached.body["total_count"], 1);
    let asked = world.ask_as(Some(token), "GET", &format!("/repos/{REPO}/issues"), None).await;
    assert_eq!(asked.status, 403, "the token is narrower than the installation");
    for (wish, message) in [
        (
            json!({"permissions": {"issues": "write"}}),
            "The permissions requested are not granted to this installation.",
        ),
        (
            json!({"repositories": ["other"]}),
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        ),
    ] {
        let refused = world.mint(&app, id, wish).await;
        assert_eq!((refused.status, refused.message()), (422, message));
    }
    world.twin.suspend_installation(id, true).unwrap();
    let refused = world.mint(&app, id, json!({})).await;
    assert_eq!((refused.status, refused.message()), (403, "This installation has been suspended"));
    world.twin.suspend_installation(id, false).unwrap();
    assert_eq!(world.ask_as(Some(token), "DELETE", "/installation/token", None).await.status, 204);
    assert_eq!(world.ask_as(Some(token), "GET", "/rate_limit", None).await.status, 401);
    world.spec.assert_conforms();
}

#[tokio::test]
async fn the_installation_is_found_by_repository_and_by_owner() {
    let world = World::new().await;
    let (app, id, _) = world.installed(&everything()).await;
    world.twin.create_repository("acme/other", &[("a", b"a")]).await.unwrap();
    let ask = async |path: &str| world.ask_as(Some(&jwt(&app)), "GET", path, None).await;
    assert_eq!(ask(&format!("/repos/{REPO}/installation")).await.body["id"], id);
    assert_eq!(ask("/repos/acme/other/installation").await.status, 404);
    assert_eq!(ask("/orgs/acme/installation").await.body["id"], id);
    assert_eq!(ask("/app/installations").await.body[0]["app_slug"], "aspora-dev");
    assert_eq!(ask(&format!("/app/installations/{id}")).await.body["permissions"]["checks"], "write");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn tokens_expire_and_a_new_one_may_be_unknown_at_first() {
    use std::time::Duration;
    let world = World::new().await;
    world.twin.token_lifetime(Duration::from_secs(60));
    let (app, id, token) = world.installed(&everything()).await;
    let status =
        async |token: &str| world.ask_as(Some(token), "GET", &format!("/repos/{REPO}"), None).await.status;
    assert_eq!(status(&token).await, 200);
    world.twin.advance_clock(Duration::from_secs(61));
    assert_eq!(status(&token).await, 401);
    world.twin.token_delay(Duration::from_secs(5));
    let claims = json!({"iat": now(), "exp": now() + 600, "iss": app.id});
    let path = format!("/app/installations/{id}/access_tokens");
    let minted = world.ask_as(Some(&signed(&app, &claims)), "POST", &path, Some(json!({}))).await;
    let token = minted.body["token"].as_str().unwrap();
    assert_eq!(status(token).await, 401);
    world.twin.advance_clock(Duration::from_secs(5));
    assert_eq!(status(token).await, 200);
}

#[tokio::test]
async fn a_token_has_40_characters_or_about_520_as_the_request_or_the_switch_says() {
    let world = World::new().await;
    let (app, id, _) = world.installed(&everything()).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/app/installations/{id}/access_tokens", world.twin.url());
    let mint = async |header: Option<&str>| {
        let mut request = client.post(&url).bearer_auth(jwt(&app));
        if let Some(value) = header {
            request = request.header("x-github-stateless-s2s-token", value);
        }
        let body: Value = request.send().await.unwrap().json().await.unwrap();
        body["token"].as_str().unwrap().to_owned()
    };
    assert_eq!(mint(None).await.len(), 40);
    let long = mint(Some("enabled")).await;
    assert!(long.starts_with(&format!("ghs_{}_", app.id)) && long.len() == 520, "{}", long.len());
    assert_eq!(long.matches('.').count(), 2);
    world.twin.long_tokens(true);
    assert_eq!(mint(None).await.len(), 520);
    assert_eq!(mint(Some("disabled")).await.len(), 40);
    let asked = world.ask_as(Some(&long), "GET", &format!("/repos/{REPO}"), None).await;
    assert_eq!(asked.status, 200);
}

#[tokio::test]
async fn a_check_run_belongs_to_the_app_that_created_it() {
    let world = World::new().await;
    let (app, _, token) = world.installed(&everything()).await;
    let path = format!("/repos/{REPO}/check-runs");
    let new = json!({"name": "risk-policy-gate", "head_sha": world.head});
    let made = world.ask_as(Some(&token), "POST", &path, Some(new.clone())).await;
    assert_eq!((made.status, &made.body["app"]["id"]), (201, &json!(app.id)));
    let foreign = world.twin.set_check(CI_APP, REPO, &world.head, "CI", None).await.unwrap();
    let refused =
        world.ask_as(Some(&token), "PATCH", &format!("{path}/{foreign}"), Some(json!({"name": "x"}))).await;
    let expected = format!(
        "Invalid app_id `{}` - check run can only be modified by the GitHub App that created it.",
        app.id
    );
    assert_eq!((refused.status, refused.message()), (403, &*expected));
    let refused = world.ask_as(Some(&world.classic(&["repo"])), "POST", &path, Some(new)).await;
    assert_eq!((refused.status, refused.message()), (403, "You must authenticate via a GitHub App."));
    world.spec.assert_conforms();
}

#[tokio::test]
async fn git_asks_for_the_same_credentials() {
    let world = World::new().await;
    let read = permissions(&[("contents", Level::Read)]);
    let (.., token) = world.installed(&read).await;
    world.twin.create_repository("acme/other", &[("a", b"a")]).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let refs = async |repository: &str, service: &str, password: Option<&str>| {
        let url = format!("{}/info/refs?service=git-{service}-pack", world.twin.git_url(repository));
        let request = client.get(url);
        let request = match password {
            Some(password) => request.basic_auth("x-access-token", Some(password)),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(refs(REPO, "upload", Some(&token)).await, 200);
    assert_eq!(refs(REPO, "receive", Some(&token)).await, 403);
    assert_eq!(refs("acme/other", "upload", Some(&token)).await, 404);
    assert_eq!(refs(REPO, "upload", Some("ghs_wrong")).await, 401);
    assert_eq!(refs(REPO, "upload", None).await, 401);
    let (.., token) = world.installed(&everything()).await;
    assert_eq!(refs(REPO, "receive", Some(&token)).await, 200);
}

#[tokio::test]
async fn an_actions_token_acts_as_actions_in_its_own_repository() {
    let world = World::new().await;
    world.twin.create_repository("acme/other", &[("a", b"a")]).await.unwrap();
    let token = world
        .twin
        .issue_token(TokenKind::Actions { repository: REPO.to_owned(), permissions: None })
        .unwrap();
    let path = format!("/repos/{REPO}/check-runs");
    let new = json!({"name": "gate", "head_sha": world.head});
    let made = world.ask_as(Some(&token), "POST", &path, Some(new)).await;
    assert_eq!((made.status, &made.body["app"]["slug"]), (201, &json!("github-actions")));
    assert_eq!(world.ask_as(Some(&token), "GET", "/user", None).await.status, 403);
    assert_eq!(world.ask_as(Some(&token), "GET", "/repos/acme/other", None).await.status, 404);
}

#[tokio::test]
async fn an_app_is_found_by_its_slug_and_its_bot_by_its_login() {
    let world = World::new().await;
    let (app, _, token) = world.installed(&everything()).await;
    let asked = world.ask_as(Some(&token), "GET", "/users/aspora-dev%5Bbot%5D", None).await;
    assert_eq!((&asked.body["id"], &asked.body["type"]), (&json!(app.bot_id), &json!("Bot")));
    assert_eq!(world.ask_as(Some(&token), "GET", "/apps/aspora-dev", None).await.body["id"], app.id);
    assert_eq!(world.ask_as(Some(&token), "GET", "/apps/nobody", None).await.status, 404);
    world.spec.assert_conforms();
}
