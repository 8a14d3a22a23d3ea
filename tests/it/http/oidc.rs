//! Signing in at an identity provider: the way there and back, and everything that must not sign anybody in.

use std::sync::Arc;

use aspora::{
    core::access::Role,
    dev::oidc::{Account, Forgery, OidcConfig as ProviderConfig, OidcProvider as Stub},
    engine::{
        identities,
        people::{self, NewKey},
    },
    http::{self, AppState, OidcConfig, OidcProvider, Settings},
};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::World;
use crate::support;

const URL: &str = "http://aspora.test";
const CALLBACK: &str = "http://aspora.test/sign-in/oidc/callback";

/// An answer that is a page.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Page {
    fn place(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |place| place.to_str().unwrap())
    }

    /// The value of a cookie that is set, with its name.
    fn cookie(&self, name: &str) -> Option<String> {
        let set = self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
        let mut pairs = set.map(|value| value.split(';').next().unwrap());
        pairs.find(|pair| pair.split('=').next() == Some(name)).map(str::to_owned)
    }
}

/// A server and its provider.
struct Site {
    world: World,
    provider: Stub,
    routes: Router,
}

impl Site {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut OidcConfig)) -> Self {
        let account = |login: &str, email: &str, email_verified| Account {
            login: login.to_owned(),
            password: "secret".to_owned(),
            sub: format!("sub-{login}"),
            email: email.to_owned(),
            email_verified,
        };
        let provider = Stub::start(ProviderConfig {
            addr: ([127, 0, 0, 1], 0).into(),
            client_id: "aspora".to_owned(),
            client_secret: "s3cret: +%".to_owned(),
            redirect_uris: vec![CALLBACK.to_owned()],
            accounts: vec![
                account("grace", "Grace@Acme.example", true),
                account("mallory", "grace@acme.example", false),
                account("ada", "ada", true),
            ],
        });
        let provider = provider.await.unwrap();
        let mut config = OidcConfig {
            issuer: provider.issuer().to_owned(),
            client_id: "aspora".to_owned(),
            client_secret: "s3cret: +%".to_owned().into(),
            claim: "email".to_owned(),
            default_role: None,
        };
        change(&mut config);
        let world = World::new().await;
        let oidc = Some(Arc::new(OidcProvider::new(config).unwrap()));
        let settings = Settings { public_url: URL.to_owned(), oidc, ..Settings::default() };
        let app = AppState { engine: world.app.engine.clone(), settings: Arc::new(settings) };
        Self { routes: http::router(app), world, provider }
    }

    async fn get(&self, path: &str, cookie: &str) -> Page {
        let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A key of Grace's that is linked to her address.
    async fn grace(&self) -> Uuid {
        let pool = &self.world.database.pool;
        let new = NewKey {
            person: "Grace".parse().unwrap(),
            forge_login: None,
            role: Role::Engineer,
            products: None,
            expires_at: None,
            requests_per_minute: None,
        };
        let id = people::issue(pool, &new, "tests").await.unwrap().row.id;
        identities::link(pool, id, Some("grace@acme.example"), "tests").await.unwrap().unwrap();
        id
    }

    /// The way to the provider: its address, and the cookie.
    async fn there(&self) -> (String, String) {
        let page = self.get("/sign-in/oidc?next=%2Faudit", "").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        let set = page.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"), "{set}");
        (page.place().to_owned(), page.cookie("aspora_sign_in").unwrap())
    }

    /// Signs in at the provider; the path to which it sends the browser.
    async fn at_provider(&self, address: &str, login: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let (base, query) = address.split_once('?').unwrap();
        assert!(
            client.get(address).send().await.unwrap().text().await.unwrap().contains("name=\"password\"")
        );
        let form = format!("{query}&login={login}&password=secret");
        let answer = client.post(base).header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = answer.send().await.unwrap();
        let place = answer.headers()["location"].to_str().unwrap().to_owned();
        place.strip_prefix(URL).unwrap().to_owned()
    }

    /// The whole way, as a person of the provider.
    async fn sign_in(&self, login: &str) -> Page {
        let (address, cookie) = self.there().await;
        let back = self.at_provider(&address, login).await;
        self.get(&back, &cookie).await
    }
}

fn refused(page: &Page, status: u16, words: &str) {
    assert_eq!(page.status.as_u16(), status, "{words}: {}", page.text);
    assert!(page.text.contains(words), "{words}: {}", page.text);
    assert_eq!(page.cookie("aspora_session"), None, "{words}");
}

#[tokio::test]
async fn a_person_signs_in_at_the_provider_with_the_rights_of_their_key() {
    let site = Site::new().await;
    let key = site.grace().await;
    let host = site.provider.issuer().trim_start_matches("http://").split(':').next().unwrap().to_owned();
    let page = site.get("/sign-in?next=%2Faudit", "").await;
    assert!(page.text.contains("/sign-in/oidc?next=%2Faudit") && page.text.contains("name=\"key\""));
    assert!(page.text.contains(&format!("Sign in with {host}")), "{}", page.text);
    let page = site.sign_in("grace").await;
    assert_eq!((page.status, page.place()), (StatusCode::SEE_OTHER, "/audit"), "{}", page.text);
    let session = page.cookie("aspora_session").unwrap();
    let home = site.get("/", &session).await;
    assert!(home.text.contains("<strong>Grace</strong> (engineer)"), "{}", home.text);
    assert_eq!(site.get("/audit", &session).await.status, StatusCode::FORBIDDEN);
    let acts: Vec<String> = sqlx::query_scalar("select act from audit order by seq")
        .fetch_all(&site.world.database.pool)
        .await
        .unwrap();
    assert_eq!(acts, ["key.create", "key.link", "session.begin"]);
    // The session ends with the link, and with the key.
    identities::link(&site.world.database.pool, key, None, "tests").await.unwrap();
    assert_eq!(site.get("/", &session).await.status, StatusCode::SEE_OTHER);
    refused(&site.sign_in("grace").await, 403, "is linked to nobody here");
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_began() {
    let site = Site::new().await;
    site.grace().await;
    let (address, cookie) = site.there().await;
    let back = site.at_provider(&address, "grace").await;
    let (_, other) = site.there().await;
    refused(&site.get(&back, "").await, 400, "was not begun in this browser");
    refused(&site.get(&back, &other).await, 400, "was not begun in this browser");
    let wrong = back.replace("state=", "state=x");
    refused(&site.get(&wrong, &cookie).await, 400, "was not begun in this browser");
    assert_eq!(site.get(&back, &cookie).await.status, StatusCode::SEE_OTHER);
    refused(&site.get(&back, &cookie).await, 400, "was used already");
    // A code that another sign-in has redeemed.
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let (address, cookie) = site.there().await;
    let fresh = site.at_provider(&address, "grace").await;
    let own = fresh.split("code=").nth(1).unwrap().split('&').next().unwrap();
    refused(&site.get(&fresh.replace(own, code), &cookie).await, 403, "invalid_grant");
    // A code of another sign-in: its verifier is missing.
    let (first, _) = site.there().await;
    let stolen = site.at_provider(&first, "grace").await;
    let stolen = stolen.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let (second, cookie) = site.there().await;
    let fresh = site.at_provider(&second, "mallory").await;
    let own = fresh.split("code=").nth(1).unwrap().split('&').next().unwrap();
    refused(&site.get(&fresh.replace(own, stolen), &cookie).await, 403, "invalid_grant");
    // Too late.
    let (address, cookie) = site.there().await;
    let late = site.at_provider(&address, "grace").await;
    let age = "update sign_in set expires_at = now()";
    sqlx::query(age).execute(&site.world.database.pool).await.unwrap();
    refused(&site.get(&late, &cookie).await, 400, "took over ten minutes");
}

#[tokio::test]
async fn a_token_that_is_not_as_it_must_be_signs_nobody_in() {
    let site = Site::new().await;
    site.grace().await;
    let now = chrono::Utc::now().timestamp();
    let cases: [(Forgery, &str); 14] = [
        (Forgery::NoSignature, "no signature that is accepted here"),
        (Forgery::HmacOfPublicKey, "no signature that is accepted here"),
        (Forgery::OtherKey, "cannot be verified: InvalidSignature"),
        (Forgery::Changed, "cannot be verified: InvalidSignature"),
        (Forgery::UnknownKey, "the provider has no such key"),
        (Forgery::Claims(json!({"iss": "https://evil.example"})), "of another issuer"),
        (Forgery::Claims(json!({"aud": "other"})), "for another client"),
        (Forgery::Claims(json!({"aud": ["aspora", "other"]})), "for another client"),
        (Forgery::Claims(json!({"nonce": "another"})), "belongs to another sign-in"),
        (Forgery::Claims(json!({"nonce": null})), "belongs to another sign-in"),
        (Forgery::Claims(json!({"exp": now - 120})), "has expired"),
        (Forgery::Claims(json!({"iat": now + 300})), "from the future"),
        (Forgery::Claims(json!({"email_verified": false})), "not verified the e-mail address"),
        (Forgery::Claims(json!({"email": null})), "no claim `email`"),
    ];
    for (forgery, words) in cases {
        site.provider.forge(Some(forgery));
        refused(&site.sign_in("grace").await, 403, words);
    }
    // A minute between the clocks is none.
    site.provider.forge(Some(Forgery::Claims(json!({"exp": now - 30, "iat": now + 30}))));
    assert_eq!(site.sign_in("grace").await.status, StatusCode::SEE_OTHER);
    site.provider.forge(None);
    refused(&site.sign_in("mallory").await, 403, "not verified the e-mail address");
}

#[tokio::test]
async fn changed_keys_are_read_again_and_unknown_ones_not_for_each_token() {
    let site = Site::new().await;
    site.grace().await;
    assert_eq!(site.sign_in("grace").await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.sign_in("grace").await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.provider.key_reads(), 1);
    site.provider.rotate().unwrap();
    assert_eq!(site.sign_in("grace").await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.provider.key_reads(), 2);
    site.provider.forge(Some(Forgery::UnknownKey));
    for _ in 0..3 {
        refused(&site.sign_in("grace").await, 403, "the provider has no such key");
    }
    assert_eq!(site.provider.key_reads(), 2, "asked a moment ago");
}

#[tokio::test]
async fn an_unknown_person_gets_a_role_only_where_one_is_set_and_never_a_known_name() {
    let site = Site::new().await;
    let page = site.sign_in("grace").await;
    refused(&page, 403, "grace@acme.example has signed in at");
    assert!(page.text.contains("aspora key link KEY IDENTITY"), "{}", page.text);
    assert_eq!(site.world.count("person").await, 1);

    let site = Site::with(|config| config.default_role = Some(Role::Pm)).await;
    for _ in 0..2 {
        let page = site.sign_in("grace").await;
        let session = page.cookie("aspora_session").unwrap();
        let home = site.get("/", &session).await;
        assert!(home.text.contains("<strong>grace@acme.example</strong> (pm)"), "{}", home.text);
    }
    assert_eq!(site.world.count("api_key").await, 2, "one is made, once");
    // `ada` is the admin of the tests.
    refused(&site.sign_in("ada").await, 403, "is ada here already");
}

#[tokio::test]
async fn a_revoked_key_signs_nobody_in_and_an_identity_is_one_keys() {
    let site = Site::new().await;
    let key = site.grace().await;
    let pool = &site.world.database.pool;
    let taken = identities::link(pool, Uuid::from_u128(1), Some("grace@acme.example"), "tests").await;
    assert_eq!(taken.unwrap_err().to_string(), "grace@acme.example is Grace here already");
    let path = format!("/api/v1/keys/{}/link", Uuid::from_u128(1));
    let body = |identity: &str| Body::from(json!({ "identity": identity }).to_string());
    for wrong in ["grace@acme.example", "", "a\u{202e}b"] {
        let reply = site.world.send(super::post(&path).body(body(wrong)).unwrap()).await;
        assert_eq!((reply.status.as_u16(), &reply.body["errors"][0]["pointer"]), (422, &json!("/identity")));
    }
    let missing = format!("/api/v1/keys/{}/link", Uuid::nil());
    assert_eq!(site.world.send(super::post(&missing).body(body("x")).unwrap()).await.status.as_u16(), 404);
    people::revoke(pool, key, "tests", &"left".parse().unwrap()).await.unwrap();
    refused(&site.sign_in("grace").await, 403, "is linked to nobody here");
    let dead = identities::link(pool, key, Some("x"), "tests").await.unwrap_err();
    assert_eq!(dead.to_string(), "the key was revoked; issue another one");
    let linked = site.world.send(super::post(&path).body(body("grace@acme.example")).unwrap()).await;
    assert_eq!(linked.body["identity"], "grace@acme.example");
}

#[tokio::test]
async fn the_way_leads_on_here_alone_and_says_what_is_wrong_with_the_provider() {
    let site = Site::new().await;
    site.grace().await;
    for next in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let page = site.get(&format!("/sign-in/oidc?next={next}"), "").await;
        let (address, cookie) = (page.place().to_owned(), page.cookie("aspora_sign_in").unwrap());
        let back = site.at_provider(&address, "grace").await;
        assert_eq!(site.get(&back, &cookie).await.place(), "/", "{next}");
    }
    // The provider refuses, or another one answers in its place.
    let (address, cookie) = site.there().await;
    let state = address.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let denied =
        format!("/sign-in/oidc/callback?state={state}&error=access_denied&iss={}", site.provider.issuer());
    refused(&site.get(&denied, &cookie).await, 403, "access_denied");
    let (address, cookie) = site.there().await;
    let back = site.at_provider(&address, "grace").await;
    let (kept, _) = back.split_once("&iss=").unwrap();
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let mixed = format!("{kept}&state={state}&iss=https://evil.example");
    refused(&site.get(&mixed, &cookie).await, 403, "of another issuer");

    let wrong = Site::with(|config| config.client_secret = "wrong".to_owned().into()).await;
    refused(&wrong.sign_in("grace").await, 502, "invalid_client");
    let named = Site::with(|config| config.issuer += "/").await;
    refused(&named.get("/sign-in/oidc", "").await, 502, "the provider calls itself");
    let down = Site::with(|config| config.issuer = "http://127.0.0.1:9".to_owned()).await;
    let page = down.get("/sign-in/oidc", "").await;
    refused(&page, 503, "The identity provider does not answer");
    assert!(page.text.contains("name=\"key\""), "one signs in with a key meanwhile");
    let none = World::new().await;
    let request = Request::get("/sign-in/oidc").body(Body::empty()).unwrap();
    assert_eq!(none.routes.clone().oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_stand_in_refuses_what_a_provider_refuses() {
    let site = Site::new().await;
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let (address, _) = site.there().await;
    let asked = async |from: &str, to: &str| {
        assert!(address.contains(from), "{from}: {address}");
        client.get(address.replace(from, to)).send().await.unwrap()
    };
    assert_eq!(asked("client_id=aspora", "client_id=other").await.status(), 400);
    assert_eq!(asked("callback", "callback%2F").await.status(), 400);
    for (from, to, error) in [
        ("response_type=code", "response_type=token", "unsupported_response_type"),
        ("scope=openid", "scope=mail", "invalid_scope"),
        ("code_challenge_method=S256", "code_challenge_method=plain", "invalid_request"),
    ] {
        let answer = asked(from, to).await;
        assert!(answer.headers()["location"].to_str().unwrap().contains(&format!("error={error}")), "{from}");
    }
    let described: Value = client
        .get(format!("{}/.well-known/openid-configuration", site.provider.issuer()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(described["issuer"], site.provider.issuer());
    assert_eq!(support::PERSON, "ada");
}
