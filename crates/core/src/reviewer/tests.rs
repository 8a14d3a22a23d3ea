use super::*;
use crate::{
    finding::Severity,
    policy::{CheckStatus, Conclusion, StatusState},
};

const HEAD: &str = "1111111111111111111111111111111111111111";

fn nothing(name: &str) -> Signs {
    Signs { name: name.to_owned(), ..Signs::default() }
}

fn checked(name: &str, conclusion: Conclusion, text: &str) -> Signs {
    let check =
        CheckSign { status: CheckStatus::Completed, conclusion: Some(conclusion), text: text.to_owned() };
    Signs { check: Some(check), ..nothing(name) }
}

fn reviewed(name: &str, text: &str) -> Signs {
    let review = ReviewSign { text: Some(text.to_owned()), refuses: false };
    Signs { reviews: vec![review], ..nothing(name) }
}

fn thread(text: &str) -> ThreadSign {
    let path = "lib/round.py".to_owned();
    ThreadSign { path, line: Some(3), text: text.to_owned(), edited: false, is_of_head: true }
}

fn with_threads(signs: Signs, texts: &[&str]) -> Signs {
    Signs { threads: texts.iter().map(|text| thread(text)).collect(), ..signs }
}

fn severities(kind: Kind, signs: &Signs) -> Vec<Severity> {
    match read(kind, signs) {
        Reading::Complete(remarks) => remarks.iter().map(|remark| remark.severity).collect(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_no_review(kind: Kind, signs: &Signs, why: &str) {
    match read(kind, signs) {
        Reading::NotAReview(said) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reviewer_without_a_sign_is_silent_and_one_at_work_is_awaited() {
    for kind in [Kind::Greptile, Kind::CodeRabbit, Kind::Copilot, Kind::Check] {
        assert_eq!(read(kind, &nothing("r")), Reading::Silent);
        let check = CheckSign { status: CheckStatus::InProgress, conclusion: None, text: String::new() };
        let signs = Signs { check: Some(check), ..reviewed("r", "Copilot generated no comments.") };
        assert!(matches!(read(kind, &signs), Reading::Working(_)));
    }
}

#[test]
fn a_green_check_without_a_review_of_the_head_is_no_review() {
    let green = |text: &str| checked("r", Conclusion::Success, text);
    is_no_review(Kind::Greptile, &green("Greptile has finished"), "how many comments");
    is_no_review(Kind::Greptile, &green("Too many files changed for review"), "Too many files");
    is_no_review(Kind::CodeRabbit, &green("Done"), "completed");
    is_no_review(Kind::CodeRabbit, &green("Review skipped: draft"), "Review skipped");
    is_no_review(Kind::CodeRabbit, &green("Review limit reached"), "limit reached");
    is_no_review(Kind::Copilot, &green("fine"), "no review of this head");
    is_no_review(Kind::Check, &green("Usage limit exceeded"), "limit exceeded");
    let status = StatusSign { state: StatusState::Success, description: "Review rate limited".to_owned() };
    let status = Signs { status: Some(status), ..nothing("r") };
    is_no_review(Kind::CodeRabbit, &status, "rate limited");
    for conclusion in [Conclusion::Neutral, Conclusion::Skipped, Conclusion::TimedOut, Conclusion::Cancelled]
    {
        is_no_review(Kind::Check, &checked("r", conclusion, "x"), "ended with");
    }
    for text in [
        "Copilot wasn't able to review any files in this pull request.",
        "Copilot encountered an error and was unable to review this pull request.",
        "Copilot reviewed 2 out of 3 changed files in this pull request and generated no comments.",
        "An overview without a count",
    ] {
        is_no_review(Kind::Copilot, &reviewed("copilot", text), "copilot");
    }
    let edited = Signs { reviews: vec![ReviewSign { text: None, refuses: false }], ..nothing("copilot") };
    is_no_review(Kind::Copilot, &edited, "edited afterwards");
}

#[test]
fn a_review_of_the_head_without_remarks_is_clean() {
    let clean = |kind, signs: Signs| assert_eq!(read(kind, &signs), Reading::Complete(Vec::new()));
    clean(Kind::Greptile, checked("r", Conclusion::Success, "Reviewed 3 files, 0 comments added"));
    clean(Kind::CodeRabbit, checked("r", Conclusion::Success, "Review completed"));
    clean(Kind::CodeRabbit, reviewed("r", "**Actionable comments posted: 0**"));
    let copilot = "Copilot reviewed 3 out of 3 changed files in this pull request and generated no comments.";
    clean(Kind::Copilot, reviewed("r", copilot));
    clean(Kind::Check, checked("r", Conclusion::Success, "All is well"));
}

#[test]
fn each_reader_knows_its_marks_and_says_where_it_knows_none() {
    use Severity::{Critical, High, Low, Medium};
    let of = |kind, signs: Signs, texts: &[&str]| severities(kind, &with_threads(signs, texts));
    let greptile = |texts: &[&str]| {
        let said = format!("{} comments added", texts.len());
        of(Kind::Greptile, checked("greptile", Conclusion::Success, &said), texts)
    };
    let badge = |level| format!("<a href=\"#\"><img alt=\"P{level}\" src=\"x\"></a> **It breaks**");
    assert_eq!(greptile(&[&badge(0), &badge(1), &badge(2), &badge(3)]), [Critical, High, Medium, Low]);
    assert_eq!(greptile(&["**logic:** wrong", "**style:** plain", "something"]), [High, Low, High]);
    let rabbit = |texts: &[&str]| of(Kind::CodeRabbit, reviewed("coderabbit", ""), texts);
    assert_eq!(
        rabbit(&["_⚠️ Potential issue_ | _🔴 Critical_\n\n**A**", "_🎯 x_ | _🟠 Major_", "_x_ | _🟡 Minor_"]),
        [Critical, High, Medium]
    );
    assert_eq!(
        rabbit(&["_🧹 Nitpick_ | _🔵 Trivial_", "_🛠️ Refactor suggestion_", "?"]),
        [Low, Medium, High]
    );
    let copilot = reviewed("copilot", "Copilot reviewed 1 out of 1 changed files and generated 2 comments.");
    assert_eq!(of(Kind::Copilot, copilot, &["[nitpick] a", "b"]), [Low, High]);
    let unknown = with_threads(checked("other", Conclusion::Success, ""), &["It breaks"]);
    let Reading::Complete(remarks) = read(Kind::Check, &unknown) else { panic!() };
    assert_eq!(
        remarks[0].message,
        "It breaks (other gives no severity that is known here: it counts as high)"
    );
}

#[test]
fn what_was_edited_afterwards_counts_as_high_whatever_it_says_now() {
    let mut signs = with_threads(checked("r", Conclusion::Success, "1 comment added"), &["alt=\"P3\" fine"]);
    assert_eq!(severities(Kind::Greptile, &signs), [Severity::Low]);
    signs.threads[0].edited = true;
    assert_eq!(severities(Kind::Greptile, &signs), [Severity::High]);
}

#[test]
fn what_a_reviewer_counts_and_nobody_can_read_is_a_remark() {
    let greptile = checked("r", Conclusion::Success, "2 comments added");
    assert_eq!(severities(Kind::Greptile, &with_threads(greptile, &["alt=\"P2\""])).len(), 2);
    let rabbit = reviewed("r", "**Actionable comments posted: 1**");
    assert_eq!(severities(Kind::CodeRabbit, &rabbit), [Severity::High]);
    let copilot = reviewed("r", "Copilot reviewed 1 out of 1 changed files and generated 1 comment.");
    assert_eq!(severities(Kind::Copilot, &copilot), [Severity::High]);
    let failed = checked("r", Conclusion::Failure, "Quality gate failed");
    assert_eq!(severities(Kind::Check, &failed), [Severity::High]);
    let refuses =
        Signs { reviews: vec![ReviewSign { text: Some(String::new()), refuses: true }], ..nothing("r") };
    assert_eq!(severities(Kind::CodeRabbit, &refuses), [Severity::High]);
}

#[test]
fn remarks_in_the_text_of_a_review_are_read_with_their_places() {
    let text = "**Actionable comments posted: 0**\n\n<details>\n<summary>🧹 Nitpick comments (1)</summary><blockquote>\n\n\
                <details>\n<summary>lib/a.py (1)</summary><blockquote>\n\n`12-15`: **Name it.**\n\n</blockquote></details>\n\n\
                <details>\n<summary>⚠️ Outside diff range comments (2)</summary><blockquote>\n\n\
                <details>\n<summary>lib/b.py (1)</summary><blockquote>\n\n`7-7`: _🟠 Major_ **It breaks.**\n";
    let Reading::Complete(remarks) = read(Kind::CodeRabbit, &reviewed("r", text)) else { panic!() };
    let shown: Vec<_> = remarks.iter().map(|it| (it.severity, &*it.path, it.line)).collect();
    assert_eq!(
        shown,
        [
            (Severity::High, "lib/b.py", Some(7)),
            (Severity::High, "", None),
            (Severity::Low, "lib/a.py", Some(12)),
        ]
    );
}

#[test]
fn low_confidence_and_vulnerabilities_are_actionable_whichever_reviewer_wrote_them() {
    let finding = |message: &str, advisory| {
        Remark { severity: Severity::Low, path: "a".into(), line: None, message: message.into() }
            .finding("r", advisory, "")
    };
    assert_eq!(finding("a plain remark", false).severity, Severity::Low);
    let vulnerable = finding("This allows SQL injection.", true);
    assert_eq!((vulnerable.severity, vulnerable.advisory), (Severity::Medium, false));
    let unsure = finding("I’m not sure that this is right", false);
    assert_eq!((unsure.severity, unsure.is_actionable()), (Severity::Medium, true));
    assert!(!finding("I'm not sure that this is right", true).is_actionable());
    let score = checked("r", Conclusion::Success, "0 comments added\nConfidence Score: 2/5");
    assert_eq!(severities(Kind::Greptile, &score), [Severity::Medium]);
}

#[test]
fn findings_over_http_name_their_commit() {
    let head = HEAD.parse().unwrap();
    let read =
        |text: &str| read_findings(text, &head).map(|remarks| remarks.len()).map_err(|it| it.to_string());
    let item = r#"{"severity": "critical", "file": "a.py", "line": 1, "message": "m"}"#;
    let named = |sha: &str, items: &str| format!(r#"{{"sha": "{sha}", "findings": [{items}]}}"#);
    assert_eq!(read(&named(HEAD, "")), Ok(0));
    assert_eq!(read(&named(HEAD, item)), Ok(1));
    assert_eq!(read(&format!("[{item}]")), Ok(1));
    let refused = |text: &str, why: &str| {
        let error = read(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    };
    refused("[]", "does not say of which commit");
    refused("", "not as expected");
    refused("<html>", "not as expected");
    refused(&named(&"2".repeat(40), ""), "not about this head");
    refused(&named(HEAD, r#"{"severity": "low", "path": "../x", "message": "m"}"#), "/findings/0");
    refused(&format!(r#"{{"sha": "{HEAD}", "status": "pending", "findings": []}}"#), "`pending`");
}

#[test]
fn a_setting_is_checked_and_what_is_wrong_has_its_place() {
    let parse = |text: &str| check(&serde_json::from_str::<Vec<Setting>>(text).unwrap());
    assert_eq!(parse("[]").unwrap(), [Reviewer::builtin()]);
    let greptile = &parse(r#"[{"kind": "greptile", "fallback": true}]"#).unwrap()[0];
    assert_eq!((greptile.timeout_minutes, greptile.fallback, greptile.is_blocking()), (20, true, true));
    let Maker::Forge(app) = &greptile.maker else { panic!() };
    assert_eq!((&*app.slug, app.check.as_deref()), ("greptile-apps", Some("Greptile Review")));
    let refused = |text: &str, pointer: &str, why: &str| {
        let wrong = parse(text).unwrap_err();
        let found = wrong.iter().any(|it| it.pointer == pointer && it.message.contains(why));
        assert!(found, "{text}: {wrong:?}");
    };
    refused(r#"[{"kind": "mabel"}]"#, "/0/kind", "no kind of reviewer");
    refused(r#"[{"kind": "builtin"}, {"kind": "builtin"}]"#, "/1/name", "another reviewer");
    refused(r#"[{"kind": "check", "app": "ci"}]"#, "/0/check", "the name of the app's check");
    refused(r#"[{"kind": "check", "check": "Review"}]"#, "/0/app", "slug");
    refused(r#"[{"kind": "check", "check": "Review", "app": "123"}]"#, "/0/app", "slug");
    refused(r#"[{"kind": "greptile", "mode": "loud"}]"#, "/0/mode", "neither");
    refused(r#"[{"kind": "greptile", "timeout_minutes": 1441}]"#, "/0/timeout_minutes", "1440");
    refused(r#"[{"kind": "greptile", "url": "https://a.example"}]"#, "/0/url", "leave it out");
    refused(r#"[{"kind": "builtin", "fallback": true}]"#, "/0/fallback", "itself");
    refused(r#"[{"kind": "greptile", "mode": "advisory"}]"#, "", "at least one must be blocking");
    for url in ["", "ftp://a.example", "https://u:p@a.example", "https://a.example/?x=1"] {
        refused(&format!(r#"[{{"kind": "http", "url": "{url}"}}]"#), "/0/url", "expected a base");
    }
}

#[test]
fn the_reviewers_of_several_products_are_all_of_them_each_as_strict_as_the_strictest_has_it() {
    let of = |text: &str| check(&serde_json::from_str::<Vec<Setting>>(text).unwrap()).unwrap();
    let none = of("[]");
    let lenient = of(r#"[{"kind": "builtin"},
        {"kind": "coderabbit", "mode": "advisory", "timeout_minutes": 30, "fallback": true}]"#);
    let strict = of(r#"[{"kind": "coderabbit", "ask": "again", "timeout_minutes": 10}]"#);
    let other = of(r#"[{"kind": "check", "name": "coderabbit", "app": "rabbit", "check": "Rabbit"}]"#);
    assert_eq!(together([]), []);
    for one in [&none, &lenient, &strict, &other] {
        assert_eq!(together([one.clone()]), *one, "one product alone");
        assert_eq!(together([one.clone(), one.clone()]), *one, "twice the same");
    }
    let look = |lists: [&Vec<Reviewer>; 2]| -> Vec<(String, bool, u32, bool)> {
        let all = together(lists.map(Clone::clone));
        all.into_iter()
            .map(|it| (it.name.clone(), it.is_blocking(), it.timeout_minutes, it.fallback))
            .collect()
    };
    let row = |name: &str, timeout| (name.to_owned(), true, timeout, false);
    assert_eq!(look([&none, &strict]), [row("builtin", 0), row("coderabbit", 10)]);
    assert_eq!(look([&lenient, &strict])[1], row("coderabbit", 10));
    assert_eq!(look([&strict, &lenient])[0], row("coderabbit", 10));
    assert_eq!(look([&strict, &other]), [row("coderabbit", 10), row("coderabbit-2", 20)]);
}
