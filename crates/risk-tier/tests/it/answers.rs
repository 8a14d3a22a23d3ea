//! What is printed as JSON.

use super::repository::Repository;

/// What CI reads of the answer: its keys are a contract.
#[test]
fn the_json_says_what_the_tier_requires() {
    let repository = Repository::new();
    repository.write("api/v1/risk_check.py", "x");
    repository.commit();
    let answer = repository.json();
    let checks: Vec<_> = answer["required"]["demands"]["checks"].as_array().unwrap().iter().collect();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["risk-policy-gate", "harness-smoke", "Browser Evidence", "Code Review Agent", "CI Pipeline"]
    );
    let required = &answer["required"];
    assert_eq!((&answer["tier"], &required["demands"]["approvals"]), (&"high".into(), &1.into()));
    assert_eq!((&required["review"], &required["evidence"]), (&true.into(), &true.into()));
    assert_eq!(answer["head"].as_str().unwrap().len(), 40);
    let drift =
        "\"api/v1/risk_check.py\" changed and no document did; update docs/API.md or docs/ARCHITECTURE.md";
    assert_eq!(answer["docs_drift"], serde_json::json!([drift]));
}

#[test]
fn a_document_in_which_nobody_sees_a_difference_is_not_updated() {
    let repository = Repository::new();
    repository.write("docs/API.md", "# API\n");
    repository.commit();
    for (text, drifts) in [("# API\n\n", 1), ("# API\n<!-- done -->\n", 1), ("# API\n\nNew.\n", 0)] {
        repository.write("docs/API.md", text);
        repository.write("api/v1/a.py", text);
        repository.commit();
        assert_eq!(repository.json()["docs_drift"].as_array().unwrap().len(), drifts, "{text:?}");
        repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
    }
    repository.write("docs/ARCHITECTURE.md", " \n");
    repository.write("api/v1/a.py", "x");
    repository.commit();
    assert_eq!(repository.json()["docs_drift"].as_array().unwrap().len(), 1, "a new document without text");
}
