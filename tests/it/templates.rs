//! `aspora product init`: what each template writes, and that everything in it is of one mind.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use aspora::{
    core::{
        policy::{Policy, lint},
        product_file::{self, ProductFile},
    },
    dev::templates::{Template, new_product},
};

fn init(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command.current_dir(folder).args(["product", "init"]).args(arguments).stdin(Stdio::null());
    // It needs no server, no key and no configuration of git.
    command.env("ASPORA_SERVER", "http://127.0.0.1:1").env("ASPORA_DATA", folder).env("HOME", folder);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.output().unwrap()
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// What every product has.
const HAS: [&str; 18] = [
    ".aspora/product.toml",
    ".aspora/risk-policy.json",
    ".github/workflows/browser-evidence.yml",
    ".github/workflows/ci.yml",
    ".github/workflows/deploy.yml",
    ".github/workflows/harness-gap-tracker.yml",
    ".github/workflows/remediation-agent.yml",
    ".github/workflows/risk-policy-gate.yml",
    "Dockerfile",
    "README.md",
    "SPEC.md",
    "compose.yml",
    "db/migrations/0001_entries.sql",
    "docs/API.md",
    "docs/ARCHITECTURE.md",
    "scripts/risk-tier",
    "scripts/ui-pre-pr",
    "tests/browser/overview.spec.ts",
];

#[test]
fn each_template_is_a_repository_with_one_commit_and_nothing_left_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    for template in Template::ALL {
        let (name, kind) = (format!("shop-{template}"), template.to_string());
        let output = init(folder.path(), &[&name, "--template", &kind]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(text(&output).contains(&format!("aspora dev --product {name}={name}")), "{}", text(&output));
        let product = folder.path().join(&name);
        assert_eq!(git(&product, &["rev-list", "--count", "main"]), "1");
        assert_eq!(git(&product, &["status", "--porcelain"]), "");
        let listing = git(&product, &["ls-files"]);
        let files: BTreeSet<&str> = listing.lines().collect();
        for path in HAS {
            assert!(files.contains(path), "{kind} has no {path}");
        }
        assert!(
            files.iter().any(|path| path.starts_with("tests/harness/") && path.contains("zero_amount")),
            "{kind}"
        );
        for path in &files {
            let file = product.join(path);
            let content = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
            assert!(!content.contains("@@"), "{kind}: {path} has a place that was not filled in");
            let is_program = file.metadata().unwrap().permissions().mode() & 0o111 != 0;
            assert_eq!(is_program, content.starts_with("#!"), "{kind}: {path}");
        }
        assert!(
            std::fs::read_to_string(product.join("README.md")).unwrap().starts_with(&format!("# {name}\n"))
        );
    }
}

#[test]
fn policy_product_file_and_repository_fit_together() {
    for name in ["shop", "wealth", "ecm", "fincrime"] {
        let product = name.parse().unwrap();
        for template in Template::ALL {
            let files = new_product(&product, template);
            let paths: Vec<String> = files.iter().map(|file| file.path.to_owned()).collect();
            let content = |path: &str| {
                let file = files.iter().find(|file| file.path == path);
                String::from_utf8(file.unwrap_or_else(|| panic!("{template} has no {path}")).content.clone())
                    .unwrap()
            };
            let policy = content(".aspora/risk-policy.json");
            let linted = lint(policy.as_bytes());
            assert!(linted.faults.is_empty() && linted.warnings.is_empty(), "{name} {template}: {linted:#?}");
            let policy = Policy::parse(policy.as_bytes()).unwrap();
            let outline = policy.outline(&product).unwrap_or_else(|| panic!("the policy is not of {name}"));
            // Each flow that is demanded has a test in a browser, and each check a workflow that reports it.
            for flow in &outline.flows {
                content(&format!("tests/browser/{flow}.spec.ts"));
            }
            let workflows: String = paths
                .iter()
                .filter(|path| path.starts_with(".github/workflows/"))
                .map(|path| content(path))
                .collect();
            for tier in &outline.tiers {
                for check in tier.demands.checks.iter().filter(|check| check.name != "Code Review Agent") {
                    assert!(
                        workflows.contains(&format!("    name: {}\n", check.name)),
                        "nothing reports {}",
                        check.name
                    );
                }
            }
            let build = ProductFile::parse(&content(product_file::PATH)).unwrap();
            let build = build.of(&product).unwrap().clone();
            assert!(!build.setup.is_empty() && !build.test.is_empty() && build.case.is_some(), "{build:?}");
            assert_eq!(build.services.len(), 2, "{build:?}");
            assert_eq!(build.coverage.and_then(|it| it.floor), Some(100.0));
        }
    }
}

#[test]
fn a_folder_that_holds_something_and_a_name_that_is_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    std::fs::write(folder.path().join("shop/mine"), "").unwrap();
    let output = init(folder.path(), &["shop", "--template", "go"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("shop is not empty; choose another folder with --dir"),
        "{}",
        text(&output)
    );
    for name in ["Shop", "a@@b", "../up", "-x", "sh\"op"] {
        let output = init(folder.path(), &["--template", "go", "--", name]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", text(&output));
        assert!(text(&output).contains("is not a product name"), "{}", text(&output));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else was made");
    let output = init(folder.path(), &["shop", "--template", "rust"]);
    assert!(text(&output).contains("[possible values: fastapi, go, node]"), "{}", text(&output));
}
