//! People who clone and push with git, by their password at the twin.

use std::{path::Path, process::Command};

use super::*;

/// Runs git in a folder as a person would, without anything that asks; whether it succeeded, and what it printed.
fn git(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=Noor", "-c", "user.email=noor@acme.example"]);
    command.args(["-c", "credential.helper=", "-c", "protocol.version=2"]).args(arguments);
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_push_by_their_password_and_the_rules_of_the_branch_hold() {
    let world = World::new().await;
    for (login, permission) in [("noor", "write"), ("remy", "read")] {
        world.twin.set_permission(REPO, login, permission).unwrap();
    }
    let address = |login: &str, password: &str| {
        world.twin.git_url(REPO).replace("http://", &format!("http://{login}:{password}@"))
    };
    let (noor, remy) = (world.twin.open_account("noor").unwrap(), world.twin.open_account("remy").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (cloned, text) = git(folder.path(), &["clone", "--quiet", &address("remy", &remy), "clone"]);
    assert!(cloned, "{text}");
    let clone = folder.path().join("clone");
    std::fs::write(clone.join("note.txt"), "by hand\n").unwrap();
    git(&clone, &["checkout", "--quiet", "-b", "by-hand"]);
    git(&clone, &["add", "note.txt"]);
    git(&clone, &["commit", "--quiet", "-m", "docs: Add a note"]);
    let push = |url: &str, branch: &str| git(&clone, &["push", url, &format!("HEAD:refs/heads/{branch}")]);
    let (pushed, text) = push(&world.twin.git_url(REPO), "by-hand");
    assert!(!pushed && text.contains("could not read Username"), "{text}");
    let (pushed, text) = push(&address("noor", "wrong"), "by-hand");
    assert!(!pushed && text.contains("Authentication failed"), "{text}");
    let (pushed, text) = push(&address("remy", &remy), "by-hand");
    assert!(!pushed && text.contains("The requested URL returned error: 403"), "{text}");
    let (pushed, text) = push(&address("noor", &noor), "by-hand");
    assert!(pushed, "{text}");
    assert!(world.twin.branch(REPO, "by-hand").await.unwrap().is_some());
    let kind = TokenKind::Classic { login: "noor".to_owned(), scopes: vec!["repo".to_owned()] };
    let (pushed, text) = push(&address("noor", &world.twin.issue_token(kind).unwrap()), "by-token");
    assert!(pushed, "{text}");
    let rules = aspora::dev::github::Rules { pull_request: true, ..Default::default() };
    world.twin.protect(REPO, "main", rules).unwrap();
    let (pushed, text) = push(&address("noor", &noor), "main");
    assert!(!pushed && text.contains("remote: - Changes must be made through a pull request."), "{text}");
}

#[tokio::test]
async fn a_push_without_the_right_is_answered_in_the_words_of_github() {
    let world = World::new().await;
    world.twin.set_permission(REPO, "remy", "read").unwrap();
    let password = world.twin.open_account("remy").unwrap();
    let refs = format!("{}/info/refs?service=git-receive-pack", world.twin.git_url(REPO));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.get(&refs).send().await.unwrap();
    assert_eq!(
        (asked.status().as_u16(), &asked.headers()["www-authenticate"]),
        (401, &"Basic realm=\"GitHub\"".parse().unwrap())
    );
    assert_eq!(client.get(&refs).basic_auth("remy", Some("wrong")).send().await.unwrap().status(), 401);
    assert_eq!(client.get(&refs).basic_auth("noor", Some(&password)).send().await.unwrap().status(), 401);
    let reader = client.get(&refs).basic_auth("remy", Some(&password)).send().await.unwrap();
    assert_eq!(reader.status(), 403);
    assert_eq!(reader.text().await.unwrap(), format!("Permission to {REPO}.git denied to remy."));
}
