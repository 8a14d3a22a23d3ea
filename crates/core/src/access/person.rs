//! People, as histories name them.

use std::{fmt, str::FromStr};

use crate::requirement::{Invalid, is_login};

/// The most characters that a person's name may have.
pub const NAME_LIMIT: usize = 64;
/// Names that histories give to what is no person.
const TAKEN: [&str; 7] = ["api", "page", "clock", "ghost", "database", "worker", "aspora"];

/// The name of a person: letters, digits, spaces and `.-_@+'`. Names of workers have a slash and those of schedules a
/// colon, so that no person can be taken for one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonName(String);

impl PersonName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PersonName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = |message: String| Err(Invalid { field: "person", message });
        let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '@' | '+' | '\'');
        let length = text.chars().count();
        if !(1..=NAME_LIMIT).contains(&length) || text.trim() != text || !text.chars().all(plain) {
            return wrong(format!(
                "must be 1 to {NAME_LIMIT} letters, digits, spaces and .-_@+' without a space at an end"
            ));
        }
        if TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(text)) {
            return wrong(format!("cannot be `{text}`, which histories give to what is no person"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a login on the forge.
///
/// # Errors
/// When GitHub could not have given it.
pub fn login(text: &str) -> Result<&str, Invalid> {
    if is_login(text) {
        return Ok(text);
    }
    let message = "is not a login: letters, digits and single hyphens, neither first nor last".to_owned();
    Err(Invalid { field: "forge_login", message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_word_or_several_and_none_that_is_taken() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<PersonName>().is_ok(), good, "{text:?}");
        check("ada", true);
        check("Ada Lovelace", true);
        check("ada@acme.example", true);
        check("Zoë O'Hara-Núñez", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        check("", false);
        check(" ada", false);
        check("ada\n", false);
        check("host/4711", false);
        check("schedule:nightly", false);
        check("Clock", false);
        check("database", false);
        check("<b>", false);
        check("a\u{202e}b", false);
    }

    #[test]
    fn a_login_is_one_that_github_gives() {
        assert_eq!(login("octo-cat"), Ok("octo-cat"));
        for wrong in ["", "-a", "a--b", "a b", "ä"] {
            assert!(login(wrong).is_err(), "{wrong}");
        }
    }
}
