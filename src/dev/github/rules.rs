//! What the rules of a branch say to a merge: GitHub's refusals and `mergeable_state`.
//!
//! The sentences are those that GitHub was seen to use, in the answers to merges and to pushes alike.

use std::collections::{BTreeMap, BTreeSet};

use globset::GlobBuilder;

use super::{
    accounts::BOT,
    git::Comparison,
    protection::{Enforcement, RequiredCheck, Rules, Ruleset, Source},
    refusal::Refusal,
    state::{Pull, Repository},
};

/// The rules that bind a branch, each with where it comes from.
pub(crate) fn of_branch<'a>(it: &'a Repository, branch: &str) -> Vec<(Source, &'a Rules)> {
    let classic = it.protections.iter().filter(|(pattern, _)| covers(pattern, branch));
    let active = |set: &&Ruleset| set.enforcement == Enforcement::Active && covers(&set.branch, branch);
    let sets = it.rulesets.iter().filter(active).map(|set| (Source::Ruleset, &set.rules));
    classic.map(|(_, rules)| (Source::Protection, rules)).chain(sets).collect()
}

/// Whether a pattern such as `release/*` covers a branch; `**` stands for several folders.
pub(crate) fn covers(pattern: &str, branch: &str) -> bool {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    pattern == branch || glob.is_ok_and(|glob| glob.compile_matcher().is_match(branch))
}

/// Why the rules of its base refuse to merge a pull request, as GitHub answers it (405); `None` when they allow it,
/// or do not bind the actor. `method` is GitHub's `merge`, `squash` or `rebase`.
pub(crate) fn refusal(
    it: &Repository,
    pull: &Pull,
    comparison: &Comparison,
    actor: &str,
    method: &str,
) -> Option<Refusal> {
    for (source, rules) in of_branch(it, &pull.base_ref) {
        if rules.bypass.iter().any(|login| login == actor) {
            continue;
        }
        let mut reasons = demands(it, pull, comparison, rules);
        // `mergeable_state` says nothing of a queue (objectstack-ai/objectui#3243).
        if rules.merge_queue {
            reasons.push("Changes must be made through the merge queue".to_owned());
        }
        if rules.linear_history && method == "merge" {
            reasons.push("This branch must not contain merge commits.".to_owned());
        }
        // GitHub's words for it are not known.
        if !rules.merge_methods.is_empty() && !rules.merge_methods.iter().any(|it| it.as_str() == method) {
            reasons.push(format!("This branch may not be merged into by {method}."));
        }
        if rules.signatures && method == "rebase" {
            reasons.push(REBASE_UNSIGNED.to_owned());
        }
        let Some(first) = reasons.first() else { continue };
        return Some(Refusal::not_mergeable(&match source {
            Source::Protection => first.clone(),
            Source::Ruleset => format!("Repository rule violations found\n\n{}\n\n", reasons.join("\n\n")),
        }));
    }
    None
}

/// `mergeable_state` of an open pull request that is no draft and merges without a conflict: `blocked`, `behind`,
/// `unstable` or `clean`. Who may bypass the rules makes no difference.
pub(crate) fn state(it: &Repository, pull: &Pull, comparison: &Comparison) -> &'static str {
    let bound = of_branch(it, &pull.base_ref);
    let blocked = |up_to_date: bool| {
        let rules = bound.iter().map(|(_, rules)| Rules { up_to_date, ..(*rules).clone() });
        rules.into_iter().any(|rules| !demands(it, pull, comparison, &rules).is_empty())
    };
    if blocked(false) {
        "blocked"
    } else if comparison.behind && bound.iter().any(|(_, rules)| rules.up_to_date) {
        "behind"
    } else if all_succeed(it, &comparison.head_sha) {
        "clean"
    } else {
        "unstable"
    }
}

/// What the rules still demand of a pull request, in GitHub's words.
fn demands(it: &Repository, pull: &Pull, comparison: &Comparison, rules: &Rules) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(reviews(it, pull, rules));
    reasons.extend(checks(it, &comparison.head_sha, rules, comparison.behind));
    if rules.signatures && !comparison.shas.iter().all(|sha| it.verified.contains(sha)) {
        reasons.push(UNSIGNED.to_owned());
    }
    if rules.conversations && it.has_open_thread(pull.number) {
        reasons.push(UNRESOLVED.to_owned());
    }
    reasons
}

/// GitHub's words for an open conversation where the branch wants all of them resolved.
const UNRESOLVED: &str = "A conversation must be resolved before this pull request can be merged.";

/// GitHub's words for a commit without a verified signature.
pub(crate) const UNSIGNED: &str = "Commits must have verified signatures.";
/// GitHub's words for a rebase into a branch that wants signatures (seen on its page and in its GraphQL).
const REBASE_UNSIGNED: &str =
    "Base branch requires signed commits. Rebase merges cannot be automatically signed by GitHub";
/// GitHub's words for a push to a branch that takes pull requests alone.
pub(crate) const THROUGH_PULL_REQUEST: &str = "Changes must be made through a pull request.";

fn reviews(it: &Repository, pull: &Pull, rules: &Rules) -> Option<String> {
    if rules.approvals == 0 {
        return None;
    }
    let mut last = BTreeMap::new();
    let decides = |state: &str| matches!(state, "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED");
    for review in it.reviews.iter().filter(|review| review.pull == pull.number && decides(&review.state)) {
        if may_write(it, &review.author) && review.author != pull.author {
            last.insert(&review.author, &*review.state);
        }
    }
    let count = |state: &str| last.values().filter(|given| **given == state).count();
    if count("CHANGES_REQUESTED") > 0 {
        return Some("Changes have been requested.".to_owned());
    }
    let wanted = rules.approvals;
    let word = if wanted == 1 { "review is" } else { "reviews are" };
    (count("APPROVED") < wanted as usize)
        .then(|| format!("At least {wanted} approving {word} required by reviewers with write access."))
}

/// Whether a user may write to the repository.
pub(crate) fn may_write(it: &Repository, user: &str) -> bool {
    let given = it.permissions.get(user).map(String::as_str);
    matches!(given, Some("admin" | "maintain" | "write")) || given.is_none() && user == BOT
}

/// The required checks that have not succeeded on a commit, in GitHub's words. Under a strict rule a head that is
/// behind its base has no check at all that counts.
pub(crate) fn checks(it: &Repository, sha: &str, rules: &Rules, behind: bool) -> Option<String> {
    let stale = rules.up_to_date && behind;
    let standing = |check: &RequiredCheck| {
        let found = if stale { Standing::Expected } else { standing(it, sha, check) };
        (check.context.clone(), found)
    };
    let missing: Vec<_> =
        rules.checks.iter().map(standing).filter(|(_, found)| *found != Standing::Success).collect();
    let total = rules.checks.len();
    let states: BTreeSet<Standing> = missing.iter().map(|(_, found)| *found).collect();
    match (&missing[..], states.len()) {
        ([], _) => None,
        ([(context, found)], _) => Some(format!("Required status check \"{context}\" {}.", found.of_one())),
        (several, 1) => {
            let word = several[0].1.word();
            Some(format!("{} of {total} required status checks are {word}.", several.len()))
        }
        (several, _) => {
            let counted = states.iter().filter(|found| **found != Standing::InProgress).map(|found| {
                let count = several.iter().filter(|(_, its)| its == found).count();
                format!("{count} {}", found.word())
            });
            let counted = counted.collect::<Vec<_>>().join(" and ");
            let of = format!("{} of {total}", several.len());
            Some(format!("{of} required status checks have not succeeded: {counted}."))
        }
    }
}

/// How a required check stands on a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Expected,
    OtherApp,
    Failing,
    Pending,
    InProgress,
    Success,
}

impl Standing {
    const fn word(self) -> &'static str {
        match self {
            Self::Expected | Self::OtherApp => "expected",
            Self::Failing => "failing",
            Self::Pending => "pending",
            Self::InProgress => "in progress",
            Self::Success => "successful",
        }
    }

    fn of_one(self) -> String {
        match self {
            Self::OtherApp => "was not set by the expected GitHub app".to_owned(),
            other => format!("is {}", other.word()),
        }
    }
}

/// A check and a status of the same name must both have succeeded.
fn standing(it: &Repository, sha: &str, wanted: &RequiredCheck) -> Standing {
    let runs: Vec<_> =
        it.check_runs.iter().filter(|run| run.head_sha == sha && run.name == wanted.context).collect();
    let by_app = |app: &str| wanted.app.as_deref().is_none_or(|wanted| wanted == app);
    let run = runs.iter().rev().find(|run| by_app(&run.app)).map(|run| match run.conclusion.as_deref() {
        Some("success" | "neutral" | "skipped") => Standing::Success,
        Some(_) => Standing::Failing,
        None if run.status == "in_progress" => Standing::InProgress,
        None => Standing::Pending,
    });
    let statuses: Vec<_> =
        it.statuses.iter().filter(|status| status.sha == sha && status.context == wanted.context).collect();
    let by_author = |author: &str| by_app(author.trim_end_matches("[bot]"));
    let status =
        statuses.iter().rev().find(|status| by_author(&status.author)).map(|status| match &*status.state {
            "success" => Standing::Success,
            "pending" => Standing::Pending,
            _ => Standing::Failing,
        });
    match (run, status) {
        (Some(run), Some(status)) => run.min(status),
        (Some(found), None) | (None, Some(found)) => found,
        (None, None) if runs.is_empty() && statuses.is_empty() => Standing::Expected,
        (None, None) => Standing::OtherApp,
    }
}

/// Whether nothing that reported on a commit, required or not, has failed or is still at work.
fn all_succeed(it: &Repository, sha: &str) -> bool {
    let mut last = BTreeMap::new();
    for run in it.check_runs.iter().filter(|run| run.head_sha == sha) {
        let good = matches!(run.conclusion.as_deref(), Some("success" | "neutral" | "skipped"));
        last.insert((&run.app, &run.name), good);
    }
    for status in it.statuses.iter().filter(|status| status.sha == sha) {
        last.insert((&status.author, &status.context), status.state == "success");
    }
    last.into_values().all(|good| good)
}
