//! An identity provider on this machine, strict as OpenID Connect Core 1.0, RFC 6749, RFC 7636 and RFC 9207 want it:
//! discovery, sign-in by a form, codes that count once, ID tokens by keys that can be changed.

mod tokens;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use maud::html;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::tokens::Forgery;
use self::tokens::Signer;

/// How long a code counts, in milliseconds. RFC 6749, 4.1.2 recommends ten minutes at most.
const CODE_LIFE: i64 = 60_000;

/// A person who can sign in.
#[derive(Debug, Clone)]
pub struct Account {
    /// What the person types.
    pub login: String,
    /// What the person types as well.
    pub password: String,
    /// Never given to another.
    pub sub: String,
    /// The address.
    pub email: String,
    /// Whether the address is known to be theirs.
    pub email_verified: bool,
}

/// How to start a provider.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// Where to listen; port 0 for any free one.
    pub addr: SocketAddr,
    /// The id of the one client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Where browsers may be sent back to, exactly.
    pub redirect_uris: Vec<String>,
    /// The people.
    pub accounts: Vec<Account>,
}

/// A running provider; it stops when dropped.
pub struct OidcProvider {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    issuer: String,
    config: OidcConfig,
    codes: Mutex<BTreeMap<String, Code>>,
    signer: Mutex<Signer>,
    /// How many requests there were for keys.
    key_reads: Mutex<u32>,
}

/// A code that was given out.
struct Code {
    account: Account,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    /// Milliseconds since 1970.
    ends_at: i64,
}

type Fields = BTreeMap<String, String>;

impl OidcProvider {
    /// Starts a provider.
    ///
    /// # Errors
    /// When the address is taken or no key can be made.
    pub async fn start(config: OidcConfig) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(config.addr).await.with_context(|| format!("listen on {}", config.addr))?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            issuer,
            config,
            codes: Mutex::default(),
            signer: Mutex::new(Signer::new()?),
            key_reads: Mutex::default(),
        });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/authorize", get(ask).post(sign_in))
            .route("/token", post(redeem))
            .route("/jwks", get(keys))
            .with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        let until = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the identity provider stopped serving");
            }
        });
        Ok(Self { shared, stop })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// Signs with a new key from now on; the old one is no longer published.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate(&self) -> anyhow::Result<()> {
        *lock(&self.shared.signer) = Signer::new()?;
        Ok(())
    }

    /// Makes ID tokens that a client must refuse; `None` ends that.
    pub fn forge(&self, forgery: Option<Forgery>) {
        lock(&self.shared.signer).forge(forgery);
    }

    /// How many requests there were for the keys.
    #[must_use]
    pub fn key_reads(&self) -> u32 {
        *lock(&self.shared.key_reads)
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn describe(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = &shared.issuer;
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true,
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "email", "email_verified"],
    }))
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    *lock(&shared.key_reads) += 1;
    Json(lock(&shared.signer).published())
}

async fn ask(State(shared): State<Arc<Shared>>, Query(asked): Query<Fields>) -> Response {
    match check(&shared, &asked) {
        Ok(()) => form(&asked, None),
        Err(refused) => *refused,
    }
}

async fn sign_in(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let sent: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    if let Err(refused) = check(&shared, &sent) {
        return *refused;
    }
    let field = |name: &str| sent.get(name).map_or("", String::as_str);
    let mut accounts = shared.config.accounts.iter();
    let Some(account) =
        accounts.find(|it| it.login == field("login") && it.password == field("password")).cloned()
    else {
        return form(&sent, Some("Incorrect username or password."));
    };
    let code = uuid::Uuid::new_v4().simple().to_string();
    let given = Code {
        account,
        redirect_uri: field("redirect_uri").to_owned(),
        challenge: field("code_challenge").to_owned(),
        nonce: sent.get("nonce").cloned(),
        ends_at: chrono::Utc::now().timestamp_millis() + CODE_LIFE,
    };
    lock(&shared.codes).insert(code.clone(), given);
    lead_back(&shared, &sent, &[("code", &code)])
}

/// Refuses what a client must not ask. A wrong client or redirect URI is shown here, since there is nobody to send the
/// browser to; everything else is sent there (RFC 6749, 4.1.2.1).
fn check(shared: &Shared, asked: &Fields) -> Result<(), Box<Response>> {
    let field = |name: &str| asked.get(name).map_or("", String::as_str);
    let is_known = field("client_id") == shared.config.client_id;
    if !is_known || !shared.config.redirect_uris.iter().any(|uri| uri == field("redirect_uri")) {
        let text = "The client or the redirect_uri is not registered.";
        return Err(Box::new((StatusCode::BAD_REQUEST, text).into_response()));
    }
    let error = match () {
        () if field("response_type") != "code" => "unsupported_response_type",
        () if !field("scope").split(' ').any(|scope| scope == "openid") => "invalid_scope",
        () if field("code_challenge_method") != "S256" || field("code_challenge").len() != 43 => {
            "invalid_request"
        }
        () => return Ok(()),
    };
    Err(Box::new(lead_back(shared, asked, &[("error", error)])))
}

fn lead_back(shared: &Shared, asked: &Fields, pairs: &[(&str, &str)]) -> Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).append_pair("iss", &shared.issuer);
    if let Some(state) = asked.get("state") {
        query.append_pair("state", state);
    }
    let uri = asked.get("redirect_uri").map_or("", String::as_str);
    Redirect::to(&format!("{uri}?{}", query.finish())).into_response()
}

fn form(asked: &Fields, wrong: Option<&str>) -> Response {
    let page = html! {
        (maud::DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Sign in · identity provider" } }
            body {
                h1 { "Sign in" }
                p { "This is an identity provider on this machine, a stand-in." }
                @if let Some(wrong) = wrong { p role="alert" { (wrong) } }
                form method="post" action="/authorize" {
                    @for (name, value) in asked { @if !matches!(&**name, "login" | "password") {
                        input type="hidden" name=(name) value=(value);
                    } }
                    label { "Username " input name="login" autocomplete="username"; } " "
                    label { "Password " input name="password" type="password" autocomplete="current-password"; } " "
                    button { "Sign in" }
                }
            }
        }
    };
    let status = if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    (status, [(header::CACHE_CONTROL, "no-store")], Html(page.into_string())).into_response()
}

async fn redeem(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let sent: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
    match tokens_for(&shared, &headers, &sent) {
        Ok(tokens) => ([(header::CACHE_CONTROL, "no-store")], Json(tokens)).into_response(),
        Err(error) => {
            let status =
                if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
            (status, Json(json!({ "error": error }))).into_response()
        }
    }
}

fn tokens_for(shared: &Shared, headers: &HeaderMap, sent: &Fields) -> Result<Value, &'static str> {
    let field = |name: &str| sent.get(name).map_or("", String::as_str);
    let client =
        client(headers).unwrap_or_else(|| (field("client_id").into(), field("client_secret").into()));
    if client != (shared.config.client_id.clone(), shared.config.client_secret.clone()) {
        return Err("invalid_client");
    }
    if field("grant_type") != "authorization_code" {
        return Err("unsupported_grant_type");
    }
    // Taken before it is looked at: also a try that fails uses a code up.
    let code = lock(&shared.codes).remove(field("code")).ok_or("invalid_grant")?;
    let now = chrono::Utc::now().timestamp_millis();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    if code.ends_at < now || code.redirect_uri != field("redirect_uri") || code.challenge != challenge {
        return Err("invalid_grant");
    }
    let Account { sub, email, email_verified, .. } = &code.account;
    let mut claims = json!({
        "iss": shared.issuer, "sub": sub, "aud": shared.config.client_id, "iat": now / 1000,
        "exp": now / 1000 + 300, "email": email, "email_verified": email_verified,
    });
    if let Some(nonce) = code.nonce {
        claims["nonce"] = nonce.into();
    }
    let token = lock(&shared.signer).sign(claims).map_err(|_| "server_error")?;
    let access = uuid::Uuid::new_v4().simple().to_string();
    Ok(json!({"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": token}))
}

/// The client of a request with basic authentication, whose parts are encoded as in a form (RFC 6749, 2.3.1).
fn client(headers: &HeaderMap) -> Option<(String, String)> {
    let code = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(code).ok()?;
    let pair = String::from_utf8(bytes).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decoded = |text: &str| {
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
    };
    Some((decoded(id), decoded(secret)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
