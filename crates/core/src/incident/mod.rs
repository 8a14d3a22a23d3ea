//! Incidents as their senders tell them: read into one form, or refused with the field that is wrong.

mod sender;
mod sentry;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::{
    sender::{Mapping, Sender, Senders, Unfit},
    sentry::{RESOURCE_HEADER, SIGNATURE_HEADER, read as read_sentry},
};
use crate::gap::LONGEST_AGO_DAYS;

/// The most characters of a title.
pub const TITLE_LIMIT: usize = 300;
/// The most bytes of what is reported; of more the rest is cut off, and said so.
pub const BODY_LIMIT: usize = 64 * 1024;
/// The most characters of an address.
pub const URL_LIMIT: usize = 2_000;
/// The most characters of a key.
pub const KEY_LIMIT: usize = 200;
/// How far in the future a time may be, in minutes: clocks differ.
const SKEW_MINUTES: i64 = 5;

/// An incident that a person or a program reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the sender knows it by.
    pub key: String,
    /// What went wrong, in one line.
    pub title: String,
    /// What was reported.
    pub body: String,
    /// Where it is reported in full.
    pub url: Option<String>,
    /// When it happened, if that was reported.
    pub happened_at: Option<DateTime<Utc>>,
}

/// What a delivery of a sender means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// An incident.
    Incident(Report),
    /// Nothing that opens a gap, and why.
    Ignored(String),
}

/// A field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct Wrong {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong, and the limit.
    pub message: String,
}

impl Wrong {
    /// A field that is wrong.
    #[must_use]
    pub fn new(pointer: &str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), message: message.into() }
    }
}

impl Report {
    /// Checks what a person or a program wrote, and cuts what is reported to its limit.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn checked(self, now: DateTime<Utc>) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let title = one_line(&self.title);
        let length = title.chars().count();
        if title.is_empty() {
            wrong.push(Wrong::new("/title", "says nothing: it needs a line about what went wrong"));
        } else if length > TITLE_LIMIT {
            let message = format!("has {length} characters, at most {TITLE_LIMIT} are allowed");
            wrong.push(Wrong::new("/title", message));
        }
        let url = match self.url.as_deref().map(address).transpose() {
            Ok(url) => url,
            Err(error) => {
                wrong.push(error);
                None
            }
        };
        if let Some(at) = self.happened_at {
            wrong.extend(time(at, now).err());
        }
        let length = self.key.chars().count();
        if length == 0 || length > KEY_LIMIT {
            wrong.push(Wrong::new("/key", format!("has {length} characters, 1 to {KEY_LIMIT} are allowed")));
        }
        if wrong.is_empty() {
            Ok(Self { title, url, body: cut(&self.body), key: self.key.replace('\0', "\u{fffd}"), ..self })
        } else {
            Err(wrong)
        }
    }

    /// The same for what a program sent that nobody corrects: what is too long is cut, what is wrong is left out.
    #[must_use]
    pub fn fitted(self, now: DateTime<Utc>) -> Self {
        let line: String = one_line(&self.title).chars().take(TITLE_LIMIT).collect();
        Self {
            key: self.key.replace('\0', "\u{fffd}").chars().take(KEY_LIMIT).collect(),
            title: if line.is_empty() { "an incident without a title".to_owned() } else { line },
            body: cut(&self.body),
            url: self.url.and_then(|url| address(&url).ok()),
            happened_at: self.happened_at.filter(|at| time(*at, now).is_ok()),
        }
    }
}

/// An address as it is written in full, without white space: it will stand in texts of the forge.
fn address(url: &str) -> Result<String, Wrong> {
    let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    let written = parsed.map(String::from);
    if let Some(url) = written.filter(|url| url.chars().count() <= URL_LIMIT) {
        return Ok(url);
    }
    Err(Wrong::new("/url", format!("is no address that begins with http, of at most {URL_LIMIT} characters")))
}

fn time(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Wrong> {
    if at > now + TimeDelta::minutes(SKEW_MINUTES) {
        return Err(Wrong::new("/happened_at", "is in the future"));
    }
    if at < now - TimeDelta::days(LONGEST_AGO_DAYS) {
        let message =
            format!("is more than {LONGEST_AGO_DAYS} days ago, which the clock of a gap cannot begin with");
        return Err(Wrong::new("/happened_at", message));
    }
    Ok(())
}

/// A text as one line, without control characters.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(body: &str) -> String {
    const SAID: &str = "\n\n[the rest was cut off]";
    let body = body.replace('\0', "\u{fffd}");
    if body.len() <= BODY_LIMIT {
        return body;
    }
    let room = BODY_LIMIT - SAID.len();
    let end = body.char_indices().map(|(at, _)| at).take_while(|at| *at <= room).last().unwrap_or(0);
    format!("{}{SAID}", &body[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    fn reported() -> Report {
        Report {
            key: "k".to_owned(),
            title: "Division by zero".to_owned(),
            body: String::new(),
            url: None,
            happened_at: None,
        }
    }

    fn wrong(reported: Report) -> Vec<String> {
        reported.checked(now()).unwrap_err().into_iter().map(|wrong| wrong.pointer).collect()
    }

    #[test]
    fn each_field_that_is_wrong_is_named() {
        assert_eq!(reported().checked(now()), Ok(reported()));
        assert_eq!(wrong(Report { title: " \n".to_owned(), ..reported() }), ["/title"]);
        assert_eq!(wrong(Report { title: "x".repeat(301), ..reported() }), ["/title"]);
        assert_eq!(wrong(Report { url: Some("javascript:alert(1)".to_owned()), ..reported() }), ["/url"]);
        assert_eq!(wrong(Report { key: String::new(), ..reported() }), ["/key"]);
        let address = Report { url: Some("https://a.example/b\n\nCloses #5".to_owned()), ..reported() };
        let written = address.checked(now()).unwrap().url.unwrap();
        assert!(!written.contains(char::is_whitespace), "{written}");
        let at = |text: &str| Report { happened_at: Some(text.parse().unwrap()), ..reported() };
        assert_eq!(wrong(at("2026-12-01T12:00:00Z")), ["/happened_at"]);
        assert_eq!(wrong(at("2024-12-01T12:00:00Z")), ["/happened_at"]);
        assert!(at("2026-11-30T12:04:00Z").checked(now()).is_ok());
    }

    #[test]
    fn what_is_reported_is_cut_and_says_so() {
        let cut = Report { body: "ä".repeat(BODY_LIMIT), ..reported() }.checked(now()).unwrap();
        assert!(cut.body.len() <= BODY_LIMIT && cut.body.ends_with("[the rest was cut off]"));
    }

    #[test]
    fn what_a_program_sent_is_fitted_and_never_refused() {
        let sent = Report {
            title: "a\nb\0".to_owned() + &"x".repeat(400),
            url: Some("file:///etc/passwd".to_owned()),
            happened_at: Some(DateTime::<Utc>::MAX_UTC),
            ..reported()
        };
        let fitted = sent.fitted(now());
        assert!(fitted.title.starts_with("a b") && fitted.title.chars().count() == TITLE_LIMIT);
        assert_eq!((fitted.url, fitted.happened_at), (None, None));
    }
}
