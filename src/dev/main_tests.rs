//! The tests of a product's base branch, all that it has, and the set-up before them.

use std::path::Path;

use serde::Serialize;

use super::{
    own_tests::{OwnTests, end},
    stand_ins::unittest,
};
use crate::workspace::{Limits, Sandbox, Worktree};

/// Makes the layer of a checkout's set-up, or finds it; nothing without a product file.
///
/// # Errors
/// A sentence when the file is broken or set-up failed, with the end of its output.
pub async fn set_up(sandbox: &Sandbox, tree: &Path) -> Result<(), String> {
    OwnTests::set_up(sandbox, tree).await.map(|_| ())
}

/// What the tests of a base branch came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MainTests {
    /// Whether all passed.
    pub passed: bool,
    /// The lines or words that were run.
    pub commands: Vec<String>,
    /// What their runner says of them at the end: how many passed, and of how much code. After a failure the end of the
    /// output.
    pub said: String,
}

/// Runs all that a checkout has: its lint, all its tests with their coverage, and the cases that start the whole service;
/// without a product file the tests of Python's `unittest`.
///
/// # Errors
/// When set-up fails, or this machine cannot run them.
pub async fn test_main(sandbox: &Sandbox, checkout: &Worktree) -> anyhow::Result<MainTests> {
    let (run, commands) = match OwnTests::of(sandbox, checkout).await.map_err(anyhow::Error::msg)? {
        Some(own) => own.run_everything(sandbox).await.map_err(anyhow::Error::msg)?,
        None => {
            let words = unittest();
            let argv: Vec<&str> = words.iter().map(String::as_str).collect();
            (sandbox.run(checkout.path(), &argv, Limits::default()).await?, vec![words.join(" ")])
        }
    };
    let said = if run.passed { summary(&run.output) } else { end(&run.output).trim().to_owned() };
    Ok(MainTests { passed: run.passed, commands, said })
}

/// The lines in which runners sum up, in a row: `Ran 9 tests in 0.1s; coverage 100%; 17 passed in 0.9s`.
fn summary(output: &str) -> String {
    let line = |line: &str| {
        let is_count = line.starts_with("Ran ") || line.contains(" passed in ");
        // The last line of coverage.py's table, with the share in its last column.
        let total = line.strip_prefix("TOTAL ").and_then(|columns| columns.split_whitespace().last());
        match total {
            Some(share) => Some(format!("coverage {share}")),
            None => is_count.then(|| line.trim_matches(['=', ' ']).to_owned()),
        }
    };
    output.lines().filter_map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runners_sum_up_is_picked_from_their_output() {
        let pytest = "$ pytest --cov\nNAME  Stmts  Miss  Cover\nTOTAL     192      0     26      0   100%\n\
                      ===== 19 passed in 0.56s =====\n$ scripts/harness-integration\n== 1 passed in 2.62s ==\n";
        let expected = "coverage 100%; 19 passed in 0.56s; 1 passed in 2.62s";
        assert_eq!(summary(pytest), expected);
        assert_eq!(summary("...\nRan 3 tests in 0.001s\n\nOK\n"), "Ran 3 tests in 0.001s");
    }
}
