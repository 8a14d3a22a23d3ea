//! What counts as a report of a check: places, bindings, progress, re-runs, and the base.

use super::*;

const CI: &str = "CI Pipeline";

/// The decision and its sentence for a low change whose CI is these runs and statuses, with what else is known.
fn ruled(runs: Vec<CheckFact>, alter: impl FnOnce(&mut Facts, &mut Ci)) -> (&'static str, String) {
    let mut ruled = facts(LOW);
    ruled.checks.retain(|run| run.name != CI);
    ruled.checks.extend(runs);
    let mut ci = Ci::default();
    alter(&mut ruled, &mut ci);
    ruled.ci = Some(ci);
    (decided(LOW, |facts| *facts = ruled.clone()), judge(&ruled).sentence())
}

#[track_caller]
fn check(runs: Vec<CheckFact>, alter: impl FnOnce(&mut Facts, &mut Ci), decision: &str, words: &str) {
    let (ruled, sentence) = ruled(runs, alter);
    assert_eq!(ruled, decision, "{sentence}");
    assert!(sentence.contains(words), "{sentence}");
}

fn run(id: u64, conclusion: Option<Conclusion>) -> CheckFact {
    CheckFact { suite: Some(id / 10), ..check_fact(CI, id, conclusion) }
}

fn good(id: u64) -> CheckFact {
    run(id, Some(Conclusion::Success))
}

fn bad(id: u64) -> CheckFact {
    run(id, Some(Conclusion::Failure))
}

fn by(app: u64, run: CheckFact) -> CheckFact {
    CheckFact { app_id: app, app_slug: format!("app-{app}"), ..run }
}

fn of(workflow: u64, run: CheckFact) -> CheckFact {
    CheckFact { workflow: Some(workflow), ..run }
}

fn nothing(_: &mut Facts, _: &mut Ci) {}

/// The base has a report of the check by this app.
fn on_base(ci: &mut Ci, run: &CheckFact) {
    ci.base.commit = Some(sha(BASE));
    ci.base.checks.push(run.clone());
    ci.base.reporters = BaseReports::reporters_of(&ci.base.checks, &ci.base.statuses);
}

#[test]
fn j11_a_time_that_an_app_writes_does_not_make_a_run_the_newest() {
    let forever = CheckFact { started_at: Some("2099-01-01T00:00:00Z".parse().unwrap()), ..good(10) };
    check(vec![forever, bad(20)], nothing, "fixable", "failure");
    let recorded_before = decided(LOW, |facts| {
        facts.checks = vec![good(10), bad(20)];
        facts.checks[0].started_at = Some(now() + Duration::days(1));
    });
    assert_eq!(recorded_before, "fixable");
}

#[test]
fn the_newest_run_of_each_place_counts_and_the_worst_place_decides() {
    check(vec![bad(10), good(20)], nothing, "clear", "");
    check(vec![good(20), bad(10)], nothing, "clear", "");
    check(vec![good(10), bad(20)], nothing, "fixable", "");
    check(vec![by(1, bad(10)), by(2, good(20))], nothing, "fixable", "");
    check(vec![of(7, bad(10)), of(8, good(20))], nothing, "fixable", "");
    check(vec![of(7, bad(10)), of(7, good(20))], nothing, "clear", "");
    check(vec![of(7, good(10)), of(8, run(20, None))], nothing, "waiting", "in progress");
    check(vec![of(7, bad(10)), good(20)], nothing, "fixable", "");
}

#[test]
fn a_check_run_and_a_status_of_one_name_must_both_pass() {
    let with = |state| {
        move |facts: &mut Facts, _: &mut Ci| {
            facts.statuses.push(CommitStatus { state, id: 5, ..status_fact(CI) });
        }
    };
    check(vec![good(10)], with(StatusState::Success), "clear", "");
    check(vec![good(10)], with(StatusState::Failure), "fixable", "status failure");
    check(vec![good(10)], with(StatusState::Error), "blocked", "status error");
    check(vec![good(10)], with(StatusState::Pending), "waiting", "status pending");
    check(vec![bad(10)], with(StatusState::Success), "fixable", "failure");
}

#[test]
fn of_the_statuses_of_one_account_the_newest_counts_and_no_other_account_hides_it() {
    let status = |id, login: &str, state| CommitStatus {
        id,
        state,
        creator: Some(Person { id: None, login: login.to_owned() }),
        ..status_fact(CI)
    };
    let with = |second: CommitStatus| {
        move |facts: &mut Facts, _: &mut Ci| {
            facts.statuses = vec![status(1, "jenkins", StatusState::Failure), second];
        }
    };
    check(vec![good(10)], with(status(2, "jenkins", StatusState::Success)), "clear", "");
    check(vec![good(10)], with(status(2, "eve", StatusState::Success)), "fixable", "status failure");
}

#[test]
fn j10_a_check_is_bound_to_the_app_that_reports_it_on_the_base() {
    let bound = |_: &mut Facts, ci: &mut Ci| on_base(ci, &by(1, good(5)));
    check(vec![by(1, good(10))], bound, "clear", "");
    check(vec![by(666, good(10))], bound, "waiting", "not reported by the app app-1, as on the base");
    check(vec![by(666, good(20)), by(1, good(10))], bound, "clear", "");
    check(vec![by(666, bad(20)), by(1, good(10))], bound, "fixable", "");
    let both = |_: &mut Facts, ci: &mut Ci| {
        on_base(ci, &by(1, good(5)));
        on_base(ci, &by(2, good(6)));
    };
    check(vec![by(1, good(10))], both, "waiting", "app-2");
}

#[test]
fn j10_a_bare_status_satisfies_only_where_the_base_or_the_policy_has_it() {
    let status = |login: &str| CommitStatus { creator: Some(person(4, login)), id: 3, ..status_fact(CI) };
    let unbound = |facts: &mut Facts, _: &mut Ci| facts.statuses.push(status("jenkins"));
    check(vec![], unbound, "waiting", "only by a commit status");
    let on_base = |login: &'static str| {
        move |facts: &mut Facts, ci: &mut Ci| {
            let id = if login == "eve" { 9 } else { 4 };
            let known = CommitStatus { creator: Some(person(id, login)), ..status("") };
            ci.base.reporters = BaseReports::reporters_of(&[], &[known]);
            facts.statuses.push(status("Jenkins"));
        }
    };
    check(vec![], on_base("jenkins"), "clear", "");
    check(vec![], on_base("eve"), "waiting", "not reported by a status of eve");
    let policy = |by: &'static str| {
        move |facts: &mut Facts, _: &mut Ci| {
            let text =
                SEED.replace(r#""CI Pipeline""#, &format!(r#"{{"name": "CI Pipeline", "status": {by}}}"#));
            (facts.base_policy, facts.head_policy) = (Some(text.clone()), Some(text));
            facts.statuses.push(status("jenkins"));
        }
    };
    check(vec![], policy("true"), "clear", "");
    check(vec![], policy(r#""jenkins""#), "clear", "");
    check(vec![good(10)], policy(r#""eve""#), "waiting", "not reported by a commit status of eve");
}

#[test]
fn an_unbound_check_is_named_in_the_report() {
    let mut ruled = facts(LOW);
    ruled.ci = Some(Ci::default());
    let report = judge(&ruled).to_markdown();
    assert!(report.contains("CI Pipeline: unbound"), "{report}");
    let mut ci = Ci::default();
    on_base(&mut ci, &check_fact(CI, 1, Some(Conclusion::Success)));
    ruled.ci = Some(ci);
    assert!(!judge(&ruled).to_markdown().contains("unbound"));
}

#[test]
fn evidence_counts_only_from_the_app_that_the_product_names() {
    let under = |app: Option<App>| {
        let ci = Ci { evidence_app: app, ..Ci::default() };
        decided(&["frontend/app.tsx"], |facts| facts.ci = Some(ci))
    };
    assert_eq!(under(Some(App::Slug("github-actions".to_owned()))), "clear");
    assert_eq!(under(Some(App::Id(15_368))), "clear");
    assert_eq!(under(Some(App::Slug("browsers".to_owned()))), "waiting", "of another app");
    assert_eq!(under(None), "waiting", "no app is named, so nobody's counts");
}

#[test]
fn a_check_that_moves_outlives_the_deadline() {
    let moved = |minutes| CheckFact { since: Some(now() - Duration::minutes(minutes)), ..run(10, None) };
    let old = |facts: &mut Facts, _: &mut Ci| facts.head_since = now() - Duration::hours(5);
    check(vec![moved(59)], old, "waiting", "in progress");
    check(vec![moved(60)], old, "blocked", "stopped moving: in progress for 60 minutes");
    let never = |facts: &mut Facts, ci: &mut Ci| {
        old(facts, ci);
        facts.checks.iter_mut().for_each(|run| run.since = Some(now() - Duration::minutes(61)));
    };
    check(vec![], never, "blocked", "never reported: not reported after 60 minutes");
    let another_moves = |facts: &mut Facts, ci: &mut Ci| {
        old(facts, ci);
        facts.checks.push(CheckFact { name: "build".to_owned(), ..moved(2) });
    };
    check(vec![], another_moves, "waiting", "not reported");
}

#[test]
fn the_policy_sets_the_deadline_before_the_product() {
    let old = |minutes, policy: bool| {
        move |facts: &mut Facts, _: &mut Ci| {
            facts.check_deadline_minutes = 30;
            facts.head_since = now() - Duration::minutes(minutes);
            if policy {
                let text = SEED
                    .replace(r#""requiredApprovals": 0"#, r#""checkDeadline": "2h", "requiredApprovals": 0"#);
                (facts.base_policy, facts.head_policy) = (Some(text.clone()), Some(text));
            }
        }
    };
    check(vec![run(10, None)], old(31, false), "blocked", "for 30 minutes");
    check(vec![run(10, None)], old(119, true), "waiting", "in progress");
    check(vec![run(10, None)], old(121, true), "blocked", "for 120 minutes");
}

#[test]
fn what_waits_for_a_person_is_named_and_has_no_deadline() {
    let old = |facts: &mut Facts, _: &mut Ci| facts.head_since = now() - Duration::days(9);
    let asks = run(10, Some(Conclusion::ActionRequired));
    check(vec![asks], old, "waiting", "waits for a person at https://ci.example/10");
    let held = CheckFact { status: CheckStatus::Waiting, ..run(11, None) };
    check(vec![held], old, "waiting", "waits for a person at https://ci.example/11");
    let approval = |facts: &mut Facts, ci: &mut Ci| {
        old(facts, ci);
        ci.workflow_runs.push(workflow_run(1, Some(Conclusion::ActionRequired)));
    };
    check(vec![], approval, "waiting", "workflow CI waits for a person at https://ci.example/runs/3");
}

fn workflow_run(attempt: u32, conclusion: Option<Conclusion>) -> WorkflowRun {
    WorkflowRun {
        id: 3,
        workflow: 7,
        suite: Some(1),
        name: "CI".to_owned(),
        attempt,
        status: if conclusion.is_some() { CheckStatus::Completed } else { CheckStatus::InProgress },
        conclusion,
        url: "https://ci.example/runs/3".to_owned(),
    }
}

fn asked(attempt: u32) -> Rerun {
    Rerun { workflow_run: 3, attempt, at: now(), refused: None }
}

#[test]
fn a_check_whose_machinery_failed_is_run_again_twice_and_then_has_failed() {
    let lost = || run(10, Some(Conclusion::Cancelled));
    let after = |attempt, reruns: Vec<Rerun>| {
        move |_: &mut Facts, ci: &mut Ci| {
            ci.workflow_runs.push(workflow_run(attempt, Some(Conclusion::Cancelled)));
            ci.reruns = reruns;
        }
    };
    check(vec![lost()], after(1, vec![]), "waiting", "cancelled; is run again (1 of 2)");
    check(vec![lost()], after(1, vec![asked(1)]), "waiting", "re-run 1 of 2 has not begun");
    check(vec![lost()], after(2, vec![asked(1)]), "waiting", "cancelled; is run again (2 of 2)");
    check(vec![lost()], after(3, vec![asked(1), asked(2)]), "blocked", "cancelled, after 2 re-runs");
    let running = |_: &mut Facts, ci: &mut Ci| ci.workflow_runs.push(workflow_run(2, None));
    check(vec![lost()], running, "waiting", "cancelled; its workflow run is not over");
    check(vec![lost()], nothing, "waiting", "only its app or a person can run it again");
    for other in [Conclusion::TimedOut, Conclusion::Stale, Conclusion::StartupFailure] {
        check(vec![run(10, Some(other))], after(1, vec![]), "waiting", "is run again (1 of 2)");
    }
}

#[test]
fn a_refused_re_run_waits_for_a_person_until_the_deadline() {
    let refused = |minutes| {
        move |_: &mut Facts, ci: &mut Ci| {
            ci.workflow_runs.push(workflow_run(1, Some(Conclusion::Cancelled)));
            let at = now() - Duration::minutes(minutes);
            ci.reruns = vec![Rerun { at, refused: Some("no actions:write".to_owned()), ..asked(1) }];
        }
    };
    let lost = || vec![run(10, Some(Conclusion::Cancelled))];
    check(
        lost(),
        refused(1),
        "waiting",
        "waits for a person to run it again, because we may not: no actions:write",
    );
}

#[test]
fn a_workflow_that_could_not_start_is_run_again() {
    let unstarted = |_: &mut Facts, ci: &mut Ci| {
        ci.workflow_runs.push(workflow_run(1, Some(Conclusion::StartupFailure)));
    };
    check(vec![], unstarted, "waiting", "workflow CI could not start; is run again (1 of 2)");
}

#[test]
fn the_rows_say_what_is_to_be_run_again() {
    let mut ruled = facts(LOW);
    ruled.checks[0] = run(10, Some(Conclusion::Cancelled));
    ruled.ci =
        Some(Ci { workflow_runs: vec![workflow_run(1, Some(Conclusion::Cancelled))], ..Ci::default() });
    let assessment = judge(&ruled);
    let reruns: Vec<_> = assessment.checks().iter().filter_map(|row| row.rerun.clone()).collect();
    assert_eq!(reruns, [RerunOf { workflow_run: 3, attempt: 1, number: 1 }]);
}

#[test]
fn what_is_red_on_the_base_too_is_not_given_to_an_agent() {
    let red = |facts: &mut Facts, ci: &mut Ci| {
        facts.head_since = now() - Duration::days(2);
        on_base(ci, &bad(5));
    };
    check(vec![bad(10)], red, "waiting", "red on the base at abc1234 too");
    let green = |_: &mut Facts, ci: &mut Ci| on_base(ci, &good(5));
    check(vec![bad(10)], green, "fixable", "failure");
    let other = |_: &mut Facts, ci: &mut Ci| on_base(ci, &of(8, bad(5)));
    check(vec![of(7, bad(10))], other, "fixable", "failure");
    let was_red = |up_to_date| {
        move |facts: &mut Facts, ci: &mut Ci| {
            green(facts, ci);
            facts.up_to_date = up_to_date;
            ci.base.red_before = vec![CI.to_owned()];
        }
    };
    check(vec![bad(10)], was_red(false), "behind", "");
    check(vec![bad(10)], was_red(true), "fixable", "failure");
}
