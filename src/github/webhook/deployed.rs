//! Reads what a webhook says of a deployment. Texts are cut to what is stored; an address that is no plain web address is
//! left out.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::fields::text;
use crate::core::deployment::{DESCRIPTION_LIMIT, Deployment, NAME_LIMIT, News, Status, link};

/// The deployment that a payload of `deployment` or `deployment_status` names, and for the latter its status; `None`
/// without its number, commit or time.
pub(super) fn read(event: &str, payload: &Value) -> Option<News> {
    let deployment = deployment(payload)?;
    let status = if event == "deployment_status" { Some(status(payload)?) } else { None };
    Some(News { deployment, status })
}

fn deployment(payload: &Value) -> Option<Deployment> {
    let at = |name: &str| text(payload, &format!("/deployment/{name}"));
    Some(Deployment {
        id: number(payload, "/deployment/id")?,
        sha: at("sha")?.parse().ok()?,
        reference: cut(at("ref").unwrap_or_default(), NAME_LIMIT),
        task: cut(at("task").unwrap_or_default(), NAME_LIMIT),
        environment: cut(at("original_environment").or_else(|| at("environment"))?, NAME_LIMIT),
        description: cut(at("description").unwrap_or_default(), DESCRIPTION_LIMIT),
        creator: at("creator/login").map(|login| cut(login, NAME_LIMIT)),
        is_production: flag(payload, "/deployment/production_environment"),
        created_at: time(at("created_at")?)?,
    })
}

fn status(payload: &Value) -> Option<Status> {
    let at = |name: &str| text(payload, &format!("/deployment_status/{name}"));
    let log = at("log_url").filter(|url| !url.is_empty()).or_else(|| at("target_url"));
    Some(Status {
        id: number(payload, "/deployment_status/id")?,
        state: cut(at("state")?, NAME_LIMIT),
        description: cut(at("description").unwrap_or_default(), DESCRIPTION_LIMIT),
        environment: at("environment").filter(|name| !name.is_empty()).map(|name| cut(name, NAME_LIMIT)),
        creator: at("creator/login").map(|login| cut(login, NAME_LIMIT)),
        log_url: log.and_then(link),
        environment_url: at("environment_url").and_then(link),
        created_at: time(at("created_at")?)?,
    })
}

fn number(payload: &Value, at: &str) -> Option<i64> {
    payload.pointer(at)?.as_i64()
}

fn flag(payload: &Value, at: &str) -> bool {
    payload.pointer(at).and_then(Value::as_bool).unwrap_or(false)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// At most so many characters, and none that cannot be stored or that breaks a line.
fn cut(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn payload() -> Value {
        json!({
            "deployment": {
                "id": 7, "sha": SHA, "ref": "main", "task": "deploy", "environment": "staging",
                "original_environment": "production", "description": null, "creator": null,
                "created_at": "2026-11-01T10:00:00Z", "production_environment": true,
            },
            "deployment_status": {
                "id": 9, "state": "success", "description": "a\u{0}b", "environment": "staging", "target_url": "https://ci/1",
                "log_url": "", "environment_url": "javascript:alert(1)", "creator": {"login": "mira"},
                "created_at": "2026-11-01T11:00:00+01:00",
            },
        })
    }

    #[test]
    fn a_status_is_read_with_its_deployment_and_what_cannot_be_shown_is_left_out() {
        let News { deployment, status } = read("deployment_status", &payload()).unwrap();
        let status = status.unwrap();
        assert_eq!(
            (deployment.id, deployment.environment.as_str(), deployment.creator),
            (7, "production", None)
        );
        assert_eq!(
            (status.id, status.description.as_str(), status.created_at),
            (9, "ab", deployment.created_at)
        );
        assert_eq!((status.log_url.as_deref(), status.environment_url), (Some("https://ci/1"), None));
        assert_eq!(read("deployment", &payload()).unwrap().status, None);
    }

    #[test]
    fn without_number_commit_or_time_nothing_is_read() {
        for place in ["id", "sha", "created_at", "environment"] {
            let mut payload = payload();
            payload["deployment"].as_object_mut().unwrap().remove(place);
            payload["deployment"].as_object_mut().unwrap().remove("original_environment");
            assert_eq!(read("deployment", &payload), None, "{place}");
        }
        let mut odd = payload();
        odd["deployment"]["sha"] = json!("HEAD");
        assert_eq!(read("deployment", &odd), None);
        let mut none = payload();
        none["deployment_status"] = json!(null);
        assert_eq!(read("deployment_status", &none), None);
    }
}
