//! The reader held against what real runners wrote (`tests/data/test_outputs`, recorded by `record.py` there).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::Path;

use aspora_core::tested::{Cause, Counts, Ended, Fault, Runner, TestResult, Tested, fault};

/// One recorded run.
fn recorded(name: &str) -> Tested {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/test_outputs");
    let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
    let (head, output) = text.split_once("\n\n").unwrap();
    let (command, exit) = head.strip_prefix("$ ").unwrap().split_once("\nexit ").unwrap();
    let command: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let exit = Some(exit.parse().unwrap());
    Tested::read(&command, Ended { exit, timed_out: false, output, millis: 1_200 })
}

#[track_caller]
fn check(name: &str, result: TestResult, cause: Option<Cause>, sentence: &str) {
    let tested = recorded(name);
    let found = (tested.result, tested.cause, tested.sentence());
    assert_eq!(found, (result, cause, sentence.to_owned()), "{name}: {tested:#?}");
}

fn passes(name: &str, counts: &str) {
    let sentence = if counts.is_empty() { "passed".to_owned() } else { format!("passed ({counts})") };
    check(name, TestResult::Passed, None, &sentence);
}

fn fails(name: &str, counts: &str) {
    check(name, TestResult::Failed, None, &format!("failed ({counts})"));
}

fn cannot(name: &str, cause: Cause, why: &str) {
    check(name, TestResult::NotRun, Some(cause), &format!("could not run: {why}"));
}

#[test]
fn pytest_is_read() {
    passes("pytest/pass", "2 passed");
    passes("pytest/pass_quiet", "2 passed");
    passes("pytest/pass_colour", "2 passed");
    passes("pytest/skipped", "1 passed, 1 skipped");
    passes("pytest/xfail", "2 passed, 1 skipped");
    fails("pytest/fail", "2 passed, 1 failed");
    fails("pytest/fail_quiet", "2 passed, 1 failed");
    fails("pytest/fixture_error", "2 passed, 1 failed");
    let import = "the code or its tests cannot be loaded: ImportError: cannot import name 'subtract' from 'app' (/product/app.py)";
    cannot("pytest/collection_import", Cause::Code, import);
    cannot("pytest/missing_module", Cause::Module, "the module `numpyish` is not there");
    cannot("pytest/syntax", Cause::Code, "the code or its tests cannot be loaded: SyntaxError: expected ':'");
    cannot("pytest/conftest", Cause::Code, "the code or its tests cannot be loaded: RuntimeError: down");
    cannot("pytest/nothing", Cause::Nothing, "no test was collected");
    cannot("pytest/all_skipped", Cause::Nothing, "all 2 cases were skipped");
    cannot("pytest/no_file", Cause::Nothing, "ERROR: file or directory not found: tests/test_gone.py");
    cannot("pytest/bad_option", Cause::Command, "python -m pytest: error: unrecognized arguments: --cov=app");
    cannot("pytest/not_installed", Cause::Command, "/usr/bin/python3: No module named pytest");
    cannot("pytest/left_early", Cause::Unfinished, "`pytest` ended without its summary, with exit code 0");
    assert_eq!(recorded("pytest/fail").failures, ["test_app.py::test_wrong"]);
}

#[test]
fn unittest_is_read() {
    passes("unittest/pass", "2 passed");
    passes("unittest/skipped", "1 passed, 1 skipped");
    fails("unittest/fail", "1 passed, 1 failed");
    cannot("unittest/nothing", Cause::Nothing, "no test was collected");
    cannot("unittest/nothing_311", Cause::Nothing, "no test was collected");
    let import = "the code or its tests cannot be loaded: ImportError: cannot import name 'subtract' from 'app' (/product/app.py)";
    cannot("unittest/import_error", Cause::Code, import);
    cannot("unittest/missing_module", Cause::Module, "the module `numpyish` is not there");
    cannot(
        "unittest/syntax",
        Cause::Code,
        "the code or its tests cannot be loaded: SyntaxError: expected ':'",
    );
    cannot("unittest/no_folder", Cause::Command, "ImportError: Start directory is not importable: 'tests'");
    cannot(
        "unittest/left_early",
        Cause::Unfinished,
        "`unittest` ended without its summary, with exit code 0",
    );
    assert_eq!(recorded("unittest/fail").failures, ["tests.test_app.Add.test_two"]);
}

#[test]
fn the_runners_of_node_are_read() {
    for runner in ["node", "jest", "vitest", "mocha"] {
        passes(&format!("{runner}/pass"), "2 passed");
        passes(&format!("{runner}/skipped"), "1 passed, 1 skipped");
        fails(&format!("{runner}/fail"), "1 passed, 1 failed");
        cannot(&format!("{runner}/missing_module"), Cause::Module, "the module `numpyish` is not there");
        let syntax = recorded(&format!("{runner}/syntax"));
        assert_eq!((syntax.result, syntax.cause), (TestResult::NotRun, Some(Cause::Code)), "{syntax:#?}");
        let nothing = recorded(&format!("{runner}/nothing"));
        assert_eq!(
            (nothing.result, nothing.cause),
            (TestResult::NotRun, Some(Cause::Nothing)),
            "{nothing:#?}"
        );
    }
    passes("node/pass_spec", "2 passed");
    fails("node/fail_spec", "1 passed, 1 failed");
    for name in ["node/fail", "node/fail_spec", "jest/fail"] {
        assert_eq!(recorded(name).failures, ["two"], "{name}");
    }
    assert_eq!(recorded("vitest/fail").failures, ["app.test.mjs > two"]);
}

#[test]
fn tape_is_read() {
    passes("tape/pass", "2 passed");
    passes("tape/skipped", "1 passed");
    fails("tape/fail", "1 passed, 1 failed");
    assert_eq!(recorded("tape/fail").runner, Some(Runner::Tape));
    assert_eq!(recorded("tape/fail").failures, ["should be strictly equal"]);
    cannot("tape/missing_module", Cause::Module, "the module `numpyish` is not there");
    cannot("tape/syntax", Cause::Unfinished, "`tape` ended without its summary, with exit code 1");
    cannot("tape/nothing", Cause::Nothing, "no test was collected");
}

#[test]
fn scripts_of_npm_and_make_are_read() {
    passes("npm/node_pass", "2 passed");
    cannot("npm/not_specified", Cause::Nothing, "package.json has npm's placeholder for a test script");
    cannot("npm/no_script", Cause::Command, "npm error Missing script: \"test\"");
    cannot("npm/no_command", Cause::Command, "no such command: sh: 1: vitestish: not found");
    assert_eq!(recorded("npm/no_package").cause, Some(Cause::Command));
    cannot("other/make_no_rule", Cause::Command, "make: *** No rule to make target 'test'.  Stop.");
    cannot(
        "other/make_no_command",
        Cause::Command,
        "no such command: make: *** [Makefile:2: test] Error 127",
    );
    fails("other/make_fails", "1 passed, 1 failed");
    assert_eq!(recorded("other/make_fails").runner, Some(Runner::Unittest));
    assert_eq!(Runner::of(&["npm exec -c 'jest --ci'".to_owned()]), Some(Runner::Jest));
}

#[test]
fn go_is_read() {
    passes("go/pass", "");
    passes("go/some_without_tests", "");
    passes("go/pass_verbose", "2 passed");
    passes("go/skipped", "1 passed, 1 skipped");
    fails("go/fail", "1 failed");
    fails("go/panic", "1 failed");
    let cannot_load = |what: &str| format!("the code or its tests cannot be loaded: {what}");
    cannot("go/build_failed", Cause::Code, &cannot_load("./app.go:3:37: undefined: c"));
    cannot("go/test_build_failed", Cause::Code, &cannot_load("./app_test.go:12:5: undefined: Sub"));
    let syntax = "./app.go:3:25: syntax error: unexpected keyword return after top level declaration";
    cannot("go/syntax", Cause::Code, &cannot_load(syntax));
    cannot("go/missing_module", Cause::Module, "the module `example.com/numpyish` is not there");
    cannot("go/no_test_files", Cause::Nothing, "no test was collected");
    assert_eq!(recorded("go/no_module").cause, Some(Cause::Command));
    assert_eq!(recorded("go/fail").failures, ["TestTwo"]);
}

#[test]
fn cargo_is_read_and_its_results_are_summed() {
    passes("cargo/pass", "3 passed");
    passes("cargo/ignored", "2 passed, 1 skipped");
    fails("cargo/fail", "1 failed");
    let cannot_load = |what: &str| format!("the code or its tests cannot be loaded: {what}");
    cannot("cargo/syntax", Cause::Code, &cannot_load("error: unexpected closing delimiter: `}`"));
    let test = "error[E0425]: cannot find function `subtract` in crate `app`";
    cannot("cargo/test_does_not_compile", Cause::Code, &cannot_load(test));
    cannot("cargo/nothing", Cause::Nothing, "no test was collected");
    cannot("cargo/missing_crate", Cause::Module, "the module `numpyish` is not there");
    assert_eq!(recorded("cargo/no_manifest").cause, Some(Cause::Command));
    assert_eq!(recorded("cargo/fail").failures, ["tests::two"]);
}

#[test]
fn what_any_command_can_come_to_is_read() {
    passes("other/script_pass", "");
    check("other/script_fail", TestResult::Failed, None, "failed: the command ended with exit code 1");
    cannot("other/no_command", Cause::Command, "no such command: sh: 1: exec: testish: not found");
    cannot("other/not_executable", Cause::Command, "it cannot be executed: sh: 1: ./run: Permission denied");
    cannot("other/killed", Cause::Killed, "they were killed, as it happens when memory runs out");
    let read = |exit, timed_out, output| {
        Tested::read(&["./run".to_owned()], Ended { exit, timed_out, output, millis: 120_400 })
    };
    let late = read(None, true, "..");
    assert_eq!(
        (late.cause, late.sentence()),
        (Some(Cause::Timeout), "could not run: they were killed after 2 min 1 s".to_owned())
    );
    assert_eq!(read(Some(139), false, "").cause, Some(Cause::Killed));
    assert_eq!(read(Some(1), false, "FATAL ERROR: JavaScript heap out of memory").cause, Some(Cause::Killed));
    assert_eq!(
        read(Some(1), false, "Traceback\nModuleNotFoundError: No module named 'yaml'").cause,
        Some(Cause::Module)
    );
    assert_eq!(
        read(Some(125), false, "tar: This does not look like a tar archive").cause,
        Some(Cause::Sandbox)
    );
}

#[test]
fn a_runner_that_says_that_cases_failed_has_not_passed_whatever_the_exit_code() {
    let output = "F\n\nRan 2 tests in 0.1s\n\nFAILED (failures=1)\n";
    let tested =
        Tested::read(&["make".to_owned()], Ended { exit: Some(0), timed_out: false, output, millis: 1 });
    assert_eq!(tested.sentence(), "failed (1 passed, 1 failed): the command succeeded although cases failed");
}

#[test]
fn the_fault_is_the_changes_where_the_base_ran() {
    let of = |name: &str, base: Option<&str>| fault(&recorded(name), base.map(recorded).as_ref());
    assert_eq!(of("pytest/fail", None), Fault::Change);
    assert_eq!(of("pytest/syntax", None), Fault::Change);
    assert_eq!(of("pytest/missing_module", Some("pytest/pass")), Fault::Change);
    assert_eq!(of("pytest/missing_module", Some("pytest/missing_module")), Fault::Machine);
    assert_eq!(of("pytest/not_installed", Some("pytest/not_installed")), Fault::Machine);
    assert_eq!(of("npm/no_script", Some("npm/node_pass")), Fault::Change);
    let sandbox = Tested::not_run(&[], Cause::Sandbox, "bubblewrap is not installed");
    assert_eq!(fault(&sandbox, Some(&recorded("pytest/pass"))), Fault::Machine);
}

#[test]
fn a_run_is_kept_as_it_was_read() {
    let tested = recorded("pytest/fail");
    let json = serde_json::to_value(&tested).unwrap();
    assert_eq!(serde_json::from_value::<Tested>(json).unwrap(), tested);
    assert_eq!(
        tested.counts,
        Counts { collected: Some(3), passed: Some(2), failed: Some(1), skipped: Some(0) }
    );
    assert!(tested.log.ends_with("1 failed, 2 passed in 0.11s =========================="), "{}", tested.log);
    // What an earlier release will have kept.
    let kept = r#"{"result":"passed","command":["true"],"millis":3}"#;
    assert!(serde_json::from_str::<Tested>(kept).unwrap().passed());
}
