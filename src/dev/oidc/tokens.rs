//! ID tokens: true ones, and for tests such as a client must refuse.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

use crate::dev::github::rsa_key;

/// What is wrong with a token.
#[derive(Debug, Clone)]
pub enum Forgery {
    /// These claims are in place of the true ones; `null` leaves one out.
    Claims(Value),
    /// It has no signature, and says so.
    NoSignature,
    /// It is signed by HMAC with the text of the public key, which everybody has.
    HmacOfPublicKey,
    /// It is signed by a key that was never published, under the id of the one that was.
    OtherKey,
    /// It names a key that was never published.
    UnknownKey,
    /// Its claims were changed after it was signed.
    Changed,
}

/// A key, and what is done wrong with it.
pub(super) struct Signer {
    pem: String,
    kid: String,
    forgery: Option<Forgery>,
}

impl Signer {
    pub(super) fn new() -> anyhow::Result<Self> {
        let kid = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self { pem: rsa_key()?, kid, forgery: None })
    }

    pub(super) fn forge(&mut self, forgery: Option<Forgery>) {
        self.forgery = forgery;
    }

    /// The public key, as a set of one.
    pub(super) fn published(&self) -> Value {
        json!({ "keys": [self.public().unwrap_or_default()] })
    }

    fn public(&self) -> anyhow::Result<Value> {
        let jwk = Jwk::from_encoding_key(&private(&self.pem)?, Algorithm::RS256)?;
        let mut jwk = serde_json::to_value(jwk)?;
        jwk["kid"] = self.kid.clone().into();
        jwk["use"] = "sig".into();
        Ok(jwk)
    }

    pub(super) fn sign(&self, mut claims: Value) -> anyhow::Result<String> {
        let mut header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::RS256) };
        let key = private(&self.pem)?;
        match &self.forgery {
            None => {}
            Some(Forgery::Claims(changes)) => {
                for (name, value) in changes.as_object().into_iter().flatten() {
                    claims[name] = value.clone();
                }
            }
            Some(Forgery::NoSignature) => {
                return Ok(format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&claims)));
            }
            Some(Forgery::HmacOfPublicKey) => {
                let secret = EncodingKey::from_secret(self.public()?.to_string().as_bytes());
                header.alg = Algorithm::HS256;
                return Ok(encode(&header, &claims, &secret)?);
            }
            Some(Forgery::OtherKey) => return Ok(encode(&header, &claims, &private(&rsa_key()?)?)?),
            Some(Forgery::UnknownKey) => header.kid = Some("unknown".to_owned()),
            Some(Forgery::Changed) => {
                let token = encode(&header, &claims, &key)?;
                let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
                claims["email"] = "admin@acme.example".into();
                parts[1] = part(&claims);
                return Ok(parts.join("."));
            }
        }
        Ok(encode(&header, &claims, &key)?)
    }
}

fn private(pem: &str) -> anyhow::Result<EncodingKey> {
    EncodingKey::from_rsa_pem(pem.as_bytes()).context("read an RSA key")
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
