use serde_json::Value;

use super::*;

/// The database of release 0.1.0, with runs in flight.
const DUMP: &str = include_str!("../../../tests/it/growth/released/0.1.0.sql");

struct Row {
    key: String,
    kind: String,
    request: Value,
    result: Option<Value>,
}

#[test]
fn the_effects_of_release_0_1_0_are_read_and_written_unchanged() {
    let rows: Vec<Row> = DUMP.lines().filter_map(row).collect();
    let count = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
    let kinds = ["llm_call", "push", "pull_request", "check_run", "review", "merge"];
    assert_eq!(kinds.map(count), [10, 5, 3, 21, 5, 1]);
    for row in &rows {
        match row.kind.as_str() {
            "llm_call" => check::<ModelCallIntent>(row),
            "push" if row.request.get("base").is_some() => check::<BasePushIntent>(row),
            "push" => check::<ChangePushIntent>(row),
            "pull_request" => check::<PullRequestIntent>(row),
            "check_run" if row.request.get("name").is_some() => check::<CheckRunIntent>(row),
            "check_run" => check::<CheckUpdateIntent>(row),
            "review" => check::<ReviewIntent>(row),
            "merge" => check::<MergeIntent>(row),
            other => panic!("unknown kind {other}"),
        }
    }
}

#[test]
fn a_push_is_read_without_its_diff_as_listings_return_it() {
    let request = serde_json::json!({
        "branch": "aspora/p/1", "parent": "1".repeat(40), "files": ["a.py"],
        "message": "feat: Add a\n\nBecause.\n\nAnd more.", "diff_is_cut": false,
    });
    let push: ChangePushIntent = intent("generate.1/push", request).unwrap();
    assert_eq!((push.message.title.as_str(), push.files.len()), ("feat: Add a", 1));
    assert_eq!(push.message.explanation, "Because.\n\nAnd more.");
}

#[test]
fn statuses_and_comments_are_read_and_written_unchanged() {
    let row = |key: &str, kind: &str, request: Value, result: Value| Row {
        key: key.to_owned(),
        kind: kind.to_owned(),
        request,
        result: Some(result),
    };
    let head = "1".repeat(40);
    check::<StatusIntent>(&row(
        "status/risk-policy-gate/1111111/0a1b2c",
        "commit_status",
        serde_json::json!({"name": "risk-policy-gate", "head": head, "state": "pending"}),
        serde_json::json!({"id": 7, "app_id": null, "url": "https://aspora.example/runs/1"}),
    ));
    check::<CommentIntent>(&row(
        "comment/risk-policy-gate/1111111/0a1b2c",
        "comment",
        serde_json::json!({"pull": 3, "head": head}),
        serde_json::json!({"id": 9}),
    ));
}

#[test]
fn calls_of_release_0_1_0_kept_nothing_and_were_read_by_its_rules() {
    for row in DUMP.lines().filter_map(row).filter(|row| row.kind == ModelCallIntent::KIND) {
        let call: ModelCallIntent = intent(&row.key, row.request).unwrap();
        assert_eq!((call.edition, call.kept.len()), (0, 0), "{}", row.key);
    }
}

#[test]
fn a_message_without_a_why_is_its_title() {
    let message = CommitMessage { title: "feat: Add a".to_owned(), explanation: String::new() };
    assert_eq!(message.to_string(), "feat: Add a");
    assert_eq!(CommitMessage::from("feat: Add a".to_owned()), message);
}

#[test]
fn a_repair_by_its_name_in_release_0_1_0_is_read() {
    assert_eq!(serde_json::from_str::<crate::llm::Task>(r#""mend""#).unwrap(), crate::llm::Task::Repair);
}

/// What is read from the row is written as the same JSON.
#[track_caller]
fn check<E: Effect>(row: &Row) {
    assert_eq!(row.kind, E::KIND);
    let read: E = intent(&row.key, row.request.clone()).unwrap();
    assert_eq!(to_json(&read).unwrap(), row.request, "{}", row.key);
    if let Some(result) = &row.result {
        let read = observation::<E>(&row.key, result.clone()).unwrap();
        assert_eq!(to_json(&read).unwrap(), *result, "{}", row.key);
    }
}

/// Reads `INSERT INTO public.effect VALUES (run_id, key, kind, request, attempts, intended_at, result, …);`.
fn row(line: &str) -> Option<Row> {
    let values = values(line.strip_prefix("INSERT INTO public.effect VALUES (")?.strip_suffix(");")?);
    let [_, key, kind, request, _, _, result, ..] = &values[..] else { panic!("{line}") };
    let json = |text: &String| serde_json::from_str(text).unwrap();
    let result = (result != "NULL").then(|| json(result));
    Some(Row { key: key.clone(), kind: kind.clone(), request: json(request), result })
}

/// The values of an `INSERT`; a quote inside of a string is doubled.
fn values(mut rest: &str) -> Vec<String> {
    let mut values = Vec::new();
    loop {
        let (value, tail) = match rest.strip_prefix('\'') {
            Some(text) => string(text),
            None => {
                let end = rest.find(", ").unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        values.push(value);
        match tail.strip_prefix(", ") {
            Some(tail) => rest = tail,
            None => return values,
        }
    }
}

/// A string up to its closing quote, and what follows the quote.
fn string(mut rest: &str) -> (String, &str) {
    let mut value = String::new();
    loop {
        let (part, tail) = rest.split_once('\'').unwrap();
        value.push_str(part);
        match tail.strip_prefix('\'') {
            Some(tail) => {
                value.push('\'');
                rest = tail;
            }
            None => return (value, tail),
        }
    }
}
