//! The runner runs whole workflows as GitHub does: what starts them, which jobs run, and with which rights.

use aspora::dev::github::{Twin, TwinConfig};
use serde_json::{Value, json};

use super::machine::{Machine, Progress, Ran, token};

const UPLOAD: &str = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f";
const DOWNLOAD: &str = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c";

fn pull_request() -> Value {
    json!({"event_name": "pull_request", "event": {"action": "opened"}, "repository": "a/b", "sha": "x",
        "base_ref": "main", "ref": "refs/pull/1/merge"})
}

/// A workflow of these jobs, each without any right unless it says otherwise.
fn workflow(jobs: &Value) -> Value {
    let text = json!({"on": "pull_request", "permissions": {}, "jobs": jobs}).to_string();
    json!({"text": text})
}

async fn run(jobs: Value) -> Ran {
    Machine::without_permissions().run(workflow(&jobs), &pull_request()).await
}

fn job(more: &Value, script: &str) -> Value {
    let mut job = json!({"runs-on": "ubuntu-24.04", "steps": [{"id": "it", "run": script}]});
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

fn result(ran: &Ran, job: &str) -> String {
    ran.said["jobs"][job]["result"].as_str().unwrap_or_else(|| panic!("{:#}", ran.said)).to_owned()
}

#[tokio::test]
async fn a_workflow_starts_by_event_type_branch_and_path() {
    let starts = async |on: Value, github: Value, changed: Option<&[String]>| {
        let text = json!({"on": on, "permissions": {}, "jobs": {"a": job(&json!({}), "true")}}).to_string();
        let machine = Machine::without_permissions();
        let mut running = machine.start(&json!({"text": text}), &github, changed).await;
        matches!(running.next(&json!({})).await, Progress::Event(_))
    };
    let push = |name: &str| json!({"event_name": "push", "event": {}, "ref": name});
    let of = |action: &str| {
        let mut github = pull_request();
        github["event"] = json!({"action": action});
        github
    };
    let paths = ["docs/a/b.md".to_owned(), "x.py".to_owned()];
    let cases = [
        (json!("push"), push("refs/heads/x"), true),
        (json!(["push", "issues"]), of("opened"), false),
        (json!({"pull_request": null}), of("synchronize"), true),
        (json!({"pull_request": null}), of("labeled"), false),
        (json!({"pull_request": {"types": ["labeled"]}}), of("labeled"), true),
        (json!({"pull_request": {"branches": ["release/**"]}}), of("opened"), false),
        (json!({"push": {"branches": ["release/*"]}}), push("refs/heads/release/1"), true),
        (json!({"push": {"branches": ["release/*"]}}), push("refs/heads/release/1/2"), false),
        (json!({"push": {"branches": ["**", "!main"]}}), push("refs/heads/main"), false),
        (json!({"push": {"branches": ["main"]}}), push("refs/tags/main"), false),
        (json!({"push": {"tags": ["v[12].*"]}}), push("refs/tags/v2.0"), true),
        (json!({"push": {"paths": ["docs/**/*.md"]}}), push("refs/heads/x"), true),
        (json!({"push": {"paths": ["docs/*.md"]}}), push("refs/heads/x"), false),
        (json!({"push": {"paths-ignore": ["docs/**"]}}), push("refs/heads/x"), true),
        (json!({"push": {"paths-ignore": ["docs/**", "*.py"]}}), push("refs/heads/x"), false),
    ];
    for (on, github, expected) in cases {
        assert_eq!(starts(on.clone(), github.clone(), Some(&paths)).await, expected, "{on} {github}");
    }
}

#[tokio::test]
async fn a_job_sees_what_it_needs_and_is_skipped_after_what_failed_or_was_skipped() {
    let ran = run(json!({
        "a": job(&json!({"outputs": {"n": "${{ steps.it.outputs.n }}"}}), "echo n=7 >> \"$GITHUB_OUTPUT\""),
        "b": job(&json!({"needs": "a", "env": {"N": "${{ needs.a.outputs.n }}"}}), "test \"$N\" = 7"),
        "number": job(&json!({"needs": "a", "if": "needs.a.outputs.n == 7 && needs.a.outputs.n == '7'"}), "true"),
        "off": job(&json!({"needs": "a", "if": "needs.a.outputs.n == '8'"}), "true"),
        "after_off": job(&json!({"needs": "off"}), "true"),
        "red": job(&json!({"needs": "a"}), "exit 1"),
        "after_red": job(&json!({"needs": "red"}), "true"),
        "far": job(&json!({"needs": "after_red", "if": "failure()"}), "true"),
        "anyhow": job(&json!({"needs": ["after_off", "red"], "if": "always()"}), "echo ${{ needs.red.result }} ${{ needs.after_off.result }}"),
        "after_anyhow": job(&json!({"needs": "anyhow"}), "true"),
    }))
    .await;
    let expected = [
        ("a", "success"),
        ("b", "success"),
        ("number", "success"),
        ("off", "skipped"),
        ("after_off", "skipped"),
        ("red", "failure"),
        ("after_red", "skipped"),
        ("far", "success"),
        ("anyhow", "success"),
        // What is far away counts too: github.com/actions/runner, issue 491.
        ("after_anyhow", "skipped"),
    ];
    for (name, expected) in expected {
        assert_eq!(result(&ran, name), expected, "{name}");
    }
    assert_eq!(ran.step("anyhow", "it")["log"], json!(["failure skipped"]));
}

#[tokio::test]
async fn files_go_from_job_to_job_by_their_artifact_and_hidden_ones_stay() {
    let ran = run(json!({
        "a": {"runs-on": "x", "steps": [
            {"run": "mkdir -p out/deep; echo one > out/deep/a; echo two > out/.hidden"},
            {"uses": UPLOAD, "with": {"name": "out", "path": "out/"}},
            {"id": "none", "uses": UPLOAD, "with": {"name": "none", "path": "none", "if-no-files-found": "error"}, "continue-on-error": true},
        ]},
        "b": {"runs-on": "x", "needs": "a", "steps": [
            {"uses": DOWNLOAD, "with": {"name": "out", "path": "in"}},
            {"id": "list", "run": "cd in; find . -type f"},
            {"id": "none", "uses": DOWNLOAD, "with": {"name": "none"}},
        ]},
    }))
    .await;
    assert_eq!(ran.step("b", "list")["log"], json!(["./deep/a"]), "{:#}", ran.said);
    assert_eq!(ran.step("a", "none")["outcome"], "failure");
    assert_eq!(ran.step("b", "none")["outcome"], "failure");
}

#[tokio::test]
async fn a_job_that_lasts_too_long_is_cancelled_and_its_last_words_are_heard() {
    let slow = json!({"timeout-minutes": 0.005});
    let mut jobs = json!({"slow": job(&slow, "sleep 600"), "next": job(&json!({"needs": "slow"}), "true")});
    let steps = jobs["slow"]["steps"].as_array_mut().unwrap();
    steps.push(json!({"id": "never", "run": "true"}));
    steps.push(json!({"id": "last", "if": "cancelled()", "run": "echo ${{ job.status }}"}));
    let ran = run(jobs).await;
    assert_eq!((result(&ran, "slow"), result(&ran, "next")), ("cancelled".to_owned(), "skipped".to_owned()));
    assert_eq!(ran.step("slow", "never")["outcome"], "skipped");
    assert_eq!(ran.step("slow", "last")["log"], json!(["cancelled"]));
}

#[tokio::test]
async fn defaults_and_variables_come_from_the_workflow_and_then_from_the_job() {
    let text = json!({
        "on": "pull_request", "permissions": {}, "env": {"A": "workflow", "B": "workflow"},
        "defaults": {"run": {"shell": "bash", "working-directory": "sub"}},
        "jobs": {"a": {"runs-on": "x", "env": {"B": "job"}, "steps": [
            {"run": "mkdir sub", "working-directory": "."},
            {"id": "it", "run": "false | true; echo $A $B ${PWD##*/}", "continue-on-error": true},
            {"id": "own", "shell": "sh -e {0}", "run": "echo $A $B ${PWD##*/}"},
        ]}},
    });
    let ran = Machine::without_permissions().run(json!({"text": text.to_string()}), &pull_request()).await;
    assert_eq!(
        ran.step("a", "it")["code"],
        1,
        "bash, as it is named, minds each part of a pipe: {:#}",
        ran.said
    );
    assert_eq!(ran.step("a", "own")["log"], json!(["workflow job sub"]));
}

#[tokio::test]
async fn the_token_of_a_job_may_do_what_the_job_says_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let (addr, data_dir) = (([127, 0, 0, 1], 0).into(), data.path().to_owned());
    let twin =
        Twin::start(TwinConfig { data_dir, addr, public_url: None, webhook: None, ci: None }).await.unwrap();
    twin.create_repository("a/b", &[("a", b"x")]).await.unwrap();
    let read = |path: &str| {
        format!(
            "curl --silent --output /dev/null --write-out '%{{http_code}}' --header \"Authorization: Bearer $T\" \"$GITHUB_API_URL/repos/a/b/{path}\""
        )
    };
    let script = format!(
        "echo $({}) $({}) $({})",
        read("commits/main"),
        read("issues"),
        read("commits/main/check-runs")
    );
    let of = |permissions: Value| {
        job(&json!({"permissions": permissions, "env": {"T": "${{ github.token }}"}}), &script)
    };
    let jobs = json!({"none": of(json!({})), "code": of(json!({"contents": "read"})), "two": of(json!({"checks": "read", "issues": "write"}))});
    let mut machine = Machine::default();
    for held in ["", "contents=read", "checks=read,issues=write"] {
        machine.tokens.insert(held.to_owned(), token(&twin, "a/b", Some(held)));
    }
    let mut github = pull_request();
    github["api_url"] = json!(twin.url());
    let ran = machine.run(workflow(&jobs), &github).await;
    for (name, codes) in [("none", "403 403 403"), ("code", "200 403 403"), ("two", "403 200 200")] {
        assert_eq!(ran.step(name, "it")["log"], json!([codes]), "{name}");
    }
}

/// What the runner cannot do is an error with its line, before anything ran.
#[tokio::test]
async fn what_is_not_done_is_refused_with_its_line() {
    let refused = async |text: &str| {
        let machine = Machine::without_permissions();
        let mut running = machine.start(&json!({"text": text}), &pull_request(), None).await;
        let refusal = tokio::spawn(async move { drop(running.next(&json!({})).await) }).await.unwrap_err();
        let message = refusal.into_panic();
        message.downcast_ref::<String>().unwrap().clone()
    };
    let head = "on: pull_request\npermissions: {}\njobs:\n  a:\n    runs-on: x\n";
    let cases = [
        (
            "    strategy:\n      matrix:\n        n: [1]\n    steps:\n      - run: 'true'\n",
            "workflow.yml:6: the runner does not do `strategy` of the job a",
        ),
        (
            "    services:\n      db:\n        image: postgres\n    steps:\n      - run: 'true'\n",
            "workflow.yml:6: the runner does not do `services` of the job a",
        ),
        (
            "    steps:\n      - run: 'true'\n      - if: false\n        uses: docker/login-action@v3\n",
            "workflow.yml:9: the runner does not do `uses: docker/login-action@v3`",
        ),
    ];
    for (jobs, expected) in cases {
        let message = refused(&format!("{head}{jobs}")).await;
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn a_version_that_the_machine_lacks_fails_the_step_with_the_reason() {
    let node = json!({"uses": "actions/setup-node@820762786026740c76f36085b0efc47a31fe5020", "id": "node", "with": {"node-version": "4"}});
    let python = json!({"uses": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97", "id": "python",
        "with": {"python-version": "2.1"}, "if": "always()"});
    let ran = run(json!({"a": {"runs-on": "x", "steps": [node, python]}})).await;
    let said = |id: &str| ran.step("a", id)["annotations"][0]["message"].as_str().unwrap().to_owned();
    assert!(
        said("node").starts_with("the version 4 of node is not on this machine: node is "),
        "{}",
        said("node")
    );
    assert_eq!(said("python"), "the version 2.1 of python is not on this machine: python2.1 is missing");
}
