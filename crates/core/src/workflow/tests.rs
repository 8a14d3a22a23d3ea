use super::*;

const REQUIREMENT: &str = include_str!("../../../../workflows/requirement.toml");

#[track_caller]
fn refused(from: &str, to: &str) -> String {
    assert!(REQUIREMENT.contains(from), "{from} is not in the workflow");
    Workflow::parse(&REQUIREMENT.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn the_shipped_workflow_is_accepted() {
    let workflow = Workflow::parse(REQUIREMENT).unwrap();
    assert_eq!(workflow.hash.len(), 64);
    assert_eq!(workflow.steps["remediate"].retry.attempts, 5);
    assert!(workflow.diagram().contains("merge --> done: merged"));
}

#[test]
fn an_outcome_without_a_transition_is_refused() {
    let error = refused("clean = \"verdict\", ", "");
    assert_eq!(error, "step `review` has no transition for `clean`, which `review` can answer");
}

#[test]
fn a_transition_for_an_impossible_outcome_is_refused() {
    let error = refused("opened = \"gate\"", "opened = \"gate\", merged = \"done\"");
    assert_eq!(error, "step `generate` has a transition for `merged`, which `generate` never answers");
}

#[test]
fn a_transition_to_nowhere_is_refused() {
    let error = refused("declined = \"rejected\"", "declined = \"nowhere\"");
    assert_eq!(error, "`generate` leads to `nowhere`, which is neither a step nor an end");
}

#[test]
fn an_unreachable_end_is_refused() {
    assert_eq!(
        refused("rejected    = \"failed\"", "rejected = \"failed\"\nlost = \"failed\""),
        "nothing leads to `lost`"
    );
}

#[test]
fn a_loop_without_a_bound_is_refused() {
    let bounded = |line: &&str| !line.starts_with("visits  =") && !line.starts_with("spent   =");
    let text = REQUIREMENT.lines().filter(bounded).collect::<Vec<_>>().join("\n");
    assert!(matches!(Workflow::parse(&text), Err(Error::Unbounded(_))));
}

#[test]
fn a_bounded_step_whose_spent_leads_back_is_refused() {
    let error = refused("spent   = \"needs_human\"", "spent   = \"gate\"");
    assert!(error.contains("the loop through `gate` has no bound"), "{error}");
    let error = refused("spent   = \"needs_human\"", "spent   = \"review\"");
    assert!(error.contains("the loop through `gate` has no bound"), "{error}");
}

#[test]
fn half_a_bound_is_refused() {
    let error = refused("visits  = 5\n", "");
    assert_eq!(error, "step `update` needs both `visits` (1 or more) and `spent`, or neither");
    assert!(refused("visits  = 5\n", "visits = 0\n").contains("needs both"));
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let error = refused("start     = \"generate\"", "start = \"generate\"\nif = \"tier == high\"");
    assert!(error.contains("unknown field `if`") && error.contains("line"), "{error}");
}

#[test]
fn a_duration_without_a_unit_is_refused() {
    assert!(refused("timeout = \"20m\"", "timeout = \"20\"").contains("write 90s, 20m or 48h"));
}

#[test]
fn a_workflow_serves_requirements_unless_it_names_another_subject() {
    assert_eq!(Workflow::parse(REQUIREMENT).unwrap().subject, SubjectKind::Requirement);
    let named = REQUIREMENT.replacen("start ", "subject = \"requirement\"\nstart ", 1);
    assert_eq!(Workflow::parse(&named).unwrap().subject, SubjectKind::Requirement);
}

#[test]
fn a_subject_of_a_newer_release_is_refused_by_name() {
    let error = refused("start ", "subject = \"rota\"\nstart ");
    assert!(error.contains("unknown variant `rota`"), "{error}");
}

#[test]
fn an_activity_that_judges_or_merges_is_not_skippable() {
    assert!(!Activity::Verdict.is_skippable() && !Activity::Merge.is_skippable());
    assert!(Activity::Gate.is_skippable());
}

#[test]
fn a_queue_is_read_by_its_name() {
    for queue in Queue::ALL {
        assert_eq!(queue.as_str().parse(), Ok(queue));
    }
    assert_eq!("gpu".parse::<Queue>().unwrap_err().to_string(), "`gpu` is not a queue");
}

#[test]
fn the_workflow_of_a_pull_request_of_others_fixes_and_merges_only_where_its_judge_says_so() {
    let workflow = Workflow::parse(include_str!("../../../../workflows/judge.toml")).unwrap();
    assert_eq!((workflow.subject, workflow.start.as_str()), (SubjectKind::Pull, "judge"));
    let leads_to = |to: &str| {
        let steps = workflow.steps.iter().filter(|(_, step)| step.on.values().any(|it| it == to));
        steps.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!((leads_to("remediate"), leads_to("merge")), (vec!["judge"], vec!["judge"]));
    assert!(!Activity::Judge.is_skippable() && !Activity::Test.is_skippable());
}
