//! `aspora policy test`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;

use super::{Exit, Printer, REFUSED, Source, plain, read, refuse};
use crate::core::{
    policy::{CASES_PATH, CaseResult, Cases, Policy},
    words::counted,
};

/// The arguments of `test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    #[command(flatten)]
    source: Source,
    /// The file of the cases.
    #[arg(long, value_name = "FILE", default_value = CASES_PATH)]
    cases: PathBuf,
}

pub(super) fn run(printer: &Printer, command: &Test) -> anyhow::Result<Exit> {
    let (policy, text) = (command.source.text()?, read(&command.cases)?);
    let name = plain(&command.cases.display().to_string());
    let cases = match Cases::parse(text.as_bytes()) {
        Ok(cases) => cases,
        Err(error) => return refuse(printer, &name, &text, &error),
    };
    if let Err(error) = Policy::parse(policy.as_bytes()) {
        return refuse(printer, &command.source.name(), &policy, &error);
    }
    let results = match cases.run(&policy) {
        Ok(results) => results,
        Err(error) => return refuse(printer, &command.source.name(), &policy, &error),
    };
    printer.say(&describe(&name, &results), &results)?;
    let holds = results.iter().all(|case| case.differences.is_empty());
    if holds { Ok(Exit::Success) } else { REFUSED }
}

fn describe(name: &str, results: &[CaseResult]) -> String {
    let mut text = String::new();
    let differing: Vec<_> = results.iter().filter(|case| !case.differences.is_empty()).collect();
    for case in &differing {
        let _ = writeln!(text, "{name}:{}: {} differs", case.line, plain(&case.name));
        for difference in &case.differences {
            let _ = writeln!(text, "    {}", plain(difference));
        }
    }
    let all = counted(results.len(), "case");
    match differing.len() {
        0 => text + &format!("{all}, all as expected"),
        count => text + &format!("{count} of {all} differ"),
    }
}
