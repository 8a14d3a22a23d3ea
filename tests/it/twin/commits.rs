//! Commits that GitHub makes: `createCommitOnBranch`, and the branches that it needs.

use aspora::dev::github::{BOT, Enforcement, Level, Rules};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{credentials::permissions, *};

const MUTATION: &str = "mutation($input: CreateCommitOnBranchInput!) { \
                        createCommitOnBranch(input: $input) { commit { oid } } }";

fn input(branch: &str, parent: &str, additions: &[(&str, &str)], deletions: &[&str]) -> Value {
    let additions: Vec<Value> = additions
        .iter()
        .map(|(path, text)| json!({"path": path, "contents": STANDARD.encode(text)}))
        .collect();
    let deletions: Vec<Value> = deletions.iter().map(|path| json!({"path": path})).collect();
    json!({
        "branch": {"repositoryNameWithOwner": REPO, "branchName": branch}, "expectedHeadOid": parent,
        "message": {"headline": "feat: Add it", "body": "Why."},
        "fileChanges": {"additions": additions, "deletions": deletions},
    })
}

impl World {
    /// Asks for a commit; its SHA, or the type and message of the first error.
    async fn commit_as(&self, token: &str, input: Value) -> Result<String, (String, String)> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({"query": MUTATION, "variables": {"input": input}});
        let answer =
            client.post(format!("{}/graphql", self.twin.url())).bearer_auth(token).json(&body).send();
        let answer: Value = answer.await.unwrap().json().await.unwrap();
        let data = &answer["data"]["createCommitOnBranch"];
        match data["commit"]["oid"].as_str() {
            Some(oid) => Ok(oid.to_owned()),
            None => {
                assert_eq!(data, &Value::Null, "{answer}");
                let text = |name: &str| answer["errors"][0][name].as_str().unwrap_or_default().to_owned();
                Err((text("type"), text("message")))
            }
        }
    }

    async fn commit(&self, input: Value) -> Result<String, (String, String)> {
        self.commit_as(&self.token, input).await
    }
}

#[tokio::test]
async fn a_commit_is_made_on_the_expected_head_signed_by_github_and_of_plain_files() {
    let world = World::new().await;
    let script = [("run.sh", "#!/bin/sh\n".as_bytes())];
    let parent = world.twin.push_as(BOT, REPO, "topic", &script).await.unwrap();
    let change =
        input("topic", &parent, &[("run.sh", "#!/bin/sh\necho"), ("new.txt", "new\n")], &["risk.py"]);
    let sha = world.commit(change).await.unwrap();
    let (_, commit) = world.get(&format!("commits/{sha}")).await;
    assert_eq!(commit["parents"][0]["sha"], parent);
    let shown = &commit["commit"];
    assert_eq!(shown["message"], "feat: Add it\n\nWhy.");
    assert_eq!(
        (&shown["verification"]["verified"], &shown["verification"]["reason"]),
        (&json!(true), &json!("valid"))
    );
    assert_eq!((&shown["author"]["name"], &shown["committer"]["name"]), (&json!(BOT), &json!("GitHub")));
    let files: Vec<_> = commit["files"].as_array().unwrap().iter().map(|file| &file["filename"]).collect();
    assert_eq!(files, ["new.txt", "risk.py", "run.sh"]);
    let (_, before) = world.get(&format!("commits/{parent}")).await;
    assert_eq!(before["commit"]["verification"]["verified"], false);
    let git = world.data.path().join(format!("repositories/{REPO}.git"));
    let tree = std::process::Command::new("git")
        .arg("--git-dir")
        .arg(git)
        .args(["ls-tree", &sha, "run.sh"])
        .output();
    assert!(tree.unwrap().stdout.starts_with(b"100644"), "the mode is lost");
    world.spec.assert_conforms();
}

#[tokio::test]
async fn a_commit_that_does_not_fit_its_branch_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let (head, main) = (world.head.clone(), world.twin.branch(REPO, "main").await.unwrap().unwrap());
    let file: [(&str, &str); 1] = [("new.txt", "new\n")];
    let refused = async |input: Value| world.commit(input).await.unwrap_err();
    let (kind, message) = refused(input("topic", &main, &file, &[])).await;
    assert_eq!(kind, "STALE_DATA");
    assert_eq!(
        message,
        format!("Expected branch to point to \"{main}\" but it did not.  Pull and try again.")
    );
    assert_eq!(refused(input("nowhere", &main, &file, &[])).await.0, "NOT_FOUND");
    let (kind, message) = refused(input("topic", &head, &[], &["none.txt"])).await;
    assert_eq!(kind, "NOT_FOUND");
    assert!(message.starts_with("A path was requested for deletion which does not exist"), "{message}");
    let twice = refused(input("topic", &head, &file, &["new.txt"])).await;
    assert!(twice.1.contains("a path is given twice"), "{twice:?}");
    let secret = format!("KEY = 'ghp_{}'", "a1B2".repeat(9));
    let leaky = refused(input("topic", &head, &[("key.py", &secret)], &[])).await;
    assert!(leaky.1.contains("Push cannot contain secrets"), "{leaky:?}");
    let rules = Rules { pull_request: true, ..Rules::default() };
    world.twin.add_ruleset(REPO, "topic", Enforcement::Active, rules).unwrap();
    let (kind, message) = refused(input("topic", &head, &file, &[])).await;
    assert_eq!(kind, "UNPROCESSABLE");
    assert!(message.contains("Changes must be made through a pull request."), "{message}");
    assert_eq!(world.twin.branch(REPO, "topic").await.unwrap(), Some(head));
}

#[tokio::test]
async fn a_commit_needs_the_permission_to_write_contents_and_one_more_for_workflow_files() {
    let world = World::new().await;
    let (.., reader) = world.installed(&permissions(&[("contents", Level::Read)])).await;
    let file = input("topic", &world.head, &[("new.txt", "new\n")], &[]);
    let refused = world.commit_as(&reader, file.clone()).await.unwrap_err();
    assert_eq!(refused, ("FORBIDDEN".to_owned(), "Resource not accessible by integration".to_owned()));
    let (.., writer) = world.installed(&permissions(&[("contents", Level::Write)])).await;
    let workflow = input("topic", &world.head, &[(".github/workflows/x.yml", "on: push\n")], &[]);
    let refused = world.commit_as(&writer, workflow).await.unwrap_err();
    assert!(refused.1.contains("without `workflows` permission"), "{refused:?}");
    world.commit_as(&writer, file).await.unwrap();
}

#[tokio::test]
async fn where_signatures_are_demanded_only_such_commits_are_merged_and_never_by_rebase() {
    let world = World::new().await;
    let signed = Rules { signatures: true, ..Rules::default() };
    world.twin.protect(REPO, "main", signed.clone()).unwrap();
    world.twin.add_ruleset(REPO, "signed", Enforcement::Active, signed).unwrap();
    let main = world.twin.branch(REPO, "main").await.unwrap().unwrap();
    let create = |sha: &str| json!({"ref": "refs/heads/signed", "sha": sha});
    assert_eq!(world.post("git/refs", create("0".repeat(40).as_str())).await.0, 422);
    assert_eq!(world.post("git/refs", create(&main)).await.0, 201);
    let (status, twice) = world.post("git/refs", create(&main)).await;
    assert_eq!((status, &twice["message"]), (422, &json!("Reference already exists")));
    world.commit(input("signed", &main, &[("new.txt", "new\n")], &[])).await.unwrap();
    let pull = json!({"title": "Signed", "head": "signed", "base": "main", "body": "why"});
    assert_eq!(world.post("pulls", pull).await.0, 201);
    let (status, refused) = world.put("pulls/1/merge", json!({"merge_method": "rebase"})).await;
    assert_eq!(status, 405);
    let sentence =
        "Base branch requires signed commits. Rebase merges cannot be automatically signed by GitHub";
    assert_eq!(refused["message"], sentence);
    assert_eq!(world.put("pulls/1/merge", json!({})).await.0, 200);
    assert_eq!(world.open_pull().await.0, 201);
    let (status, refused) = world.put("pulls/2/merge", json!({})).await;
    assert_eq!((status, &refused["message"]), (405, &json!("Commits must have verified signatures.")));
    world.spec.assert_conforms();
}
