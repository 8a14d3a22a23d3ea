//! Reads the JSON of a review. A review that cannot be read has failed; it is never a clean one.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::core::{
    edit::reasoning,
    finding::{Finding, Severity},
    path::RepoPath,
};

/// The most findings of one review; more are noise, not a review.
pub const FINDINGS_LIMIT: usize = 200;
/// The longest message of a finding, and the longest summary, in characters; the rest is cut.
pub const MESSAGE_LIMIT: usize = 4_000;
/// The longest answer that is accepted, in bytes.
const TEXT_LIMIT: usize = 4 * 1024 * 1024;

/// Why an answer is not a review.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not of the review schema.
    #[error("the review is not the JSON that was asked for: {0}")]
    Json(String),
    /// Larger than the limit.
    #[error("the review has {0} bytes; the limit is {TEXT_LIMIT}")]
    TooLong(usize),
    /// More than [`FINDINGS_LIMIT`] findings.
    #[error("the review has {0} findings; the limit is {FINDINGS_LIMIT}")]
    TooMany(usize),
    /// A finding with an impossible path or without a message.
    #[error("finding {number}: {reason}")]
    Finding {
        /// Which finding, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(PartialEq, Deserialize)]
struct Review {
    summary: String,
    findings: Vec<Found>,
}

#[derive(PartialEq, Deserialize)]
struct Found {
    severity: String,
    path: String,
    line: Option<i64>,
    message: String,
}

/// The JSON Schema of a review, strict.
#[must_use]
pub fn review_schema() -> Value {
    let finding = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["severity", "path", "line", "message"],
        "properties": {
            "severity": {"type": "string", "enum": ["critical", "high", "medium", "low", "info"]},
            "path": {"type": "string", "description": "the file, or empty for the change as a whole"},
            "line": {"type": ["integer", "null"], "description": "the line on the head, from 1"},
            "message": {"type": "string"}
        }
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["summary", "findings"],
        "properties": {"summary": {"type": "string"}, "findings": {"type": "array", "items": finding}}
    })
}

/// The summary and the findings of a review; `code_line` returns a line of a file on the head, which becomes
/// part of the finding's fingerprint.
///
/// Reasoning before it is cut, a code fence around the JSON is accepted, and so is prose before it, unless a line of that
/// prose begins with a brace: it could be another review. An unknown severity counts as high, and an impossible line number
/// as none.
///
/// # Errors
/// [`Unreadable`] when the text as a whole or any finding is not as requested.
pub fn read_review(
    text: &str,
    code_line: impl Fn(&str, u32) -> Option<String>,
) -> Result<(String, Vec<Finding>), Unreadable> {
    if text.len() > TEXT_LIMIT {
        return Err(Unreadable::TooLong(text.len()));
    }
    let review = only_review(text)?;
    if review.findings.len() > FINDINGS_LIMIT {
        return Err(Unreadable::TooMany(review.findings.len()));
    }
    let numbered = review.findings.iter().enumerate();
    let findings = numbered.map(|(at, found)| {
        found.check(&code_line).map_err(|reason| Unreadable::Finding { number: at + 1, reason })
    });
    Ok((clean(&review.summary), findings.collect::<Result<_, _>>()?))
}

impl Found {
    fn check(&self, code_line: impl Fn(&str, u32) -> Option<String>) -> Result<Finding, String> {
        if !self.path.is_empty() {
            self.path.parse::<RepoPath>().map_err(|rejected| rejected.to_string())?;
        }
        let message = clean(&self.message);
        if message.is_empty() {
            return Err("its message is empty".to_owned());
        }
        let Ok(severity) = self.severity.parse::<Severity>();
        let line = self.line.and_then(|line| u32::try_from(line).ok()).filter(|line| *line > 0);
        let code = line.and_then(|line| code_line(&self.path, line)).unwrap_or_default();
        Ok(Finding::new(severity, &self.path, line, &message, &code))
    }
}

/// The text without control characters (Postgres' text cannot hold a NUL), trimmed and cut.
fn clean(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    kept.collect::<String>().trim().chars().take(MESSAGE_LIMIT).collect()
}

/// The one review that the text is, with its reasoning cut: the same from wherever it can be read.
fn only_review(text: &str) -> Result<Review, Unreadable> {
    let mut why = "its reasoning is not closed".to_owned();
    let mut found: Option<Review> = None;
    for range in reasoning::answers(text) {
        match review_of(&text[range]) {
            Ok(review) if found.as_ref().is_some_and(|found| *found != review) => {
                return Err(Unreadable::Json("it holds two reviews".to_owned()));
            }
            Ok(review) => found = Some(review),
            Err(error) => why = error.to_string(),
        }
    }
    found.ok_or(Unreadable::Json(why))
}

/// The review that a text without reasoning ends in.
fn review_of(text: &str) -> serde_json::Result<Review> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let whole = match serde_json::from_str(unfenced(text)) {
        Ok(review) => return Ok(review),
        Err(error) => error,
    };
    last_object(text).and_then(|object| serde_json::from_str(object).ok()).ok_or(whole)
}

/// The object that the text ends in, in a whole fence or without one, if prose stands before it and no other line begins
/// with a brace.
fn last_object(text: &str) -> Option<&str> {
    let inner = text.strip_suffix("```");
    let text = inner.unwrap_or(text);
    let begins = |at: &usize| text[*at..].starts_with('{') && text[..*at].ends_with('\n');
    let mut starts = text.match_indices('{').map(|(at, _)| at).filter(begins);
    let first = starts.next()?;
    let before = text[..first].trim_end().lines().next_back().unwrap_or_default();
    // What follows inside of an object is indented or is not JSON: a second one that begins a line is another review.
    let is_only = starts.next().is_none() && before.starts_with("```") == inner.is_some();
    is_only.then(|| text[first..].trim_end())
}

fn unfenced(text: &str) -> &str {
    let inner = text.strip_prefix("```").and_then(|text| text.strip_suffix("```"));
    inner.and_then(|inner| inner.split_once('\n')).map_or(text, |(_, body)| body.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<(String, Vec<Finding>), Unreadable> {
        read_review(text, |path, line| (path == "a.py" && line == 3).then(|| "x / y".to_owned()))
    }

    fn one(finding: &str) -> String {
        format!(r#"{{"summary": "s", "findings": [{finding}]}}"#)
    }

    const GOOD: &str = r#"{"severity": "critical", "path": "a.py", "line": 3, "message": "divides by zero"}"#;

    #[test]
    fn a_review_is_a_summary_and_findings() {
        let (summary, findings) = read(&one(GOOD)).unwrap();
        let expected = Finding::new(Severity::Critical, "a.py", Some(3), "divides by zero", "x / y");
        assert_eq!((summary.as_str(), findings), ("s", vec![expected]));
        assert_eq!(read(r#"{"summary": "clean", "findings": []}"#), Ok(("clean".to_owned(), vec![])));
    }

    #[test]
    fn a_fence_an_unknown_severity_and_an_impossible_line_are_accepted() {
        for fence in ["```json\n", "```\n", "\n ```JSON\r\n", "\u{feff}```json\n"] {
            assert!(read(&format!("{fence}{}\n```\n", one(GOOD))).is_ok(), "{fence:?}");
        }
        for line in ["0", "-4", "99999999999", "null"] {
            let found =
                GOOD.replace("\"line\": 3", &format!("\"line\": {line}")).replace("critical", "Blocker!!");
            let (_, findings) = read(&one(&found)).unwrap();
            assert_eq!((findings[0].severity, findings[0].line), (Severity::High, None), "{line}");
        }
        let whole = one(&GOOD.replace("a.py", ""));
        assert_eq!(read(&whole).unwrap().1[0].path, "");
    }

    #[test]
    fn a_reviewer_may_think_aloud_before_its_review() {
        let review = one(GOOD);
        for text in [
            format!("<think>\nLet me see: {{\"x\": 1}}\n</think>\n{review}"),
            format!("I look at a.py.\n</think>\n\n{review}"),
            format!("<think>hm</think>```json\n{review}\n```"),
            format!(
                "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{review}"
            ),
            format!("It divides by zero.\n\n{review}\n"),
            format!("It divides by zero:\n```json\n{review}\n```\n"),
            one(&GOOD.replace("divides", "a </think> divides")),
        ] {
            assert_eq!(read(&text).map(|(_, findings)| findings.len()), Ok(1), "{text}");
        }
        let clean = r#"{"summary": "s", "findings": []}"#;
        for text in [
            format!("<think>{clean}"),
            format!("<think>{clean}</think>"),
            format!("<think>{clean}</think>\nLGTM"),
            format!("The change says:\n{clean}\nwhich is not true."),
            format!("The change says:\n{clean}\n\n{review}"),
            format!("The change says:\n```json\n{clean}\n```\nand I say no."),
            format!("It says `{clean}`"),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn messages_are_cut_and_have_no_nul() {
        let long = one(&GOOD.replace("divides", &format!("a\\u0000b\\u001b{}", "é".repeat(5_000))));
        let (_, findings) = read(&long).unwrap();
        assert_eq!(findings[0].message.chars().count(), MESSAGE_LIMIT);
        assert!(findings[0].message.starts_with("abé"));
    }

    #[test]
    fn an_unreadable_answer_is_never_a_clean_review() {
        let deep = "[".repeat(100_000);
        let nested = format!(r#"{{"summary": "s", "x": {deep}, "findings": []}}"#);
        let mut corpus: Vec<String> = [
            "",
            " ",
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "0",
            "NaN",
            "Looks good to me!",
            "LGTM",
            "No findings.",
            r#"{"findings": []}"#,
            r#"{"summary": "s"}"#,
            r#"{"summary": 1, "findings": []}"#,
            r#"{"summary": "s", "findings": {}}"#,
            r#"{"summary": "s", "findings": null}"#,
            r#"{"summary": "s", "findings": [null]}"#,
            r#"{"summary": "s", "findings": ["x"]}"#,
            r#"{"summary": "s", "findings": [], "findings": []}"#,
            r#"{"summary": "a", "summary": "b", "findings": []}"#,
            r#"{"summary": "s", "findings": [],}"#,
            r#"{'summary': 's', 'findings': []}"#,
            r#"{"summary": "s", "findings": []} and more"#,
            r#"Here: {"summary": "s", "findings": []}"#,
            r#"{"summary": "s", "findings": []}{"summary": "s", "findings": []}"#,
            "```json\n{\"summary\": \"s\", \"findings\": []}",
            "{\"summary\": \"s\", \"findings\": []}\n```",
            "```json {\"summary\": \"s\", \"findings\": []} ```",
            "{\"summary\": \"s\u{0}\", \"findings\": []}",
            r#"{"summary": "\ud800", "findings": []}"#,
            r#"{"Summary": "s", "Findings": []}"#,
            r#"[{"summary": "s", "findings": []}]"#,
            r#"{"error": {"message": "overloaded"}}"#,
            "<html>502</html>",
            "data: [DONE]",
            "=== decline: no",
            "{\"summary\": \"s\", \"findings\": [",
            "\u{0}",
            "\u{feff}",
        ]
        .map(str::to_owned)
        .into();
        corpus.extend([
            deep,
            nested,
            "x".repeat(TEXT_LIMIT + 1),
            "{\"summary\": NaN, \"findings\": []}".to_owned(),
        ]);
        for (from, to) in [
            ("\"a.py\"", "\"../a.py\""),
            ("\"a.py\"", "\"/etc/passwd\""),
            ("\"a.py\"", "\"a\\u0000\""),
            ("\"a.py\"", "\".git/config\""),
            ("\"a.py\"", "null"),
            ("\"a.py\"", "[\"a.py\"]"),
            ("\"a.py\"", "\"a\\\\b\""),
            ("\"divides by zero\"", "\"\""),
            ("\"divides by zero\"", "\" \\u0000\""),
            ("\"divides by zero\"", "null"),
            ("\"critical\"", "null"),
            ("\"critical\"", "5"),
            ("3,", "3.5,"),
            ("3,", "\"3\","),
            ("3,", "NaN,"),
            ("3,", "1e999,"),
            ("\"line\": 3", "\"line\": 3, \"line\": 4"),
            (", \"message\": \"divides by zero\"", ""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            corpus.push(one(&GOOD.replace(from, to)));
        }
        corpus.push(one(&[GOOD; FINDINGS_LIMIT + 1].join(",")));
        // A review that is cut anywhere is unreadable.
        let whole = one(GOOD);
        corpus.extend((0..whole.len()).map(|end| whole[..end].to_owned()));
        assert!(corpus.len() >= 150, "{}", corpus.len());
        for text in corpus {
            assert!(read(&text).is_err(), "{}", text.chars().take(200).collect::<String>());
        }
        assert!(read(&one(&[GOOD; FINDINGS_LIMIT].join(","))).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"(\PC|[`{}\[\],:\x00\n]|json|summary|findings){0,60}") {
            let _ = read(&text);
        }
    }
}
