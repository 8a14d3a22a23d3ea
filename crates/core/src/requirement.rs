//! Requirements: what a product manager asks for, and of which product.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The most characters a requirement's title may have.
pub const TITLE_LIMIT: usize = 200;
/// The most bytes a requirement's body may have (64 KiB).
pub const BODY_LIMIT: usize = 64 * 1024;

/// A product's name: 1 to 40 of `a-z`, `0-9` and `-`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProductName(String);

/// A repository on the forge: `owner/name`. It holds nothing that a URL or a file name must escape, but may begin with
/// a dash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName {
    owner: String,
    name: String,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// The field, as the caller wrote it.
    pub field: &'static str,
    /// What is wrong, the limit, and what to do.
    pub message: String,
}

/// The most characters a requester's name may have.
pub const REQUESTER_LIMIT: usize = 100;
/// The most characters of a login on the forge: 39, or more with the short code of an enterprise.
const LOGIN_LIMIT: usize = 60;

/// Who asked for a requirement, as the caller says: it is taken on trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedBy {
    /// Their name; empty if the caller gives none.
    pub name: String,
    /// Their login on the forge: as a reviewer they cannot approve their own critical change.
    pub forge_login: Option<String>,
}

impl RequestedBy {
    /// Checks both fields and returns all errors.
    ///
    /// # Errors
    /// One [`Invalid`] for a name that is too long or holds control characters, and for what is no login.
    pub fn new(name: &str, forge_login: Option<&str>) -> Result<Self, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let name = name.trim();
        if name.chars().count() > REQUESTER_LIMIT || name.chars().any(char::is_control) {
            let limit = format!("must be one plain line of at most {REQUESTER_LIMIT} characters");
            wrong.push(Invalid::new("requested_by/name", limit));
        }
        if let Some(login) = forge_login.filter(|login| !is_login(login)) {
            let shown: String = login.chars().take(60).collect();
            let rule = "is not a login: letters, digits and single hyphens, neither first nor last";
            wrong.push(Invalid::new("requested_by/forge_login", format!("{shown:?} {rule}")));
        }
        let forge_login = forge_login.map(str::to_owned);
        if wrong.is_empty() { Ok(Self { name: name.to_owned(), forge_login }) } else { Err(wrong) }
    }
}

/// Whether GitHub could give this login: letters, digits and single hyphens inside; an enterprise adds `_` and a
/// short code.
pub(crate) fn is_login(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let edges = text.starts_with(['-', '_']) || text.ends_with(['-', '_']) || text.contains("--");
    plain && !edges && (1..=LOGIN_LIMIT).contains(&text.len())
}

/// A requirement that has passed its checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The product that it is for.
    pub product: ProductName,
    /// One line; becomes the pull request's title.
    pub title: String,
    /// Everything else that the model needs to know.
    pub body: String,
    /// 1 (first) to 5 (last); 3 by default.
    pub priority: u8,
}

impl Requirement {
    /// Checks every field and returns all errors, not only the first.
    ///
    /// # Errors
    /// One [`Invalid`] for each field that is empty, too long, out of range or contains a NUL byte.
    pub fn new(product: &str, title: &str, body: &str, priority: u8) -> Result<Self, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let title = title.trim();
        let body = body.trim();
        let product = product.parse().map_err(|error| wrong.push(error)).ok();
        if title.is_empty() {
            wrong.push(Invalid::new("title", "is empty; say in one line what is wanted"));
        } else if title.chars().count() > TITLE_LIMIT {
            wrong.push(Invalid::new("title", format!("has over {TITLE_LIMIT} characters; shorten it")));
        } else if title.chars().any(char::is_control) {
            wrong.push(Invalid::new("title", "holds a control character; one plain line is needed"));
        }
        if body.is_empty() {
            wrong.push(Invalid::new("body", "is empty; describe what is wanted"));
        } else if body.len() > BODY_LIMIT {
            wrong.push(Invalid::new("body", format!("has {} bytes; the limit is {BODY_LIMIT}", body.len())));
        } else if body.contains('\0') {
            wrong.push(Invalid::new("body", "holds a NUL byte; remove it"));
        }
        if !(1..=5).contains(&priority) {
            wrong.push(Invalid::new(
                "priority",
                format!("is {priority}; it must be from 1 (first) to 5 (last)"),
            ));
        }
        match (product, wrong.is_empty()) {
            (Some(product), true) => {
                Ok(Self { product, title: title.to_owned(), body: body.to_owned(), priority })
            }
            _ => Err(wrong),
        }
    }
}

/// Identifies the text of a requirement: SHA-256 of title and body, in hexadecimal.
#[must_use]
pub fn text_digest(title: &str, body: &str) -> String {
    hex::encode(Sha256::digest(format!("{title}\n\n{body}")))
}

impl Invalid {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl ProductName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if plain && (1..=40).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(60).collect();
        Err(Invalid::new(
            "product",
            format!("{shown:?} is not a product name: 1 to 40 of a-z, 0-9 and -, beginning with a letter"),
        ))
    }
}

impl RepoName {
    /// The account that owns the repository.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The repository's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for RepoName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_once('/').map(|(owner, name)| (owner, name, fault(owner, name))) {
            Some((owner, name, None)) => Ok(Self { owner: owner.to_owned(), name: name.to_owned() }),
            found => {
                let shown: String = text.chars().take(60).collect();
                let why = found.and_then(|(.., why)| why).unwrap_or("`owner/name` is needed");
                Err(Invalid::new("repository", format!("{shown:?} is not a repository: {why}")))
            }
        }
    }
}

/// Why a forge would not have this repository. The rules are GitHub's, but for two that are wider: an account of
/// another forge may hold `_` and `.`, and old accounts begin or end with `-`.
fn fault(owner: &str, name: &str) -> Option<&'static str> {
    let plain = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let fits = |part: &str| (1..=100).contains(&part.len());
    let git = name.get(name.len().saturating_sub(4)..).is_some_and(|end| end.eq_ignore_ascii_case(".git"));
    [
        (!fits(owner) || !fits(name), "owner and name have 1 to 100 characters each"),
        (!plain(owner) || !plain(name), "owner and name hold only letters, digits, `-`, `_` and `.`"),
        (owner.starts_with('.'), "no account begins with `.`"),
        (matches!(name, "." | ".."), "`.` and `..` are folders"),
        (git, "write its name without `.git`"),
    ]
    .into_iter()
    .find_map(|(wrong, why)| wrong.then_some(why))
}

impl fmt::Display for ProductName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl TryFrom<String> for ProductName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ProductName> for String {
    fn from(name: ProductName) -> Self {
        name.0
    }
}

impl TryFrom<String> for RepoName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<RepoName> for String {
    fn from(name: RepoName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requester_is_named_by_a_plain_line_and_a_login() {
        let login = |login: &str| RequestedBy::new("Mira", Some(login)).is_ok();
        assert!(login("mira") && login("Mira-2") && login("mira_acme"));
        assert!(!login("") && !login("-mira") && !login("mira-") && !login("a--b") && !login("a b"));
        assert!(!login("@mira") && !login("mira[bot]") && !login(&"a".repeat(61)));
        assert_eq!(RequestedBy::new("a\nb", Some("a/b")).unwrap_err().len(), 2);
        assert!(RequestedBy::new("", None).is_ok());
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = Requirement::new("Wealth!", " ", &"x".repeat(BODY_LIMIT + 1), 9).unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|invalid| invalid.field).collect();
        assert_eq!(fields, ["product", "title", "body", "priority"]);
        assert_eq!(wrong[2].message, "has 65537 bytes; the limit is 65536");
    }

    #[test]
    fn a_repository_is_owner_and_name_and_nothing_else() {
        for good in ["acme/wealth-product", "acme/.github", "a/-x", "-a-/_", "a/--upload-pack", "a/b.gitx"] {
            assert!(good.parse::<RepoName>().is_ok(), "{good}");
        }
        for wrong in [
            "",
            "acme",
            "a/b/c",
            "../x",
            "a/..",
            "a/.",
            "a/../b",
            "file:///x",
            "a b/c",
            "a/.git",
            "a/b.GIT",
            "a/é",
        ] {
            assert!(wrong.parse::<RepoName>().is_err(), "{wrong}");
        }
        let error = "acme/w.git".parse::<RepoName>().unwrap_err().message;
        assert_eq!(error, "\"acme/w.git\" is not a repository: write its name without `.git`");
    }
}
