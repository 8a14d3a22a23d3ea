//! API keys and the tokens of sessions: random texts that are shown once and stored as digests.
//!
//! A key is `aspora_`, eight characters that name it, `_`, 43 random characters of 62 (256 bits) and six characters of a
//! checksum. Scanners for secrets find it by its form, and the checksum tells it from a text that only looks like one,
//! without a look into the database. A plain SHA-256 is enough to store it: nobody can try 2^256 keys, however fast the
//! digest is, so that the slow digests that passwords need would only make every request slow.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

/// How every key begins.
const PREFIX: &str = "aspora_";
/// The characters of keys and tokens: a double click selects all of them.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters that name a key.
const NAME: usize = 8;
/// Characters of a secret: 62^43 is more than 2^256.
const SECRET: usize = 43;
/// Characters of a checksum: 62^6 is more than 2^32.
const CHECKSUM: usize = 6;

/// An API key. It shows itself only by [`Key::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// The token of a session, which a cookie holds. It shows itself only by [`Token::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that is no API key: of another form, or mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an API key of Aspora; those begin with `aspora_` and have 65 characters")]
pub struct NotAKey;

impl Key {
    /// A new key from a source of random bytes.
    pub fn new(mut random: impl FnMut() -> u8) -> Self {
        let (name, secret) = (characters(&mut random, NAME), characters(&mut random, SECRET));
        let text = format!("{PREFIX}{name}_{secret}");
        let sum = checksum(&text);
        Self(text + &sum)
    }

    /// The key as its owner sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The part that names it, which is no secret.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0[..PREFIX.len() + NAME]
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let rest = text.strip_prefix(PREFIX).ok_or(NotAKey)?;
        let is_plain = rest.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        if !is_plain || rest.len() != NAME + 1 + SECRET + CHECKSUM || rest.as_bytes()[NAME] != b'_' {
            return Err(NotAKey);
        }
        let (body, sum) = text.split_at(text.len() - CHECKSUM);
        if checksum(body) == sum { Ok(Self(text.to_owned())) } else { Err(NotAKey) }
    }
}

impl Token {
    /// A new token from a source of random bytes.
    pub fn new(mut random: impl FnMut() -> u8) -> Self {
        Self(characters(&mut random, SECRET))
    }

    /// The token of a cookie; `None` for what cannot be one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let is_plain = text.len() == SECRET && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_plain.then(|| Self(text.to_owned()))
    }

    /// The token as the cookie holds it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// What the session's forms carry. A page of another site cannot know it, and it does not lead back to the token.
    #[must_use]
    pub fn form_token(&self) -> String {
        hex::encode(Sha256::new().chain_update("form\0").chain_update(&self.0).finalize())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}…)", self.prefix())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Characters that are each as likely as any other: bytes of the last, incomplete round of the alphabet are left out.
fn characters(random: &mut impl FnMut() -> u8, count: usize) -> String {
    let whole = 256 / ALPHABET.len() * ALPHABET.len();
    let bytes = std::iter::repeat_with(random).map(usize::from).filter(|byte| *byte < whole);
    bytes.map(|byte| char::from(ALPHABET[byte % ALPHABET.len()])).take(count).collect()
}

/// CRC-32 (IEEE 802.3) in the alphabet of keys.
fn checksum(text: &str) -> String {
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let (mut rest, mut digits) = (!crc, [b'0'; CHECKSUM]);
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut() -> u8 {
        let mut next = 0_u8;
        move || {
            next = next.wrapping_add(37);
            next
        }
    }

    #[test]
    fn a_key_is_read_as_it_was_made_and_in_no_other_form() {
        let key = Key::new(counting());
        assert_eq!(key.reveal().len(), 65);
        assert_eq!(key.reveal().parse(), Ok(key.clone()));
        assert!(key.reveal().starts_with(key.prefix()) && key.prefix().len() == 15);
        let mut other = key.reveal().to_owned().into_bytes();
        other[20] = if other[20] == b'a' { b'b' } else { b'a' };
        let typo = String::from_utf8(other).unwrap();
        let upper = key.reveal().to_uppercase();
        for wrong in ["", "aspora_", "ghp_0123456789", &key.reveal()[..64], &upper, &typo, "aspora_ä"] {
            assert_eq!(wrong.parse::<Key>(), Err(NotAKey), "{wrong}");
        }
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        // The check value of CRC-32/ISO-HDLC for "123456789" is cbf43926.
        let expected = 0xcbf4_3926_u64;
        let value = checksum("123456789").bytes().fold(0_u64, |value, byte| {
            value * 62 + ALPHABET.iter().position(|it| *it == byte).unwrap() as u64
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_secret_takes_every_character_equally_often() {
        let mut byte = 0_u8;
        let all = characters(
            &mut || {
                byte = byte.wrapping_add(1);
                byte
            },
            248,
        );
        for character in ALPHABET {
            assert_eq!(all.bytes().filter(|it| it == character).count(), 4, "{}", char::from(*character));
        }
    }

    #[test]
    fn neither_a_key_nor_a_token_shows_itself() {
        let (key, token) = (Key::new(counting()), Token::new(counting()));
        let shown = format!("{key:?} {token:?}");
        assert!(!shown.contains(token.reveal()) && !shown.contains(&key.reveal()[16..]), "{shown}");
        assert_eq!(Token::read(token.reveal()), Some(token.clone()));
        assert_eq!(Token::read("short"), None);
        assert!(!token.form_token().contains(token.reveal()));
        assert_ne!(token.form_token(), hex::encode(token.digest()));
    }
}
