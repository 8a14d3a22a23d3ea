//! The tier of a large change under a large policy.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    Report,
    figures::{Spread, figure, millis},
    graphs::PRODUCT,
};
use crate::core::{
    change::{Change, ChangeKind, FileChange},
    policy::{Contract, Scope, Tier, classify},
};

/// Changed files.
const FILES: usize = 10_000;
/// Globs of the policy.
const GLOBS: usize = 200;
/// How often it is done at most, and for how long at most; the median counts.
const REPEATS: usize = 11;
const PATIENCE: Duration = Duration::from_secs(3);
/// The goal, in milliseconds.
const GOAL: f64 = 50.0;

/// Reads the policy and places every file, as a gate does.
pub(super) fn measure() -> anyhow::Result<Report> {
    let (text, change) = (policy(), change());
    let products = [PRODUCT.parse()?];
    let contract = Contract { base: Some(&text), head: Some(&text), forks: &[] };
    let scope = Scope::new(contract, &products);
    let (mut spans, first) = (Vec::new(), Instant::now());
    while spans.len() < REPEATS && (spans.is_empty() || first.elapsed() < PATIENCE) {
        let began = Instant::now();
        let placed = classify(&scope, &change).context("read the policy of the bench")?;
        spans.push(millis(began.elapsed()));
        ensure!(placed.paths.len() == FILES && placed.tier == Tier::Critical, "the change is placed wrongly");
    }
    let spans = Spread::of(spans);
    Ok(Report::of(json!({
        "files": FILES,
        "globs": GLOBS,
        "median_ms": figure(spans.median()),
        "worst_ms": figure(spans.at(1.0)),
        "goal": "50 ms",
        "met": spans.median() <= GOAL,
    })))
}

/// A policy of 200 globs of all kinds, in four tiers.
fn policy() -> String {
    let globs = |tier: &str, count: usize| -> Vec<Value> {
        let glob = |n: usize| match n % 4 {
            0 => format!("{tier}/area_{n}/**"),
            1 => format!("**/{tier}_{n}_*.py"),
            2 => format!("{tier}/*/part_{n}.{{rs,py}}"),
            _ => format!("{tier}/exact/file_{n}.py"),
        };
        (0..count).map(|n| glob(n).into()).collect()
    };
    let mut low = globs("low", GLOBS / 4 - 1);
    low.push("**".into());
    let merge = json!({ "requiredChecks": ["risk-policy-gate"], "requiredApprovals": 0, "requiresHumanApproval": false });
    json!({
        "version": "1",
        "products": { PRODUCT: {
            "riskTierRules": {
                "critical": globs("critical", GLOBS / 4),
                "high": globs("high", GLOBS / 4),
                "medium": globs("medium", GLOBS / 4),
                "low": low,
            },
            "mergePolicy": { "critical": merge, "high": merge, "medium": merge, "low": merge },
        } },
    })
    .to_string()
}

fn change() -> Change {
    let file = |n: usize| FileChange {
        path: format!(
            "{}/area_{}/sub/module_{n}.py",
            ["low", "medium", "high", "critical", "other"][n % 5],
            n % 97
        ),
        kind: ChangeKind::Modified,
        old_mode: 0o100_644,
        new_mode: 0o100_644,
        odd: false,
        blank: false,
    };
    Change { files: (0..FILES).map(file).collect() }
}
