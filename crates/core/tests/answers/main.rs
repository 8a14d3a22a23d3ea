//! Answers as models write them: a corpus of slips of form, each with what must come of it.
//!
//! A case can be recovered, then all of its files must come out; or it cannot, then it must be refused for its reason. No
//! case may ever give other files.

mod laws;
mod refused;
mod repo;
mod reports;
mod slips;
mod verbatim;

use aspora_core::edit::{Answer, apply};
use repo::{Files, repo};

/// One answer and what must come of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) expected: Expected,
}

/// What must come of an answer.
pub(crate) enum Expected {
    /// These files.
    Files(Files),
    /// A refusal that says this.
    Refused(&'static str),
}

/// The files after the answer, or why it is refused.
pub(crate) fn outcome(text: &str) -> Result<Files, String> {
    let answer = Answer::parse(text).map_err(|malformed| malformed.to_string())?;
    let mut files = repo();
    let applied = apply(&answer, |path| repo().get(path.as_str()).cloned());
    let applied =
        applied.map_err(|failed| failed.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    for file in applied.files {
        match file.after {
            Some(after) => files.insert(file.path.to_string(), after),
            None => files.remove(file.path.as_str()),
        };
    }
    Ok(files)
}

fn cases() -> Vec<Case> {
    [slips::cases(), verbatim::cases(), reports::cases(), refused::cases()].into_iter().flatten().collect()
}

#[derive(Default)]
struct Count {
    recovered: usize,
    not_recovered: Vec<String>,
    wrong: Vec<String>,
    refused: usize,
    refused_otherwise: Vec<String>,
}

fn count(cases: &[Case]) -> Count {
    let mut count = Count::default();
    for Case { name, text, expected } in cases {
        let found = outcome(text);
        match (expected, found) {
            (Expected::Files(files), Ok(found)) if *files == found => count.recovered += 1,
            (Expected::Refused(says), Err(why)) if why.contains(says) => count.refused += 1,
            (Expected::Files(_), Err(why)) => count.not_recovered.push(format!("{name}: {why}\n{text}")),
            (Expected::Refused(_), Err(why)) => {
                count.refused_otherwise.push(format!("{name}: {why}\n{text}"))
            }
            (_, Ok(found)) => count.wrong.push(format!("{name}: {found:#?}\n{text}")),
        }
    }
    count
}

#[test]
fn nearly_every_slip_that_can_be_recovered_is_and_never_a_wrong_file() {
    let cases = cases();
    let count = count(&cases);
    let recoverable = count.recovered + count.not_recovered.len();
    println!(
        "{} answers: {} of {recoverable} recoverable ones recovered, {} refused, {} refused for another reason, {} wrong",
        cases.len(),
        count.recovered,
        count.refused,
        count.refused_otherwise.len(),
        count.wrong.len(),
    );
    let shown = |list: &[String]| list.iter().take(5).cloned().collect::<Vec<_>>().join("\n----\n");
    assert!(count.wrong.is_empty(), "{} wrong files:\n{}", count.wrong.len(), shown(&count.wrong));
    assert!(
        count.refused_otherwise.is_empty(),
        "refused for another reason:\n{}",
        shown(&count.refused_otherwise)
    );
    assert!(
        count.recovered * 100 >= recoverable * 99,
        "{} not recovered:\n{}",
        count.not_recovered.len(),
        shown(&count.not_recovered)
    );
    assert!(cases.len() >= 200 && recoverable >= 200 && count.refused >= 60, "the corpus is too small");
}

#[test]
fn the_cases_have_names_of_their_own() {
    let cases = cases();
    let names: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
}
