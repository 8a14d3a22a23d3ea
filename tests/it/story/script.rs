//! The answers of the scripted model.

use aspora::{
    dev::{model::Script, product},
    llm::Task,
};

/// The title of a requirement that the Wealth script implements.
pub(crate) const RISK_CHECKER: &str = "We need a portfolio risk checker for Wealth product";
/// The title of the requirement in all other scripts.
pub(crate) const COUNT_ROUNDS: &str = "Count the rounds";

/// The script of the embedded Wealth product.
pub(crate) fn wealth() -> Script {
    Script::from_dir_text(product::SCRIPT, |name| product::script_file(name).map(str::to_owned)).unwrap()
}

/// A script that generates this answer.
pub(crate) fn generates(answer: &str) -> Script {
    Script::default().with(Task::Generate, &[], &[], answer)
}

/// The script, with a review without findings wherever no other rule applies.
pub(crate) fn with_clean_reviews(script: Script) -> Script {
    script.with(Task::Review, &[], &[], r#"{"summary": "No actionable findings.", "findings": []}"#)
}

/// An answer that writes one file.
pub(crate) fn file(path: &str, text: &str) -> String {
    format!(
        "=== title: feat: Write {path}\n=== why: As requested.\n=== file: {path}\n{text}\n=== end: {path}\n"
    )
}

/// A review with one finding, at the first line of a file.
pub(crate) fn finds(severity: &str, path: &str, message: &str) -> String {
    let finding = serde_json::json!({"severity": severity, "path": path, "line": 1, "message": message});
    serde_json::json!({"summary": "Not good enough.", "findings": [finding]}).to_string()
}
