//! What an ID token must say before its bearer is signed in: OpenID Connect Core 1.0, 3.1.3.7. Its signature is checked
//! elsewhere, before this.

use serde::Deserialize;
use serde_json::{Map, Value};

use chrono::{DateTime, Utc};

use crate::path::is_invisible;

/// How far the clocks of the provider and of the database may be apart, in seconds.
const SKEW: f64 = 60.0;
/// The most characters of what names a person: OpenID Connect Core 1.0 allows 255 for `sub`.
const IDENTITY_LIMIT: usize = 255;

/// The claims of an ID token.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What the claims are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The configured issuer.
    pub issuer: &'a str,
    /// Our id at the provider.
    pub client: &'a str,
    /// What was sent with the browser to the provider.
    pub nonce: &'a str,
    /// The claim that names the person, such as `email`.
    pub claim: &'a str,
}

/// Why a token signs nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Another provider issued it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is for another client, or for us among others and not given to us.
    #[error("the token is for another client")]
    Audience,
    /// It has expired.
    #[error("the token has expired; check the clocks of the provider and of the database")]
    Expired,
    /// It was issued later than now, or does not count yet.
    #[error("the token is from the future; check the clocks of the provider and of the database")]
    Early,
    /// It belongs to another sign-in.
    #[error("the token belongs to another sign-in")]
    Nonce,
    /// It does not say who it is about.
    #[error("the token has no claim `{0}` that could name a person")]
    Unnamed(String),
    /// The provider does not vouch for the address.
    #[error("the provider has not verified the e-mail address")]
    Unverified,
}

/// Who a token is about, as its claim names them; an e-mail address in small letters, and only a verified one.
///
/// # Errors
/// [`Unfit`] says why the token signs nobody in.
pub fn identity(claims: &Claims, expected: Expected<'_>, now: DateTime<Utc>) -> Result<String, Unfit> {
    if claims.iss != expected.issuer {
        return Err(Unfit::Issuer);
    }
    let is_ours = match &claims.aud {
        Audience::One(one) => one == expected.client,
        // With several, `azp` says to which of them the token was given.
        Audience::Several(all) => {
            all.iter().any(|one| one == expected.client) && (all.len() == 1 || claims.azp.is_some())
        }
    };
    if !is_ours || claims.azp.as_deref().is_some_and(|azp| azp != expected.client) {
        return Err(Unfit::Audience);
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in 53 bits")]
    let now = now.timestamp() as f64;
    if claims.exp + SKEW <= now {
        return Err(Unfit::Expired);
    }
    if claims.iat - SKEW > now || claims.nbf.is_some_and(|nbf| nbf - SKEW > now) {
        return Err(Unfit::Early);
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(Unfit::Nonce);
    }
    named(claims, expected.claim)
}

fn named(claims: &Claims, claim: &str) -> Result<String, Unfit> {
    let value = if claim == "sub" {
        Some(claims.sub.as_str())
    } else {
        claims.more.get(claim).and_then(Value::as_str)
    };
    let value = value.and_then(checked).ok_or_else(|| Unfit::Unnamed(claim.to_owned()))?;
    if claim != "email" {
        return Ok(value.to_owned());
    }
    // Some providers write it as a text.
    let is_verified = match claims.more.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(verified)) => verified == "true",
        _ => false,
    };
    if is_verified { Ok(value.to_lowercase()) } else { Err(Unfit::Unverified) }
}

/// What can name a person at the provider: 1 to 255 characters without spaces at the ends, none of them invisible.
#[must_use]
pub fn checked(identity: &str) -> Option<&str> {
    let is_plain = |c: char| !c.is_control() && !is_invisible(c);
    let fits = (1..=IDENTITY_LIMIT).contains(&identity.chars().count())
        && identity.trim() == identity
        && identity.chars().all(is_plain);
    fits.then_some(identity)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn read(change: &Value, claim: &str) -> Result<String, Unfit> {
        let mut token = json!({
            "iss": "https://id.example", "sub": "4711", "aud": "aspora", "exp": NOW + 300, "iat": NOW,
            "nonce": "n", "email": "Ada@Acme.example", "email_verified": true, "name": "Ada",
        });
        for (key, value) in change.as_object().unwrap() {
            token[key] = value.clone();
        }
        let claims = serde_json::from_value(token).unwrap();
        let expected = Expected { issuer: "https://id.example", client: "aspora", nonce: "n", claim };
        identity(&claims, expected, DateTime::from_timestamp(NOW, 0).unwrap())
    }

    #[test]
    fn a_token_names_a_person_by_the_claim() {
        let check = |claim: &str, name: &str| assert_eq!(read(&json!({}), claim).as_deref(), Ok(name));
        check("email", "ada@acme.example");
        check("sub", "4711");
        check("name", "Ada");
    }

    #[test]
    fn a_token_signs_nobody_in_that_is_not_for_this_sign_in() {
        let check = |change: Value, why: Unfit| assert_eq!(read(&change, "email"), Err(why), "{change}");
        check(json!({"iss": "https://id.example/"}), Unfit::Issuer);
        check(json!({"iss": "https://evil.example"}), Unfit::Issuer);
        check(json!({"aud": "other"}), Unfit::Audience);
        check(json!({"aud": ["other"]}), Unfit::Audience);
        check(json!({"aud": []}), Unfit::Audience);
        check(json!({"aud": ["aspora", "other"]}), Unfit::Audience);
        check(json!({"aud": ["aspora", "other"], "azp": "other"}), Unfit::Audience);
        check(json!({"azp": "other"}), Unfit::Audience);
        check(json!({"nonce": "m"}), Unfit::Nonce);
        check(json!({"nonce": null}), Unfit::Nonce);
        check(json!({"email_verified": false}), Unfit::Unverified);
        check(json!({"email_verified": null}), Unfit::Unverified);
        check(json!({"email_verified": "yes"}), Unfit::Unverified);
        check(json!({"email": null}), Unfit::Unnamed("email".to_owned()));
        check(json!({"email": ""}), Unfit::Unnamed("email".to_owned()));
        check(json!({"email": "a\u{202e}b"}), Unfit::Unnamed("email".to_owned()));
    }

    #[test]
    fn a_token_counts_between_its_times_with_a_minute_to_spare() {
        let check =
            |change: Value, why: Option<Unfit>| assert_eq!(read(&change, "sub").err(), why, "{change}");
        check(json!({"exp": NOW - 59}), None);
        check(json!({"exp": NOW - 60}), Some(Unfit::Expired));
        check(json!({"iat": NOW + 60}), None);
        check(json!({"iat": NOW + 61}), Some(Unfit::Early));
        check(json!({"nbf": NOW + 60}), None);
        check(json!({"nbf": NOW + 61}), Some(Unfit::Early));
        check(json!({"aud": ["aspora", "other"], "azp": "aspora"}), None);
        check(json!({"aud": ["aspora"]}), None);
    }

    #[test]
    fn nobody_is_called_what_cannot_be_seen() {
        for name in
            ["", " ada", "ada\u{ad}", "ada\u{202e}", "a\u{e0061}da", "ada\n", &"a".repeat(IDENTITY_LIMIT + 1)]
        {
            assert_eq!(checked(name), None, "{name:?}");
        }
        assert_eq!(checked("Ada Lovelace"), Some("Ada Lovelace"));
    }
}
