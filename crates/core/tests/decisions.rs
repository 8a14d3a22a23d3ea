//! Decisions that were recorded by stories: a change of the judgement shows in them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use aspora_core::policy::{Facts, judge, judged_again, preflight};
use serde_json::Value;

/// Decisions that stories have recorded, as they were recorded. The policies, which are long and few, stand once.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/decisions.json");

/// Puts the policies back where their numbers are.
fn whole(mut facts: Value, policies: &[Value]) -> Value {
    let put_back = |place: &mut Value| {
        if let Some(number) = place.as_u64() {
            *place = policies[usize::try_from(number).unwrap()].clone();
        }
    };
    put_back(&mut facts["base_policy"]);
    put_back(&mut facts["head_policy"]);
    facts["fork_policies"].as_array_mut().into_iter().flatten().for_each(put_back);
    facts
}

/// After a deliberate change of the judgement, `ASPORA_RERECORD=1` writes what comes out now; read the difference.
#[test]
fn recorded_decisions_come_out_again() {
    let mut all: Value = serde_json::from_slice(&std::fs::read(RECORDED).unwrap()).unwrap();
    let policies = all["policies"].as_array().unwrap().clone();
    let decisions = all["decisions"].as_array_mut().unwrap();
    assert!(decisions.len() >= 40, "{}", decisions.len());
    let mut otherwise = Vec::new();
    for decision in decisions {
        let facts = whole(decision["facts"].clone(), &policies);
        let stage = decision["stage"].as_str().unwrap();
        let differences = judged_again(stage, &facts, &decision["report"]).unwrap();
        if !differences.is_empty() {
            otherwise.push(format!("{}: {differences:#?}", decision["name"]));
            let facts: Facts = serde_json::from_value(facts).unwrap();
            let now = if stage == "verdict" { judge(&facts) } else { preflight(&facts) };
            decision["report"] = serde_json::to_value(now).unwrap();
        }
    }
    if std::env::var_os("ASPORA_RERECORD").is_some() {
        let decisions: Vec<String> =
            all["decisions"].as_array().unwrap().iter().map(|it| format!("  {it}")).collect();
        let policies: Vec<String> = policies.iter().map(|it| format!("  {it}")).collect();
        let text = format!(
            "{{\"policies\": [\n{}\n], \"decisions\": [\n{}\n]}}\n",
            policies.join(",\n"),
            decisions.join(",\n")
        );
        std::fs::write(RECORDED, text).unwrap();
        return;
    }
    assert!(
        otherwise.is_empty(),
        "{} decisions come out otherwise:\n{}",
        otherwise.len(),
        otherwise.join("\n")
    );
}
