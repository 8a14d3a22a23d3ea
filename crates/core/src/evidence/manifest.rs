//! The manifest of one flow, version 1: `tests/evidence/<flow>.manifest.json`. docs/evidence.schema.json describes it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::sha::Sha;

/// The most flows of one upload.
pub const MOST_FLOWS: usize = 50;
/// The most screenshots of one upload.
pub const MOST_FILES: usize = 100;
/// The most bytes of one screenshot (8 MiB).
pub const FILE_LIMIT: usize = 8 * 1024 * 1024;

/// The longest name of a flow or a file, in bytes.
const NAME_LIMIT: usize = 100;
/// The longest single text, in bytes.
const TEXT_LIMIT: usize = 16 * 1024;
/// The longest name of an assertion or title of a test, in bytes.
const TITLE_LIMIT: usize = 500;
/// The most assertions, tests, screenshots or traces of a manifest.
const LIST_LIMIT: usize = 200;
/// The most texts of a list of what a page said.
const TEXTS_LIMIT: usize = 10_000;
/// The most bytes of a trace (1 GiB), which is not uploaded.
const TRACE_LIMIT: u64 = 1024 * 1024 * 1024;

/// What the capture of one flow says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of this description: 1.
    pub version: u32,
    /// The flow, as the policy's `requiredFlows` name it: `[a-z0-9][a-z0-9._-]{0,99}`.
    pub flow: String,
    /// The path at which the flow is declared to begin, such as `/dashboard/portfolio`.
    pub entrypoint: String,
    /// The account that the flow is declared to be signed in as; `None` where it has none.
    #[serde(deserialize_with = "present")]
    pub identity: Option<String>,
    /// The commit that was shown.
    pub head_sha: Sha,
    /// When it was captured.
    pub captured_at: DateTime<Utc>,
    /// What the flow asserts.
    pub assertions: Vec<Assertion>,
    /// The screenshots.
    pub screenshots: Vec<Picture>,
    /// What the page wrote to its console as errors, and its uncaught errors.
    pub console_errors: Vec<String>,
    /// What the capture itself saw, whatever the tests say.
    pub observed: Observed,
    /// The tests that added to this manifest.
    pub tests: Vec<TestResult>,
    /// Recordings that stay where they were made; their hashes and sizes travel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<Picture>,
}

/// One thing that a flow asserts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// As the policy's `assertionChecks` name it.
    pub name: String,
    /// Whether it held.
    pub passed: bool,
}

/// A file that belongs to a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// Its name, without a folder.
    pub path: String,
    /// SHA-256 of its bytes: 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// What the capture saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The path of the page that was reached first; `None` if none was.
    #[serde(deserialize_with = "present")]
    pub entrypoint: Option<String>,
    /// Whether the declared identity was on the page as text; `None` where none is declared.
    #[serde(deserialize_with = "present")]
    pub identity: Option<bool>,
    /// Requests that failed or were answered with 500 or above, such as `GET /api/v1/x: 500`.
    pub failed_requests: Vec<String>,
    /// The browser and its version.
    pub browser: String,
}

/// One test that added to a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestResult {
    /// Its title.
    pub title: String,
    /// Whether it passed.
    pub passed: bool,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("manifest at {}: {message}", if pointer.is_empty() { "/" } else { pointer })]
pub struct Invalid {
    /// The JSON pointer (RFC 6901) of what is wrong; empty for the whole.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Invalid`], with the JSON pointer of what is wrong: no JSON, an unknown field, or as [`Manifest::check`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let manifest: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let text = error.inner().to_string();
            Invalid { pointer: pointer(error.path()), message: text }
        })?;
        reader.end().map_err(|error| invalid("", error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks what the types of the fields do not say: names, lengths and sizes.
    ///
    /// # Errors
    /// The first [`Invalid`].
    pub fn check(&self) -> Result<(), Invalid> {
        if self.version != 1 {
            return Err(invalid("/version", "must be 1, the only version there is"));
        }
        if !is_flow(&self.flow) {
            let rule = "must be 1 to 100 of a-z, 0-9, `.`, `_` and `-`, and begin with a letter or digit";
            return Err(invalid("/flow", rule));
        }
        path("/entrypoint", &self.entrypoint)?;
        if let Some(reached) = &self.observed.entrypoint {
            path("/observed/entrypoint", reached)?;
        }
        if let Some(identity) = &self.identity {
            filled("/identity", identity)?;
        }
        filled("/observed/browser", &self.observed.browser)?;
        texts("/console_errors", &self.console_errors)?;
        texts("/observed/failed_requests", &self.observed.failed_requests)?;
        each("/assertions", &self.assertions, |at, it| title(&format!("{at}/name"), &it.name))?;
        each("/tests", &self.tests, |at, it| title(&format!("{at}/title"), &it.title))?;
        each("/screenshots", &self.screenshots, |at, it| file(at, it, FILE_LIMIT as u64))?;
        each("/traces", &self.traces, |at, it| file(at, it, TRACE_LIMIT))
    }
}

/// Whether a text can name a flow.
fn is_flow(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= NAME_LIMIT
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

/// Whether a text is a file's name alone.
fn is_plain_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=2 * NAME_LIMIT).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(plain)
}

fn file(at: &str, file: &Picture, most: u64) -> Result<(), Invalid> {
    if !is_plain_name(&file.path) {
        let rule = "must be a plain file name: 1 to 200 of letters, digits, `.`, `_` and `-`, not beginning with `.`";
        return Err(invalid(&format!("{at}/path"), rule));
    }
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if file.sha256.len() != 64 || !file.sha256.bytes().all(digits) {
        return Err(invalid(&format!("{at}/sha256"), "must be 64 lower-case hexadecimal digits"));
    }
    if file.bytes > most {
        return Err(invalid(&format!("{at}/bytes"), format!("must be at most {most}")));
    }
    Ok(())
}

fn path(at: &str, path: &str) -> Result<(), Invalid> {
    text(at, path)?;
    if path.starts_with('/') { Ok(()) } else { Err(invalid(at, "must begin with `/`")) }
}

fn texts(at: &str, texts: &[String]) -> Result<(), Invalid> {
    limited(at, texts.len(), TEXTS_LIMIT)?;
    texts.iter().enumerate().try_for_each(|(index, it)| text(&format!("{at}/{index}"), it))
}

fn title(at: &str, content: &str) -> Result<(), Invalid> {
    filled(at, content)?;
    limited_text(at, content, TITLE_LIMIT)
}

fn filled(at: &str, content: &str) -> Result<(), Invalid> {
    text(at, content)?;
    if content.trim().is_empty() { Err(invalid(at, "must not be empty")) } else { Ok(()) }
}

fn text(at: &str, text: &str) -> Result<(), Invalid> {
    limited_text(at, text, TEXT_LIMIT)?;
    if text.contains('\0') { Err(invalid(at, "contains a NUL; remove it")) } else { Ok(()) }
}

fn each<T>(at: &str, list: &[T], check: impl Fn(&str, &T) -> Result<(), Invalid>) -> Result<(), Invalid> {
    limited(at, list.len(), LIST_LIMIT)?;
    list.iter().enumerate().try_for_each(|(index, it)| check(&format!("{at}/{index}"), it))
}

fn limited(at: &str, count: usize, most: usize) -> Result<(), Invalid> {
    if count <= most { Ok(()) } else { Err(invalid(at, format!("has {count} entries; the limit is {most}"))) }
}

fn limited_text(at: &str, text: &str, most: usize) -> Result<(), Invalid> {
    let bytes = text.len();
    if bytes <= most { Ok(()) } else { Err(invalid(at, format!("has {bytes} bytes; the limit is {most}"))) }
}

fn invalid(pointer: &str, message: impl Into<String>) -> Invalid {
    Invalid { pointer: pointer.to_owned(), message: message.into() }
}

/// Reads a field that may be null, but must be there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(reader)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => {
            format!("/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        Segment::Unknown => String::new(),
    };
    path.iter().map(segment).collect()
}
