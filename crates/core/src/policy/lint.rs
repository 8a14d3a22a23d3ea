//! Warnings about a product's rules that are odd but still work.

use super::{Tier, rules::ProductRules};
use crate::glob::covers;

/// Words that are common in paths of code that handles money.
const MONEY_WORDS: [&str; 10] = [
    "trading",
    "trade",
    "broker",
    "payment",
    "payout",
    "ledger",
    "withdraw",
    "deposit",
    "wallet",
    "portfolio",
];

/// Every warning about one product, for people.
pub(super) fn warnings(rules: &ProductRules) -> Vec<String> {
    let mut warnings = dead_patterns(rules);
    warnings.extend(weaker_steps(rules));
    warnings
}

/// Whether a path seems to handle money but matches only a catch-all, which is probably an oversight.
pub(super) fn is_forgotten_money(path: &str, pattern: &str) -> bool {
    let path = path.to_lowercase();
    pattern == "**" && MONEY_WORDS.iter().any(|word| path.contains(word))
}

fn dead_patterns(rules: &ProductRules) -> Vec<String> {
    let patterns = || rules.patterns.texts().iter().zip(&rules.tiers);
    let mut dead = Vec::new();
    for (text, tier) in patterns() {
        if let Some((wider, above)) = patterns().find(|(wider, above)| *above > tier && covers(wider, text)) {
            let name = &rules.name;
            dead.push(format!("{name}: `{text}` in {tier} decides nothing: `{wider}` in {above} covers it"));
        }
    }
    dead
}

fn weaker_steps(rules: &ProductRules) -> Vec<String> {
    let steps = Tier::ALL.windows(2).filter_map(|pair| {
        let (lower, upper) = (rules.demands(pair[0]), rules.demands(pair[1]));
        let weaker = upper.approvals < lower.approvals || (lower.human && !upper.human);
        weaker.then(|| format!("{}: {} asks for fewer approvals than {}", rules.name, pair[1], pair[0]))
    });
    steps.collect()
}
