//! Whether a delivery was signed with a secret of ours.

use hmac::Mac as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::github::text::keyed;

/// The secret shared with GitHub and, while it is being rotated, the previous one.
#[derive(Debug, Clone)]
pub struct Secrets {
    current: SecretString,
    previous: Option<SecretString>,
}

/// What the header claims to be the signature: `sha256=` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

/// A webhook secret is empty, so anyone could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is empty; set one, for example of 32 random bytes")]
pub struct EmptySecret;

/// The delivery was not sent by GitHub or was changed in transit; the error does not say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the webhook's signature is missing or wrong")]
pub struct BadSignature;

impl Secrets {
    /// One secret, or two during a rotation: both are accepted until the previous one is removed.
    ///
    /// # Errors
    /// [`EmptySecret`] if either is empty.
    pub fn new(current: SecretString, previous: Option<SecretString>) -> Result<Self, EmptySecret> {
        let empty = |secret: &SecretString| secret.expose_secret().is_empty();
        if empty(&current) || previous.as_ref().is_some_and(empty) {
            return Err(EmptySecret);
        }
        Ok(Self { current, previous })
    }
}

impl Signature {
    /// Reads the header, so that a request without a signature is refused before its body is read.
    ///
    /// # Errors
    /// [`BadSignature`] for anything but `sha256=` and 64 hexadecimal digits.
    pub fn parse(header: Option<&str>) -> Result<Self, BadSignature> {
        let digits = header.and_then(|text| text.strip_prefix("sha256=")).ok_or(BadSignature)?;
        let mut claimed = [0; 32];
        hex::decode_to_slice(digits, &mut claimed).map_err(|_| BadSignature)?;
        Ok(Self(claimed))
    }
}

/// Whether these bytes were signed with one of our secrets, in constant time.
///
/// # Errors
/// [`BadSignature`] if they were not.
pub fn verify(secrets: &Secrets, body: &[u8], signature: Signature) -> Result<(), BadSignature> {
    let is_valid =
        |secret: &SecretString| keyed(secret).chain_update(body).verify_slice(&signature.0).is_ok();
    // Both are always tried, so that the time does not reveal which one matched.
    let current = is_valid(&secrets.current);
    let previous = secrets.previous.as_ref().is_some_and(is_valid);
    if current | previous { Ok(()) } else { Err(BadSignature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(current: &str, previous: Option<&str>) -> Secrets {
        let secret = |text: &str| SecretString::from(text.to_owned());
        Secrets::new(secret(current), previous.map(secret)).unwrap()
    }

    fn check(secrets: &Secrets, body: &[u8], header: &str) -> Result<(), BadSignature> {
        verify(secrets, body, Signature::parse(Some(header))?)
    }

    #[test]
    fn the_example_of_githubs_documentation_verifies() {
        let secrets = secrets("It's a Secret to Everybody", None);
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(check(&secrets, b"Hello, World!", header), Ok(()));
        assert_eq!(check(&secrets, b"Hello, World?", header), Err(BadSignature));
    }

    #[test]
    fn a_flipped_bit_and_any_other_form_are_refused() {
        let ours = secrets("s3cret", None);
        let body = br#"{"action":"completed"}"#;
        let digest = hex::encode(keyed(&ours.current).chain_update(body).finalize().into_bytes());
        let valid = format!("sha256={digest}");
        assert_eq!(check(&ours, body, &valid), Ok(()));
        for bit in 0..body.len() * 8 {
            let mut changed = body.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&ours, &changed, &valid), Err(BadSignature), "bit {bit}");
        }
        let short = &valid[..valid.len() - 2];
        let long = format!("{valid}00");
        let sha1 = format!("sha1={digest}");
        for wrong in ["", "sha256=", "sha256=zz", &digest, short, &long, &sha1, &format!(" {valid}")] {
            assert_eq!(Signature::parse(Some(wrong)), Err(BadSignature), "{wrong:?}");
        }
        assert_eq!(Signature::parse(None), Err(BadSignature));
    }

    #[test]
    fn during_a_rotation_both_secrets_are_accepted_and_no_other() {
        let sign = |secret: &str| {
            let mac = keyed(&secret.to_owned().into()).chain_update(b"x").finalize();
            format!("sha256={}", hex::encode(mac.into_bytes()))
        };
        let both = secrets("new", Some("old"));
        assert_eq!(check(&both, b"x", &sign("new")), Ok(()));
        assert_eq!(check(&both, b"x", &sign("old")), Ok(()));
        assert_eq!(check(&both, b"x", &sign("other")), Err(BadSignature));
        assert_eq!(check(&secrets("new", None), b"x", &sign("old")), Err(BadSignature));
        assert!(!format!("{both:?}").contains("old"));
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert!(Secrets::new(String::new().into(), None).is_err());
        assert!(Secrets::new("a".to_owned().into(), Some(String::new().into())).is_err());
    }
}
