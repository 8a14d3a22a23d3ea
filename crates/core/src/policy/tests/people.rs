//! What approvals, reviews and the pull request decide.

use super::*;

#[track_caller]
fn second_approval(expected: &str, alter: impl FnOnce(&mut Facts)) {
    assert_eq!(decided(CRITICAL, alter), expected);
}

#[test]
fn an_approval_counts_only_from_an_uninvolved_person_on_this_head() {
    second_approval("clear", |_| ());
    second_approval("waiting", |facts| facts.approvals[1].bot = true);
    second_approval("waiting", |facts| facts.approvals[1].commit = sha(BASE));
    second_approval("waiting", |facts| facts.approvals[1].permission = Permission::Triage);
    second_approval("waiting", |facts| facts.approvals[1].state = ApprovalState::Dismissed);
    second_approval("waiting", |facts| facts.approvals[1].by = person(1, "ann-renamed"));
    second_approval("waiting", |facts| facts.pull_state.author = person(2, "ben"));
    second_approval("waiting", |facts| facts.pull_state.committers.push(person(2, "ben")));
    second_approval("waiting", |facts| facts.requester.login = Some("Ben".to_owned()));
    second_approval("waiting", |facts| facts.approvals[1].state = ApprovalState::ChangesRequested);
    second_approval("waiting", |facts| facts.approvals.truncate(1));
    second_approval("waiting", |facts| facts.approvals.clear());
}

#[test]
fn people_are_compared_by_their_numbers_where_both_are_known() {
    let asked = |login: &'static str, id| {
        move |facts: &mut Facts| {
            facts.requester.login = Some(login.to_owned());
            facts.requester.id = id;
        }
    };
    second_approval("waiting", asked("old-ben", Some(2)));
    second_approval("clear", asked("ben", Some(77)));
    second_approval("waiting", asked("BEN", None));
    second_approval("clear", |facts| facts.pull_state.author = person(77, "ben"));
    second_approval("waiting", |facts| facts.pull_state.author = Person { id: None, ..person(0, "Ben") });
    second_approval("waiting", |facts| facts.pull_state.committers.push(person(2, "renamed")));
    second_approval("clear", |facts| facts.approvals[1].by = person(2, "ann"));
    // Facts of an earlier edition are judged as they were.
    second_approval("waiting", |facts| {
        facts.edition = 1;
        asked("ben", Some(77))(facts);
    });
}

/// What the person with this account said in Aspora.
fn said(id: u64, login: &str, state: ApprovalState) -> Approval {
    let name = Some(format!("{login} here"));
    Approval { state, via: Via::Aspora, name, submitted_at: now(), ..approval(id, login) }
}

#[test]
fn t11_an_approval_given_here_counts_under_the_same_rules() {
    let second = |alter: fn(&mut Approval)| {
        move |facts: &mut Facts| {
            facts.approvals[1] = said(2, "ben", ApprovalState::Approved);
            alter(&mut facts.approvals[1]);
        }
    };
    second_approval("clear", second(|_| ()));
    second_approval("waiting", second(|said| said.permission = Permission::Triage));
    second_approval("waiting", second(|said| said.commit = sha(BASE)));
    second_approval("waiting", second(|said| said.bot = true));
    second_approval("waiting", second(|said| said.by = person(99, "renamed")));
    second_approval("waiting", second(|said| said.name = Some("Mira".to_owned())));
    second_approval("waiting", second(|said| said.doubt = Some("its key was revoked".to_owned())));
    second_approval("waiting", second(|said| said.state = ApprovalState::Dismissed));
    second_approval("blocked", second(|said| said.state = ApprovalState::ChangesRequested));
    second_approval("waiting", |facts: &mut Facts| {
        second(|_| ())(facts);
        (facts.returned, facts.head_since) = (true, now() + Duration::seconds(1));
    });
}

#[test]
fn t11_one_person_counts_once_wherever_they_approve() {
    second_approval("waiting", |facts| facts.approvals[1] = said(1, "ann", ApprovalState::Approved));
    second_approval("waiting", |facts| {
        facts.approvals[0] = said(1, "ann", ApprovalState::Approved);
        facts.approvals[1] = Approval { by: person(2, "ann2"), ..facts.approvals[0].clone() };
    });
    let dismissed = |facts: &mut Facts| facts.approvals.push(said(1, "ann", ApprovalState::Dismissed));
    second_approval("waiting", dismissed);
    second_approval("clear", |facts| {
        facts.approvals.push(said(1, "ann", ApprovalState::Dismissed));
        facts.approvals.push(Approval { submitted_at: now() + Duration::seconds(1), ..approval(1, "ann") });
    });
}

#[test]
fn t11_a_refusal_given_here_blocks_every_tier_until_it_is_withdrawn() {
    let refuse = |alter: fn(&mut Approval)| {
        move |facts: &mut Facts| {
            let mut refusal = said(9, "out", ApprovalState::ChangesRequested);
            alter(&mut refusal);
            facts.approvals.push(refusal);
        }
    };
    assert_eq!(decided(LOW, refuse(|_| ())), "blocked");
    assert_eq!(decided(LOW, refuse(|said| said.commit = sha(BASE))), "blocked");
    assert_eq!(decided(LOW, refuse(|said| said.permission = Permission::Read)), "clear");
    assert_eq!(decided(LOW, refuse(|said| said.state = ApprovalState::Dismissed)), "clear");
    let unreadable = |said: &mut Approval| (said.permission, said.is_unreadable) = (Permission::None, true);
    assert_eq!(decided(LOW, refuse(unreadable)), "blocked", "where the forge does not say, a refusal counts");
    let on_the_forge = |facts: &mut Facts| {
        facts.approvals[0].state = ApprovalState::ChangesRequested;
        facts.approvals.push(said(1, "ann", ApprovalState::Dismissed));
    };
    assert_eq!(decided(LOW, on_the_forge), "waiting", "a review on the forge is withdrawn there");
}

#[test]
fn t11_within_a_second_what_refuses_counts_wherever_it_was_said() {
    let (early, late) = (now(), now() + Duration::milliseconds(700));
    let both = |there: ApprovalState, here: ApprovalState| {
        decided(LOW, |facts| {
            // The forge says only in which second it was.
            facts.approvals = vec![Approval { state: there, submitted_at: early, ..approval(1, "ann") }];
            facts.approvals.push(Approval { submitted_at: late, ..said(1, "ann", here) });
        })
    };
    assert_eq!(both(ApprovalState::ChangesRequested, ApprovalState::Approved), "waiting");
    assert_eq!(both(ApprovalState::Approved, ApprovalState::ChangesRequested), "blocked");
    assert_eq!(both(ApprovalState::Approved, ApprovalState::Approved), "clear");
}

#[test]
fn the_report_says_who_said_what_where_and_which_rule_asks() {
    let mut facts = facts(CRITICAL);
    facts.approvals = vec![approval(1, "ann"), said(2, "ben", ApprovalState::Approved)];
    let out = Approval { permission: Permission::Read, ..said(3, "out", ApprovalState::Approved) };
    facts.approvals.push(out);
    let assessment = judge(&facts);
    let approvals = assessment.approvals().unwrap();
    let said: Vec<_> = approvals.people.iter().map(|it| format!("{}: {}", it.login, it.why)).collect();
    assert_eq!(
        said,
        [
            "ann: approved this head",
            "ben: approved this head in Aspora",
            "out: does not count: without write permission",
        ]
    );
    assert_eq!((approvals.counted, approvals.needed), (2, 2));
    assert_eq!(approvals.demanded_by, ["mergePolicy.critical of wealth"]);
    let evidence = assessment.checks().iter().find(|row| row.name == EVIDENCE_CHECK).unwrap();
    assert_eq!(evidence.demanded_by, ["mergePolicy.critical of wealth"]);
}

#[test]
fn a_clean_review_counts_as_one_approval_if_no_person_is_demanded() {
    assert_eq!(decided(HIGH, |facts| facts.approvals.clear()), "clear");
    assert_eq!(decided(CRITICAL, |facts| facts.approvals.truncate(1)), "waiting");
}

#[test]
fn changes_requested_by_a_person_block_every_tier_until_withdrawn() {
    let refuse = |facts: &mut Facts| {
        facts.approvals[0].state = ApprovalState::ChangesRequested;
        facts.approvals[0].commit = sha(BASE);
    };
    assert_eq!(decided(LOW, refuse), "waiting");
    let before = |facts: &mut Facts| {
        refuse(facts);
        facts.remarks = None;
    };
    assert_eq!(
        decided(LOW, before),
        "blocked",
        "facts from before remarks were read are judged as they were"
    );
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
    assert_eq!(decided(LOW, comment), "waiting");
    let mut refused = facts(LOW);
    refuse(&mut refused);
    let assessment = judge(&refused);
    let awaited = "ann to approve def4567 or to withdraw the request for changes";
    assert_eq!(assessment.awaited().as_deref(), Some(awaited));
    assert!(assessment.awaits_only_people());
}

#[test]
fn what_people_ask_for_goes_to_remediation_and_holds_the_merge_by_its_severity() {
    let with = |is_demanded, rounds| {
        decided(HIGH, |facts| {
            facts.rounds_left = rounds;
            let finding = Finding::new(severity_of_remark(is_demanded), "a.py", Some(3), "Round up", "");
            facts.remarks = Some(vec![Remark { by: person(1, "ann"), finding }]);
        })
    };
    assert_eq!((with(true, 2), with(false, 2)), ("fixable", "fixable"));
    assert_eq!((with(true, 0), with(false, 0)), ("blocked", "clear"));
}

#[test]
fn j13_a_refusal_of_a_person_who_may_not_write_is_shown_and_blocks_nothing() {
    let refuse = |permission| {
        move |facts: &mut Facts| {
            let by = Approval { permission, ..approval(9, "out") };
            facts.approvals.push(Approval { state: ApprovalState::ChangesRequested, ..by });
        }
    };
    for permission in [Permission::None, Permission::Read, Permission::Triage] {
        assert_eq!(decided(LOW, refuse(permission)), "clear", "{permission:?}");
    }
    for permission in [Permission::Write, Permission::Maintain, Permission::Admin] {
        assert_eq!(decided(LOW, refuse(permission)), "waiting", "{permission:?}");
    }
    let mut refused = facts(LOW);
    refuse(Permission::Read)(&mut refused);
    let report = judge(&refused).to_markdown();
    assert!(report.contains("out: asked for changes without write permission, which blocks nothing"));
}

#[test]
fn a_missing_review_is_not_a_clean_review() {
    assert_eq!(decided(HIGH, |facts| facts.review = None), "waiting");
    let review = |facts: &mut Facts| facts.review.clone().unwrap();
    assert_eq!(decided(HIGH, |f| f.review = Some(Review { head: sha(BASE), ..review(f) })), "waiting");
    assert_eq!(
        decided(HIGH, |f| f.review = Some(Review { failed: Some("no JSON".into()), ..review(f) })),
        "blocked"
    );
}

#[test]
fn findings_block_the_merge_by_their_severity() {
    let with = |severity, rounds| {
        decided(HIGH, |facts| {
            facts.rounds_left = rounds;
            facts.review.as_mut().unwrap().findings.push(found(severity));
        })
    };
    assert_eq!((with(Severity::Critical, 3), with(Severity::High, 1)), ("fixable", "fixable"));
    assert_eq!((with(Severity::Critical, 0), with(Severity::High, 0)), ("blocked", "blocked"));
    assert_eq!((with(Severity::Medium, 1), with(Severity::Medium, 0)), ("fixable", "clear"));
    assert_eq!((with(Severity::Low, 3), with(Severity::Info, 3)), ("clear", "clear"));
}

#[test]
fn a_pull_request_that_was_closed_or_taken_over_stops_the_run() {
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
fn an_old_sha_that_is_pushed_back_keeps_no_evidence() {
    let back = |facts: &mut Facts| {
        facts.returned = true;
        facts.head_since = facts.at - Duration::seconds(1);
    };
    assert_eq!(decided(LOW, back), "waiting");
    assert_eq!(decided(CRITICAL, back), "waiting");
}

#[test]
fn a_pull_request_pointed_at_another_branch_stops_the_run_in_both_phases() {
    let retargeted = |facts: &mut Facts| facts.pull_state.base_branch = "production".to_owned();
    assert_eq!(decided(LOW, retargeted), "stopped");
    let mut facts = facts(LOW);
    retargeted(&mut facts);
    let sentence = "the pull request is pointed at `production`, and the run is for `main`";
    for assessment in [preflight(&facts), judge(&facts)] {
        assert!(assessment.sentence().ends_with(sentence), "{}", assessment.sentence());
    }
    facts.pull_state.state = PullState::Closed;
    assert_eq!(judge(&facts).decision(), &Decision::Stopped { reason: Stop::Closed });
}

#[test]
fn facts_that_name_no_branches_are_judged_as_they_were() {
    let mut facts = facts(LOW);
    (facts.base_branch, facts.pull_state.base_branch) = (String::new(), String::new());
    assert_eq!(judge(&facts).decision(), &Decision::Clear);
}
