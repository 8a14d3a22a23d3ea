//! `aspora product check`: a folder is set up and tested as its product file says, without a server.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// A repository with these files, of which the last is ignored by git.
fn repository(product_file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    put(".aspora/product.toml", product_file);
    put("web/greeting", "hello\n");
    put("api/answer", "42\n");
    put(".gitignore", "secret\n");
    put("web/secret", "not for a test\n");
    let git = Command::new("git").current_dir(folder.path()).args(["init", "--quiet"]).status();
    assert!(git.unwrap().success());
    folder
}

fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command.args(["product", "check"]).arg(folder).args(arguments).stdin(Stdio::null());
    let output = command.env("ASPORA_SERVER", "http://127.0.0.1:1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const TWO: &str = "[product.web]\nroot = 'web'\ntest = ['grep hello greeting', 'test ! -e secret']\n\
                   lint = 'grep -c bye greeting'\n[product.api]\nroot = 'api'\ntest = 'test \"$(cat answer)\" = 42'\n";

#[test]
fn each_product_of_a_folder_is_tested_and_what_does_not_pass_is_shown() {
    let folder = repository(TWO);
    let (code, out, _) = check(folder.path(), &[]);
    assert_eq!(code, Some(3), "{out}");
    for text in [
        "Product `web`, folder: web",
        "tests: grep hello greeting",
        "lint: it ended with exit code 1",
        "tests passed",
    ] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let (code, out, _) = check(folder.path(), &["--product", "api", "-o", "json"]);
    assert_eq!(code, Some(0), "{out}");
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&all[0]["product"], &all[0]["passed"]), (&"api".into(), &true.into()), "{all}");
    let (code, _, error) = check(folder.path(), &["--product", "bakery"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no such product; it has api, web"), "{error}");
}

#[test]
fn what_cannot_be_checked_says_why() {
    let (code, _, error) = check(repository("test = 7\n").path(), &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains(".aspora/product.toml:1"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(check(empty.path(), &[]).2.contains("`aspora product add` proposes one"));
    fs::create_dir(empty.path().join(".aspora")).unwrap();
    fs::write(empty.path().join(".aspora/product.toml"), "test = 'true'\n").unwrap();
    assert!(check(empty.path(), &[]).2.contains("is no git repository"));
}

#[test]
fn what_the_factory_would_ask_about_is_listed_and_installed() {
    let ask = "root = 'web'\nsetup = 'cp requirements.txt /deps/installed'\ndependencies = 'ask'\n\
               test = 'grep left-pad /deps/installed'\n";
    let folder = repository(ask);
    let put = |text: &str| fs::write(folder.path().join("web/requirements.txt"), text).unwrap();
    let git = |args: &[&str]| {
        let author = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"];
        let git = Command::new("git").current_dir(folder.path()).args(author).args(args).status();
        assert!(git.unwrap().success(), "{args:?}");
    };
    put("left-pad==1.3.0\n");
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "All"]);
    let (code, out, _) = check(folder.path(), &[]);
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains("asks a person"), "nothing changed: {out}");
    put("left-pad==1.4.0\nright-pad==2.0.0\n");
    let (code, out, _) = check(folder.path(), &[]);
    assert_eq!(code, Some(0), "{out}");
    for text in [
        "the factory asks a person before it installs these",
        "left-pad ==1.3.0 → ==1.4.0 (named in web/requirements.txt)",
        "right-pad ==2.0.0 added",
        "file web/requirements.txt",
        "tests passed",
    ] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
}

#[test]
fn the_tests_of_a_folder_see_the_history_of_its_last_commit() {
    let folder =
        repository("history = true\ntest = ['git describe --tags --dirty', 'git status --porcelain']\n");
    let (code, _, error) = check(folder.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("the product file asks for the history, and "), "{error}");
    assert!(error.contains(" has no commit yet"), "{error}");
    let git = |args: &[&str]| {
        let author = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"];
        let git = Command::new("git").current_dir(folder.path()).args(author).args(args).status();
        assert!(git.unwrap().success(), "{args:?}");
    };
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "All"]);
    git(&["tag", "v3"]);
    let log = |folder: &Path| {
        let (code, out, error) = check(folder, &["-o", "json"]);
        assert_eq!(code, Some(0), "{out}{error}");
        serde_json::from_str::<Value>(&out).unwrap()[0]["tested"]["log"].as_str().unwrap().to_owned()
    };
    let clean = log(folder.path());
    assert!(clean.contains("\nv3\n") && !clean.contains("greeting"), "{clean}");
    fs::write(folder.path().join("web/greeting"), "bye\n").unwrap();
    let changed = log(folder.path());
    assert!(changed.contains("\nv3-dirty\n") && changed.contains(" M web/greeting"), "{changed}");
    git(&["worktree", "add", "--quiet", "--detach", "linked"]);
    assert_eq!(log(&folder.path().join("linked")), clean, "a linked work tree has the same history");
}
