//! `aspora dev --product`: a repository of this machine, from its folder through a requirement to the branches that come
//! back; as a process, with the command line as its client.

use std::{process::Stdio, time::Duration};

use aspora::dev::product::wealth;

use crate::support::dev::{Machine, git};

/// A repository with the files of the embedded product and no policy, whose branch is `trunk`.
fn wealth_on_trunk() -> Machine {
    let it = Machine::new("trunk");
    for (path, bytes) in wealth() {
        if !path.starts_with(".aspora/") {
            it.write(path, bytes);
        }
    }
    it.commit("first");
    it
}

const REQUIREMENT: [&str; 9] = [
    "requirement",
    "submit",
    "--product",
    "shop",
    "--title",
    "Portfolio risk checker",
    "--body",
    "We need a portfolio risk checker for Wealth product",
    "--watch",
];

#[tokio::test]
async fn a_repository_on_trunk_without_a_policy_goes_to_the_merge_and_its_results_come_back() {
    let machine = wealth_on_trunk();
    let product = machine.product("shop");
    let running = machine.start(&["--product", &product, "--starter-policy"]).await;
    assert!(running.printed.contains("on `trunk`, at http://127.0.0.1:"), "{}", running.printed);
    assert!(running.printed.contains("a starter policy was committed"), "{}", running.printed);
    let detected = "    test = \"python3 -m unittest discover -s tests -t .\"\n    case = \"python3 -m unittest {path}\"\n";
    assert!(running.printed.contains(detected), "{}", running.printed);

    // What people are shown works as it is, and pushes too.
    let line =
        running.printed.lines().find_map(|line| line.trim().strip_prefix("clone: git clone ")).unwrap();
    let clone = tempfile::tempdir().unwrap();
    git(clone.path(), &["clone", "--quiet", line, "."]);
    assert_eq!(git(clone.path(), &["branch", "--show-current"]), "trunk");

    let watched = running.aspora(&REQUIREMENT).await;
    assert!(watched.contains("merged"), "{watched}");
    let before = machine.git(&["rev-parse", "trunk"]);
    let merged = "aspora/merged/trunk";
    let came = || {
        let there = machine.git(&["branch", "--list", merged, "--format=%(refname:short)"]) == merged;
        there && machine.git(&["ls-tree", "-r", "--name-only", merged]).contains("services/risk_checker.py")
    };
    let mut waits = 0;
    while !came() {
        waits += 1;
        assert!(waits < 100, "the merge did not come back: {}", machine.git(&["branch", "--list"]));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(machine.git(&["branch", "--list", "aspora/*"]).lines().count() >= 2, "our branch came back too");
    assert_eq!(machine.git(&["status", "--porcelain"]), "", "the work tree is as it was");
    assert_eq!(machine.git(&["rev-parse", "trunk"]), before, "and so is the branch that is checked out");

    // What people set is kept by a restart, which takes over what they committed.
    running
        .aspora(&[
            "product",
            "put",
            "shop",
            "local/shop",
            "--base-branch",
            "trunk",
            "--backlog",
            "7",
            "--",
            "true",
        ])
        .await;
    running.stop().await;
    machine.git(&["merge", "--quiet", "--ff-only", merged]);
    machine.write("notes.md", b"more\n");
    machine.commit("more");
    let running = machine.start(&["--product", &product]).await;
    let shown = running.aspora(&["-o", "json", "product", "show", "shop"]).await;
    assert!(shown.contains("\"backlog\": 7") || shown.contains("\"backlog\":7"), "{shown}");
    let line =
        running.printed.lines().find_map(|line| line.trim().strip_prefix("clone: git clone ")).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    git(fresh.path(), &["clone", "--quiet", line, "."]);
    assert_eq!(git(fresh.path(), &["rev-parse", "HEAD"]), machine.git(&["rev-parse", "trunk"]));
    running.stop().await;
}

#[tokio::test]
async fn without_a_policy_the_way_out_is_said_and_another_folder_under_the_same_name_is_refused() {
    let machine = wealth_on_trunk();
    let running = machine.start(&["--product", &machine.product("shop")]).await;
    assert!(running.printed.contains("needs 2 approvals by people"), "{}", running.printed);
    assert!(running.printed.contains("or start with --starter-policy"), "{}", running.printed);
    running.stop().await;
    // What dev committed for itself keeps nothing of theirs away.
    machine.write("notes.md", b"theirs\n");
    machine.commit("theirs");
    let running = machine.start(&["--product", &machine.product("shop")]).await;
    assert!(!running.printed.contains("went apart"), "{}", running.printed);
    assert!(
        running.printed.contains("how it is tested stands in .aspora/product.toml"),
        "{}",
        running.printed
    );
    let line =
        running.printed.lines().find_map(|line| line.trim().strip_prefix("clone: git clone ")).unwrap();
    let clone = tempfile::tempdir().unwrap();
    git(clone.path(), &["clone", "--quiet", line, "."]);
    assert_eq!(std::fs::read(clone.path().join("notes.md")).unwrap(), b"theirs\n");
    running.stop().await;
    let other = wealth_on_trunk();
    let output =
        machine.dev(&["--product", &other.product("shop")]).stderr(Stdio::piped()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("give") && text.contains("another name"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
}

#[tokio::test]
async fn a_fixed_port_of_the_twin_is_used_and_one_that_is_taken_is_named() {
    let machine = wealth_on_trunk();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = machine.dev(&["--forge-port", &port]);
    let output = command.stderr(Stdio::piped()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("choose another with --forge-port"), "{text}");
    drop(taken);
    let running = machine.start(&["--forge-port", &port]).await;
    assert!(running.printed.contains(&format!("http://127.0.0.1:{port}/login")), "{}", running.printed);
    running.stop().await;
}

#[tokio::test]
async fn a_command_that_people_put_is_not_replaced_by_what_is_detected() {
    let machine = wealth_on_trunk();
    let running = machine.start(&[]).await;
    let put = ["product", "put", "shop", "local/shop", "--base-branch", "trunk", "--", "make", "test"];
    running.aspora(&put).await;
    running.stop().await;
    let running = machine.start(&["--product", &machine.product("shop")]).await;
    assert!(running.printed.contains("  it is tested as it was put: make test\n"), "{}", running.printed);
    assert!(!running.printed.contains("was detected"), "{}", running.printed);
    running.stop().await;
}
