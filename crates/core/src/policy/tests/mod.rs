//! The policy: its golden vectors, its decisions, and mistakes that must not come back.

mod cases;
mod checks;
mod ci;
mod classify;
mod contents;
mod contract;
mod document;
mod evidence;
mod merge;
mod people;
mod replay;
mod report;
mod reviewers;
mod simulation;

use chrono::{DateTime, Duration, Utc};

use super::*;
use crate::{
    change::{Change, ChangeKind, FileChange},
    finding::{Finding, Severity},
    sha::Sha,
};

pub(super) const SEED: &str = include_str!("../../../../../src/dev/product/wealth/.aspora/risk-policy.json");
const HEAD: &str = "def4567def4567def4567def4567def4567def45";
const BASE: &str = "abc1234abc1234abc1234abc1234abc1234abc12";

fn sha(text: &str) -> Sha {
    text.parse().unwrap()
}

pub(super) fn now() -> DateTime<Utc> {
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

pub(super) fn change(paths: &[&str]) -> Change {
    Change { files: paths.iter().map(|path| modified(path)).collect() }
}

pub(super) fn check_fact(name: &str, id: u64, conclusion: Option<Conclusion>) -> CheckFact {
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
        suite: None,
        workflow: None,
        steps: None,
        since: None,
    }
}

fn status_fact(name: &str) -> CommitStatus {
    CommitStatus {
        context: name.to_owned(),
        id: 0,
        state: StatusState::Success,
        updated_at: now(),
        url: None,
        creator: None,
        since: None,
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
        via: Via::Forge,
        name: None,
        doubt: None,
        is_unreadable: false,
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
        edition: EDITION,
        at: now(),
        product: "wealth".parse().unwrap(),
        other_products: vec![],
        requester: Requester { name: "mira".to_owned(), login: None, id: None },
        repository: "acme/wealth-product".parse().unwrap(),
        pull: 7,
        base_branch: "main".to_owned(),
        base: sha(BASE),
        head: sha(HEAD),
        base_policy: Some(SEED.to_owned()),
        head_policy: Some(SEED.to_owned()),
        fork_policies: vec![],
        change: change(paths),
        merge: Some(MergePreview::default()),
        files_with_renames: Some(u32::try_from(paths.len()).unwrap()),
        diff_bytes: Some(1_000),
        forge_changed_files: u32::try_from(paths.len()).unwrap(),
        contents: None,
        up_to_date: true,
        head_since: now() - Duration::minutes(10),
        returned: false,
        check_deadline_minutes: 60,
        checks: (1..).zip(&names).map(pass).collect(),
        statuses: vec![],
        ci: None,
        review_demanded: true,
        review: Some(Review {
            head: sha(HEAD),
            completed_at: now(),
            failed: None,
            findings: vec![],
            by: vec![],
        }),
        earlier_findings: vec![],
        conversations: None,
        rounds_left: 3,
        approvals: vec![approval(1, "ann"), approval(2, "ben")],
        remarks: Some(vec![]),
        pull_state: PullFact {
            state: PullState::Open,
            draft: false,
            base_branch: "main".to_owned(),
            is_theirs: false,
            siblings: vec![],
            author: person(99, "aspora-coding-agent[bot]"),
            committers: vec![person(99, "aspora-coding-agent[bot]")],
            foreign_commits: vec![],
        },
        own_tests: None,
        tests: None,
        evidence: None,
        proof: None,
    }
}

const HIGH: &[&str] = &["services/risk_checker.py"];
const CRITICAL: &[&str] = &["services/broker_gateway.py"];
const LOW: &[&str] = &["tests/a.py"];

/// The decision's name once `alter` has changed facts in which nothing is missing.
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
        Decision::Blocked { .. } => "fixable",
        Decision::Stopped { .. } => "stopped",
    }
}
