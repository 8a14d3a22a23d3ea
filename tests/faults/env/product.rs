//! The smallest product that passes every step: one review with a finding, one fix, one merge.

use std::sync::Arc;

use aspora::dev::{
    ci::{CheckResult, Ci},
    model::Script,
    product,
};
use aspora::llm::Task;
use futures::FutureExt as _;

/// The calls of the model in an undisturbed run: generate, review, remediate, rerun.
pub(crate) const MODEL_CALLS: usize = 4;

const CHANGE: &str = "=== title: feat: Add a mean
=== why: The mean of some amounts.
=== file: formatters/mean.py
def mean(amounts):
    return sum(amounts) / len(amounts)
=== end: formatters/mean.py
";

const FINDING: &str = r#"{"summary": "Nothing is no list of amounts.", "findings": [{"severity": "critical",
"path": "formatters/mean.py", "line": 2, "message": "Division by zero without amounts"}]}"#;

const FIX: &str = "=== title: fix: Refuse no amounts
=== why: No amounts have no mean.
=== file: formatters/mean.py
def mean(amounts):
    if not amounts:
        raise ValueError(\"no amounts\")
    return sum(amounts) / len(amounts)
=== end: formatters/mean.py
";

const CLEAN: &str = r#"{"summary": "No actionable findings.", "findings": []}"#;

/// What the model answers for every product of this file.
pub(crate) fn script() -> Script {
    Script::default()
        .with(Task::Generate, &[], &[], CHANGE)
        .with(Task::Review, &["return sum(amounts)"], &["if not amounts"], FINDING)
        .with(Task::Review, &["if not amounts"], &[], CLEAN)
        .with(Task::Remediate, &["Division by zero"], &["if not amounts"], FIX)
}

/// A CI that passes at once.
pub(crate) fn ci() -> Ci {
    let passed = CheckResult {
        name: "CI Pipeline".to_owned(),
        conclusion: "success".to_owned(),
        title: "1 test passed".to_owned(),
        summary: String::new(),
        text: None,
    };
    let run = move |_| std::future::ready(vec![passed.clone()]).boxed();
    Ci { names: vec!["CI Pipeline".to_owned()].into(), run: Arc::new(run) }
}

/// The risk policy of the embedded product, for a product of this name.
pub(crate) fn policy(name: &str) -> String {
    let files = product::wealth();
    let (_, policy) = files.iter().find(|(path, _)| *path == ".aspora/risk-policy.json").unwrap();
    String::from_utf8(policy.to_vec()).unwrap().replace("\"wealth\"", &format!("\"{name}\""))
}
