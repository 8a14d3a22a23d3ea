//! The runner of these tests does what GitHub's does, as far as our actions could tell.

use serde_json::{Value, json};

use super::machine::{Machine, Ran};

async fn run(steps: Value, event: Value) -> Ran {
    let github = json!({"event_name": "pull_request", "event": event, "repository": "a/b", "sha": "x"});
    Machine::without_permissions().job(steps, &json!({}), &github).await
}

#[tokio::test]
async fn environment_files_outputs_and_commands_count() {
    let script = "
        echo 'one=1' >> \"$GITHUB_OUTPUT\"
        printf 'two<<END\\nfirst\\n::error::no\\nEND\\n' >> \"$GITHUB_OUTPUT\"
        echo 'LATER=yes' >> \"$GITHUB_ENV\"
        mkdir -p bin; printf '#!/bin/sh\\necho found\\n' > bin/tool; chmod +x bin/tool
        echo \"$PWD/bin\" >> \"$GITHUB_PATH\"
        echo '# Done' >> \"$GITHUB_STEP_SUMMARY\"
        echo '::error file=a.py,line=3,title=Bad%2C::one%0Atwo'
        echo '::add-mask::hidden-text'
        echo 'a hidden-text ##[set-output name=three]3'";
    let steps = json!([
        {"id": "a", "run": script},
        {"id": "b", "run": "tool; echo \"$LATER ${{ steps.a.outputs.two }}\"", "env": {"LATER": "${{ env.LATER }}!"}},
    ]);
    let ran = run(steps, json!({})).await;
    let a = ran.step("job", "a");
    assert_eq!(
        a["outputs"],
        json!({"one": "1", "two": "first\n::error::no", "three": "3"}),
        "{:#}",
        ran.said
    );
    assert_eq!(
        a["annotations"],
        json!([
        {"level": "error", "message": "one\ntwo", "file": "a.py", "line": "3", "title": "Bad,"}])
    );
    assert_eq!(
        (&a["summary"], a["log"].as_array().unwrap().last().unwrap()),
        (&json!("# Done\n"), &json!("a *** ##[set-output name=three]3"))
    );
    assert_eq!(ran.step("job", "b")["log"].as_array().unwrap()[..2], ["found", "yes! first"]);
    assert_eq!(ran.step("job", "b")["annotations"][0]["message"], "no", "what a step prints is a command");
}

#[tokio::test]
async fn a_shell_stops_at_its_first_failure_and_a_step_that_failed_skips_the_others() {
    let steps = json!([
        {"id": "a", "shell": "bash", "run": "false | true\necho never", "continue-on-error": true},
        {"id": "b", "run": "exit 7"},
        {"id": "c", "run": "echo never"},
        {"id": "d", "if": "failure()", "run": "echo ${{ steps.a.outcome }} ${{ steps.a.conclusion }}"},
        {"id": "e", "if": "always() && github.event.number == 7", "run": "echo ${{ toJSON(github.event.number) }}"},
    ]);
    let ran = run(steps, json!({"number": 7})).await;
    let outcomes =
        ["a", "b", "c", "d", "e"].map(|id| ran.step("job", id)["outcome"].as_str().unwrap().to_owned());
    assert_eq!(outcomes, ["failure", "failure", "skipped", "success", "success"], "{:#}", ran.said);
    assert_eq!(ran.step("job", "d")["log"], json!(["failure success"]));
    assert_eq!(ran.said["jobs"]["job"]["result"], "failure");
}

/// Without this the tests of hostile values would prove nothing.
#[tokio::test]
async fn an_expression_in_a_script_and_an_output_without_a_delimiter_are_open_doors() {
    let steps = json!([
        {"id": "a", "run": "echo ${{ github.event.title }}"},
        {"id": "b", "run": "echo \"x=$TITLE\" >> \"$GITHUB_OUTPUT\"", "env": {"TITLE": "${{ github.event.body }}"}},
        {"id": "c", "run": "echo \"$TITLE\"", "env": {"TITLE": "${{ github.event.body }}"}},
    ]);
    let event = json!({"title": "$(echo pwned)", "body": "1\ntier=low\n::set-output name=tier::low"});
    let ran = run(steps, event).await;
    assert_eq!(ran.step("job", "a")["log"], json!(["pwned"]));
    assert_eq!(ran.step("job", "c")["outputs"], json!({"tier": "low"}));
    let b = ran.step("job", "b");
    assert_eq!((&b["outputs"]["x"], &b["outputs"]["tier"]), (&json!("1"), &json!("low")));
}
