//! Pushes that GitHub declines: git shows GitHub's lines, and the workspace knows the cause.

use std::{path::PathBuf, process::Command};

use aspora::{
    core::sha::Sha,
    dev::github::{BOT, Enforcement, RequiredCheck, Rules, TokenKind},
    workspace::{
        Cause, Config, Credentials, Error, FileEdit, Mirror, NewCommit, Push, Remote, Signature, Workspaces,
    },
};
use chrono::DateTime;

use super::{REPO, World};

/// A mirror of the twin's repository, and the head of its `main`.
struct Pusher {
    mirror: Mirror,
    main: Sha,
    _root: tempfile::TempDir,
}

impl Pusher {
    async fn new(world: &World) -> Self {
        Self::with(world, &world.token).await
    }

    /// One that pushes with this token.
    async fn with(world: &World, token: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let config = Config {
            root: root.path().to_owned(),
            remote: Remote::Url(world.twin.url()),
            credentials: Credentials::Token(token.to_owned().into()),
            author: Signature { name: BOT.to_owned(), email: "bot@aspora.ai".to_owned() },
        };
        let mirror = Workspaces::new(config).unwrap().mirror(&REPO.parse().unwrap());
        mirror.fetch().await.unwrap();
        let main = mirror.branch("main").await.unwrap().unwrap();
        Self { mirror, main, _root: root }
    }

    async fn commit(&self, path: &str, content: &[u8]) -> Sha {
        let files = vec![FileEdit { path: path.parse().unwrap(), content: Some(content.to_vec()) }];
        let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let new = NewCommit { parent: self.main.clone(), files, message: "feat: Add it".to_owned(), at };
        self.mirror.commit(&new).await.unwrap()
    }

    /// Pushes a new file to a branch; the cause and the sentence if it is declined.
    async fn push(&self, branch: &str, path: &str, content: &[u8]) -> Result<Push, (Cause, String)> {
        let (sha, expected) = (self.commit(path, content).await, (branch == "main").then_some(&self.main));
        match self.mirror.push(branch, &sha, expected).await {
            Ok(push) => Ok(push),
            Err(error @ Error::Declined(_)) => {
                let text = error.to_string();
                let Error::Declined(declined) = error else { unreachable!() };
                Err((declined.cause, text))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// What git prints when it pushes these references.
    fn git_push(&self, world: &World, refs: &[&str]) -> String {
        let url =
            world.twin.git_url(REPO).replace("http://", &format!("http://x-access-token:{}@", world.token));
        let dir: PathBuf = self.mirror.path().to_owned();
        let mut command = Command::new("git");
        command.arg("-C").arg(dir).args(["push", &url]).args(refs);
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(!output.status.success(), "the push was taken");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn through_pull_requests() -> Rules {
    Rules { pull_request: true, ..Rules::default() }
}

// Git runs while this thread waits for it, so the twin needs another one.
#[tokio::test(flavor = "multi_thread")]
async fn git_shows_githubs_lines_of_a_declined_push() {
    let world = World::new().await;
    let pusher = Pusher::new(&world).await;
    let sha = pusher.commit("a.txt", b"a\n").await;
    world.twin.protect(REPO, "main", through_pull_requests()).unwrap();
    world.twin.add_ruleset(REPO, "topic", Enforcement::Active, Rules::default()).unwrap();
    let shown = pusher.git_push(&world, &[&format!("{sha}:refs/heads/main")]);
    for line in [
        "remote: error: GH006: Protected branch update failed for refs/heads/main.",
        "remote: - Changes must be made through a pull request.",
        "-> main (protected branch hook declined)",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    let shown = pusher.git_push(&world, &["--force", &format!("{sha}:refs/heads/topic")]);
    for line in [
        "remote: error: GH013: Repository rule violations found for refs/heads/topic.",
        "remote: - Cannot force-push to this branch",
        "-> topic (push declined due to repository rule violations)",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    let shown = pusher.git_push(&world, &["--delete", "topic"]);
    assert!(shown.contains("- Cannot delete this branch"), "{shown}");
    assert_eq!(world.twin.branch(REPO, "topic").await.unwrap(), Some(world.head));
    assert_eq!(world.twin.branch(REPO, "main").await.unwrap().as_deref(), Some(pusher.main.as_str()));
}

#[tokio::test]
async fn a_push_to_a_protected_branch_is_declined_for_good_unless_we_may_bypass() {
    let world = World::new().await;
    let pusher = Pusher::new(&world).await;
    let checks = Rules { checks: vec![RequiredCheck::any("ci")], ..Rules::default() };
    let signed = Rules { signatures: true, ..Rules::default() };
    for (rules, reason) in [
        (through_pull_requests(), "Changes must be made through a pull request."),
        (checks, "Required status check \"ci\" is expected."),
        (signed, "Commits must have verified signatures."),
    ] {
        world.twin.protect(REPO, "main", rules).unwrap();
        let (cause, text) = pusher.push("main", "a.txt", b"a\n").await.unwrap_err();
        assert!(cause == Cause::Rules && text.contains(reason), "{text}");
    }
    let rules = Rules { bypass: vec![BOT.to_owned()], ..through_pull_requests() };
    world.twin.protect(REPO, "main", rules).unwrap();
    assert_eq!(pusher.push("main", "a.txt", b"a\n").await, Ok(Push::Done));
}

#[tokio::test]
async fn a_rule_for_many_branches_holds_for_each() {
    let world = World::new().await;
    let pusher = Pusher::new(&world).await;
    world.twin.add_ruleset(REPO, "aspora/**", Enforcement::Active, through_pull_requests()).unwrap();
    let (cause, text) = pusher.push("aspora/wealth/1", "a.txt", b"a\n").await.unwrap_err();
    assert!(cause == Cause::Rules && text.contains("through a pull request"), "{text}");
    assert_eq!(pusher.push("elsewhere", "a.txt", b"a\n").await, Ok(Push::Done));
}

#[tokio::test]
async fn a_secret_is_declined_with_its_kind_and_line() {
    let world = World::new().await;
    let pusher = Pusher::new(&world).await;
    let text = format!("a = 1\nKEY = \"ghp_{}\"\n", "a1B2".repeat(9));
    let (cause, said) = pusher.push("work", "lib/key.py", text.as_bytes()).await.unwrap_err();
    let found = vec!["GitHub Personal Access Token in lib/key.py:2".to_owned()];
    assert_eq!(cause, Cause::Secret { found });
    assert!(!said.contains("ghp_"), "{said}");
    assert_eq!(world.twin.branch(REPO, "work").await.unwrap(), None);
}

#[tokio::test]
async fn a_file_over_100_mib_is_declined_and_one_over_50_is_taken() {
    let world = World::new().await;
    let pusher = Pusher::new(&world).await;
    let (cause, said) = pusher.push("large", "big.bin", &vec![0; 101 << 20]).await.unwrap_err();
    assert_eq!(cause, Cause::TooLarge);
    assert!(
        said.contains("File big.bin is 101.00 MB; this exceeds GitHub's file size limit of 100.00 MB"),
        "{said}"
    );
    assert_eq!(pusher.push("warned", "big.bin", &vec![0; 51 << 20]).await, Ok(Push::Done));
}

#[tokio::test]
async fn a_branch_in_the_way_is_named() {
    let world = World::new().await;
    world.twin.push_as("ada", REPO, "aspora", &[("a.txt", b"a\n")]).await.unwrap();
    let pusher = Pusher::new(&world).await;
    let (cause, said) = pusher.push("aspora/wealth/1", "b.txt", b"b\n").await.unwrap_err();
    assert_eq!(cause, Cause::InTheWay { branch: "aspora".to_owned() });
    assert!(said.contains("Rename or delete `aspora`"), "{said}");
}

#[tokio::test]
async fn a_workflow_file_needs_a_permission_of_its_own() {
    let world = World::new().await;
    world.twin.set_permission(REPO, "lin", "write").unwrap();
    let classic = |scopes: &[&str]| TokenKind::Classic {
        login: "lin".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    let path = ".github/workflows/x.yml";
    for (kind, words) in [
        (
            TokenKind::Actions { repository: REPO.to_owned(), permissions: None },
            "a GitHub App to create or update workflow",
        ),
        (classic(&["repo"]), "a Personal Access Token to create or update workflow"),
    ] {
        let pusher = Pusher::with(&world, &world.twin.issue_token(kind).unwrap()).await;
        let (cause, said) = pusher.push("work", path, b"on: push\n").await.unwrap_err();
        assert_eq!(cause, Cause::Workflow { path: path.to_owned() });
        assert!(said.contains(words), "{said}");
        assert_eq!(world.twin.branch(REPO, "work").await.unwrap(), None);
    }
    let token = world.twin.issue_token(classic(&["repo", "workflow"])).unwrap();
    let pusher = Pusher::with(&world, &token).await;
    assert_eq!(pusher.push("work", path, b"on: push\n").await, Ok(Push::Done));
}
