//! Parsing a policy document, `.aspora/risk-policy.json`.
//!
//! An unknown key is refused where it decides something (tiers, tier rules, checks). Elsewhere it gives a
//! warning, so that a policy may carry keys for other tools.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{
    App, CheckDemand, Demands, DocsRules, Error, EvidenceRules, HarnessGapRule, POLICY_LIMIT, Policy,
    StatusBy, Tier,
    json::{At, Value},
    lint, reviewers,
    rules::ProductRules,
};
use crate::{
    glob::{self, PATTERN_COUNT_LIMIT, Patterns},
    merge_method::{MergeMethod, UnknownMethod},
    requirement::ProductName,
};

/// The most approvals that a tier may demand.
const APPROVALS_LIMIT: u32 = 100;
/// The longest a check's name may be, in bytes.
const NAME_LIMIT: usize = 256;
/// The most checks a tier may list.
const CHECKS_LIMIT: usize = 100;
/// Where a user interface is, unless the policy says otherwise.
const UI_PATHS: [&str; 2] = ["frontend/**", "api/v1/**"];

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first [`Error`], with the JSON pointer of what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > POLICY_LIMIT {
            return Err(Error::new("", format!("has {} bytes; the limit is {POLICY_LIMIT}", bytes.len())));
        }
        if let Some(wrong) = misencoded(bytes) {
            return Err(Error::new("", wrong));
        }
        let mut policy = read(&Value::parse(bytes)?)?;
        policy.digest = hex::encode(Sha256::digest(bytes));
        Ok(policy)
    }
}

/// Reads a policy without its digest.
pub(super) fn read(document: &Value) -> Result<Policy, Error> {
    let mut reader = Reader::default();
    let policy = reader.policy(&document.root())?;
    Ok(Policy { warnings: reader.warnings, warned_at: reader.warned_at, ..policy })
}

/// What is collected while a document is read.
#[derive(Default)]
struct Reader {
    warnings: Vec<String>,
    /// The pointer of each warning.
    warned_at: Vec<String>,
    patterns: usize,
}

impl Reader {
    fn policy(&mut self, root: &At<'_>) -> Result<Policy, Error> {
        let (mut products, mut docs, mut harness_gaps) = (None, None, Vec::new());
        for (key, at) in root.members()? {
            match key {
                "version" if at.text()? == "1" => {}
                "version" => return Err(at.refuse("must be \"1\", the only version there is")),
                "products" => products = Some(self.products(&at)?),
                "docsDriftRules" => docs = Some(self.docs(&at)?),
                "harnessGapSLA" => harness_gaps = self.harness_gaps(&at)?,
                _ => self.unknown(&at),
            }
        }
        let products = products.ok_or_else(|| root.refuse("has no `products`"))?;
        let docs = match docs {
            Some(docs) => docs,
            None => DocsRules { require: compile(root, vec![])?, files: compile(root, vec![])? },
        };
        Ok(Policy {
            digest: String::new(),
            products,
            docs,
            harness_gaps,
            warnings: Vec::new(),
            warned_at: Vec::new(),
        })
    }

    fn products(&mut self, at: &At<'_>) -> Result<BTreeMap<ProductName, ProductRules>, Error> {
        let mut products = BTreeMap::new();
        for (key, at) in at.members()? {
            let name: ProductName =
                key.parse().map_err(|error: crate::requirement::Invalid| at.refuse(error.message))?;
            let rules = self.product(&at, name.clone())?;
            for (pointer, warning) in lint::warnings(&rules) {
                self.warn(format!("{}{pointer}", at.pointer()), warning);
            }
            products.insert(name, rules);
        }
        if products.is_empty() { Err(at.refuse("names no product")) } else { Ok(products) }
    }

    fn product(&mut self, product: &At<'_>, name: ProductName) -> Result<ProductRules, Error> {
        let (mut tier_rules, mut demands, mut evidence) = (None, None, None);
        let (mut merge_method, mut reviewers) = (None, None);
        for (key, at) in product.members()? {
            match key {
                "riskTierRules" => tier_rules = Some(self.tier_rules(&at)?),
                "mergePolicy" => demands = Some(merge_policy(&at)?),
                "evidenceRequirements" => evidence = self.evidence(&at)?,
                "mergeMethod" => merge_method = Some(method(&at)?),
                "reviewers" => reviewers = Some(reviewers::read(&at)?),
                _ => self.unknown(&at),
            }
        }
        let (patterns, tiers) = tier_rules.ok_or_else(|| product.refuse("has no `riskTierRules`"))?;
        let demands = demands.ok_or_else(|| product.refuse("has no `mergePolicy`"))?;
        Ok(ProductRules { name, patterns, tiers, demands, evidence, merge_method, reviewers })
    }

    fn tier_rules(&mut self, at: &At<'_>) -> Result<(Patterns, Vec<Tier>), Error> {
        let (mut texts, mut tiers) = (Vec::new(), Vec::new());
        for (key, rule) in at.members()? {
            let tier = tier(key, &rule)?;
            let found = self.patterns(&rule)?;
            tiers.extend(std::iter::repeat_n(tier, found.len()));
            texts.extend(found);
        }
        Ok((compile(at, texts)?, tiers))
    }

    fn patterns(&mut self, at_list: &At<'_>) -> Result<Vec<String>, Error> {
        let mut texts = Vec::new();
        for item in at_list.items()? {
            let text = item.text()?;
            self.patterns += 1;
            if self.patterns > PATTERN_COUNT_LIMIT {
                return Err(
                    item.refuse(format!("is one pattern too many: the limit is {PATTERN_COUNT_LIMIT}"))
                );
            }
            if let Some(refusal) = glob::refusal(text) {
                return Err(item.refuse(refusal));
            }
            texts.push(text.to_owned());
        }
        for (at, text) in texts.iter().enumerate() {
            let pointer = format!("{}/{at}", at_list.pointer());
            for odd in glob::warnings(text, &texts) {
                self.warn(pointer.clone(), format!("{pointer}: {odd}"));
            }
        }
        Ok(texts)
    }

    fn evidence(&mut self, at: &At<'_>) -> Result<Option<EvidenceRules>, Error> {
        let mut evidence = None;
        for (key, at) in at.members()? {
            match key {
                "ui_changes" => evidence = Some(self.ui_changes(&at)?),
                _ => self.unknown(&at),
            }
        }
        Ok(evidence)
    }

    fn ui_changes(&mut self, ui: &At<'_>) -> Result<EvidenceRules, Error> {
        let mut paths = UI_PATHS.map(str::to_owned).to_vec();
        let (mut required_flows, mut assertion_checks) = (Vec::new(), Vec::new());
        for (key, at) in ui.members()? {
            match key {
                "paths" => paths = self.patterns(&at)?,
                "requiredFlows" => required_flows = texts(&at)?,
                "assertionChecks" => assertion_checks = texts(&at)?,
                "captureMethod" if at.text()? == "playwright" => {}
                "captureMethod" => {
                    return Err(at.refuse("must be `playwright`, the only capture method there is"));
                }
                _ => self.unknown(&at),
            }
        }
        Ok(EvidenceRules { paths: compile(ui, paths)?, required_flows, assertion_checks })
    }

    fn docs(&mut self, docs: &At<'_>) -> Result<DocsRules, Error> {
        let (mut require, mut files) = (Vec::new(), Vec::new());
        for (key, at) in docs.members()? {
            match key {
                "requireDocsUpdate" => require = self.patterns(&at)?,
                "docsFiles" => files = self.patterns(&at)?,
                _ => self.unknown(&at),
            }
        }
        if files.is_empty() && !require.is_empty() {
            return Err(
                docs.refuse("`requireDocsUpdate` could never be satisfied: `docsFiles` names no file")
            );
        }
        Ok(DocsRules { require: compile(docs, require)?, files: compile(docs, files)? })
    }

    fn harness_gaps(&mut self, at: &At<'_>) -> Result<Vec<HarnessGapRule>, Error> {
        at.members()?.into_iter().map(|(kind, at)| self.harness_gap(kind, &at)).collect()
    }

    fn harness_gap(&mut self, kind: &str, gap: &At<'_>) -> Result<HarnessGapRule, Error> {
        let (mut limit, mut label) = (None, None);
        for (key, at) in gap.members()? {
            match key {
                "maxTimeToHarnessCase" => limit = Some(minutes(&at)?),
                "trackingLabel" => label = Some(named(&at)?),
                _ => self.unknown(&at),
            }
        }
        Ok(HarnessGapRule {
            kind: kind.to_owned(),
            limit_minutes: limit.ok_or_else(|| gap.refuse("has no `maxTimeToHarnessCase`"))?,
            label: label.ok_or_else(|| gap.refuse("has no `trackingLabel`"))?,
        })
    }

    fn unknown(&mut self, at: &At<'_>) {
        let pointer = at.pointer().to_owned();
        let warning = format!("{pointer}: is not a known key and is ignored");
        self.warn(pointer, warning);
    }

    fn warn(&mut self, pointer: String, warning: String) {
        self.warned_at.push(pointer);
        self.warnings.push(warning);
    }
}

/// What is wrong with the encoding, which JSON's own errors do not name.
fn misencoded(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        _ if bytes.trim_ascii().is_empty() => Some("is empty"),
        [0xEF, 0xBB, 0xBF, ..] => {
            Some("begins with a byte order mark (U+FEFF); save it as UTF-8 without one")
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, _, ..] | [_, 0, ..] => {
            Some("is UTF-16 or UTF-32; save it as UTF-8")
        }
        // A reader that must have text has put U+FFFD where bytes were no UTF-8.
        _ if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\u{fffd}')) => None,
        _ => Some("is not UTF-8, or holds U+FFFD, which stands for bytes that are not; save it as UTF-8"),
    }
}

fn merge_policy(at: &At<'_>) -> Result<BTreeMap<Tier, Demands>, Error> {
    let mut demands = BTreeMap::new();
    for (key, rule) in at.members()? {
        let tier = tier(key, &rule)?;
        demands.insert(tier, merge_rule(&rule)?.floored(tier, false));
    }
    if demands.contains_key(&Tier::Critical) {
        return Ok(demands);
    }
    Err(at.refuse("has no `critical`: no stricter tier could replace it, and any change may be critical"))
}

fn merge_rule(rule: &At<'_>) -> Result<Demands, Error> {
    let (mut checks, mut approvals, mut human) = (None, None, None);
    let (mut up_to_date, mut skipped_counts, mut deadline_minutes) = (false, false, None);
    for (key, at) in rule.members()? {
        match key {
            "requiredChecks" => checks = Some(required_checks(&at)?),
            "requiredApprovals" => approvals = Some(at.number(APPROVALS_LIMIT)?),
            "requiresHumanApproval" => human = Some(at.truth()?),
            "requireUpToDate" => up_to_date = at.truth()?,
            "acceptedConclusions" => skipped_counts = accepts_skipped(&at)?,
            "checkDeadline" => deadline_minutes = Some(minutes(&at)?),
            _ => return Err(at.refuse("is not a key of a tier rule")),
        }
    }
    let mut checks = checks.ok_or_else(|| rule.refuse("has no `requiredChecks`"))?;
    checks.iter_mut().for_each(|check: &mut CheckDemand| check.skipped_counts |= skipped_counts);
    Ok(Demands {
        checks,
        approvals: approvals.ok_or_else(|| rule.refuse("has no `requiredApprovals`"))?,
        human: human.ok_or_else(|| rule.refuse("has no `requiresHumanApproval`"))?,
        up_to_date,
        deadline_minutes,
        approvals_by: Vec::new(),
    })
}

fn required_checks(at: &At<'_>) -> Result<Vec<CheckDemand>, Error> {
    let mut checks: Vec<CheckDemand> = Vec::new();
    for item in at.items()? {
        let check = if item.is_map() { bound_check(&item)? } else { CheckDemand::named(&named(&item)?) };
        if checks.iter().any(|known| known.reported_by(&check)) {
            return Err(item.refuse("is listed twice"));
        }
        checks.push(check);
        if checks.len() > CHECKS_LIMIT {
            return Err(item.refuse(format!("is one check too many: the limit is {CHECKS_LIMIT}")));
        }
    }
    Ok(checks)
}

fn bound_check(check: &At<'_>) -> Result<CheckDemand, Error> {
    let (mut name, mut app, mut status, mut skipped_counts) = (None, None, None, false);
    for (key, at) in check.members()? {
        match key {
            "name" => name = Some(named(&at)?),
            "app" => app = Some(bound_app(&at)?),
            "status" => status = status_by(&at)?,
            "acceptedConclusions" => skipped_counts = accepts_skipped(&at)?,
            _ => {
                return Err(
                    at.refuse("is not a key of a check: `name`, `app`, `status`, `acceptedConclusions`")
                );
            }
        }
    }
    let name = name.ok_or_else(|| check.refuse("has no `name`"))?;
    if app.is_some() && status.is_some() {
        return Err(check.refuse("has both `app` and `status`: it is a check run or a commit status"));
    }
    Ok(CheckDemand { name, app, status, skipped_counts, by: Vec::new() })
}

/// `true`, or the login of the account that sets the status.
fn status_by(at: &At<'_>) -> Result<Option<StatusBy>, Error> {
    if let Ok(any) = at.truth() {
        return Ok(any.then_some(StatusBy::Anyone));
    }
    let login = named(at).map_err(|_| at.refuse("must be `true`, or the login of who sets the status"))?;
    Ok(Some(StatusBy::Login(login)))
}

fn bound_app(at: &At<'_>) -> Result<App, Error> {
    match named(at) {
        Ok(slug) => Ok(App::Slug(slug)),
        Err(_) => at
            .number(u32::MAX)
            .map(|id| App::Id(u64::from(id)))
            .map_err(|_| at.refuse("must be an app's number or its slug")),
    }
}

/// Only `success` and `skipped` can be accepted, so no policy can make a failure pass.
fn accepts_skipped(at: &At<'_>) -> Result<bool, Error> {
    let mut skipped = false;
    for item in at.items()? {
        match item.text()? {
            "success" => {}
            "skipped" => skipped = true,
            _ => return Err(item.refuse("must be `success` or `skipped`")),
        }
    }
    Ok(skipped)
}

fn tier(key: &str, at: &At<'_>) -> Result<Tier, Error> {
    key.parse().map_err(|unknown: super::UnknownTier| at.refuse(unknown.to_string()))
}

fn method(at: &At<'_>) -> Result<MergeMethod, Error> {
    at.text()?.parse().map_err(|unknown: UnknownMethod| at.refuse(unknown.to_string()))
}

fn texts(at: &At<'_>) -> Result<Vec<String>, Error> {
    at.items()?.iter().map(named).collect()
}

fn named(at: &At<'_>) -> Result<String, Error> {
    let text = at.text()?;
    let plain = !text.trim().is_empty() && text.trim() == text && !text.chars().any(char::is_control);
    if plain && text.len() <= NAME_LIMIT {
        return Ok(text.to_owned());
    }
    Err(at.refuse(format!("must be one line of 1 to {NAME_LIMIT} bytes, without white space at its ends")))
}

/// `48h`, `90m` or `2d`, up to a year.
fn minutes(at: &At<'_>) -> Result<u32, Error> {
    let text = at.text()?;
    let unit = match text.chars().last() {
        Some('m') => Some(1),
        Some('h') => Some(60),
        Some('d') => Some(24 * 60),
        _ => None,
    };
    let count = text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<u32>().ok());
    let minutes = unit.zip(count).and_then(|(unit, count)| count.checked_mul(unit));
    minutes
        .filter(|minutes| (1..=366 * 24 * 60).contains(minutes))
        .ok_or_else(|| at.refuse("must be a time such as `48h`, `90m` or `2d`, up to a year"))
}

fn compile(at: &At<'_>, texts: Vec<String>) -> Result<Patterns, Error> {
    Patterns::new(texts).map_err(|error| at.refuse(format!("its patterns do not compile together: {error}")))
}
