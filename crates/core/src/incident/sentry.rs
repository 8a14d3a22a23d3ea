//! Webhooks of Sentry's integration platform. docs.sentry.io "Webhooks", "Issues", "Issue Alerts", "Metric Alerts" and
//! "Errors", as they were on 2026-11: each field that is read is named there or stands in the example payload there.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Delivered, Report};

/// The header that says what a webhook is about: `issue`, `event_alert`, `error`, `metric_alert`, `comment`, `installation`.
pub const RESOURCE_HEADER: &str = "sentry-hook-resource";
/// The header with the HMAC-SHA256 of the body, keyed by the integration's client secret, in hexadecimal.
pub const SIGNATURE_HEADER: &str = "sentry-hook-signature";
/// How many frames of a trace are notified, the innermost ones.
const FRAMES: usize = 12;

/// What a webhook about a resource tells.
#[must_use]
pub fn read(resource: &str, payload: &Value) -> Delivered {
    let action = text(payload, "/action").unwrap_or_default();
    match (resource, action) {
        ("issue", "created") => issue(payload, false),
        // An issue is unresolved again because it came back, or because it escalates: only the first is a new incident.
        ("issue", "unresolved") if text(payload, "/data/issue/substatus") == Some("regressed") => {
            issue(payload, true)
        }
        ("event_alert", "triggered") => event(payload, "/data/event"),
        ("error", "created") => event(payload, "/data/error"),
        ("metric_alert", "critical") => metric(payload),
        _ => Delivered::Ignored(format!("`{resource}` with the action `{action}` is no incident")),
    }
}

/// `data.issue`: `id`, `title`, `culprit`, `web_url`, `permalink`, `firstSeen`, `lastSeen`, `shortId`, `level`, `platform`,
/// `count`, `userCount` and `metadata`.
fn issue(payload: &Value, is_again: bool) -> Delivered {
    let of = |name: &str| text(payload, &format!("/data/issue/{name}"));
    let Some(id) = of("id") else {
        return Delivered::Ignored(
            "`/data/issue/id` is missing: the issue cannot be reported from others".to_owned(),
        );
    };
    let last = of("lastSeen").unwrap_or_default();
    let mut lines = Vec::new();
    for (name, label) in [
        ("culprit", "Where"),
        ("level", "Level"),
        ("platform", "Platform"),
        ("count", "Events"),
        ("shortId", "Sentry"),
    ] {
        lines.extend(of(name).filter(|said| !said.is_empty()).map(|said| format!("{label}: {said}")));
    }
    lines.extend(kind(payload, "/data/issue/metadata"));
    Delivered::Incident(Report {
        // A regression is another incident than the one that was fixed.
        key: if is_again { format!("issue:{id}@{last}") } else { format!("issue:{id}") },
        title: of("title").unwrap_or("an issue of Sentry").to_owned(),
        body: lines.join("\n"),
        url: of("web_url").or_else(|| of("permalink")).map(str::to_owned),
        happened_at: time(if is_again { of("lastSeen") } else { of("firstSeen") }),
    })
}

/// `data.event` of an alert and `data.error` of an error: `issue_id`, `title`, `culprit`, `web_url`, `datetime`, `level`,
/// `platform`, `release`, `metadata` and `exception.values[].stacktrace.frames[]`, the oldest frame first.
///
/// The user, the request and the tags are left out: they are of people, and a model needs none of them.
fn event(payload: &Value, at: &str) -> Delivered {
    let of = |name: &str| text(payload, &format!("{at}/{name}"));
    let Some(id) = of("issue_id").or_else(|| of("event_id")) else {
        return Delivered::Ignored(format!("`{at}/issue_id` is missing: the event belongs to no issue"));
    };
    let mut lines = Vec::new();
    for (name, label) in
        [("culprit", "Where"), ("level", "Level"), ("platform", "Platform"), ("release", "Release")]
    {
        lines.extend(of(name).filter(|said| !said.is_empty()).map(|said| format!("{label}: {said}")));
    }
    lines.extend(text(payload, "/data/triggered_rule").map(|rule| format!("Alert: {rule}")));
    lines.extend(kind(payload, &format!("{at}/metadata")));
    let values = payload.pointer(&format!("{at}/exception/values")).and_then(Value::as_array);
    lines.extend(values.into_iter().flatten().flat_map(trace));
    Delivered::Incident(Report {
        key: format!("issue:{id}"),
        title: of("title").unwrap_or("an event of Sentry").to_owned(),
        body: lines.join("\n"),
        url: of("web_url").map(str::to_owned),
        happened_at: time(of("datetime")),
    })
}

/// `data.metric_alert`: `id`, `identifier`, `date_started`; `data.description_title`, `data.description_text`, `data.web_url`.
fn metric(payload: &Value) -> Delivered {
    let of = |name: &str| payload.pointer(&format!("/data/metric_alert/{name}")).map(plain);
    let Some(id) = of("id") else {
        return Delivered::Ignored("`/data/metric_alert/id` is missing".to_owned());
    };
    Delivered::Incident(Report {
        key: format!("metric:{id}"),
        title: text(payload, "/data/description_title").unwrap_or("a metric alert of Sentry").to_owned(),
        body: text(payload, "/data/description_text").unwrap_or_default().to_owned(),
        url: text(payload, "/data/web_url").map(str::to_owned),
        happened_at: time(text(payload, "/data/metric_alert/date_started")),
    })
}

/// The type and the value of an exception.
fn kind(payload: &Value, at: &str) -> Option<String> {
    let of = |name: &str| text(payload, &format!("{at}/{name}"));
    match (of("type"), of("value")) {
        (Some(kind), Some(value)) => Some(format!("Error: {kind}: {value}")),
        (Some(one), None) | (None, Some(one)) => Some(format!("Error: {one}")),
        (None, None) => None,
    }
}

fn trace(exception: &Value) -> Vec<String> {
    let of = |name: &str| exception.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut lines = vec![format!("Trace of {}: {}", of("type"), of("value"))];
    let frames: Vec<&Value> =
        exception.pointer("/stacktrace/frames").and_then(Value::as_array).into_iter().flatten().collect();
    for frame in frames.iter().skip(frames.len().saturating_sub(FRAMES)) {
        let said = |name: &str| frame.get(name).and_then(Value::as_str);
        let line =
            frame.get("lineno").and_then(Value::as_u64).map_or_else(String::new, |line| format!(":{line}"));
        let inside = said("function").map_or_else(String::new, |name| format!(" in {name}"));
        lines.push(format!("  {}{line}{inside}", said("filename").unwrap_or("?")));
        lines.extend(said("context_line").map(|code| format!("    {}", code.trim())));
    }
    lines
}

fn text<'a>(payload: &'a Value, at: &str) -> Option<&'a str> {
    payload.pointer(at)?.as_str()
}

/// A number or a text as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples that Sentry's documentation shows (getsentry/sentry-docs, "Issues" and "Issue Alerts").
    const ISSUE: &str = include_str!("../../../../tests/data/sentry/issue-created.json");
    const ALERT: &str = include_str!("../../../../tests/data/sentry/event-alert-triggered.json");
    const METRIC: &str = include_str!("../../../../tests/data/sentry/metric-alert-critical.json");

    fn of(resource: &str, payload: &str) -> Delivered {
        read(resource, &serde_json::from_str(payload).unwrap())
    }

    fn reported(resource: &str, payload: &str) -> Report {
        match of(resource, payload) {
            Delivered::Incident(reported) => reported,
            Delivered::Ignored(why) => panic!("ignored: {why}"),
        }
    }

    #[test]
    fn the_documented_issue_is_read() {
        let reported = reported("issue", ISSUE);
        assert_eq!(reported.key, "issue:1170820242");
        assert_eq!(reported.title, "ReferenceError: blooopy is not defined");
        assert_eq!(reported.happened_at, Some("2019-08-19T20:58:37.391Z".parse().unwrap()));
        assert_eq!(
            reported.body,
            "Where: ?(runner)\nLevel: error\nPlatform: javascript\nEvents: 1\nSentry: FRONT-END-9\n\
             Error: ReferenceError: blooopy is not defined"
        );
    }

    #[test]
    fn the_documented_alert_is_read_without_what_is_of_people() {
        let reported = reported("event_alert", ALERT);
        assert_eq!(
            (reported.key.as_str(), reported.title.as_str()),
            ("issue:1117540176", "ReferenceError: heck is not defined")
        );
        assert!(
            reported.url.is_some_and(
                |url| url.ends_with("/issues/1117540176/events/e4874d664c3540c1a32eab185f12c5ab/")
            )
        );
        assert!(reported.body.contains("Alert: Very Important Alert Rule!"), "{}", reported.body);
        assert!(reported.body.contains("  <anonymous>:3"), "{}", reported.body);
        for of_people in ["162.21", "User-Agent", "null.jsbin.com", "10.14"] {
            assert!(!reported.body.contains(of_people), "{of_people}: {}", reported.body);
        }
    }

    #[test]
    fn the_documented_metric_alert_is_an_incident_when_it_is_critical() {
        assert!(reported("metric_alert", METRIC).key.starts_with("metric:"));
        assert!(matches!(
            of("metric_alert", &METRIC.replace("\"critical\"", "\"resolved\"")),
            Delivered::Ignored(_)
        ));
    }

    #[test]
    fn an_issue_that_came_back_is_another_incident_and_one_that_escalates_is_none() {
        let again = ISSUE.replace("\"created\"", "\"unresolved\"");
        assert!(matches!(of("issue", &again), Delivered::Ignored(_)));
        let regressed = again.replace("\"escalating\"", "\"regressed\"");
        assert_eq!(reported("issue", &regressed).key, "issue:1170820242@2019-08-19T20:58:37.391000Z");
    }

    #[test]
    fn what_is_no_incident_is_ignored_with_the_reason() {
        for (resource, payload) in [
            ("installation", "{\"action\": \"created\"}"),
            ("comment", "{\"action\": \"created\"}"),
            ("issue", "{\"action\": \"resolved\"}"),
            ("issue", "{\"action\": \"created\"}"),
            ("event_alert", "{\"action\": \"triggered\", \"data\": 7}"),
            ("metric_alert", "{\"action\": \"critical\"}"),
            ("", "[]"),
        ] {
            assert!(matches!(of(resource, payload), Delivered::Ignored(_)), "{resource}");
        }
    }
}
