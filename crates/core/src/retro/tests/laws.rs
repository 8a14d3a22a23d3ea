//! Laws of runs made up.

use proptest::prelude::*;

use super::*;

fn any_event() -> impl Strategy<Value = Happening> {
    let kinds = [
        "answered",
        "parked",
        "failed",
        "held",
        "went_on",
        "paused",
        "resumed",
        "exhausted",
        "taken_over",
        "cancelled",
    ];
    let steps = ["generate", "review", "remediate", "rerun", "update", "merge", ""];
    let outcomes = ["pushed", "findings", "unfixable", "opened", "declined", "refused"];
    (0..5000_i64, 0..kinds.len(), 0..steps.len(), 0..outcomes.len(), 0..3_u8).prop_map(
        move |(second, kind, step, outcome, head)| Happening {
            cause: Some("budget".to_owned()),
            detail: Some("x".to_owned()),
            ..Happening {
                kind: kinds[kind].to_owned(),
                ..answer(second, steps[step], outcomes[outcome], &format!("h{head}"))
            }
        },
    )
}

fn any_call() -> impl Strategy<Value = Call> {
    let keys = [
        "generate.1/model.1",
        "generate.1/model.2",
        "remediate.1/model.1",
        "rerun.1/model.1",
        "review.1/model.1",
    ];
    (0..5000_i64, 0..keys.len(), any::<bool>()).prop_map(move |(second, place, is_done)| {
        let call = call(second, keys[place]);
        Call { done_at: call.done_at.filter(|_| is_done), ..call }
    })
}

fn any_details() -> impl Strategy<Value = Details> {
    let calls = proptest::collection::vec(any_call(), 0..8);
    let heads = proptest::collection::vec((0..3_u8, 0..3_u8, any::<bool>()), 0..6);
    (calls, heads).prop_map(|(calls, heads)| {
        let finding = |&(head, path, actionable): &(u8, u8, bool)| {
            found(&format!("h{head}"), &format!("{path}.py"), actionable)
        };
        let held =
            |&(head, name, _): &(u8, u8, bool)| blocked(&format!("h{head}"), Held::Check(name.to_string()));
        let (findings, blocked) = (heads.iter().map(finding).collect(), heads.iter().map(held).collect());
        Details { calls, findings, blocked, ..Details::default() }
    })
}

fn any_run() -> impl Strategy<Value = Facts> {
    (proptest::collection::vec(any_event(), 1..20), any::<bool>()).prop_map(|(mut history, is_merged)| {
        history.sort_by_key(|event| event.at);
        let ended_as = if is_merged { "succeeded" } else { "blocked" }.to_owned();
        Facts { is_merged, ended_as, ..facts(history) }
    })
}

proptest! {
    #[test]
    fn time_adds_up_and_waste_is_no_more_than_there_was(run in any_run(), details in any_details()) {
        let it = look(&run, &details);
        let lived = run.history.iter().flatten().rev().find(|event| event.step.is_some());
        let end = lived.map_or_else(|| run.history.as_ref().unwrap()[0].at, |event| event.at);
        prop_assert_eq!(it.time.values().sum::<i64>(), end.timestamp_millis());
        let all = i64::try_from(details.calls.len()).unwrap();
        prop_assert!(i64::from(it.waste.total().calls) <= all);
        prop_assert_eq!(it.waste.total().tokens, i64::from(it.waste.total().calls) * 10);
        prop_assert!(it.waste.parts().iter().all(|(_, part)| part.ms >= 0));
        if run.ended_as == "blocked" {
            prop_assert_eq!(i64::from(it.waste.total().calls), all);
        }
    }

    #[test]
    fn a_run_without_rounds_has_no_lesson_of_rounds(run in any_run(), details in any_details()) {
        let it = look(&run, &details);
        prop_assert!(it.lessons.iter().all(|lesson| lesson.cost.rounds <= it.rounds));
        prop_assert!(it.rounds > 0 || it.waste.rounds.calls == 0);
    }

    #[test]
    fn the_order_of_the_rows_says_nothing(run in any_run(), details in any_details()) {
        let mut turned = details.clone();
        turned.calls.reverse();
        turned.findings.reverse();
        turned.blocked.reverse();
        prop_assert_eq!(look(&run, &details), look(&run, &turned));
    }

    #[test]
    fn each_cause_is_there_once_with_a_key_that_fits(run in any_run(), details in any_details()) {
        let mut causes: Vec<String> = look(&run, &details).lessons.into_iter().map(|it| it.cause).collect();
        prop_assert!(causes.iter().all(|cause| cause.chars().count() <= KEY_LIMIT));
        let all = causes.len();
        causes.sort_unstable();
        causes.dedup();
        prop_assert_eq!(causes.len(), all);
    }

    #[test]
    fn foreign_text_never_leaves_its_line(text in "\\PC{0,300}|[\\x00-\\x7f]{0,300}") {
        let cause = key("check", &text);
        prop_assert!(cause.chars().count() <= KEY_LIMIT && !cause.chars().any(char::is_control));
    }
}
