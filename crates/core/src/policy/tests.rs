//! The laws of the policy: its golden vectors, its decisions, and the mistakes it must not repeat.

use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;

use super::{rules::tests::SEED, *};
use crate::{
    change::{Change, ChangeKind, FileChange},
    finding::{Finding, Severity},
    requirement::ProductName,
    sha::Sha,
};

const HEAD: &str = "def4567def4567def4567def4567def4567def45";
const BASE: &str = "abc1234abc1234abc1234abc1234abc1234abc12";

fn sha(text: &str) -> Sha {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn modified(path: &str) -> FileChange {
    FileChange {
        path: path.to_owned(),
        kind: ChangeKind::Modified,
        old_mode: 0o100_644,
        new_mode: 0o100_644,
        odd: false,
        blank: false,
    }
}

fn change(paths: &[&str]) -> Change {
    Change { files: paths.iter().map(|path| modified(path)).collect() }
}

fn classified(policy: &str, product: &str, change: &Change) -> Classification {
    let products: Vec<ProductName> = vec![product.parse().unwrap()];
    let contract = Contract { base: Some(policy), head: Some(policy) };
    let scope = Scope { contract, products: &products, forge_changed_files: None };
    classify(&scope, change).unwrap()
}

#[track_caller]
fn golden(path: &str, wealth: Tier, ecm: Tier) {
    let tier = |product| classified(SEED, product, &change(&[path])).tier;
    assert_eq!((tier("wealth"), tier("ecm")), (wealth, ecm), "{path}");
}

#[test]
fn the_golden_vectors_hold() {
    use Tier::{Critical, High, Low, Medium};
    golden("api/v1/risk_check.py", High, High);
    golden("services/risk_checker.py", High, High);
    golden("tests/test_risk_checker.py", Low, Low);
    golden("api/v1/trades/order.py", Critical, High);
    golden("api/v1/trades", Critical, High);
    golden("api/v1/tests/test_x.py", High, High);
    golden("tests/api/v1/x.py", Low, Low);
    golden("services/broker_gateway.py", Critical, High);
    golden("services/broker_gateway2.py", Low, High);
    golden("services/risk_/x.py", Low, High);
    golden("services/trading_service.py", Low, High);
    golden("db/migrations/0001_init.sql", Critical, Low);
    golden("lib/kelly_criterion.py", High, Low);
    golden("channels/slack.py", Medium, Low);
    golden("frontend/app.tsx", Low, Low);
    golden("api/v1/runbooks/a.py", High, Critical);
    golden("services/sub/remediation_x.py", Low, High);
    golden("services/remediation_x.py", Low, Critical);
    golden("API/v1/x.py", Low, Low);
    golden(".aspora/risk-policy.json", Critical, Critical);
    golden(".github/workflows/ci.yml", Critical, Critical);
    golden("tests/harness/test_zero_portfolio.py", High, High);
}

#[test]
fn the_seeds_pull_request_is_high_and_an_empty_change_is_low() {
    let paths = ["api/v1/risk_check.py", "services/risk_checker.py", "tests/test_risk_checker.py"];
    assert_eq!(classified(SEED, "wealth", &change(&paths)).tier, Tier::High);
    assert_eq!(classified(SEED, "wealth", &change(&[])).tier, Tier::Low);
}

#[test]
fn a_money_path_in_low_and_a_miss_by_case_are_warned_of() {
    let warned = |path: &str, word: &str| {
        let warnings = classified(SEED, "wealth", &change(&[path])).warnings;
        assert!(warnings.iter().any(|warning| warning.contains(word)), "{warnings:?}");
    };
    warned("services/trading_service.py", "money path");
    warned("API/v1/x.py", "letter case");
    assert_eq!(classified(SEED, "wealth", &change(&["tests/a.py"])).warnings, Vec::<String>::new());
}

#[test]
fn an_unknown_product_is_judged_under_all() {
    assert_eq!(classified(SEED, "other", &change(&["services/remediation_x.py"])).tier, Tier::Critical);
}

#[test]
fn no_pattern_means_high_with_a_warning() {
    let policy = SEED.replace(r#""low": ["**"]"#, r#""low": ["x/**"]"#);
    let placed = classified(&policy, "ecm", &change(&["lib/a.py"]));
    assert_eq!(placed.tier, Tier::High);
    assert!(placed.warnings.iter().any(|warning| warning.contains("no catch-all")));
}

#[test]
fn a_rename_that_hides_a_critical_path_is_critical() {
    let raw = b":100644 000000 a b D\0api/v1/trades/order.py\0:000000 100644 b a A\0tests/order.py\0";
    assert_eq!(classified(SEED, "wealth", &Change::from_raw_diff(raw).unwrap()).tier, Tier::Critical);
}

#[test]
fn a_name_that_git_quotes_or_that_is_not_utf8_is_not_lost() {
    assert_eq!(classified(SEED, "wealth", &change(&["api/v1/trades/caf\u{e9}\n.py"])).tier, Tier::Critical);
    let odd = Change { files: vec![FileChange { odd: true, ..modified(r"caf\xe9.py") }] };
    assert_eq!(classified(SEED, "wealth", &odd).tier, Tier::Critical);
}

#[test]
fn a_listing_that_is_too_long_or_disagrees_with_the_forge_is_critical() {
    let many: Vec<String> = (0..=MOST_FILES).map(|n| format!("tests/{n}.py")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(classified(SEED, "wealth", &change(&many)).tier, Tier::Critical);
    assert_eq!(classified(SEED, "wealth", &change(&many[..MOST_FILES])).tier, Tier::Low);
    let mut facts = facts(&["tests/a.py"]);
    facts.forge_changed_files = 2;
    assert_eq!(judge(&facts).tier(), Tier::Critical);
}

#[track_caller]
fn refused(from: &str, to: &str, pointer: &str) {
    assert!(SEED.contains(from), "{from}");
    assert_eq!(Policy::parse(SEED.replacen(from, to, 1).as_bytes()).unwrap_err().pointer, pointer);
}

#[test]
fn the_seed_policy_loads_without_a_warning() {
    let policy = Policy::parse(SEED.as_bytes()).unwrap();
    assert_eq!(policy.warnings(), Vec::<String>::new());
    assert_eq!(policy.digest().len(), 64);
    assert_eq!(policy.harness_gaps()[0].limit_minutes, 48 * 60);
    let ecm = "ecm".parse().unwrap();
    assert_eq!(policy.demands(&ecm, Tier::Medium), policy.demands(&ecm, Tier::High));
}

#[test]
fn a_policy_that_is_wrong_is_refused_with_a_pointer() {
    refused(r#""medium": ["#, r#""meduim": ["#, "/products/wealth/riskTierRules/meduim");
    refused(
        r#""requiredApprovals": 2"#,
        r#""requiredApproval": 2"#,
        "/products/wealth/mergePolicy/critical/requiredApproval",
    );
    refused(
        r#""requiredApprovals": 2"#,
        r#""requiredApprovals": -1"#,
        "/products/wealth/mergePolicy/critical/requiredApprovals",
    );
    refused(r#""api/v1/trades/**""#, r#""/api""#, "/products/wealth/riskTierRules/critical/0");
    refused(r#""version": "1""#, r#""version": "2""#, "/version");
    refused(r#""ecm": {"#, r#""wealth": {"#, "/products/wealth");
    refused(r#""products": {"#, r#""goods": {"#, "");
    assert!(Policy::parse(&vec![b' '; 256 * 1024 + 1]).unwrap_err().message.contains("limit"));
    assert!(Policy::parse(b"{").is_err());
    assert!(Policy::parse(b"[[[[").is_err());
}

#[test]
fn odd_but_working_policies_are_warned_of() {
    let warns = |from: &str, to: &str, word: &str| {
        let policy = Policy::parse(SEED.replacen(from, to, 1).as_bytes()).unwrap();
        assert!(policy.warnings().iter().any(|warning| warning.contains(word)), "{:?}", policy.warnings());
    };
    warns(r#""channels/**""#, r#""api/v1/x/**""#, "decides nothing");
    warns(r#""channels/**""#, r#""chan**s""#, "one star");
    warns(r#""docsDriftRules": {"#, r#""other": 1, "docsDriftRules": {"#, "/other");
}

fn check_fact(name: &str, id: u64, conclusion: Option<Conclusion>) -> CheckFact {
    CheckFact {
        name: name.to_owned(),
        app_id: 15_368,
        app_slug: "github-actions".to_owned(),
        id,
        started_at: Some(now() - Duration::minutes(5)),
        status: if conclusion.is_some() { CheckStatus::Completed } else { CheckStatus::InProgress },
        conclusion,
        url: Some(format!("https://ci.example/{id}")),
        ours: false,
    }
}

fn person(id: u64, login: &str) -> Person {
    Person { id: Some(id), login: login.to_owned() }
}

fn approval(id: u64, login: &str) -> Approval {
    Approval {
        by: person(id, login),
        bot: false,
        permission: Permission::Write,
        state: ApprovalState::Approved,
        commit: sha(HEAD),
        submitted_at: now() - Duration::minutes(1),
    }
}

fn found(severity: Severity) -> Found {
    let finding = Finding::new(severity, "services/a.py", Some(45), "Division by zero", "x / y");
    Found { finding, found_on: sha(HEAD), state: FindingState::Open }
}

/// Facts in which nothing is missing for a change of `paths` in `wealth`.
fn facts(paths: &[&str]) -> Facts {
    let names = ["CI Pipeline", "harness-smoke", "harness-integration", "Browser Evidence", "Security Scan"];
    let pass = |(id, name): (u64, &&str)| check_fact(name, id, Some(Conclusion::Success));
    Facts {
        at: now(),
        product: "wealth".parse().unwrap(),
        other_products: vec![],
        requester: Requester { name: "mira".to_owned(), login: None },
        repository: "acme/wealth-product".parse().unwrap(),
        pull: 7,
        base: sha(BASE),
        head: sha(HEAD),
        base_policy: Some(SEED.to_owned()),
        head_policy: Some(SEED.to_owned()),
        change: change(paths),
        forge_changed_files: u32::try_from(paths.len()).unwrap(),
        up_to_date: true,
        head_since: now() - Duration::minutes(10),
        returned: false,
        check_deadline_minutes: 60,
        checks: (1..).zip(&names).map(pass).collect(),
        statuses: vec![],
        review: Some(Review { head: sha(HEAD), completed_at: now(), failed: None, findings: vec![] }),
        rounds_left: 3,
        approvals: vec![approval(1, "ann"), approval(2, "ben")],
        pull_state: PullFact {
            state: PullState::Open,
            draft: false,
            author: person(99, "aspora-coding-agent[bot]"),
            committers: vec![person(99, "aspora-coding-agent[bot]")],
            foreign_commits: vec![],
        },
    }
}

const HIGH: &[&str] = &["services/risk_checker.py"];
const CRITICAL: &[&str] = &["services/broker_gateway.py"];
const LOW: &[&str] = &["tests/a.py"];

/// The decision's name after `alter` has spoilt facts in which nothing was missing.
fn decided(paths: &[&str], alter: impl FnOnce(&mut Facts)) -> &'static str {
    let mut facts = facts(paths);
    alter(&mut facts);
    let assessment = judge(&facts);
    let recorded: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(judge(&recorded), assessment, "a recorded decision is judged to the same answer");
    assert_eq!(assessment.clearance().is_some(), *assessment.decision() == Decision::Clear);
    assert!(assessment.to_markdown().len() <= 65_000);
    match assessment.decision() {
        Decision::Clear => "clear",
        Decision::Waiting { .. } => "waiting",
        Decision::Behind => "behind",
        Decision::Blocked { remediable, .. } if remediable.is_empty() => "blocked",
        Decision::Blocked { .. } => "mend",
        Decision::Stopped { .. } => "stopped",
    }
}

#[test]
fn a_head_that_has_everything_is_cleared_for_that_very_head() {
    for paths in [LOW, HIGH, CRITICAL] {
        assert_eq!(decided(paths, |_| ()), "clear", "{paths:?}");
    }
    let clearance = judge(&facts(HIGH)).clearance().unwrap();
    assert_eq!((clearance.head().as_str(), clearance.base().as_str()), (HEAD, BASE));
    assert_eq!((clearance.tier(), clearance.policy_digest().map(str::len)), (Tier::High, Some(64)));
    assert_eq!(preflight(&facts(HIGH)).clearance(), None);
}

#[test]
fn the_gate_never_waits_for_itself() {
    assert!(judge(&facts(LOW)).demands().unwrap().lists(GATE_CHECK));
    let failed = check_fact(GATE_CHECK, 50, Some(Conclusion::Failure));
    assert_eq!(decided(LOW, |facts| facts.checks.push(failed)), "clear");
}

#[track_caller]
fn check_ends(conclusion: Conclusion, expected: &str) {
    let decision = decided(LOW, |facts| facts.checks[0].conclusion = Some(conclusion));
    assert_eq!(decision, expected, "{conclusion:?}");
}

#[test]
fn only_success_satisfies_a_check() {
    check_ends(Conclusion::Success, "clear");
    check_ends(Conclusion::Failure, "mend");
    check_ends(Conclusion::TimedOut, "mend");
    check_ends(Conclusion::Cancelled, "blocked");
    check_ends(Conclusion::ActionRequired, "blocked");
    check_ends(Conclusion::Stale, "blocked");
    check_ends(Conclusion::Neutral, "blocked");
    check_ends(Conclusion::Skipped, "blocked");
    check_ends(Conclusion::Unknown, "blocked");
}

#[test]
fn a_check_is_waited_for_until_its_deadline() {
    assert_eq!(decided(LOW, |facts| facts.checks.clear()), "waiting");
    assert_eq!(decided(LOW, |facts| facts.checks[0] = check_fact("CI Pipeline", 1, None)), "waiting");
    let late = |facts: &mut Facts| {
        facts.checks.clear();
        facts.head_since = facts.at - Duration::minutes(60);
    };
    assert_eq!(decided(LOW, late), "blocked");
    let mut facts = facts(LOW);
    late(&mut facts);
    assert!(judge(&facts).sentence().contains("never reported"));
}

#[test]
fn the_newest_run_of_every_reporter_counts_and_a_status_of_the_name_as_well() {
    let with = |change: fn(&mut CheckFact)| {
        let mut run = check_fact("CI Pipeline", 60, Some(Conclusion::Failure));
        change(&mut run);
        decided(LOW, |facts| facts.checks.insert(0, run))
    };
    assert_eq!(with(|_| ()), "mend", "a newer failure counts");
    assert_eq!(
        with(|run| run.started_at = Some(now() - Duration::hours(1))),
        "clear",
        "an older one does not"
    );
    assert_eq!(with(|run| run.app_id = 7), "mend", "another reporter's counts too");
    let status =
        |state| CommitStatus { context: "CI Pipeline".to_owned(), state, updated_at: now(), url: None };
    assert_eq!(decided(LOW, |facts| facts.statuses.push(status(StatusState::Pending))), "waiting");
    assert_eq!(decided(LOW, |facts| facts.statuses.push(status(StatusState::Failure))), "mend");
    assert_eq!(decided(LOW, |facts| facts.statuses.push(status(StatusState::Success))), "clear");
}

#[test]
fn a_bound_check_is_not_satisfied_by_a_check_of_the_same_name() {
    let bound =
        |app: &str| SEED.replace(r#""CI Pipeline""#, &format!(r#"{{"name": "CI Pipeline", "app": {app}}}"#));
    let under = |app: &str| {
        decided(LOW, |facts| {
            facts.base_policy = Some(bound(app));
            facts.head_policy = Some(bound(app));
        })
    };
    assert_eq!((under("15368"), under(r#""github-actions""#)), ("clear", "clear"));
    assert_eq!((under("7"), under(r#""look-alike""#)), ("waiting", "waiting"));
}

#[test]
fn skipped_counts_only_where_the_policy_says_so() {
    let policy = SEED.replace(
        r#""requiredApprovals": 0"#,
        r#""acceptedConclusions": ["skipped"], "requiredApprovals": 0"#,
    );
    let decision = decided(LOW, |facts| {
        facts.base_policy = Some(policy.clone());
        facts.head_policy = Some(policy);
        facts.checks[0].conclusion = Some(Conclusion::Skipped);
    });
    assert_eq!(decision, "clear");
}

#[test]
fn browser_evidence_is_demanded_where_an_interface_changed_and_only_there() {
    let without =
        |paths: &[&str]| decided(paths, |facts| facts.checks.retain(|run| run.name != EVIDENCE_CHECK));
    assert_eq!(without(HIGH), "clear", "listed, and no interface changed");
    assert_eq!(without(&["frontend/app.tsx"]), "waiting", "low, and an interface changed");
    assert_eq!(without(&["api/v1/a.py", "docs/API.md"]), "waiting");
    let neutral = decided(&["frontend/app.tsx"], |facts| {
        facts.checks[3].conclusion = Some(Conclusion::Neutral);
        facts.checks[3].ours = true;
    });
    assert_eq!(neutral, "blocked", "not applicable is no evidence");
}

#[track_caller]
fn second_approval(expected: &str, alter: impl FnOnce(&mut Facts)) {
    assert_eq!(decided(CRITICAL, alter), expected);
}

#[test]
fn an_approval_counts_only_from_a_second_pair_of_human_eyes_on_this_head() {
    second_approval("clear", |_| ());
    second_approval("waiting", |facts| facts.approvals[1].bot = true);
    second_approval("waiting", |facts| facts.approvals[1].commit = sha(BASE));
    second_approval("waiting", |facts| facts.approvals[1].permission = Permission::Triage);
    second_approval("waiting", |facts| facts.approvals[1].state = ApprovalState::Dismissed);
    second_approval("waiting", |facts| facts.approvals[1].by = person(1, "ann-renamed"));
    second_approval("waiting", |facts| facts.pull_state.author = person(2, "ben"));
    second_approval("waiting", |facts| facts.pull_state.committers.push(person(2, "ben")));
    second_approval("waiting", |facts| facts.requester.login = Some("Ben".to_owned()));
    second_approval("blocked", |facts| facts.approvals[1].state = ApprovalState::ChangesRequested);
    second_approval("waiting", |facts| facts.approvals.truncate(1));
    second_approval("waiting", |facts| facts.approvals.clear());
}

#[test]
fn a_clean_review_stands_in_for_one_person_where_no_person_is_demanded() {
    assert_eq!(decided(HIGH, |facts| facts.approvals.clear()), "clear");
    assert_eq!(decided(CRITICAL, |facts| facts.approvals.truncate(1)), "waiting");
}

#[test]
fn changes_asked_for_by_a_person_block_every_tier_until_withdrawn() {
    let refuse = |facts: &mut Facts| {
        facts.approvals[0].state = ApprovalState::ChangesRequested;
        facts.approvals[0].commit = sha(BASE);
    };
    assert_eq!(decided(LOW, refuse), "blocked");
    let withdraw = |facts: &mut Facts| {
        refuse(facts);
        facts.approvals.push(Approval { submitted_at: now(), ..approval(1, "ann") });
    };
    assert_eq!(decided(LOW, withdraw), "clear");
    let comment = |facts: &mut Facts| {
        refuse(facts);
        let comment = Approval { state: ApprovalState::Commented, submitted_at: now(), ..approval(1, "ann") };
        facts.approvals.push(comment);
    };
    assert_eq!(decided(LOW, comment), "blocked");
}

#[test]
fn no_review_yet_is_not_no_findings() {
    assert_eq!(decided(HIGH, |facts| facts.review = None), "waiting");
    let review = |facts: &mut Facts| facts.review.clone().unwrap();
    assert_eq!(decided(HIGH, |f| f.review = Some(Review { head: sha(BASE), ..review(f) })), "waiting");
    assert_eq!(
        decided(HIGH, |f| f.review = Some(Review { failed: Some("no JSON".into()), ..review(f) })),
        "blocked"
    );
}

#[test]
fn findings_hold_the_merge_up_by_their_severity() {
    let with = |severity, rounds| {
        decided(HIGH, |facts| {
            facts.rounds_left = rounds;
            facts.review.as_mut().unwrap().findings.push(found(severity));
        })
    };
    assert_eq!((with(Severity::Critical, 3), with(Severity::High, 1)), ("mend", "mend"));
    assert_eq!((with(Severity::Critical, 0), with(Severity::High, 0)), ("blocked", "blocked"));
    assert_eq!((with(Severity::Medium, 1), with(Severity::Medium, 0)), ("mend", "clear"));
    assert_eq!((with(Severity::Low, 3), with(Severity::Info, 3)), ("clear", "clear"));
}

#[test]
fn a_pull_request_that_is_no_longer_ours_to_move_stops_the_run() {
    assert_eq!(decided(LOW, |facts| facts.pull_state.foreign_commits.push(sha(BASE))), "stopped");
    assert_eq!(decided(LOW, |facts| facts.pull_state.state = PullState::Closed), "stopped");
    assert_eq!(decided(LOW, |facts| facts.pull_state.state = PullState::Merged), "stopped");
    assert_eq!(decided(LOW, |facts| facts.pull_state.draft = true), "waiting");
}

#[test]
fn high_and_critical_must_be_up_to_date() {
    assert_eq!(decided(LOW, |facts| facts.up_to_date = false), "clear");
    assert_eq!(decided(HIGH, |facts| facts.up_to_date = false), "behind");
    assert_eq!(decided(CRITICAL, |facts| facts.up_to_date = false), "behind");
}

#[test]
fn an_old_sha_that_is_pushed_back_revives_nothing() {
    let back = |facts: &mut Facts| {
        facts.returned = true;
        facts.head_since = facts.at - Duration::seconds(1);
    };
    assert_eq!(decided(LOW, back), "waiting");
    assert_eq!(decided(CRITICAL, back), "waiting");
}

#[test]
fn a_pull_request_that_lowers_its_own_policy_is_judged_by_the_stricter_part_of_both() {
    let lowered = r#"{"products": {"wealth": {"riskTierRules": {"low": ["**"]}, "mergePolicy": {
        "critical": {"requiredChecks": [], "requiredApprovals": 0, "requiresHumanApproval": false}}}}}"#;
    let mut facts = facts(&[".aspora/risk-policy.json", "docs/API.md"]);
    facts.head_policy = Some(lowered.to_owned());
    let demands = judge(&facts).demands().unwrap().clone();
    assert_eq!((judge(&facts).tier(), demands.approvals, demands.human), (Tier::Critical, 2, true));
    assert!(demands.lists("Security Scan"));
    facts.change = change(&["api/v1/trades/a.py", "docs/API.md"]);
    assert_eq!(judge(&facts).tier(), Tier::Critical);
}

#[test]
fn without_a_policy_everything_is_critical_and_a_broken_one_stops() {
    let missing = |facts: &mut Facts| {
        facts.base_policy = None;
        facts.head_policy = None;
    };
    let mut bare = facts(LOW);
    missing(&mut bare);
    assert_eq!((judge(&bare).tier(), judge(&bare).demands().unwrap().human), (Tier::Critical, true));
    assert_eq!(decided(LOW, missing), "clear", "two people and a clean review are enough");
    assert_eq!(decided(LOW, |facts| facts.base_policy = Some("{".to_owned())), "stopped");
    assert_eq!(decided(LOW, |facts| facts.head_policy = Some("{".to_owned())), "stopped");
    assert_eq!(
        decided(LOW, |f| {
            missing(f);
            f.approvals.truncate(1)
        }),
        "waiting"
    );
}

#[test]
fn docs_drift_is_judged_at_every_tier_and_before_the_review() {
    assert_eq!(decided(&["api/v1/a.py"], |_| ()), "mend");
    assert!(matches!(preflight(&facts(&["api/v1/a.py"])).decision(), Decision::Blocked { .. }));
    assert_eq!(*preflight(&facts(&["api/v1/a.py", "docs/API.md"])).decision(), Decision::Clear);
    let mut early = facts(HIGH);
    (early.checks, early.review, early.approvals) = (vec![], None, vec![]);
    assert_eq!(*preflight(&early).decision(), Decision::Clear);
}

#[test]
fn the_sentence_says_what_is_waited_for() {
    let mut facts = facts(&["frontend/app.tsx", "services/risk_a.py"]);
    facts.checks[0] = check_fact("CI Pipeline", 1, None);
    facts.checks.remove(1);
    assert_eq!(
        judge(&facts).sentence(),
        "waiting for 2 of 4 checks on def4567: harness-smoke (not reported), CI Pipeline (in progress)"
    );
}

#[test]
fn a_report_escapes_what_comes_from_outside_and_stays_short() {
    let many: Vec<String> =
        (0..2_000).map(|n| format!("tests/@you|`x`<b>\n{n}/{}", "é".repeat(90))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut facts = facts(&many);
    facts.checks[0].url = Some("javascript:alert(1)".to_owned());
    let report = judge(&facts).to_markdown();
    assert!(report.len() <= 65_000 && report.contains("cut here"));
    for wrong in ["@you", "<b>", "javascript:"] {
        assert!(!report.contains(wrong), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_tier_is_never_lowered_by_adding_a_file(
        paths in prop::collection::vec("(api/v1/|tests/|services/|\\.github/|frontend/)[a-zA-Z_./\n]{0,12}", 1..8),
        product in "wealth|ecm|other",
    ) {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let tier = |upto| classified(SEED, &product, &change(&paths[..upto])).tier;
        prop_assert!(tier(paths.len() - 1) <= tier(paths.len()));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&bytes);
    }
}
