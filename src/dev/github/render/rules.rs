//! Branches, their classic protection, and rulesets.

use serde_json::{Value, json};

use super::Links;
use crate::dev::github::{
    accounts::{app_id, user_id},
    git::Commit,
    protection::{Enforcement, RequiredCheck, Rules, Ruleset},
    rules,
    state::Repository,
};

impl Links {
    /// A branch with its last commit.
    pub(crate) fn branch(&self, it: &Repository, branch: &str, commit: &Commit) -> Value {
        let url = format!("{}/branches/{}", self.api(it), super::escape(branch));
        let classic = it.protections.get(branch);
        let none = Rules::default();
        let level = match classic {
            None => "off",
            Some(rules) if rules.bypass.is_empty() => "everyone",
            Some(_) => "non_admins",
        };
        json!({
            "name": branch, "commit": self.commit(it, commit), "protected": !rules::of_branch(it, branch).is_empty(),
            "_links": {"self": url, "html": format!("{}/tree/{}", self.page(it), super::escape(branch))},
            "protection": {
                "enabled": classic.is_some(),
                "required_status_checks": {
                    "enforcement_level": level, "contexts": contexts(classic.unwrap_or(&none)),
                    "checks": checks(&classic.unwrap_or(&none).checks, "app_id"),
                },
            },
            "protection_url": format!("{url}/protection"),
        })
    }

    /// The classic protection of a branch.
    pub(crate) fn protection(&self, it: &Repository, branch: &str, rules: &Rules) -> Value {
        let url = format!("{}/branches/{}/protection", self.api(it), super::escape(branch));
        let is = |enabled: bool| json!({"enabled": enabled});
        let at = |part: &str, enabled: bool| json!({"url": format!("{url}/{part}"), "enabled": enabled});
        let mut shown = json!({
            "url": url, "required_signatures": at("required_signatures", rules.signatures),
            "enforce_admins": at("enforce_admins", rules.bypass.is_empty()),
            "required_linear_history": is(rules.linear_history), "allow_force_pushes": is(rules.allow_force_pushes),
            "allow_deletions": is(rules.allow_deletions), "block_creations": is(false),
            "required_conversation_resolution": is(rules.conversations), "lock_branch": is(false), "allow_fork_syncing": is(false),
        });
        if !rules.checks.is_empty() {
            shown["required_status_checks"] = json!({
                "url": format!("{url}/required_status_checks"), "strict": rules.up_to_date, "contexts": contexts(rules),
                "contexts_url": format!("{url}/required_status_checks/contexts"),
                "checks": checks(&rules.checks, "app_id"),
            });
        }
        if rules.pull_request || rules.approvals > 0 {
            shown["required_pull_request_reviews"] = json!({
                "url": format!("{url}/required_pull_request_reviews"),
                "dismiss_stale_reviews": rules.dismiss_stale_reviews, "require_code_owner_reviews": false,
                "required_approving_review_count": rules.approvals, "require_last_push_approval": false,
            });
        }
        shown
    }

    /// The rules that bind a branch through rulesets.
    pub(crate) fn branch_rules(&self, it: &Repository, branch: &str) -> Vec<Value> {
        let active = it
            .rulesets
            .iter()
            .filter(|set| rules::covers(&set.branch, branch) && set.enforcement == Enforcement::Active);
        let of_set = |set: &Ruleset| {
            let source = json!({
                "ruleset_source_type": "Repository", "ruleset_source": it.full_name(), "ruleset_id": set.id,
            });
            ruleset_rules(&set.rules)
                .into_iter()
                .map(move |rule| super::with(rule, source.clone()))
                .collect::<Vec<_>>()
        };
        active.flat_map(of_set).collect()
    }

    /// A ruleset as it is in a list.
    pub(crate) fn ruleset_simple(&self, it: &Repository, set: &Ruleset) -> Value {
        let href = format!("{}/rulesets/{}", self.api(it), set.id);
        json!({
            "id": set.id, "name": set.name, "target": "branch", "source_type": "Repository", "source": it.full_name(),
            "enforcement": set.enforcement, "node_id": super::node("RRS", set.id), "created_at": set.created_at,
            "updated_at": set.created_at,
            "_links": {"self": {"href": href}, "html": {"href": format!("{}/rules/{}", self.page(it), set.id)}},
        })
    }

    /// A ruleset in full. Only a caller who `writes` it sees the actors that may bypass it.
    pub(crate) fn ruleset(&self, it: &Repository, set: &Ruleset, caller: &str, writes: bool) -> Value {
        let bypasses = set.rules.bypass.iter().any(|login| login == caller);
        let more = json!({
            "conditions": {"ref_name": {"include": [format!("refs/heads/{}", set.branch)], "exclude": []}},
            "rules": ruleset_rules(&set.rules),
            "current_user_can_bypass": if bypasses { "always" } else { "never" },
        });
        let mut shown = super::with(self.ruleset_simple(it, set), more);
        if writes {
            shown["bypass_actors"] = set.rules.bypass.iter().map(|login| bypass_actor(login)).collect();
        }
        shown
    }
}

fn bypass_actor(login: &str) -> Value {
    let (kind, id) = match login.strip_suffix("[bot]") {
        Some(slug) => ("Integration", app_id(slug)),
        None => ("User", user_id(login)),
    };
    json!({"actor_id": id, "actor_type": kind, "bypass_mode": "always"})
}

fn contexts(rules: &Rules) -> Vec<&str> {
    rules.checks.iter().map(|check| &*check.context).collect()
}

/// Required checks; classic protection and rulesets name the app differently.
fn checks(checks: &[RequiredCheck], app: &str) -> Vec<Value> {
    let shown = |check: &RequiredCheck| {
        let mut shown = json!({"context": check.context});
        match &check.app {
            Some(slug) => shown[app] = app_id(slug).into(),
            // A ruleset leaves it out; classic protection has null.
            None if app == "app_id" => shown[app] = Value::Null,
            None => {}
        }
        shown
    };
    checks.iter().map(shown).collect()
}

fn ruleset_rules(rules: &Rules) -> Vec<Value> {
    let plain = |name: &str, on: bool| on.then(|| json!({"type": name}));
    let methods = match rules.merge_methods.as_slice() {
        [] => vec!["merge", "squash", "rebase"],
        methods => methods.iter().map(|method| method.as_str()).collect(),
    };
    let reviews = json!({"type": "pull_request", "parameters": {
        "required_approving_review_count": rules.approvals,
        "dismiss_stale_reviews_on_push": rules.dismiss_stale_reviews, "require_code_owner_review": false,
        "require_last_push_approval": false, "required_review_thread_resolution": rules.conversations,
        "allowed_merge_methods": methods,
    }});
    let checks = json!({"type": "required_status_checks", "parameters": {
        "required_status_checks": checks(&rules.checks, "integration_id"),
        "strict_required_status_checks_policy": rules.up_to_date, "do_not_enforce_on_create": false,
    }});
    let queue = json!({"type": "merge_queue", "parameters": {
        "check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5,
        "max_entries_to_merge": 5, "merge_method": "MERGE", "min_entries_to_merge": 1,
        "min_entries_to_merge_wait_minutes": 5,
    }});
    let all = [
        plain("deletion", !rules.allow_deletions),
        plain("non_fast_forward", !rules.allow_force_pushes),
        plain("required_signatures", rules.signatures),
        plain("required_linear_history", rules.linear_history),
        (rules.pull_request || rules.approvals > 0 || rules.conversations || !rules.merge_methods.is_empty())
            .then_some(reviews),
        (!rules.checks.is_empty()).then_some(checks),
        rules.merge_queue.then_some(queue),
    ];
    all.into_iter().flatten().collect()
}
