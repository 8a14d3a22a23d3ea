//! What GitHub itself demands of a branch, by its rules and by classic protection, and whether we could get around it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Remark,
    methods::{ChosenMethod, MergeMethods, Settings},
    reason,
};
use crate::{
    core::requirement::RepoName,
    github::{Error, Forge, Kind, escape, known_branches::Demanded, route},
};

/// A check that GitHub demands before a merge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RequiredCheck {
    /// Its name.
    pub name: String,
    /// The only App that may report it; any, if there is none.
    pub app: Option<i64>,
}

/// What GitHub demands of one branch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// The checks.
    pub checks: BTreeSet<RequiredCheck>,
    /// How many approvals.
    pub approvals: u64,
    /// Whether a code owner must approve.
    pub code_owners: bool,
    /// Whether the branch must contain the newest commit of its base.
    pub up_to_date: bool,
    /// Whether all conversations on lines must be resolved.
    pub conversations: bool,
    /// Whether every commit must be signed.
    pub signatures: bool,
    /// Whether merges go through a queue.
    pub queue: bool,
    /// Whether merge commits are refused.
    pub linear: bool,
    /// The merge methods that the rules allow; `None`: all.
    pub methods: Option<BTreeSet<String>>,
    /// Why classic protection could not be read.
    pub unreadable: Option<String>,
    /// The rulesets, by number, that are in force here.
    #[serde(skip)]
    rulesets: BTreeMap<u64, String>,
    /// What of classic protection would not hold us.
    #[serde(skip)]
    bypasses: Vec<String>,
}

/// One rule of `GET /rules/branches/{branch}`.
#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: Value,
    #[serde(default)]
    ruleset_id: Option<u64>,
    #[serde(default)]
    ruleset_source: String,
}

impl Forge {
    /// Whether a branch accepts signed commits only, as it was at most a minute ago: every push asks, and a merge is
    /// held to the rules by GitHub itself.
    ///
    /// # Errors
    /// Those of [`Forge::demand`].
    pub async fn demands_signatures(&self, repo: &RepoName, branch: &str) -> Result<bool, Error> {
        Ok(self.demanded(repo, branch).await?.signatures)
    }

    /// Whether a branch demands that all conversations on lines are resolved, as it was at most a minute ago: GitHub
    /// itself holds a merge to it. Where our credential may not read what the branch demands, no.
    ///
    /// # Errors
    /// Those of [`Forge::demand`].
    pub async fn demands_resolved_conversations(&self, repo: &RepoName, branch: &str) -> Result<bool, Error> {
        match self.demanded(repo, branch).await {
            Ok(demanded) => Ok(demanded.conversations),
            Err(error) if error.kind() == Kind::Forbidden => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn demanded(&self, repo: &RepoName, branch: &str) -> Result<Demanded, Error> {
        if let Some(known) = self.branches.known(repo, branch) {
            return Ok(known);
        }
        let Demand { signatures, conversations, .. } = self.demand(repo, branch).await?;
        let demanded = Demanded { signatures, conversations };
        self.branches.learn(repo, branch, demanded);
        Ok(demanded)
    }

    /// What GitHub demands of this branch.
    ///
    /// # Errors
    /// Those of the calls; that classic protection may not be read is no error, but said in the demand.
    pub async fn demand(&self, repo: &RepoName, branch: &str) -> Result<Demand, Error> {
        let mut demand = Demand::default();
        let rules =
            self.pages(&route(repo, &format!("rules/branches/{}", escape(branch))), |page| page).await;
        let rules: Vec<Rule> = match rules {
            // An older server of one's own has no rulesets.
            Err(error) if error.kind() == Kind::NotFound => Vec::new(),
            rules => rules?,
        };
        rules.iter().for_each(|rule| demand.add(rule));
        match self.get::<Value>(&route(repo, &format!("branches/{}/protection", escape(branch)))).await {
            Ok(protection) => demand.add_classic(&protection),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) if error.kind() == Kind::Forbidden => demand.unreadable = Some(reason(&error)),
            Err(error) => return Err(error),
        }
        Ok(demand)
    }

    /// The remarks about a base branch, into which a product merges by this method.
    pub(super) async fn inspect_branch(
        &self,
        repo: &RepoName,
        branch: &str,
        settings: &Settings,
        method: ChosenMethod,
    ) -> Vec<Remark> {
        let demand = match self.demand(repo, branch).await {
            Ok(demand) => demand,
            Err(error) => {
                let why = reason(&error);
                let mut remarks = MergeMethods::new(settings, &Demand::default()).remarks(branch, method);
                remarks.push(Remark::note(format!("what `{branch}` demands cannot be read: {why}")));
                return remarks;
            }
        };
        let mut remarks = demand.remarks(branch);
        if demand.signatures {
            remarks.push(self.inspect_signatures(branch));
        }
        remarks.extend(MergeMethods::new(settings, &demand).remarks(branch, method));
        for (ruleset, source) in &demand.rulesets {
            remarks.extend(self.inspect_bypass(repo, *ruleset, source).await);
        }
        remarks
    }

    /// Whether our commits can be signed where a branch accepts no others.
    fn inspect_signatures(&self, branch: &str) -> Remark {
        let kind = self.kind();
        if kind.signs_commits() {
            return Remark::fine(format!(
                "`{branch}` accepts signed commits only: GitHub makes and signs ours, which change no executable file"
            ));
        }
        Remark::fatal(format!(
            "`{branch}` accepts signed commits only, and GitHub is not known to sign those of {kind}: use a GitHub App, \
             take `Require signed commits` off the branch's rules, or choose another base branch"
        ))
    }

    /// Whether a ruleset would let us pass. We never use that, but someone with our key could.
    async fn inspect_bypass(&self, repo: &RepoName, ruleset: u64, source: &str) -> Option<Remark> {
        #[derive(Deserialize)]
        struct Ruleset {
            name: String,
            #[serde(default)]
            current_user_can_bypass: Option<String>,
        }
        let found: Ruleset = self.get(&route(repo, &format!("rulesets/{ruleset}"))).await.ok()?;
        let can = found.current_user_can_bypass.filter(|can| can != "never")?;
        Some(Remark::note(format!(
            "our credential may bypass the ruleset `{}` of {source} ({can}); Aspora never does, but take it off the \
             ruleset's bypass list",
            found.name
        )))
    }
}

impl Demand {
    fn add(&mut self, rule: &Rule) {
        let parameters = &rule.parameters;
        let is = |name: &str| parameters.get(name).and_then(Value::as_bool).unwrap_or(false);
        if let Some(id) = rule.ruleset_id {
            self.rulesets.insert(id, rule.ruleset_source.clone());
        }
        match rule.kind.as_str() {
            "required_status_checks" => {
                self.up_to_date |= is("strict_required_status_checks_policy");
                self.checks.extend(checks(&parameters["required_status_checks"], "integration_id"));
            }
            "pull_request" => {
                self.need_approvals(&parameters["required_approving_review_count"]);
                self.code_owners |= is("require_code_owner_review");
                self.conversations |= is("required_review_thread_resolution");
                self.allow(&parameters["allowed_merge_methods"]);
            }
            "required_signatures" => self.signatures = true,
            "required_linear_history" => self.linear = true,
            "merge_queue" => self.queue = true,
            _ => {}
        }
    }

    fn add_classic(&mut self, protection: &Value) {
        let is = |at: &str| protection.pointer(at).and_then(Value::as_bool).unwrap_or(false);
        self.up_to_date |= is("/required_status_checks/strict");
        self.checks.extend(checks(&protection["required_status_checks"]["checks"], "app_id"));
        let reviews = &protection["required_pull_request_reviews"];
        self.need_approvals(&reviews["required_approving_review_count"]);
        self.code_owners |= is("/required_pull_request_reviews/require_code_owner_reviews");
        self.conversations |= is("/required_conversation_resolution/enabled");
        self.signatures |= is("/required_signatures/enabled");
        self.linear |= is("/required_linear_history/enabled");
        if !is("/enforce_admins/enabled") {
            self.bypasses.push("the branch's protection does not hold for administrators".to_owned());
        }
        let allowances = &reviews["bypass_pull_request_allowances"];
        if ["users", "teams", "apps"]
            .iter()
            .any(|who| allowances[who].as_array().is_some_and(|it| !it.is_empty()))
        {
            self.bypasses.push("some accounts may merge without the required reviews".to_owned());
        }
    }

    fn need_approvals(&mut self, count: &Value) {
        self.approvals = self.approvals.max(count.as_u64().unwrap_or(0));
    }

    /// Of several rules only what all allow is allowed.
    fn allow(&mut self, methods: &Value) {
        let Some(methods) = methods.as_array() else { return };
        let these: BTreeSet<String> =
            methods.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
        self.methods = Some(match self.methods.take() {
            Some(before) => before.intersection(&these).cloned().collect(),
            None => these,
        });
    }

    fn remarks(&self, branch: &str) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let demanded = self.sentence();
        remarks.push(match demanded.is_empty() {
            true => Remark::note(format!(
                "GitHub demands nothing of `{branch}`: anyone with write access can push past the gate; add a ruleset \
                 that requires pull requests and the check `risk-policy-gate`"
            )),
            false => Remark::fine(format!("`{branch}` demands {demanded}")),
        });
        if !demanded.is_empty() && !self.checks.iter().any(|check| check.name == "risk-policy-gate") {
            remarks.push(Remark::note(format!(
                "`{branch}` does not require the check `risk-policy-gate`: people can merge without the gate"
            )));
        }
        if let Some(why) = &self.unreadable {
            remarks.push(Remark::note(format!(
                "classic protection of `{branch}` cannot be read ({why}); grant `administration: read` to see it here"
            )));
        }
        remarks
            .extend(self.bypasses.iter().map(|what| Remark::note(format!("{what}; Aspora never uses that"))));
        remarks
    }

    /// What is demanded, in a few words; empty if nothing is.
    fn sentence(&self) -> String {
        let check = |check: &RequiredCheck| match check.app {
            Some(app) => format!("`{}` of App {app}", check.name),
            None => format!("`{}`", check.name),
        };
        let mut parts: Vec<String> = self.checks.iter().map(check).collect();
        if self.approvals > 0 {
            parts.push(crate::core::words::counted(self.approvals, "approval"));
        }
        let flags = [
            (self.code_owners, "a code owner's approval"),
            (self.up_to_date, "the newest commit of the base"),
            (self.conversations, "resolved conversations"),
            (self.signatures, "signed commits"),
            (self.linear, "a linear history"),
            (self.queue, "a merge queue"),
        ];
        parts.extend(flags.iter().filter(|(is, _)| *is).map(|(_, what)| (*what).to_owned()));
        if let Some(methods) = &self.methods {
            let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
            parts.push(format!("one of the merge methods {}", methods.join(", ")));
        }
        parts.join(", ")
    }
}

/// The required checks in a list; −1 and null mean any App.
fn checks(list: &Value, app: &str) -> Vec<RequiredCheck> {
    let read = |item: &Value| {
        let app = item.get(app).and_then(Value::as_i64).filter(|id| *id >= 0);
        Some(RequiredCheck { name: item.get("context")?.as_str()?.to_owned(), app })
    };
    list.as_array().map(|list| list.iter().filter_map(read).collect()).unwrap_or_default()
}
