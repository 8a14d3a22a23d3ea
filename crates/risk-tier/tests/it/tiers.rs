//! Which tier a change has.

use std::{fs, path::Path, process::Command};

use super::repository::{POLICY, Repository, SEED};

#[test]
fn a_tier_is_one_word_on_standard_output() {
    let repository = Repository::new();
    repository.write("services/risk_checker.py", "x");
    repository.commit();
    assert_eq!(repository.tier(), "high\n");
}

#[test]
fn a_rename_that_hides_a_critical_path_is_critical() {
    let repository = Repository::new();
    repository.git(&["config", "diff.renames", "copies"]);
    repository.write("tests/notes.py", "");
    repository.git(&["mv", "-f", "services/broker_gateway.py", "tests/notes.py"]);
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
}

#[test]
fn names_that_git_quotes_are_judged_as_they_are() {
    for name in ["db/migrations/café.sql", "db/migrations/a\nb.sql", "db/migrations/\"q\".sql"] {
        let repository = Repository::new();
        repository.write(name, "x");
        repository.commit();
        assert_eq!(repository.tier(), "critical\n", "{name:?}");
    }
}

#[test]
fn a_pull_request_cannot_lower_its_own_policy() {
    let repository = Repository::new();
    repository.write(POLICY, &SEED.replace("\"services/broker_gateway.py\",", ""));
    repository.write("services/broker_gateway.py", "changed");
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
    let ask =
        ["--policy", POLICY, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD", "--format", "json"];
    let answer: serde_json::Value = serde_json::from_slice(&repository.risk_tier(&ask).stdout).unwrap();
    let gateway =
        answer["paths"].as_array().unwrap().iter().find(|p| p["path"] == "services/broker_gateway.py");
    assert_eq!(gateway.unwrap()["tier"], "critical");
}

#[test]
fn a_symlink_is_critical_and_a_diff_driver_is_not_run() {
    let repository = Repository::new();
    repository.git(&["config", "diff.external", "touch external-ran; false"]);
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("notes.txt")).unwrap();
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
    assert!(!repository.path().join("external-ran").exists());
}

#[test]
fn a_policy_outside_the_repository_is_read_as_a_file() {
    let repository = Repository::new();
    repository.write("tests/a.py", "x");
    repository.commit();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), SEED).unwrap();
    let policy = outside.path().to_str().unwrap();
    let ask = ["--policy", policy, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
    assert_eq!(repository.risk_tier(&ask).stdout, b"low\n");
}

#[test]
fn no_policy_at_the_base_is_critical() {
    let repository = Repository::new();
    repository.git(&["rm", "-q", POLICY]);
    repository.commit();
    repository.write(POLICY, SEED);
    repository.commit();
    assert_eq!(repository.tier(), "critical\n");
}

#[test]
fn errors_go_to_standard_error_with_their_exit_codes() {
    let repository = Repository::new();
    let check = |arguments: &[&str], code, word: &str| {
        let output = repository.risk_tier(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{said}");
        assert!(said.contains(word), "{said}");
    };
    check(&["--policy", POLICY], 2, "--product");
    check(&["--policy", POLICY, "--product", "W!", "--base", "HEAD", "--head", "HEAD"], 2, "product");
    check(&["--policy", POLICY, "--product", "wealth", "--base", "nope", "--head", "HEAD"], 1, "nope");
    check(&["--policy", POLICY, "--product", "wealth", "--base=--output=x", "--head", "HEAD"], 1, "commit");
    repository.write(POLICY, r#"{"products": {"wealth": {"riskTierRules": {"urgent": []}}}}"#);
    repository.commit();
    let broken = ["--policy", POLICY, "--product", "wealth", "--base", "HEAD", "--head", "HEAD"];
    check(&broken, 3, "/products/wealth/riskTierRules/urgent");
    repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
    repository.write("tests/a.py", "x");
    repository.commit();
    repository.refuses("risk-policy.json", 1, "there is no file");
    repository.refuses("/nowhere/risk-policy.json", 1, "/nowhere");
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), format!("\u{feff}{SEED}")).unwrap();
    repository.refuses(outside.path().to_str().unwrap(), 3, "byte order mark");
}

#[test]
fn however_the_policy_is_spelled_the_heads_work_tree_is_not_read() {
    let repository = Repository::new();
    repository.write("services/broker_gateway.py", "changed");
    repository.write(POLICY, &SEED.replace("\"services/broker_gateway.py\",", ""));
    repository.commit();
    // Uncommitted, it would judge everything to be low.
    let lax = r#"{"products": {"wealth": {"riskTierRules": {"low": ["**"]}, "mergePolicy": {
        "critical": {"requiredChecks": [], "requiredApprovals": 0, "requiresHumanApproval": false}}}}}"#;
    repository.write(POLICY, lax);
    let outside = tempfile::tempdir().unwrap();
    let link = |name: &str, to: &Path| {
        let link = outside.path().join(name);
        std::os::unix::fs::symlink(to, &link).unwrap();
        link.to_str().unwrap().to_owned()
    };
    let root = repository.path().to_str().unwrap().to_owned();
    let name = repository.path().file_name().unwrap().to_str().unwrap().to_owned();
    let spellings = [
        POLICY.to_owned(),
        format!("./{POLICY}"),
        format!(".aspora/../{POLICY}"),
        format!("{root}/{POLICY}"),
        format!("{root}/../{name}/{POLICY}"),
        format!("{root}//.aspora/./risk-policy.json"),
        format!("{}/{POLICY}", link("repository", repository.path())),
        format!("{}/risk-policy.json", link("folder", &repository.path().join(".aspora"))),
        link("policy.json", &repository.path().join(POLICY)),
        format!("/proc/self/root{root}/{POLICY}"),
    ];
    for policy in &spellings {
        let ask = ["--policy", policy, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
        let output = repository.risk_tier(&ask);
        assert_eq!(output.stdout, b"critical\n", "{policy}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // Relative to the folder in which it is asked, out of the repository and back in.
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora-risk-tier"));
    let ask = ["--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
    let command = command.current_dir(&root).args(["--policy", &format!("../{name}/{POLICY}")]).args(ask);
    assert_eq!(command.output().unwrap().stdout, b"critical\n");
}

#[test]
fn a_policy_that_the_head_made_a_link_is_not_followed() {
    let repository = Repository::new();
    std::os::unix::fs::symlink(POLICY, repository.path().join("policy.json")).unwrap();
    repository.commit();
    repository.refuses("policy.json", 1, "not a plain file");
}

#[test]
fn j9_what_the_merge_carries_into_a_critical_folder_is_judged() {
    let repository = Repository::new();
    repository.write("notes/guide.py", "1\n2\n3\n4\n5\n6\n7\n8\n");
    repository.commit();
    repository.git(&["checkout", "-q", "-b", "topic"]);
    repository.write("notes/guide.py", "1\n2\n3\n4\n5\n6\n7\neight\n");
    repository.commit();
    repository.git(&["checkout", "-q", "main"]);
    fs::create_dir_all(repository.path().join("api/v1/trades")).unwrap();
    repository.git(&["mv", "notes/guide.py", "api/v1/trades/guide.py"]);
    repository.commit();
    let before = repository.objects();
    let said = repository.tier_of("main", "topic");
    assert!(said.starts_with("critical\n"), "{said}");
    assert!(said.contains("\"api/v1/trades/guide.py\" (changed by the merge alone)"), "{said}");
    assert_eq!(repository.objects(), before, "nothing is written to the repository");
    assert!(repository.tier_of("main~1", "topic").starts_with("low\n"));
}

#[test]
fn j8_every_merge_base_of_a_criss_cross_history_counts() {
    for dates in
        [["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"], ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]]
    {
        let repository = Repository::new();
        let dated = |date: &str, path: &str, text: &str| {
            repository.write(path, text);
            repository.git(&["add", "-A"]);
            let mut git = Command::new("git");
            git.arg("-C").arg(repository.path()).env("GIT_COMMITTER_DATE", date).env("GIT_AUTHOR_DATE", date);
            git.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "c"]);
            assert!(git.status().unwrap().success());
        };
        repository.git(&["checkout", "-q", "-b", "topic"]);
        dated(dates[0], "notes.md", "topic");
        repository.git(&["branch", "topic-1"]);
        repository.git(&["checkout", "-q", "main"]);
        dated(dates[1], "services/broker_gateway.py", "one\ntwo\nfixed\nfour\n");
        repository.git(&["branch", "main-1"]);
        repository.git(&["merge", "-q", "--no-edit", "topic-1"]);
        repository.git(&["checkout", "-q", "topic"]);
        repository.git(&["merge", "-q", "--no-edit", "main-1"]);
        // The branch took the fix and quietly takes it back.
        repository.write("services/broker_gateway.py", "one\ntwo\nthree\nfour\n");
        repository.commit();
        let said = repository.tier_of("main", "topic");
        assert!(said.starts_with("critical\n"), "{dates:?}: {said}");
    }
}

#[test]
fn a_clone_without_the_merge_base_says_what_to_fetch() {
    let repository = Repository::new();
    repository.git(&["checkout", "-q", "-b", "topic"]);
    for text in ["1", "2", "3"] {
        repository.write("tests/a.py", text);
        repository.commit();
    }
    repository.git(&["checkout", "-q", "main"]);
    for text in ["1", "2", "3"] {
        repository.write("tests/b.py", text);
        repository.commit();
    }
    let shallow = Repository(tempfile::tempdir().unwrap());
    let from = format!("file://{}", repository.path().display());
    shallow.git(&["clone", "-q", "--depth", "2", "--no-single-branch", &from, "."]);
    let ask = ["--policy", POLICY, "--product", "wealth", "--base", "origin/main", "--head", "origin/topic"];
    let output = shallow.risk_tier(&ask);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("shallow") && said.contains("git fetch --unshallow"), "{said}");
    shallow.git(&["fetch", "-q", "--unshallow"]);
    assert_eq!(shallow.risk_tier(&ask).stdout, b"low\n");
}

#[test]
fn a_conflict_of_the_merge_is_said_and_over_5_mb_are_critical() {
    let repository = Repository::new();
    repository.git(&["checkout", "-q", "-b", "topic"]);
    repository.write("notes.md", "topic\n");
    repository.commit();
    repository.git(&["checkout", "-q", "main"]);
    repository.write("notes.md", "main\n");
    repository.commit();
    let said = repository.tier_of("main", "topic");
    assert!(said.starts_with("low\n") && said.contains("the base conflicts in notes.md"), "{said}");
    repository.git(&["checkout", "-q", "topic"]);
    repository.write("notes.md", &"0123456789\n".repeat(500_000));
    repository.commit();
    let said = repository.tier_of("main", "topic");
    assert!(said.starts_with("critical\n") && said.contains("too_large"), "{said}");
}

#[test]
fn a_pattern_that_matches_no_file_is_named() {
    let repository = Repository::new();
    repository.write(POLICY, &SEED.replace("\"channels/**\"", "\"Services/**\""));
    repository.commit();
    repository.write("tests/a.py", "x");
    repository.commit();
    let said = repository.tier_of("HEAD~1", "HEAD");
    let named = "wealth: `Services/**` matches no file; but for letter case it matches";
    assert!(said.contains(named), "{said}");
}

/// Patterns in which `**`, `*`, `?` and sets mean what git's own `glob` pathspecs mean.
#[test]
fn patterns_mean_what_they_mean_to_git() {
    const PATHS: [&str; 19] = [
        "b/a",
        "a/b/c",
        "a.py",
        "a/b.py",
        "a/b/c.py",
        ".env",
        "a/.env",
        "x/a/b/c.py",
        "b/c/d/e.md",
        "ab",
        "abc/ab",
        "a b/c",
        "é/a.py",
        "B/A",
        "a/x1.py",
        "a/x2.py",
        "a/x/y1.py",
        "[s]/a",
        "s/a",
    ];
    const PATTERNS: [&str; 24] = [
        "**/a",
        "**/*.py",
        "a/**/*.py",
        "*/b",
        "a/*",
        "a/*.py",
        "?",
        "a?",
        "a/b/**",
        "**/b/**",
        "a/**/c.py",
        "*",
        "*.py",
        "**/.env",
        "x/**/c.py",
        "a/x[0-9].py",
        "a/x[!1].py",
        "é/*",
        "a b/*",
        "**/[A-Z]",
        "[[]s]/*",
        "*/*/*",
        "b/**/e.md",
        "**",
    ];
    let repository = Repository(tempfile::tempdir().unwrap());
    repository.git(&["init", "-q", "-b", "main"]);
    let policy = |pattern: &str| {
        let tiers = serde_json::json!({"medium": [pattern], "low": ["**"]});
        let merge = serde_json::json!({"critical": {"requiredChecks": [], "requiredApprovals": 0, "requiresHumanApproval": false}});
        serde_json::json!({"products": {"wealth": {"riskTierRules": tiers, "mergePolicy": merge}}})
            .to_string()
    };
    repository.write("policy.json", "{}");
    repository.commit();
    for path in PATHS {
        repository.write(path, "x");
    }
    repository.commit();
    let outside = tempfile::NamedTempFile::new().unwrap();
    for pattern in PATTERNS {
        fs::write(outside.path(), policy(pattern)).unwrap();
        let file = outside.path().to_str().unwrap();
        let ask = [
            "--policy",
            file,
            "--product",
            "wealth",
            "--base",
            "HEAD~1",
            "--head",
            "HEAD",
            "--format",
            "json",
        ];
        let answer: serde_json::Value = serde_json::from_slice(&repository.risk_tier(&ask).stdout).unwrap();
        let by_pattern = |path: &&serde_json::Value| {
            path["reasons"].as_array().unwrap().iter().any(|reason| reason["rule"] == pattern)
        };
        let paths = answer["paths"].as_array().unwrap().iter().filter(by_pattern);
        let ours: Vec<&str> = paths.map(|path| path["path"].as_str().unwrap()).collect();
        let mut git = Command::new("git");
        let changed = ["diff", "-z", "--name-only", "HEAD~1", "HEAD", "--", &format!(":(glob){pattern}")];
        let listing = git.arg("-C").arg(repository.path()).args(changed).output().unwrap().stdout;
        let listing = String::from_utf8(listing).unwrap();
        let theirs: Vec<&str> = listing.split_terminator('\0').collect();
        assert_eq!(ours, theirs, "{pattern}");
    }
}

#[test]
fn dependencies_are_named_with_their_versions() {
    let repository = Repository::new();
    repository.write("requirements.txt", "requests==2.31\n");
    repository.commit();
    repository.write("requirements.txt", "requests==2.32\nreqeusts==1\n");
    repository.write("app/setup.py", "setup()\n");
    repository.commit();
    let said = repository.tier_of("HEAD~1", "HEAD");
    for line in [
        "dependency in \"requirements.txt\": reqeusts ==1 added",
        "dependency in \"requirements.txt\": requests ==2.31 → ==2.32",
        "dependency in \"app/setup.py\": cannot be read: this release does not read its format",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn a_harness_case_is_compared_and_a_clash_is_said() {
    let repository = Repository::new();
    let case = "tests/harness/test_a.py";
    repository.write(case, "def test_a():\n    assert f() == 1\n");
    repository.commit();
    repository.write(case, "def test_a():\n    assert f() == 1\n    assert g() == 2\n");
    repository.commit();
    assert!(repository.tier_of("HEAD~1", "HEAD").starts_with("high\n"));
    repository.write(case, "def test_a():\n    assert f()\n");
    repository.write("services/Broker_gateway.py", "x\n");
    repository.commit();
    let said = repository.tier_of("HEAD~1", "HEAD");
    assert!(said.starts_with("critical\n"), "{said}");
    assert!(said.contains("may weaken a harness case"), "{said}");
    assert!(said.contains("where letter case or Unicode form does not count"), "{said}");
}
