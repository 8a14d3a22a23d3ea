//! What reading the changed files adds to the judgement of their paths.

use std::collections::BTreeMap;

use super::*;

fn text(text: &str) -> Side {
    Side::Text(text.to_owned())
}

/// Facts of a change of one file with these two sides.
fn with(path: &str, before: &Side, after: &Side) -> Facts {
    let mut facts = facts(&[path]);
    let sides = BTreeMap::from([(path.to_owned(), (before.clone(), after.clone()))]);
    facts.contents = Some(compared(&facts.change, &sides));
    facts
}

#[test]
fn m10_dependencies_are_listed_by_name_and_version_and_need_a_person() {
    let facts = with("requirements.txt", &text("requests==2.31\n"), &text("requests==2.32\nreqeusts==1.0\n"));
    let report = judge(&facts).to_markdown();
    assert!(report.contains("| requirements.txt | reqeusts | – | ==1.0 |"), "{report}");
    assert!(report.contains("| requirements.txt | requests | ==2.31 | ==2.32 |"), "{report}");
    let alone = Facts { approvals: vec![], ..facts };
    assert_eq!(judge(&alone).decision().as_str(), "waiting", "the agent's own review does not count");
    assert_eq!(judge(&alone).tier(), Tier::High);
}

#[test]
fn a_manifest_that_cannot_be_read_is_said() {
    let report = |before: &Side, after: &Side| judge(&with("package.json", before, after)).to_markdown();
    let broken = report(&text("{}"), &text("{"));
    assert!(broken.contains("package.json cannot be read: it is not JSON, after the change"), "{broken}");
    let binary = report(&text("{}"), &Side::Unread("it is not UTF-8".to_owned()));
    assert!(binary.contains("package.json cannot be read: it is not UTF-8"), "{binary}");
    let same = report(&text("{}"), &text("{\"name\": \"x\"}"));
    assert!(same.contains("package.json: no name and no version changed"), "{same}");
}

#[test]
fn a_long_list_of_dependencies_is_counted() {
    let many: String = (0..250).map(|n| format!("p{n}==1\n")).collect();
    let report = judge(&with("requirements.txt", &Side::Absent, &text(&many))).to_markdown();
    assert_eq!(report.matches("| requirements.txt |").count(), 51, "50 and the file's own row");
    assert!(report.contains("and 200 more"), "{report}");
}

#[test]
fn a_project_file_that_the_listing_does_not_raise_needs_a_person_once_it_is_read() {
    let facts = with("app/App.csproj", &text("<a/>"), &text("<b/>"));
    let listed = Facts { contents: None, ..facts.clone() };
    let needs_human = |facts: &Facts| judge(facts).classification().unwrap().needs_human;
    assert_eq!((needs_human(&listed), needs_human(&facts)), (false, true));
}

#[test]
fn m2_a_weakened_harness_case_is_critical_and_a_stricter_one_high() {
    let case = "def test_a():\n    assert f() == 1\n";
    let tier = |after: &str| {
        let facts = with("tests/harness/test_a.py", &text(case), &text(after));
        (judge(&facts).tier(), judge(&facts).to_markdown())
    };
    assert_eq!(tier("def test_a():\n    assert f() == 1\n    assert g() == 2\n").0, Tier::High);
    let (weaker, report) = tier("def test_a():\n    assert True\n");
    assert_eq!(weaker, Tier::Critical);
    assert!(report.contains("may weaken a harness case"), "{report}");
    let unread = Side::Unread("it is not UTF-8".to_owned());
    assert_eq!(judge(&with("tests/harness/test_a.py", &text(case), &unread)).tier(), Tier::Critical);
}

#[test]
fn code_that_runs_before_the_harness_is_critical() {
    let tier = |path: &str, after: &str| judge(&with(path, &Side::Absent, &text(after))).tier();
    assert_eq!(tier("tests/harness/__init__.py", "import os\nos._exit(0)\n"), Tier::Critical);
    assert_eq!(tier("tests/conftest.py", "def pytest_ignore_collect():\n    return True\n"), Tier::Critical);
    assert_eq!(tier("tests/conftest.py", "import service\n"), Tier::High);
}

#[test]
fn m5_a_new_path_is_judged_as_the_one_that_it_overwrites_elsewhere() {
    let judged = |new: &str, existing: &str| {
        let mut facts = facts(&[new]);
        facts.change.files[0] = FileChange { kind: ChangeKind::Added, old_mode: 0, ..modified(new) };
        let mut contents = Contents::default();
        contents.note_clashes(&facts.change, &[existing.to_owned(), new.to_owned()]);
        facts.contents = Some(contents);
        (judge(&facts).tier(), judge(&facts).to_markdown())
    };
    let (tier, report) = judged("lib/KELLY_criterion.py", "lib/kelly_criterion.py");
    assert_eq!(tier, Tier::High);
    assert!(report.contains("where letter case or Unicode form does not count"), "{report}");
    let (tier, report) = judged("tests/harness/Test_a.py", "tests/harness/test_a.py");
    assert_eq!(tier, Tier::Critical, "{report}");
    let (tier, report) = judged("lib/Conftest.py", "lib/conftest.py/x");
    assert_eq!(tier, Tier::High, "{report}");
    assert_eq!(judged("lib/a.py", "lib/b.py").0, Tier::Low);
}

#[test]
fn a_clash_with_a_file_that_goes_is_a_rename() {
    let mut change = change(&["docs/api.md", "docs/API.md"]);
    change.files[0].kind = ChangeKind::Added;
    change.files[1].kind = ChangeKind::Deleted;
    let mut contents = Contents::default();
    contents.note_clashes(&change, &["docs/API.md".to_owned(), "docs/api.md".to_owned()]);
    assert_eq!(contents.clashes, []);
}

#[test]
fn what_only_the_merge_changes_in_the_harness_is_critical() {
    let mut facts = facts(LOW);
    let merge = MergePreview { beyond: change(&["tests/harness/test_a.py"]), conflicts: vec![] };
    let mut contents = Contents::default();
    contents.note_merge(&merge);
    (facts.merge, facts.contents) = (Some(merge), Some(contents));
    assert_eq!(judge(&facts).tier(), Tier::Critical);
}

#[test]
fn patterns_without_a_file_and_paths_without_a_pattern_are_in_the_report() {
    let mut facts = facts(LOW);
    let mut contents = Contents::default();
    contents.note_unmatched((0..25).map(|n| format!("wealth: `p{n}` matches no file")).collect());
    facts.contents = Some(contents);
    let report = judge(&facts).to_markdown();
    assert!(report.contains("p19") && !report.contains("p20"), "{report}");
    assert!(report.contains("5 patterns more match no file"), "{report}");
    let policy = SEED.replace("\"**\"\n", "\"x/**\"\n");
    let mut bare = super::facts(&["lib/a.py"]);
    (bare.base_policy, bare.head_policy) = (Some(policy.clone()), Some(policy));
    let report = judge(&bare).to_markdown();
    assert!(report.contains("the product has no catch-all"), "{report}");
}
