//! What a policy would have said, and what the difference of two comes to in words.

use super::{SEED, change, now, sha};
use crate::policy::{Contents, PastChange, Simulation, Trial, simulate};

fn past(paths: &[&str]) -> PastChange {
    PastChange {
        commit: sha("def4567def4567def4567def4567def4567def45"),
        parent: sha("abc1234abc1234abc1234abc1234abc1234abc12"),
        subject: "Change it".to_owned(),
        committed_at: now(),
        change: change(paths),
        contents: Contents::default(),
        diff_bytes: None,
    }
}

fn trial(text: &str) -> Trial {
    Trial::new(Some(text), &["wealth".parse().unwrap()]).unwrap()
}

/// Tries the seed with one part replaced on a few changes.
fn tried(from: &str, to: &str) -> Simulation {
    assert!(SEED.contains(from), "{from}");
    let past = [
        past(&["db/migrations/1.sql"]),
        past(&["db/migrations/2.sql", "docs/x.md"]),
        past(&["db/migrations/3.sql", "services/broker_gateway.py"]),
        past(&["channels/slack.py"]),
        past(&["tests/a.py"]),
    ];
    simulate(&past, &trial(&SEED.replacen(from, to, 1)), Some(&trial(SEED)))
}

#[test]
fn a_pattern_that_falls_is_said_with_what_it_would_have_meant() {
    let simulation = tried(
        "\"db/migrations/**\"\n        ],\n        \"high\": [",
        "\"db/none/**\"\n        ],\n        \"high\": [\n\"db/migrations/**\",",
    );
    let words = &simulation.words;
    let said = |sentence: &str| assert!(words.iter().any(|word| word == sentence), "{sentence}: {words:#?}");
    said(
        "wealth: `db/migrations/**` falls from critical to high; 2 of the last 5 changes would have needed one approval \
         fewer, 2 of the last 5 changes would have been high instead of critical",
    );
    said("wealth: `db/none/**` is new in critical; it decides nothing of the last 5 changes");
    said("together: 2 of the last 5 changes would not have needed the check `Security Scan`");
    let differing: Vec<bool> = simulation.changes.iter().map(crate::policy::Simulated::differs).collect();
    assert_eq!(differing, [true, true, false, false, false]);
}

#[test]
fn who_would_have_been_asked_and_what_would_have_been_blocked() {
    let simulation = tried("\"1\"", "\"1\"");
    assert!(simulation.words.is_empty(), "{:?}", simulation.words);
    let asks: Vec<String> = simulation.changes.iter().map(|change| change.said.asks()).collect();
    assert_eq!(
        asks,
        ["2 approvals by people", "2 approvals by people", "2 approvals by people", "nobody", "nobody"]
    );
    let blocked = simulate(&[past(&["api/v1/a.py"])], &trial(SEED), None);
    assert_eq!(blocked.summary.blocked, 1);
    assert_eq!(blocked.changes[0].said.asks(), "a clean review or 1 approval");
    assert_eq!(blocked.changes[0].today, None);
}

#[test]
fn without_a_policy_everything_is_critical() {
    let none = Trial::new(None, &["wealth".parse().unwrap()]).unwrap();
    let said = &simulate(&[past(&["tests/a.py"])], &trial(SEED), Some(&none)).changes[0];
    assert_eq!(said.today.as_ref().unwrap().asks(), "2 approvals by people");
    assert!(said.differs());
}

#[test]
fn a_path_is_explained_by_its_patterns_and_their_lines() {
    let explained = trial(SEED).explain(&change(&["api/v1/trades/buy.py"]));
    let lines: Vec<&str> =
        explained.iter().map(|(_, _, line)| SEED.lines().nth(line - 1).unwrap().trim()).collect();
    assert_eq!(lines, ["\"api/v1/trades/**\","]);
    let floor = trial(SEED).explain(&change(&[".github/x"]));
    assert_eq!((floor[0].1.as_str(), floor[0].2), ("critical", 0));
}
