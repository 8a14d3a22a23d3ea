use chrono::TimeDelta;

use super::*;
use Standing::{Green, Pending, Red, Silent};

fn ci(standing: Standing) -> Vec<Reported> {
    vec![Reported { name: "ci".to_owned(), standing, url: None }]
}

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn known(meaning: Meaning, since: Option<DateTime<Utc>>) -> Vec<Check> {
    vec![Check { name: "ci".to_owned(), meaning, url: None, since }]
}

#[test]
fn a_check_is_an_incident_if_it_fails_now_and_succeeded_before() {
    let check = |now: Standing, before: &[Standing], expected: Meaning| {
        let before: Vec<_> = before.iter().map(|it| ci(*it)).collect();
        assert_eq!(assess(&ci(now), &before, &[], at(0))[0].meaning, expected, "{now:?} after {before:?}");
    };
    check(Red, &[Green], Meaning::Broke);
    check(Red, &[Red], Meaning::RedBefore);
    check(Red, &[Red, Green], Meaning::RedBefore);
    check(Red, &[Silent, Green], Meaning::Broke);
    check(Red, &[Silent, Red], Meaning::RedBefore);
    check(Red, &[Pending, Green], Meaning::Undecided);
    check(Red, &[], Meaning::NeverRan);
    check(Red, &[Silent], Meaning::NeverRan);
    check(Green, &[Red], Meaning::Green);
    check(Pending, &[Green], Meaning::Pending);
    check(Silent, &[Green], Meaning::Silent);
}

#[test]
fn a_check_that_is_unknown_on_the_parent_is_looked_for_on_older_commits_and_on_the_pull_request() {
    let (none, head) = (Vec::new(), ci(Green));
    assert_eq!(assess(&ci(Red), &[none.clone(), none, head], &[], at(0))[0].meaning, Meaning::Broke);
}

#[test]
fn what_broke_stays_so_while_it_runs_again_and_is_then_green_again_since_the_first_time() {
    let broke = known(Meaning::Broke, None);
    let next =
        |now: Standing, known: &[Check], minute: i64| assess(&ci(now), &[], known, at(minute))[0].clone();
    assert_eq!(next(Pending, &broke, 1).meaning, Meaning::Broke);
    assert_eq!(next(Silent, &broke, 1).meaning, Meaning::Broke);
    let again = next(Green, &broke, 2);
    assert_eq!((again.meaning, again.since), (Meaning::GreenAgain, Some(at(2))));
    let later = next(Green, &[again], 9);
    assert_eq!((later.meaning, later.since), (Meaning::GreenAgain, Some(at(2))));
    assert_eq!(next(Red, &[later], 10).meaning, Meaning::Broke);
}

#[test]
fn a_report_that_is_gone_takes_no_incident_back() {
    let broke = known(Meaning::Broke, None);
    assert_eq!(assess(&[], &[], &broke, at(1)), broke);
    assert_eq!(assess(&[], &[], &known(Meaning::Green, None), at(1)), []);
}

#[test]
fn news_is_another_set_of_what_broke_or_is_green_again() {
    let check = |before: &[Check], after: &[Check], expected: bool| {
        assert_eq!(has_news(before, after), expected, "{before:?} {after:?}");
    };
    let (broke, again) = (known(Meaning::Broke, None), known(Meaning::GreenAgain, Some(at(1))));
    check(&[], &broke, true);
    check(&broke, &broke, false);
    check(&broke, &again, true);
    check(&again, &broke, true);
    check(&[], &known(Meaning::RedBefore, None), false);
    check(&known(Meaning::Pending, None), &known(Meaning::Green, None), false);
}

#[test]
fn the_base_stands_as_its_worst_check_and_what_has_not_ended_is_not_known_at_the_end() {
    let check = |meanings: &[Meaning], during: BaseState, after: BaseState| {
        let checks: Vec<Check> = meanings
            .iter()
            .enumerate()
            .map(|(place, meaning)| Check {
                name: place.to_string(),
                meaning: *meaning,
                url: None,
                since: None,
            })
            .collect();
        assert_eq!((state(&checks, false), state(&checks, true)), (during, after), "{meanings:?}");
        assert!(!sentence(&checks, true, "main").is_empty());
    };
    use BaseState as S;
    check(&[], S::Watching, S::NoData);
    check(&[Meaning::Silent], S::Watching, S::NoData);
    check(&[Meaning::Green], S::Green, S::Green);
    check(&[Meaning::Green, Meaning::Silent], S::Green, S::Green);
    check(&[Meaning::Green, Meaning::Pending], S::Watching, S::NotKnown);
    check(&[Meaning::Undecided], S::Watching, S::NotKnown);
    check(&[Meaning::NeverRan], S::Watching, S::NotKnown);
    check(&[Meaning::RedBefore, Meaning::Green], S::RedBefore, S::RedBefore);
    check(&[Meaning::RedBefore, Meaning::Broke], S::Red, S::Red);
    check(&[Meaning::Broke, Meaning::Pending], S::Red, S::Red);
    check(&[Meaning::GreenAgain, Meaning::Broke], S::Red, S::Red);
    check(&[Meaning::GreenAgain, Meaning::Green], S::GreenAgain, S::GreenAgain);
    check(&[Meaning::GreenAgain, Meaning::Pending], S::GreenAgain, S::NotKnown);
}

#[test]
fn the_sentence_names_the_checks() {
    let check = |meaning: Meaning, expected: &str| {
        assert_eq!(sentence(&known(meaning, Some(at(61))), true, "main"), expected);
    };
    check(Meaning::Broke, "`ci` fails on main since this merge, and was green before");
    check(Meaning::GreenAgain, "`ci` failed on main after the merge, green again at 01:01 UTC");
    check(Meaning::RedBefore, "`ci` fails on main, and was red before");
    check(Meaning::Pending, "not known: `ci` had not ended on main, or nothing is known of it before");
}

#[test]
fn reports_of_one_name_are_one_check_and_the_worst_counts() {
    let report =
        |standing, url: &str| Reported { name: "ci".to_owned(), standing, url: Some(url.to_owned()) };
    let check = |all: [Reported; 2], standing: Standing, url: &str| {
        let one = by_name(all);
        assert_eq!((one.len(), one[0].standing, one[0].url.as_deref()), (1, standing, Some(url)));
    };
    check([report(Green, "a"), report(Red, "b")], Red, "b");
    check([report(Red, "a"), report(Green, "b")], Red, "a");
    check([report(Silent, "a"), report(Green, "b")], Green, "b");
    check([report(Pending, "a"), report(Green, "b")], Pending, "a");
}

#[test]
fn a_conclusion_that_says_nothing_of_the_code_is_neither_red_nor_green() {
    let of = |conclusion| Standing::of_run(CheckStatus::Completed, Some(conclusion));
    assert_eq!(of(Conclusion::Success), Green);
    for red in [Conclusion::Failure, Conclusion::TimedOut, Conclusion::StartupFailure] {
        assert_eq!(of(red), Red);
    }
    for silent in [Conclusion::Cancelled, Conclusion::Skipped, Conclusion::Neutral, Conclusion::Stale] {
        assert_eq!(of(silent), Silent);
    }
    assert_eq!(Standing::of_run(CheckStatus::InProgress, None), Pending);
    assert_eq!(Standing::of_status(StatusState::Error), Red);
}

#[test]
fn what_follows_is_read_as_it_is_written() {
    for word in ["off", "ask", "open"] {
        assert_eq!(word.parse::<RevertOnRed>().map(RevertOnRed::as_str), Ok(word));
    }
    assert_eq!("yes".parse::<RevertOnRed>(), Err(UnknownRevert));
}
