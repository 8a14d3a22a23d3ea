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

/// Every warning about one product, for people, each with the JSON pointer into the product of what it is about.
pub(super) fn warnings(rules: &ProductRules) -> Vec<(String, String)> {
    let mut warnings = dead_patterns(rules);
    warnings.extend(weaker_steps(rules));
    warnings
}

/// Whether a path seems to handle money but matches only a catch-all, which is probably an oversight.
pub(super) fn is_forgotten_money(path: &str, pattern: &str) -> bool {
    let path = path.to_lowercase();
    pattern == "**" && MONEY_WORDS.iter().any(|word| path.contains(word))
}

fn dead_patterns(rules: &ProductRules) -> Vec<(String, String)> {
    let patterns = || rules.patterns.texts().iter().zip(&rules.tiers);
    let mut dead = Vec::new();
    for (index, (text, tier)) in patterns().enumerate() {
        if let Some((wider, above)) = patterns().find(|(wider, above)| *above > tier && covers(wider, text)) {
            let name = &rules.name;
            let warning =
                format!("{name}: `{text}` in {tier} decides nothing: `{wider}` in {above} covers it");
            dead.push((rules.pointer_of(index), warning));
        }
    }
    dead
}

fn weaker_steps(rules: &ProductRules) -> Vec<(String, String)> {
    let steps = Tier::ALL.windows(2).filter_map(|pair| {
        let (lower, upper) = (rules.demands(pair[0]), rules.demands(pair[1]));
        let weaker = upper.approvals < lower.approvals || (lower.human && !upper.human);
        let warning = || format!("{}: {} asks for fewer approvals than {}", rules.name, pair[1], pair[0]);
        weaker.then(|| (format!("/mergePolicy/{}", rules.stated_tier(pair[1])), warning()))
    });
    steps.collect()
}
