//! The action `risk-tier`.

use serde_json::{Value, json};

use super::{
    machine::{CHECKOUT, Machine, PIN, Pull, Ran, Site},
    registry::Registry,
};

/// What the action needs.
pub(crate) const READ: &str = "contents=read";

/// A clone, and a step that finds the tier for each of these inputs beside the product: `risk`, `risk-1`, …
fn steps(inputs: &[Value]) -> Value {
    let checkout = json!({"uses": CHECKOUT, "with": {"fetch-depth": 0, "persist-credentials": false}});
    let step = |(number, inputs): (usize, &Value)| {
        let mut with = json!({"product": "wealth"});
        with.as_object_mut().unwrap().extend(inputs.as_object().unwrap().clone());
        let uses = format!("aspora/aspora/deploy/actions/risk-tier@{PIN}");
        json!({"id": id(number), "uses": uses, "with": with, "continue-on-error": true})
    };
    std::iter::once(checkout).chain(inputs.iter().enumerate().map(step)).collect()
}

/// The id of a step.
pub(crate) fn id(number: usize) -> String {
    if number == 0 { "risk".to_owned() } else { format!("risk-{number}") }
}

pub(crate) async fn run(site: &Site, registry: &Registry, pull: &Pull, inputs: &[Value]) -> Ran {
    let machine =
        Machine::with_registry(&registry.url).with_tokens(&site.twin, super::machine::REPO, &[READ]);
    machine.job(steps(inputs), &json!({"contents": "read"}), &site.github(pull)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outputs_say_what_the_policy_at_the_base_requires() {
    let registry = Registry::start().await;
    let site = Site::new(&[("docs/API.md", b"# API\n")]).await;
    let files: [(&str, &[u8]); 2] = [("api/v1/risk_check.py", b"x"), ("docs/API.md", b"# API\n\nRisk.\n")];
    let pull = site.pull("topic", "Risk", &files).await;
    let ran = run(&site, &registry, &pull, &[json!({})]).await;
    let step = ran.step("job", "risk");
    assert_eq!(step["outcome"], "success", "{:#}", ran.said);
    let outputs = &step["outputs"];
    let checks =
        ["risk-policy-gate", "harness-smoke", "Browser Evidence", "Code Review Agent", "CI Pipeline"];
    assert_eq!(outputs["checks"], json!(checks).to_string());
    assert_eq!(outputs["required"], checks.join(","), "as the seed's workflow reads it");
    let expected = [
        ("tier", "high"),
        ("requires-review", "true"),
        ("requires-evidence", "true"),
        ("requires-human", "false"),
        ("approvals", "1"),
        ("docs-drift", ""),
    ];
    for (name, value) in expected {
        assert_eq!(outputs[name], value, "{name}");
    }
    let report = std::fs::read_to_string(outputs["report"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["head"], pull.head);
    let summary = step["summary"].as_str().unwrap();
    assert!(
        summary.contains("**Risk tier**: high") && summary.contains("` api/v1/risk_check.py ` | high"),
        "{summary}"
    );
    let platform = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let binary = format!("risk-tier-cli-linux-{platform}-gnu.tgz");
    assert_eq!(
        registry.served(),
        [binary.as_str(), "risk-tier-cli.tgz"],
        "npm took this platform's binary alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_lowers_neither_its_policy_nor_the_tools_that_judge_it() {
    let registry = Registry::start().await;
    let site = Site::new(&[]).await;
    let lowered = super::machine::POLICY.replace("\"services/broker_gateway.py\",", "");
    let fake: &[u8] = b"#!/bin/sh\necho low\n";
    let pull = site
        .pull(
            "topic",
            "Lower",
            &[
                (".aspora/risk-policy.json", lowered.as_bytes()),
                ("services/broker_gateway.py", b"x"),
                ("docs/API.md", b"# API\n"),
                (".npmrc", b"registry=http://127.0.0.1:9/\nignore-scripts=false\n"),
                ("package.json", br#"{"name": "x", "scripts": {"preinstall": "touch /tmp/pwned"}}"#),
                ("node_modules/@aspora/risk-tier-cli/package.json", br#"{"name": "@aspora/risk-tier-cli"}"#),
                ("node_modules/.bin/npm", fake),
                ("git", fake),
                ("npm", fake),
            ],
        )
        .await;
    let ran = run(&site, &registry, &pull, &[json!({})]).await;
    assert_eq!(ran.ended("risk", "tier"), ("success".to_owned(), "critical".to_owned()), "{:#}", ran.said);
    assert_eq!(ran.ended("risk", "requires-human").1, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_left_behind_fail_the_step_and_the_outputs_stay() {
    let registry = Registry::start().await;
    let site = Site::new(&[]).await;
    let pull = site.pull("topic", "Drift", &[("api/v1/a.py", b"x"), ("docs/OTHER.md", b"no\n")]).await;
    let ran = run(&site, &registry, &pull, &[json!({})]).await;
    assert_eq!(ran.ended("risk", "tier"), ("failure".to_owned(), "high".to_owned()), "{:#}", ran.said);
    let drift = r#""api/v1/a.py" changed and no document did; update docs/API.md or docs/ARCHITECTURE.md"#;
    assert_eq!(ran.ended("risk", "docs-drift").1, drift);
    assert!(ran.annotations("risk").iter().any(|message| message == drift), "{:#}", ran.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_that_is_not_found_is_critical_to_whatever_follows() {
    let registry = Registry::start().await;
    let site = Site::new(&[]).await;
    let pull =
        site.pull("topic", "Broken", &[("tests/a.py", b"x"), (".aspora/risk-policy.json", b"{")]).await;
    let cases = [
        (json!({}), 3, "at the head"),
        (json!({"base": "main"}), 2, "the input base is \"main\", not a full commit id"),
        (json!({"product": "--help"}), 2, "the input product is \"--help\", not the name of a product"),
        (json!({"repo": "nowhere"}), 1, "nowhere"),
    ];
    let ran = run(&site, &registry, &pull, &cases.clone().map(|(inputs, ..)| inputs)).await;
    for (number, (_, code, word)) in cases.into_iter().enumerate() {
        let step = ran.step("job", &id(number));
        assert_eq!((&step["outcome"], &step["code"]), (&json!("failure"), &json!(code)), "{:#}", ran.said);
        let found =
            ["tier", "requires-review", "requires-human", "approvals"].map(|name| &step["outputs"][name]);
        assert_eq!(found, ["critical", "true", "true", "2"]);
        let annotations = ran.annotations(&id(number)).join("\n");
        assert!(annotations.contains(word), "{annotations}");
    }
    let nowhere = Machine::with_registry("http://127.0.0.1:9");
    let mut nowhere = nowhere.with_tokens(&site.twin, super::machine::REPO, &[READ]);
    nowhere.variables.insert("npm_config_fetch_retries".to_owned(), "0".to_owned());
    nowhere.variables.insert("npm_config_cache".to_owned(), "/nonexistent".to_owned());
    let ran = nowhere.job(steps(&[json!({})]), &json!({"contents": "read"}), &site.github(&pull)).await;
    assert_eq!(ran.ended("risk", "tier"), ("failure".to_owned(), "critical".to_owned()));
    assert!(
        ran.annotations("risk")[0].contains("npm could not install @aspora/risk-tier-cli@"),
        "{:#}",
        ran.said
    );
}

#[test]
fn the_action_installs_the_version_of_this_release() {
    let action = include_str!("../../../deploy/actions/risk-tier/action.yml");
    let line = format!("\n        VERSION: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(action.contains(&line), "put the version into deploy/actions/risk-tier/action.yml:{line}");
}
