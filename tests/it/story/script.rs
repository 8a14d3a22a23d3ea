//! What the scripted model answers in the stories.

use aspora::{
    dev::{model::Script, product},
    llm::Task,
};

/// The seed's requirement, which the Wealth script knows.
pub(crate) const RISK_CHECKER: &str = "We need a portfolio risk checker for Wealth product";
/// The requirement of every other script.
pub(crate) const WISH: &str = "Count the rounds";

/// The script of the embedded Wealth product.
pub(crate) fn wealth() -> Script {
    Script::from_dir_text(product::SCRIPT, |name| product::script_file(name).map(str::to_owned)).unwrap()
}

/// A script that generates this answer; reviews that no rule is given for are clean.
pub(crate) fn generates(answer: &str) -> Script {
    Script::default().with(Task::Generate, &[], &[], answer)
}

/// The same script, content with whatever no earlier rule finds fault with.
pub(crate) fn and_content(script: Script) -> Script {
    script.with(Task::Review, &[], &[], r#"{"summary": "No actionable findings.", "findings": []}"#)
}

/// An answer that writes one file whole.
pub(crate) fn file(path: &str, text: &str) -> String {
    format!(
        "=== title: feat: Write {path}\nAs it was asked for.\n=== file: {path}\n{text}\n=== end: {path}\n"
    )
}

/// A review that finds one thing at the first line of a file.
pub(crate) fn finds(severity: &str, path: &str, message: &str) -> String {
    let finding = serde_json::json!({"severity": severity, "path": path, "line": 1, "message": message});
    serde_json::json!({"summary": "Not good enough.", "findings": [finding]}).to_string()
}
