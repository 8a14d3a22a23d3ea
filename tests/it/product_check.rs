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
