//! Webhooks of GitHub: verifies deliveries and reads what may have changed.
//!
//! A payload is only a hint to look. It may come late, twice, out of order or not at all, so nothing in it
//! is used as state.

use hmac::Mac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::text::keyed;
use crate::core::{requirement::RepoName, run::Topic, sha::Sha};

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";
/// The header with the event's name.
pub const EVENT_HEADER: &str = "x-github-event";
/// The header with the delivery's id, which a redelivery keeps.
pub const DELIVERY_HEADER: &str = "x-github-delivery";
/// The most bytes that GitHub sends in one delivery (25 MB).
pub const BODY_LIMIT: usize = 25 * 1024 * 1024;

/// The most characters of an event, an action or a delivery's id.
const NAME_LIMIT: usize = 100;
/// The most bytes of a branch name; git itself allows about as many.
const BRANCH_LIMIT: usize = 255;

/// The secret shared with GitHub and, while it is being rotated, the previous one.
#[derive(Debug, Clone)]
pub struct Secrets {
    current: SecretString,
    previous: Option<SecretString>,
}

/// A webhook secret is empty, so anyone could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is empty; set one, for example of 32 random bytes")]
pub struct EmptySecret;

/// The delivery was not sent by GitHub or was changed in transit; the error does not say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the webhook's signature is missing or wrong")]
pub struct BadSignature;

/// Why a genuine delivery is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A header is missing or not a plain name.
    #[error("the header {0} is missing or not a plain name of at most 100 characters")]
    Header(&'static str),
    /// The body is not a JSON object.
    #[error("the webhook's body is not a JSON object: {0}")]
    Json(String),
    /// It is not about a repository but, for example, about an installation or an organisation.
    #[error("the webhook names no repository")]
    NoRepository,
}

/// A delivery: a hint that something may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// GitHub's id of the delivery; a redelivery has the same.
    pub id: String,
    /// GitHub's name of the event, such as `check_run`.
    pub event: String,
    /// What happened, such as `completed`.
    pub action: Option<String>,
    /// The repository it is about.
    pub repository: RepoName,
    /// The branch it is about, if it names one.
    pub branch: Option<String>,
    /// The commit it is about, if it names one.
    pub sha: Option<Sha>,
    /// The pull request it is about, if it names exactly one.
    pub pull: Option<u64>,
    /// What to look at again; `None` for an event that no run waits for.
    pub topic: Option<Topic>,
}

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

/// Whether these bytes were signed with one of our secrets, in constant time.
///
/// # Errors
/// [`BadSignature`] for anything but `sha256=` and the correct 64 hexadecimal digits.
pub fn verify(secrets: &Secrets, body: &[u8], signature: Option<&str>) -> Result<(), BadSignature> {
    let digits = signature.and_then(|text| text.strip_prefix("sha256=")).ok_or(BadSignature)?;
    let claimed = hex::decode(digits).map_err(|_| BadSignature)?;
    let is_valid = |secret: &SecretString| keyed(secret).chain_update(body).verify_slice(&claimed).is_ok();
    // Both are always tried, so that the time does not reveal which one matched.
    let current = is_valid(&secrets.current);
    let previous = secrets.previous.as_ref().is_some_and(is_valid);
    if current | previous { Ok(()) } else { Err(BadSignature) }
}

/// Reads a delivery whose signature was verified.
///
/// # Errors
/// [`Unreadable`] says what is missing.
pub fn read(event: Option<&str>, delivery: Option<&str>, body: &[u8]) -> Result<Delivery, Unreadable> {
    let event = event.and_then(name).ok_or(Unreadable::Header(EVENT_HEADER))?;
    let delivery = delivery.and_then(name).ok_or(Unreadable::Header(DELIVERY_HEADER))?;
    let payload: Value = serde_json::from_slice(body).map_err(|error| Unreadable::Json(error.to_string()))?;
    if !payload.is_object() {
        return Err(Unreadable::Json("it is another kind of value".to_owned()));
    }
    let repository = text(&payload, "/repository/full_name").and_then(|name| name.parse().ok());
    let hint = Hint::of(&event, &payload);
    Ok(Delivery {
        id: delivery,
        topic: topic(&event),
        action: text(&payload, "/action").and_then(name),
        repository: repository.ok_or(Unreadable::NoRepository)?,
        branch: hint.branch.filter(|branch| is_plain(branch)).map(str::to_owned),
        sha: hint.sha.and_then(|sha| sha.parse().ok()).filter(is_a_commit),
        pull: hint.pull,
        event,
    })
}

fn topic(event: &str) -> Option<Topic> {
    match event {
        "check_run" | "check_suite" | "status" | "workflow_run" | "workflow_job" => Some(Topic::Checks),
        "pull_request_review"
        | "pull_request_review_comment"
        | "pull_request_review_thread"
        | "issue_comment" => Some(Topic::Reviews),
        "pull_request" => Some(Topic::Pull),
        "push" | "create" | "delete" => Some(Topic::Push),
        _ => None,
    }
}

/// What an event is about; each kind of event has it in different fields.
#[derive(Default)]
struct Hint<'a> {
    branch: Option<&'a str>,
    sha: Option<&'a str>,
    pull: Option<u64>,
}

impl<'a> Hint<'a> {
    fn of(event: &str, payload: &'a Value) -> Self {
        match event {
            "check_run" => Self {
                branch: text(payload, "/check_run/check_suite/head_branch"),
                sha: text(payload, "/check_run/head_sha"),
                pull: only_pull(payload, "/check_run/pull_requests"),
            },
            "check_suite" => Self {
                branch: text(payload, "/check_suite/head_branch"),
                sha: text(payload, "/check_suite/head_sha"),
                pull: only_pull(payload, "/check_suite/pull_requests"),
            },
            "workflow_run" => Self {
                branch: text(payload, "/workflow_run/head_branch"),
                sha: text(payload, "/workflow_run/head_sha"),
                pull: only_pull(payload, "/workflow_run/pull_requests"),
            },
            "workflow_job" => Self {
                branch: text(payload, "/workflow_job/head_branch"),
                sha: text(payload, "/workflow_job/head_sha"),
                pull: None,
            },
            "status" => Self {
                branch: only(payload, "/branches").and_then(|branch| branch.get("name")?.as_str()),
                sha: text(payload, "/sha"),
                pull: None,
            },
            "push" => Self {
                branch: text(payload, "/ref").and_then(|name| name.strip_prefix("refs/heads/")),
                sha: text(payload, "/after"),
                pull: None,
            },
            "create" | "delete" => {
                let is_branch = text(payload, "/ref_type") == Some("branch");
                Self { branch: text(payload, "/ref").filter(|_| is_branch), ..Self::default() }
            }
            "issue_comment" => {
                let is_pull = payload.pointer("/issue/pull_request").is_some_and(Value::is_object);
                let number = payload.pointer("/issue/number").and_then(Value::as_u64);
                Self { pull: number.filter(|_| is_pull), ..Self::default() }
            }
            // The events of a pull request, its reviews and its threads; other events have none of these fields.
            _ => Self {
                branch: text(payload, "/pull_request/head/ref"),
                sha: text(payload, "/pull_request/head/sha"),
                pull: payload.pointer("/pull_request/number").and_then(Value::as_u64),
            },
        }
    }
}

fn text<'a>(payload: &'a Value, at: &str) -> Option<&'a str> {
    payload.pointer(at)?.as_str()
}

/// The only member of a list; a list of several names none in particular.
fn only<'a>(payload: &'a Value, at: &str) -> Option<&'a Value> {
    match payload.pointer(at)?.as_array()?.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

fn only_pull(payload: &Value, at: &str) -> Option<u64> {
    only(payload, at)?.get("number")?.as_u64()
}

/// A name that can be stored and logged as it is.
fn name(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    (plain && (1..=NAME_LIMIT).contains(&text.len())).then(|| text.to_owned())
}

fn is_plain(branch: &str) -> bool {
    (1..=BRANCH_LIMIT).contains(&branch.len()) && !branch.chars().any(char::is_control)
}

/// A push that deletes a branch has forty zeros in place of a commit.
fn is_a_commit(sha: &Sha) -> bool {
    sha.as_str().bytes().any(|digit| digit != b'0')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn secrets(current: &str, previous: Option<&str>) -> Secrets {
        let secret = |text: &str| SecretString::from(text.to_owned());
        Secrets::new(secret(current), previous.map(secret)).unwrap()
    }

    #[test]
    fn the_example_of_githubs_documentation_verifies() {
        let secrets = secrets("It's a Secret to Everybody", None);
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(verify(&secrets, b"Hello, World!", Some(signature)), Ok(()));
        assert_eq!(verify(&secrets, b"Hello, World?", Some(signature)), Err(BadSignature));
    }

    #[test]
    fn a_flipped_bit_and_any_other_form_are_refused() {
        let ours = secrets("s3cret", None);
        let body = br#"{"action":"completed"}"#;
        let digest = hex::encode(keyed(&ours.current).chain_update(body).finalize().into_bytes());
        let valid = format!("sha256={digest}");
        assert_eq!(verify(&ours, body, Some(&valid)), Ok(()));
        for bit in 0..body.len() * 8 {
            let mut changed = body.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verify(&ours, &changed, Some(&valid)), Err(BadSignature), "bit {bit}");
        }
        let short = &valid[..valid.len() - 2];
        let long = format!("{valid}00");
        let sha1 = format!("sha1={digest}");
        for wrong in ["", "sha256=", "sha256=zz", &digest, short, &long, &sha1, &format!(" {valid}")] {
            assert_eq!(verify(&ours, body, Some(wrong)), Err(BadSignature), "{wrong:?}");
        }
        assert_eq!(verify(&ours, body, None), Err(BadSignature));
    }

    #[test]
    fn during_a_rotation_both_secrets_are_accepted_and_no_other() {
        let sign = |secret: &str| {
            let mac = keyed(&secret.to_owned().into()).chain_update(b"x").finalize();
            format!("sha256={}", hex::encode(mac.into_bytes()))
        };
        let both = secrets("new", Some("old"));
        assert_eq!(verify(&both, b"x", Some(&sign("new"))), Ok(()));
        assert_eq!(verify(&both, b"x", Some(&sign("old"))), Ok(()));
        assert_eq!(verify(&both, b"x", Some(&sign("other"))), Err(BadSignature));
        assert_eq!(verify(&secrets("new", None), b"x", Some(&sign("old"))), Err(BadSignature));
        assert!(!format!("{both:?}").contains("old"));
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert!(Secrets::new(String::new().into(), None).is_err());
        assert!(Secrets::new("a".to_owned().into(), Some(String::new().into())).is_err());
    }

    #[test]
    fn each_event_names_what_it_is_about() {
        let check = |event: &str, mut payload: Value, topic, branch, sha, pull| {
            payload["repository"] = json!({"full_name": "acme/wealth-product"});
            payload["action"] = json!("completed");
            let read = read(Some(event), Some("72d3162e-cc78-11e3"), payload.to_string().as_bytes()).unwrap();
            let hint = (read.topic, read.branch.as_deref(), read.sha.as_ref().map(Sha::as_str), read.pull);
            assert_eq!(hint, (topic, branch, sha, pull), "{event}");
            assert_eq!((read.event.as_str(), read.action.as_deref()), (event, Some("completed")));
            assert_eq!(read.repository.to_string(), "acme/wealth-product");
        };
        let pull = json!({"pull_request": {"number": 7, "head": {"ref": "b", "sha": SHA}}});
        check("pull_request", pull.clone(), Some(Topic::Pull), Some("b"), Some(SHA), Some(7));
        check("pull_request_review", pull.clone(), Some(Topic::Reviews), Some("b"), Some(SHA), Some(7));
        check("pull_request_review_thread", pull, Some(Topic::Reviews), Some("b"), Some(SHA), Some(7));
        let run = json!({"check_run": {"head_sha": SHA, "check_suite": {"head_branch": "b"},
            "pull_requests": [{"number": 7}]}});
        check("check_run", run, Some(Topic::Checks), Some("b"), Some(SHA), Some(7));
        let suite = json!({"check_suite": {"head_sha": SHA, "head_branch": null,
            "pull_requests": [{"number": 7}, {"number": 8}]}});
        check("check_suite", suite, Some(Topic::Checks), None, Some(SHA), None);
        let run = json!({"workflow_run": {"head_sha": SHA, "head_branch": "b", "pull_requests": []}});
        check("workflow_run", run, Some(Topic::Checks), Some("b"), Some(SHA), None);
        let status = json!({"sha": SHA, "branches": [{"name": "b"}]});
        check("status", status, Some(Topic::Checks), Some("b"), Some(SHA), None);
        let push = json!({"ref": "refs/heads/a/b", "after": SHA});
        check("push", push, Some(Topic::Push), Some("a/b"), Some(SHA), None);
        let gone = json!({"ref": "refs/heads/b", "after": "0".repeat(40)});
        check("push", gone, Some(Topic::Push), Some("b"), None, None);
        let tag = json!({"ref": "refs/tags/v1", "after": SHA});
        check("push", tag, Some(Topic::Push), None, Some(SHA), None);
        check("delete", json!({"ref": "b", "ref_type": "branch"}), Some(Topic::Push), Some("b"), None, None);
        let comment = json!({"issue": {"number": 7, "pull_request": {}}});
        check("issue_comment", comment, Some(Topic::Reviews), None, None, Some(7));
        check("issue_comment", json!({"issue": {"number": 7}}), Some(Topic::Reviews), None, None, None);
        check("star", json!({}), None, None, None, None);
        let odd = json!({"pull_request": {"number": -1, "head": {"ref": "a\u{0}b", "sha": "HEAD"}}});
        check("pull_request", odd, Some(Topic::Pull), None, None, None);
    }

    #[test]
    fn an_unreadable_delivery_is_refused_with_its_reason() {
        let body = br#"{"repository": {"full_name": "a/b"}}"#;
        let check = |event, delivery, body: &[u8], expected| {
            assert_eq!(read(event, delivery, body), Err(expected));
        };
        check(None, Some("d"), body, Unreadable::Header(EVENT_HEADER));
        check(Some("a\nb"), Some("d"), body, Unreadable::Header(EVENT_HEADER));
        check(Some("push"), None, body, Unreadable::Header(DELIVERY_HEADER));
        check(Some("push"), Some(""), body, Unreadable::Header(DELIVERY_HEADER));
        check(Some("push"), Some("d"), b"{}", Unreadable::NoRepository);
        let traversal = br#"{"repository": {"full_name": "../etc"}}"#;
        check(Some("push"), Some("d"), traversal, Unreadable::NoRepository);
        check(Some("push"), Some("d"), b"[]", Unreadable::Json("it is another kind of value".to_owned()));
        let deep = "[".repeat(100_000);
        assert!(matches!(read(Some("push"), Some("d"), deep.as_bytes()), Err(Unreadable::Json(_))));
        assert!(matches!(read(Some("push"), Some("d"), b"\xff"), Err(Unreadable::Json(_))));
    }
}
