//! From an exit code and an output to a result.

use super::{
    Cause, Counts, Ended, Runner, TestResult,
    runners::{Summary, summaries},
};
use crate::words::{counted, seconds_in_words};

/// The longest sentence about what happened, in bytes.
const SENTENCE: usize = 240;

/// What was read.
pub(super) struct Reading {
    pub(super) result: TestResult,
    pub(super) cause: Option<Cause>,
    pub(super) why: String,
    pub(super) runner: Option<Runner>,
    pub(super) counts: Counts,
    pub(super) failures: Vec<String>,
}

/// Reads a plain text.
pub(super) fn reading(command: &[String], ended: &Ended<'_>, text: &str) -> Reading {
    let summaries = summaries(text);
    let known = Runner::of(command);
    let counts = summaries.iter().fold(Counts::default(), |sum, it| sum.and(it.counts));
    let runner = summaries.first().and_then(|it| it.runner).or(known);
    let failures = summaries.iter().flat_map(|it| it.failures.clone()).collect();
    let (result, cause, why) = match not_run(ended, text, &summaries, (known, &counts)) {
        Some((cause, why)) => (TestResult::NotRun, Some(cause), cut(why)),
        None if ended.exit == Some(0) && counts.failed.unwrap_or_default() == 0 => {
            (TestResult::Passed, None, String::new())
        }
        None => (TestResult::Failed, None, failed(ended, &counts)),
    };
    Reading { result, cause, why, runner, counts, failures }
}

/// Why tests that ran failed, where the counts do not say it.
fn failed(ended: &Ended<'_>, counts: &Counts) -> String {
    match (ended.exit, counts.failed) {
        (Some(0), _) => "the command succeeded although cases failed".to_owned(),
        (_, Some(1..)) => String::new(),
        (Some(exit), _) => format!("the command ended with exit code {exit}"),
        (None, _) => "the command was killed".to_owned(),
    }
}

/// Why the tests could not run, if they could not.
fn not_run(
    ended: &Ended<'_>,
    text: &str,
    summaries: &[Summary],
    (known, counts): (Option<Runner>, &Counts),
) -> Option<(Cause, String)> {
    if ended.timed_out {
        let after = seconds_in_words(ended.millis.div_ceil(1_000));
        return Some((Cause::Timeout, format!("they were killed after {after}")));
    }
    if summaries.iter().any(|it| it.is_broken) {
        return Some(broken(text));
    }
    let ended_well = ended.exit == Some(0);
    if !ended_well
        && counts.failed.unwrap_or_default() == 0
        && let Some(refused) = refused(text).or_else(|| by_exit(ended, text))
    {
        return Some(refused);
    }
    if let Some(nothing) = nothing(text, summaries, counts) {
        return Some((Cause::Nothing, nothing));
    }
    match known {
        Some(runner) if summaries.is_empty() => {
            let exit = ended.exit.map_or_else(String::new, |exit| format!(", with exit code {exit}"));
            Some((Cause::Unfinished, format!("`{}` ended without its summary{exit}", runner.name())))
        }
        _ => None,
    }
}

/// Why code or tests could not be loaded or compiled.
fn broken(text: &str) -> (Cause, String) {
    let no_module =
        |line: &&str| line.contains("does not contain main module") || line.contains("go.mod file not found");
    if let Some(line) = text.lines().find(no_module) {
        return (Cause::Command, line.trim().to_owned());
    }
    match missing_module(text) {
        Some(module) => (Cause::Module, format!("the module `{module}` is not there")),
        None => {
            let error = telling(text).unwrap_or_else(|| "the log has the error".to_owned());
            (Cause::Code, format!("the code or its tests cannot be loaded: {error}"))
        }
    }
}

/// What says that a command or its runner is not there, or does not take what it was given.
fn refused(text: &str) -> Option<(Cause, String)> {
    let line_with =
        |part: &str| text.lines().find(|line| line.contains(part)).map(|line| line.trim().to_owned());
    let commands = [
        "Missing script:",
        "Could not read package.json",
        "No rule to make target",
        "could not find `Cargo.toml`",
        "error: no such command",
        "unrecognized arguments:",
        "ImportError: Start directory is not importable",
    ];
    if let Some(line) = commands.iter().find_map(|part| line_with(part)) {
        return Some((Cause::Command, line));
    }
    if text.contains("no test specified") {
        return Some((Cause::Nothing, "package.json has npm's placeholder for a test script".to_owned()));
    }
    // `python3 -m NAME` says it without a traceback.
    let of_runner =
        |line: &&str| line.contains(": No module named ") && !line.contains("ModuleNotFoundError");
    if let Some(line) = text.lines().find(of_runner) {
        return Some((Cause::Command, line.trim().to_owned()));
    }
    let loads = ["ImportError while loading conftest", "INTERNALERROR>", "ERR_MODULE_NOT_FOUND"];
    if loads.iter().any(|part| text.contains(part)) {
        return Some(broken(text));
    }
    let memory = [
        "MemoryError",
        "JavaScript heap out of memory",
        "Cannot allocate memory",
        "out of memory",
        "No space left on device",
    ];
    if let Some(line) = memory.iter().find_map(|part| line_with(part)) {
        return Some((Cause::Killed, line));
    }
    missing_module(text).map(|module| (Cause::Module, format!("the module `{module}` is not there")))
}

/// What an exit code alone says.
fn by_exit(ended: &Ended<'_>, text: &str) -> Option<(Cause, String)> {
    let last = || text.trim_end().lines().last().unwrap_or_default().trim().to_owned();
    let said = |otherwise: &str| {
        Some(last()).filter(|line| !line.is_empty()).unwrap_or_else(|| otherwise.to_owned())
    };
    // A shell's code, or that of a program which passes it on as make and npm do.
    let passed_on = |code: &str| text.lines().any(|line| line.ends_with(&format!("] Error {code}")));
    match ended.exit {
        Some(127) => Some((Cause::Command, format!("no such command: {}", said("exit code 127")))),
        Some(126) => Some((Cause::Command, format!("it cannot be executed: {}", said("exit code 126")))),
        Some(125) => {
            Some((Cause::Sandbox, format!("the files could not be unpacked: {}", said("exit code 125"))))
        }
        Some(137) | None => {
            Some((Cause::Killed, "they were killed, as it happens when memory runs out".to_owned()))
        }
        Some(exit @ 129..=159) => Some((Cause::Killed, format!("they were ended by signal {}", exit - 128))),
        Some(2) if passed_on("127") => Some((Cause::Command, format!("no such command: {}", last()))),
        Some(2) if passed_on("126") => Some((Cause::Command, format!("it cannot be executed: {}", last()))),
        _ => None,
    }
}

/// Why there was nothing to run.
fn nothing(text: &str, summaries: &[Summary], counts: &Counts) -> Option<String> {
    let says = ["No test files found", "No tests found, exiting", "ERROR: file or directory not found:"];
    if let Some(line) = says.iter().find_map(|part| text.lines().find(|line| line.contains(part))) {
        return Some(line.trim().to_owned());
    }
    match (summaries.is_empty(), counts.collected, counts.skipped) {
        (false, Some(0), _) => Some("no test was collected".to_owned()),
        (false, Some(all), Some(skipped)) if all == skipped => Some(match all {
            1 => "the one case was skipped".to_owned(),
            _ => format!("all {} were skipped", counted(all, "case")),
        }),
        _ => None,
    }
}

/// The module or package that is missing; `None` for one that a path names, which is a file of the code.
fn missing_module(text: &str) -> Option<String> {
    let quoted = [
        ("No module named '", '\''),
        ("Cannot find module '", '\''),
        ("Cannot find package '", '\''),
        ("no matching package named `", '`'),
        ("cannot find module providing package ", ':'),
        ("no required module provides package ", ';'),
    ];
    let find = |(before, end): &(&str, char)| {
        let (_, rest) = text.split_once(before)?;
        let name = rest.split([*end, '\n']).next()?.trim();
        let is_path = name.starts_with('.') || name.starts_with('/');
        (!name.is_empty() && !is_path).then(|| name.to_owned())
    };
    quoted.iter().find_map(find)
}

/// The line that says best what cannot be loaded or compiled.
fn telling(text: &str) -> Option<String> {
    const WORDS: [&str; 9] = [
        "SyntaxError",
        "IndentationError",
        "TabError",
        "ImportError: cannot",
        "NameError:",
        "AttributeError:",
        "TypeError:",
        "Cannot find module",
        "Unexpected token",
    ];
    let compiled = |line: &str| {
        (line.starts_with("error[") || line.starts_with("error: ") && !line.contains("could not compile"))
            || (line.contains(".go:") && line.matches(':').count() >= 3)
            || line.contains("Failed to parse source")
    };
    let fits = |line: &&str| WORDS.iter().any(|word| line.contains(word)) || compiled(line);
    let clean = |line: &str| line.trim_start_matches(['E', '#', ' ', '\t', '>']).trim().to_owned();
    let is_error = |line: &&str| line.trim_start().starts_with("E  ");
    text.lines().find(fits).or_else(|| text.lines().find(is_error)).map(clean)
}

fn cut(why: String) -> String {
    match why.len() > SENTENCE {
        true => format!("{}…", &why[..why.floor_char_boundary(SENTENCE)]),
        false => why,
    }
}
