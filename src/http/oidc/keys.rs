//! The provider's public keys, and the signatures of its tokens. A key that is not known yet is asked for, since providers
//! change their keys whenever they like; not more often than once a minute, however many tokens name unknown ones.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Error, answer};
use crate::core::access::Claims;

/// Signatures by a private key. With HMAC, the public key would be the secret; `none` is no signature.
const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
];
/// How long keys count without being asked for again.
const KEPT: Duration = Duration::from_secs(3600);
/// How long an unknown key is not asked for again.
const PAUSE: Duration = Duration::from_secs(60);

/// The keys that are known.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Known>);

#[derive(Debug, Default, Clone)]
struct Known {
    keys: Vec<Jwk>,
    read_at: Option<Instant>,
    /// When an unknown key was last asked for.
    asked_at: Option<Instant>,
}

/// A set of keys; those of forms that are not known here are left out.
#[derive(Deserialize)]
struct Listed {
    keys: Vec<Value>,
}

impl Keys {
    /// The claims of a token that one of the keys has signed.
    pub(super) async fn verify(
        &self,
        client: &reqwest::Client,
        address: &str,
        token: &str,
    ) -> Result<Claims, Error> {
        let unreadable = |_| Error::Token("the token has no signature that is accepted here".to_owned());
        let header = decode_header(token).map_err(unreadable)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Error::Token("the token has no signature that is accepted here".to_owned()));
        }
        let key = self.key(client, address, header.kid.as_deref(), header.alg).await?;
        let mut validation = Validation::new(header.alg);
        // Who it is for and when it counts is checked by `core`, with the database's time.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let decoded = decode::<Claims>(token, &key, &validation);
        decoded
            .map(|decoded| decoded.claims)
            .map_err(|error| Error::Token(format!("the token cannot be verified: {error}")))
    }

    async fn key(
        &self,
        client: &reqwest::Client,
        address: &str,
        kid: Option<&str>,
        alg: Algorithm,
    ) -> Result<DecodingKey, Error> {
        let known = self.lock().clone();
        let is_fresh = known.read_at.is_some_and(|at| at.elapsed() < KEPT);
        if let Some(key) = find(&known.keys, kid, alg).filter(|_| is_fresh) {
            return decoding(key);
        }
        let unknown = || Error::Token("the provider has no such key; sign in again in a minute".to_owned());
        if is_fresh && known.asked_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(unknown());
        }
        if is_fresh {
            self.lock().asked_at = Some(Instant::now());
        }
        let listed: Listed = answer(client.get(address)).await?;
        let keys: Vec<Jwk> =
            listed.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        let found = find(&keys, kid, alg).map(decoding);
        let mut known = self.lock();
        (known.keys, known.read_at) = (keys, Some(Instant::now()));
        found.unwrap_or_else(|| Err(unknown()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that a token names. One that names none must be of the only key that fits.
fn find<'a>(keys: &'a [Jwk], kid: Option<&str>, alg: Algorithm) -> Option<&'a Jwk> {
    let mut fitting = keys.iter().filter(|key| fits(key, alg));
    match kid {
        Some(kid) => fitting.find(|key| key.common.key_id.as_deref() == Some(kid)),
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
}

/// Whether a key is meant for signatures of this kind.
fn fits(key: &Jwk, alg: Algorithm) -> bool {
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = key.common.key_algorithm.is_none_or(|named| named.to_string().parse() == Ok(alg));
    let is_elliptic = matches!(alg, Algorithm::ES256 | Algorithm::ES384);
    signs
        && named
        && match &key.algorithm {
            AlgorithmParameters::RSA(_) => !is_elliptic,
            AlgorithmParameters::EllipticCurve(_) => is_elliptic,
            AlgorithmParameters::OctetKey(_) | AlgorithmParameters::OctetKeyPair(_) => false,
        }
}

fn decoding(key: &Jwk) -> Result<DecodingKey, Error> {
    DecodingKey::from_jwk(key).map_err(|_| Error::Setup("a key of the provider cannot be used".to_owned()))
}
