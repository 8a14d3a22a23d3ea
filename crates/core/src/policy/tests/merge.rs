//! What is judged beside the head's own listing: the merge, the fork's policy, the review, and the size.

use super::*;
use crate::{
    policy::{TestFacts, TestRule},
    tested::{Demanded, Ended, Tested},
};

const MOVED: &str = r#"{"products": {"wealth": {"riskTierRules": {"low": ["**"]}, "mergePolicy": {
    "critical": {"requiredChecks": [], "requiredApprovals": 0, "requiresHumanApproval": false}}}}}"#;

fn by_merge(facts: &mut Facts, paths: &[&str]) {
    facts.merge = Some(MergePreview { beyond: change(paths), conflicts: vec![] });
}

#[test]
fn j5_an_edit_that_the_merge_carries_into_a_critical_folder_is_critical() {
    let mut moved = facts(&["notes/guide.md"]);
    assert_eq!(judge(&moved).tier(), Tier::Low);
    by_merge(&mut moved, &["api/v1/trades/guide.py", "docs/API.md"]);
    let assessment = judge(&moved);
    assert_eq!(assessment.tier(), Tier::Critical);
    let placed = &assessment.classification().unwrap().paths;
    let flags: Vec<_> = placed.iter().map(|path| (path.path.as_str(), path.by_merge)).collect();
    assert_eq!(flags, [("notes/guide.md", false), ("api/v1/trades/guide.py", true), ("docs/API.md", true)]);
    let report = assessment.to_markdown();
    assert!(report.contains("api/v1/trades/guide.py (changed by the merge alone)"), "{report}");
}

#[test]
fn what_the_merge_changes_counts_for_evidence_and_for_documents() {
    let mut facts = facts(LOW);
    by_merge(&mut facts, &["frontend/app.tsx"]);
    assert!(judge(&facts).demands().unwrap().lists(EVIDENCE_CHECK));
    by_merge(&mut facts, &["api/v1/a.py"]);
    assert!(matches!(judge(&facts).decision(), Decision::Blocked { .. }), "documents are left behind");
}

#[test]
fn a_merge_with_conflicts_must_be_updated_at_every_tier() {
    let conflict = |facts: &mut Facts| {
        facts.up_to_date = false;
        facts.merge = Some(MergePreview { conflicts: vec!["a b.py".to_owned()], ..MergePreview::default() });
    };
    assert_eq!(decided(LOW, conflict), "behind");
    let mut facts = facts(LOW);
    conflict(&mut facts);
    assert_eq!(
        judge(&facts).sentence(),
        r#"def4567 is behind its base: the base conflicts in "a b.py"; the branch must be updated"#
    );
}

#[test]
fn a_rename_is_counted_once_by_the_forge_and_twice_by_git() {
    let counted = |forge: u32| {
        let mut facts = facts(&["tests/a.py", "tests/b.py", "tests/c.py", "tests/d.py"]);
        (facts.forge_changed_files, facts.files_with_renames) = (forge, Some(2));
        judge(&facts).tier()
    };
    let tiers = [1, 2, 3, 4, 5].map(counted);
    assert_eq!(tiers, [Tier::Critical, Tier::Low, Tier::Low, Tier::Low, Tier::Critical]);
}

#[test]
fn over_5_mb_of_diff_is_critical_and_a_persons() {
    let sized = |bytes| {
        let mut facts = facts(LOW);
        facts.diff_bytes = Some(bytes);
        judge(&facts)
    };
    assert_eq!(sized(DIFF_LIMIT).tier(), Tier::Low);
    let large = sized(DIFF_LIMIT + 1);
    assert_eq!((large.tier(), large.demands().unwrap().human), (Tier::Critical, true));
    assert!(large.classification().unwrap().whole[0].rule.starts_with("too_large: "));
}

#[test]
fn without_the_review_that_the_workflow_asks_for_there_is_no_clearance() {
    assert_eq!(decided(LOW, |facts| facts.review = None), "waiting");
    let other = |facts: &mut Facts| facts.review.as_mut().unwrap().head = sha(BASE);
    assert_eq!(decided(LOW, other), "waiting");
    let unasked = |facts: &mut Facts| (facts.review_demanded, facts.review) = (false, None);
    assert_eq!(decided(LOW, unasked), "clear");
    let mut unreviewed = facts(LOW);
    unreviewed.review = None;
    assert!(unreviewed.lacks_review());
    assert_eq!(judge(&unreviewed).sentence(), "waiting for a review of def4567");
}

#[test]
fn a_clearance_holds_what_it_rests_on() {
    let clearance = judge(&facts(CRITICAL)).clearance().unwrap();
    assert_eq!(clearance.approved_by(), ["ann", "ben"]);
    assert_eq!(clearance.reviewed_at(), Some(now()));
    assert_eq!(clearance.checks().len(), judge(&facts(CRITICAL)).checks().len());
    let age = Duration::seconds(10);
    assert!(!clearance.is_older_than(age, now() + age));
    assert!(clearance.is_older_than(age, now() + age + Duration::milliseconds(1)));
}

#[test]
fn a_branch_behind_a_moved_policy_did_not_change_it_and_is_updated_first() {
    let behind = |facts: &mut Facts| {
        facts.fork_policies = vec![Some(SEED.to_owned())];
        facts.base_policy = Some(MOVED.to_owned());
    };
    assert_eq!(decided(LOW, behind), "behind");
    let mut facts = facts(LOW);
    behind(&mut facts);
    let sentence = |facts: &Facts| judge(facts).tree().children[0].sentence.clone();
    assert!(!sentence(&facts).contains("the head changes the policy"), "{}", sentence(&facts));
    facts.head_policy = Some(SEED.replace("channels/", "other/"));
    assert!(sentence(&facts).contains("the head changes the policy"), "{}", sentence(&facts));
}

#[test]
fn a_policy_that_came_to_the_base_after_the_fork_is_not_deleted_by_the_head() {
    let new = |facts: &mut Facts| (facts.fork_policies, facts.head_policy) = (vec![None], None);
    assert_eq!(decided(LOW, new), "behind");
    let deleted =
        |facts: &mut Facts| (facts.fork_policies, facts.head_policy) = (vec![Some(SEED.to_owned())], None);
    let mut facts = facts(LOW);
    deleted(&mut facts);
    assert_eq!(judge(&facts).tier(), Tier::Critical);
}

#[test]
fn a_policy_that_is_broken_at_the_base_is_waited_for_and_one_of_the_head_stops() {
    let at_base = |facts: &mut Facts| facts.base_policy = Some("{".to_owned());
    assert_eq!(decided(LOW, at_base), "waiting");
    let mut broken = facts(LOW);
    at_base(&mut broken);
    let awaited = preflight(&broken).awaited().unwrap();
    assert!(
        awaited.starts_with("people to repair the base's policy: the policy is invalid at /: is not JSON")
    );
    broken.pull_state.state = PullState::Closed;
    assert_eq!(*judge(&broken).decision(), Decision::Stopped { reason: Stop::Closed });
    assert_eq!(decided(LOW, |facts| facts.head_policy = Some("{".to_owned())), "stopped");
}

#[test]
fn facts_of_an_earlier_edition_are_judged_as_they_were() {
    let mut recorded = serde_json::to_value(facts(LOW)).unwrap();
    let fields = recorded.as_object_mut().unwrap();
    let later = [
        "edition",
        "fork_policies",
        "merge",
        "files_with_renames",
        "diff_bytes",
        "review_demanded",
        "remarks",
    ];
    for new in later {
        assert!(fields.remove(new).is_some(), "{new}");
    }
    let old: Facts = serde_json::from_value(recorded).unwrap();
    assert_eq!(*judge(&old).decision(), Decision::Clear);
    let with = |alter: &dyn Fn(&mut Facts)| {
        let mut facts = old.clone();
        alter(&mut facts);
        judge(&facts).decision().as_str()
    };
    assert_eq!(with(&|facts| facts.base_policy = Some("{".to_owned())), "stopped");
    let refuse = |facts: &mut Facts| {
        let by = Approval { permission: Permission::Read, ..approval(9, "out") };
        facts.approvals.push(Approval { state: ApprovalState::ChangesRequested, ..by });
    };
    assert_eq!(with(&refuse), "blocked");
    assert_eq!(decided(LOW, refuse), "clear");
}

#[test]
fn no_success_is_given_for_a_head_that_others_share() {
    assert_eq!(decided(LOW, |facts| facts.pull_state.siblings = vec![8]), "waiting");
    let mut shared = facts(LOW);
    shared.pull_state.siblings = vec![8];
    let assessment = judge(&shared);
    assert!(assessment.awaits_only_people() && assessment.clearance().is_none());
    assert!(assessment.sentence().contains("#8 has the same head"), "{}", assessment.sentence());
}

#[test]
fn our_own_run_of_the_tests_blocks_unless_it_passed() {
    let with = |tests: Option<OwnTests>| decided(LOW, |facts| facts.own_tests = tests);
    assert_eq!((with(None), with(Some(OwnTests::Passed))), ("clear", "clear"));
    assert_eq!(with(Some(OwnTests::Failed)), "blocked");
    assert_eq!(with(Some(OwnTests::NotRun("there is no sandbox".to_owned()))), "blocked");
}

#[test]
fn tests_that_pass_clear_nothing_while_lint_or_coverage_is_not_met() {
    let ended = |exit| Ended { exit: Some(exit), timed_out: false, output: "", millis: 1 };
    let words = |text: &str| vec![text.to_owned()];
    let tested = |demands: Vec<Demanded>| Tested { demands, ..Tested::read(&words("true"), ended(0)) };
    let with = |head: Tested, fork: Tested| {
        let tests = TestFacts { head: Some(head), fork: Some(fork), ..TestFacts::new(TestRule::Ours) };
        let mut sentence = String::new();
        let decision = decided(LOW, |facts| {
            facts.tests = Some(tests);
            sentence = judge(facts).sentence();
        });
        (decision, sentence)
    };
    let lint = |exit| Demanded::lint(&words("lint"), ended(exit));
    let coverage =
        |hit: u32| Demanded::coverage(&words("cov"), ended(0), Ok(format!("LF:4\nLH:{hit}")), Some(100.0));
    let clean = || tested(vec![lint(0), coverage(4)]);
    assert_eq!(with(clean(), clean()).0, "clear");
    let (decision, sentence) = with(tested(vec![lint(1), coverage(4)]), clean());
    assert_eq!(decision, "fixable");
    assert!(sentence.contains("but not its lint: it ended with exit code 1"), "{sentence}");
    let (decision, sentence) = with(tested(vec![lint(0), coverage(3)]), tested(vec![lint(0), coverage(3)]));
    assert_eq!(decision, "fixable");
    assert!(sentence.contains("below the floor of 100 %; without the change too: coverage"), "{sentence}");
    // What no change can help: the lint is not on this machine.
    assert_eq!(with(tested(vec![lint(127)]), tested(vec![lint(127)])).0, "blocked");
    assert_eq!(with(tested(vec![lint(127)]), clean()).0, "fixable");
}

#[test]
fn the_commits_of_others_on_their_own_branch_are_no_takeover() {
    let theirs = |facts: &mut Facts| {
        facts.pull_state.is_theirs = true;
        facts.pull_state.author = person(1, "ann");
        facts.pull_state.committers = vec![person(1, "ann")];
        facts.review_demanded = false;
        facts.review = None;
    };
    assert_eq!(decided(LOW, theirs), "clear");
    // Who opened it cannot approve it.
    assert_eq!(decided(CRITICAL, theirs), "waiting");
}
