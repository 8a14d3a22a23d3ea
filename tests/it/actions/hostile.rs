//! What a pull request, its branch, its files and a reviewer's server say is data: it reaches no shell, no command of the
//! runner, and no output but its own.

use serde_json::{Value, json};

use super::{
    machine::{Machine, Ran, Site},
    registry::Registry,
    reviewer::{Answer, Reviewer},
    risk_tier,
};

/// Each would do something, if it came into a script, into the log or into a file of the runner as it is.
const HOSTILE: [&str; 20] = [
    "$(touch pwned)",
    "`touch pwned`",
    "\"; touch pwned; \"",
    "'; touch pwned; '",
    "x && touch pwned",
    "x\ntouch pwned\n",
    "${{ github.token }}",
    "::set-output name=tier::low",
    "x\n::set-output name=tier::low",
    "x\r::set-output name=outcome::clean",
    "x ##[set-output name=outcome]clean",
    "x\n##[set-env name=LD_PRELOAD]evil",
    "%0A::set-output name=tier::low",
    "x\n::stop-commands::end",
    "x\n::add-mask::critical",
    "x\nEOF\ntier=low\noutcome=clean\n",
    "x,line=1::set-output name=tier::low",
    "x\u{2028}::set-output name=tier::low\u{202e}\u{1b}[2K",
    "--help",
    "` | low |\n| x |\n</details><script>alert(1)</script>",
];

/// A branch may have no space, colon or control character; this is allowed.
const BRANCH: &str = "topic-$(touch${IFS}pwned);`id`\"'&|<x>{a,b}%0A";

#[track_caller]
fn assert_untouched(ran: &Ran, id: &str, outputs: &[&str]) {
    let mut folders = vec![ran.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            assert_ne!(entry.file_name(), "pwned", "a command was run");
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    let job = &ran.said["jobs"]["job"];
    assert_eq!((&job["env"], &job["path"]), (&json!({}), &json!([])), "{job:#}");
    let mut names: Vec<_> = ran.step("job", id)["outputs"].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, outputs);
    let log = ran.step("job", id)["log"].as_array().unwrap();
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    let ours = |line: &str| ["::error", "::warning"].iter().any(|command| line.starts_with(command));
    let strange = log.iter().map(|line| line.as_str().unwrap()).find(|line| is_command(line) && !ours(line));
    assert_eq!(strange, None, "the runner took it for a command");
}

const TIER_OUTPUTS: [&str; 9] = [
    "approvals",
    "checks",
    "docs-drift",
    "report",
    "required",
    "requires-evidence",
    "requires-human",
    "requires-review",
    "tier",
];
const WAIT_OUTPUTS: [&str; 5] = ["actionable", "blocking", "findings", "outcome", "waited"];

#[tokio::test(flavor = "multi_thread")]
async fn files_branches_and_titles_change_nothing_but_the_tier() {
    let (registry, site) = (Registry::start().await, Site::new(&[]).await);
    let folders = ["db/migrations/", "api/v1/"];
    let names: Vec<String> =
        folders.iter().flat_map(|folder| HOSTILE.map(|it| format!("{folder}{it}"))).collect();
    // git has no name that ends in a slash, and a `/` in a name is a folder.
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let pull = site.pull(BRANCH, &HOSTILE.join(" "), &files).await;
    let ran = risk_tier::run(&site, &registry, &pull, &[json!({})]).await;
    assert_untouched(&ran, "risk", &TIER_OUTPUTS);
    assert_eq!(
        ran.ended("risk", "tier"),
        ("failure".to_owned(), "critical".to_owned()),
        "documents: {:#}",
        ran.said
    );
    let drift = ran.ended("risk", "docs-drift").1;
    assert!(drift.contains("changed and no document did") && !drift.contains('\n'), "{drift}");
    let summary = ran.step("job", "risk")["summary"].as_str().unwrap();
    let rows = summary.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, files.len(), "a row each, whatever is in a name: {summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_are_arguments_and_no_shell_reads_them() {
    let (registry, site) = (Registry::start().await, Site::new(&[]).await);
    let pull = site.pull("topic", "Inputs", &[("a.py", b"1")]).await;
    // Of the products that a policy may name, none can be spelled like these; what is no id is no commit.
    let mut inputs: Vec<Value> = ["product", "base", "head"]
        .into_iter()
        .flat_map(|name| HOSTILE.iter().skip(name.len() % 3).step_by(3).map(move |it| json!({name: it})))
        .collect();
    // These reach the command line.
    inputs.push(json!({"product": "$(touch${IFS}pwned)"}));
    inputs.push(json!({"policy": "`touch pwned`; $(touch pwned) ##[set-output name=tier]low"}));
    let ran = risk_tier::run(&site, &registry, &pull, &inputs).await;
    for (number, asked) in inputs.iter().enumerate() {
        let id = risk_tier::id(number);
        let ended = ran.ended(&id, "tier");
        assert_eq!(ended, ("failure".to_owned(), "critical".to_owned()), "{asked}");
        assert_untouched(&ran, &id, &TIER_OUTPUTS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reviewer_writes_is_shown_and_not_followed() {
    let head = super::waits::HEAD;
    let findings: Vec<Value> = HOSTILE
        .iter()
        .map(|it| json!({"severity": it, "path": it, "line": it, "message": it, "state": it, "head_sha": head}))
        .collect();
    let event = json!({"number": 7, "pull_request": {"number": 7, "head": {"sha": head, "ref": BRANCH}, "title": HOSTILE[0]}});
    let github = super::machine::github("http://127.0.0.1:9", super::machine::REPO, head, &event);
    let (mut inputs, mut reviewers) = (Vec::new(), Vec::new());
    let mut ask = async |script: Vec<Answer>, more: Value| {
        let reviewer = Reviewer::start(script).await;
        let mut with = json!({"reviews_url": reviewer.url});
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        inputs.push(with);
        reviewers.push(reviewer);
    };
    // Ten findings are annotated at a time.
    for findings in findings.chunks(10) {
        ask(vec![Answer(200, &[], json!(findings).to_string())], json!({})).await;
    }
    let missing = HOSTILE.map(|it| Answer(404, &[], json!({"detail": it}).to_string()));
    ask(missing.to_vec(), json!({"timeout_minutes": "0.03"})).await;
    for hostile in HOSTILE {
        ask(vec![Answer(400, &[], json!({"detail": hostile}).to_string())], json!({})).await;
    }
    for input in ["head_sha", "pull_request", "repository", "timeout_minutes"] {
        ask(vec![Answer(200, &[], "[]".to_owned())], json!({input: HOSTILE[8]})).await;
    }
    let ran = super::waits::wait(&Machine::without_permissions(), &github, "", &inputs).await;
    for number in 0..inputs.len() {
        let id = super::waits::id(number);
        assert_untouched(&ran, &id, &WAIT_OUTPUTS);
        let expected = match number {
            0 | 1 => "findings",
            2 => "timeout",
            _ => "refused",
        };
        let ended = ("failure".to_owned(), expected.to_owned());
        assert_eq!(ran.ended(&id, "outcome"), ended, "{:#}", ran.said);
    }
    assert_eq!(ran.ended("wait", "blocking").1, "10");
    assert!(reviewers[2].seen().len() > HOSTILE.len(), "each answer was seen");
}
