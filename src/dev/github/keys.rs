//! Private keys of Apps, and the JWTs that are signed with them.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use anyhow::Context as _;
use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::apps::{App, Registry};

/// What GitHub answers to anything that is not a JWT of an App (seen in many repositories).
pub(crate) const UNDECODABLE: &str = "A JSON web token could not be decoded";
/// The longest life of a JWT: docs.github.com "Generating a JSON Web Token (JWT) for a GitHub App".
const LONGEST_SECONDS: i64 = 600;
/// The bytes of a PKCS#8 document of a 2048-bit RSA key before the PKCS#1 document inside it.
const PKCS8_HEAD: usize = 26;
const PEM_WIDTH: usize = 64;

/// A key pair of an App.
#[derive(Debug, Clone)]
pub(crate) struct AppKey {
    /// As GitHub hands it out: PKCS#1, in PEM.
    pub(crate) private_pem: String,
    /// The hex of the public key's DER.
    pub(crate) public: String,
}

/// The key of an App: one in this process for each slug, since making one takes a tenth of a second.
pub(crate) fn of_app(slug: &str) -> anyhow::Result<AppKey> {
    static MADE: LazyLock<Mutex<BTreeMap<String, AppKey>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = made.get(slug) {
        return Ok(key.clone());
    }
    let key = generate()?;
    made.insert(slug.to_owned(), key.clone());
    Ok(key)
}

/// A new private RSA key, in PEM.
pub(crate) fn rsa_key() -> anyhow::Result<String> {
    Ok(generate()?.private_pem)
}

fn generate() -> anyhow::Result<AppKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).context("generate an RSA key")?;
    let pkcs8 = pair.as_der().context("write an RSA key")?;
    let pkcs1 = pkcs8.as_ref().get(PKCS8_HEAD..).filter(|inner| inner.starts_with(&[0x30, 0x82]));
    let text = STANDARD.encode(pkcs1.context("find the PKCS#1 key inside of a PKCS#8 key")?);
    let lines: Vec<_> = text.as_bytes().chunks(PEM_WIDTH).map(String::from_utf8_lossy).collect();
    Ok(AppKey {
        private_pem: format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
            lines.join("\n")
        ),
        public: hex::encode(pair.public_key().as_ref()),
    })
}

/// The App that signed a JWT, or GitHub's words for what is wrong with it. `now` is in seconds since 1970.
pub(crate) fn app_of_jwt<'a>(registry: &'a Registry, jwt: &str, now: i64) -> Result<&'a App, &'static str> {
    let (signed, signature) = jwt.rsplit_once('.').ok_or(UNDECODABLE)?;
    let (head, claims) = signed.split_once('.').ok_or(UNDECODABLE)?;
    if decoded(head)?["alg"] != "RS256" {
        return Err(UNDECODABLE);
    }
    let claims = decoded(claims)?;
    let app = issuer(registry, &claims["iss"])?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| UNDECODABLE)?;
    let signs = |key: &String| {
        let key = hex::decode(key).unwrap_or_default();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        key.verify(signed.as_bytes(), &signature).is_ok()
    };
    if !app.keys.iter().any(signs) {
        return Err(UNDECODABLE);
    }
    times(&claims, now)?;
    Ok(app)
}

fn decoded(part: &str) -> Result<Value, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| UNDECODABLE)?;
    serde_json::from_slice(&bytes).map_err(|_| UNDECODABLE)
}

/// The issuer is the App's id, as a number or text, or its client id.
fn issuer<'a>(registry: &'a Registry, iss: &Value) -> Result<&'a App, &'static str> {
    let named = match iss {
        Value::Number(id) => id.as_i64().and_then(|id| registry.apps.get(&id)),
        Value::String(text) => match text.parse() {
            Ok(id) => registry.apps.get(&id),
            Err(_) => registry.apps.values().find(|app| app.client_id() == *text),
        },
        _ => return Err("'Issuer' claim ('iss') must be an Integer"),
    };
    named.ok_or("Integration not found")
}

fn times(claims: &Value, now: i64) -> Result<(), &'static str> {
    let exp = claims["exp"].as_f64().map(|seconds| seconds as i64);
    if exp.is_none_or(|exp| exp <= now) {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        );
    }
    if exp.is_some_and(|exp| exp > now + LONGEST_SECONDS) {
        return Err("'Expiration time' claim ('exp') is too far in the future");
    }
    if claims["iat"].as_i64().is_none_or(|iat| iat > now) {
        return Err(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        );
    }
    Ok(())
}
