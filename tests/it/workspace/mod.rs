//! The workspace on real git repositories: ordinary, contended and hostile ones.

mod changes;
mod evidence;
mod git_folder;
mod names;
mod product;
mod sweep;
mod taken_back;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use aspora::{
    core::{change::ChangeKind, sha::Sha},
    dev::{
        ci::{CiJob, checks_of, product_ci},
        templates::{Template, new_product},
    },
    workspace::{
        Config, Credentials, Error, FileEdit, Merge, Mirror, NewCommit, Push, Remote, Signature, Workspaces,
    },
};
use chrono::{DateTime, Utc};
use tempfile::TempDir;

/// A remote with one repository, a clone in which people work, and the root of our mirrors.
struct World {
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        git(world.directory.path(), &["init", "-q", "--bare", "-b", "main", "remote/acme/wealth.git"]);
        git(world.directory.path(), &["init", "-q", "-b", "main", "people"]);
        world.write("README.md", "hello\n");
        world.write("app/run.sh", "#!/bin/sh\n");
        fs::set_permissions(world.people().join("app/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/etc", world.people().join("out")).unwrap();
        std::os::unix::fs::symlink("README.md", world.people().join("inside")).unwrap();
        world.publish("main");
        world
    }

    fn people(&self) -> PathBuf {
        self.directory.path().join("people")
    }

    fn remote(&self) -> PathBuf {
        self.directory.path().join("remote/acme/wealth.git")
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.people().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits everything and pushes it to a branch.
    fn publish(&self, branch: &str) -> Sha {
        git(&self.people(), &["add", "-A"]);
        git(&self.people(), &["commit", "-q", "--allow-empty", "-m", "people's work"]);
        let to = format!("HEAD:refs/heads/{branch}");
        git(&self.people(), &["push", "-q", "--force", self.remote().to_str().unwrap(), &to]);
        git(&self.people(), &["rev-parse", "HEAD"]).parse().unwrap()
    }

    fn workspaces(&self) -> Workspaces {
        let remote = Remote::Local(self.directory.path().join("remote"));
        workspaces(self.directory.path().join("root"), remote)
    }

    fn mirror(&self) -> Mirror {
        mirror(self.directory.path().join("root"), Remote::Local(self.directory.path().join("remote")))
    }
}

fn mirror(root: PathBuf, remote: Remote) -> Mirror {
    workspaces(root, remote).mirror(&"acme/wealth".parse().unwrap())
}

fn workspaces(root: PathBuf, remote: Remote) -> Workspaces {
    let author = Signature { name: "aspora-coding-agent[bot]".into(), email: "bot@aspora.ai".into() };
    let credentials = Credentials::Token("canary".to_owned().into());
    Workspaces::new(Config { root, remote, credentials, author }).unwrap()
}

fn git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Priya",
            "-c",
            "user.email=priya@example.com",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn edit(path: &str, content: Option<&str>) -> FileEdit {
    FileEdit { path: path.parse().unwrap(), content: content.map(|content| content.as_bytes().to_vec()) }
}

fn work(parent: &Sha, files: &[FileEdit]) -> NewCommit {
    let message = "feat: Add a thing\n\nWhy.\n\nAspora-Effect: commit-1\n".to_owned();
    NewCommit { parent: parent.clone(), files: files.to_vec(), message, at: at() }
}

#[tokio::test]
async fn a_mirror_reads_what_people_pushed() {
    let world = World::new();
    let mirror = world.mirror();
    assert_eq!(mirror.branch("main").await.unwrap(), None, "a mirror is empty before a fetch");
    mirror.fetch().await.unwrap();
    let head = mirror.branch("main").await.unwrap().unwrap();
    assert_eq!(mirror.remote_branch("main").await.unwrap(), Some(head.clone()));
    assert_eq!(mirror.remote_branch("none").await.unwrap(), None);
    let entries = mirror.list(&head).await.unwrap();
    let modes: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.mode, entry.size)).collect();
    assert_eq!(
        modes,
        [
            ("README.md", 0o100_644, 6),
            ("app/run.sh", 0o100_755, 10),
            ("inside", 0o120_000, 9),
            ("out", 0o120_000, 4)
        ]
    );
    let read = |path: &str| {
        let (mirror, head, path) = (mirror.clone(), head.clone(), path.parse().unwrap());
        async move { mirror.read(&head, &path).await.unwrap() }
    };
    assert_eq!(read("README.md").await.as_deref(), Some(&b"hello\n"[..]));
    for none in ["app", "out", "out/passwd", "none", "-r"] {
        assert_eq!(read(none).await, None, "{none}");
    }
    let next = world.publish("main");
    git(&world.remote(), &["update-ref", "-d", "refs/heads/main"]);
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.branch("main").await.unwrap(), None, "a deleted branch is pruned");
    assert!(matches!(mirror.list(&next).await, Err(Error::Missing(_))));
}

#[tokio::test]
async fn equal_commits_have_equal_shas() {
    let world = World::new();
    let (one, other) = (
        world.mirror(),
        mirror(world.directory.path().join("other"), Remote::Local(world.directory.path().join("remote"))),
    );
    one.fetch().await.unwrap();
    other.fetch().await.unwrap();
    let parent = one.branch("main").await.unwrap().unwrap();
    let files = [
        edit("new/file.py", Some("x = 1\r\n")),
        edit("app/run.sh", Some("#!/bin/sh\necho\n")),
        edit("README.md", None),
    ];
    let sha = one.commit(&work(&parent, &files)).await.unwrap();
    assert_eq!(one.commit(&work(&parent, &files)).await.unwrap(), sha);
    assert_eq!(other.commit(&work(&parent, &files)).await.unwrap(), sha, "also in another mirror");
    let entries = one.list(&sha).await.unwrap();
    let modes: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.mode)).collect();
    assert_eq!(
        modes,
        [("app/run.sh", 0o100_755), ("inside", 0o120_000), ("new/file.py", 0o100_644), ("out", 0o120_000)]
    );
    let content = one.read(&sha, &"new/file.py".parse().unwrap()).await.unwrap();
    assert_eq!(content.as_deref(), Some(&b"x = 1\r\n"[..]), "bytes are not converted");
    let [commit] = &one.commits(&parent, &sha).await.unwrap()[..] else { panic!("one commit") };
    assert_eq!((&commit.sha, &commit.parents[..]), (&sha, &[parent][..]));
    assert_eq!(
        (commit.author.name.as_str(), commit.committer.email.as_str()),
        ("aspora-coding-agent[bot]", "bot@aspora.ai")
    );
    assert_eq!(commit.trailers, [("Aspora-Effect".to_owned(), "commit-1".to_owned())]);
    assert!(commit.message.starts_with("feat: Add a thing\n\nWhy."));
}

#[tokio::test]
async fn an_edit_that_leaves_the_tree_is_refused() {
    let world = World::new();
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    let head = mirror.branch("main").await.unwrap().unwrap();
    for (files, reason) in [
        (vec![edit("out", Some("x"))], "symlink"),
        (vec![edit("out/passwd", Some("x"))], "`out` is not a directory"),
        (vec![edit("README.md/x", Some("x"))], "`README.md` is not a directory"),
        (vec![edit("app", Some("x"))], "it is a directory"),
        (vec![edit("none", None)], "does not exist"),
        (vec![edit("a", Some("1")), edit("a", Some("2"))], "twice"),
        (
            vec![edit("Readme.md", Some("x"))],
            "\"README.md\" where letter case or Unicode form does not count",
        ),
        (vec![edit("readme.md/x", Some("x"))], "\"README.md\" where letter case"),
    ] {
        let error = mirror.commit(&work(&head, &files)).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(reason), "{error}");
        assert!(!error.is_transient());
    }
    let error = mirror.commit(&work(&head, &[edit("README.md", Some("hello\n"))])).await.unwrap_err();
    assert!(matches!(error, Error::Unchanged), "{error}");
}

#[tokio::test]
async fn a_change_lists_every_path_and_marks_white_space() {
    let world = World::new();
    let base: Sha = git(&world.people(), &["rev-parse", "HEAD"]).parse().unwrap();
    world.write("README.md", "  hello \n\n");
    world.write("caf\u{e9}\n.py", "x\n");
    world.write(".gitattributes", "* -diff binary\n");
    fs::remove_file(world.people().join("out")).unwrap();
    world.write("out", "a file now\n");
    fs::rename(world.people().join("app/run.sh"), world.people().join("moved.sh")).unwrap();
    let head = world.publish("work");
    git(&world.people(), &["checkout", "-q", base.as_str()]);
    world.write("later.txt", "on main only\n");
    let main = world.publish("main");
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    let change = mirror.change(&main, &head).await.unwrap();
    let files: Vec<_> = change.files.iter().map(|file| (file.path.as_str(), file.kind, file.blank)).collect();
    assert_eq!(
        files,
        [
            (".gitattributes", ChangeKind::Added, false),
            ("README.md", ChangeKind::Modified, true),
            ("app/run.sh", ChangeKind::Deleted, false),
            ("caf\u{e9}\n.py", ChangeKind::Added, false),
            ("moved.sh", ChangeKind::Added, false),
            ("out", ChangeKind::Retyped, false),
        ]
    );
    let diff = mirror.diff(&main, &head).await.unwrap();
    assert!(
        !diff.cut && diff.text.contains("+  hello ") && !diff.text.contains("later.txt"),
        "{}",
        diff.text
    );
    assert_eq!(mirror.merge_base(&main, &head).await.unwrap(), Some(base.clone()));
    assert!(
        mirror.is_ancestor(&base, &head).await.unwrap() && !mirror.is_ancestor(&head, &main).await.unwrap()
    );
}

#[tokio::test]
async fn a_merge_gives_a_commit_or_its_conflicts() {
    let world = World::new();
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    let base = mirror.branch("main").await.unwrap().unwrap();
    let ours = mirror.commit(&work(&base, &[edit("README.md", Some("ours\n"))])).await.unwrap();
    let apart = mirror.commit(&work(&base, &[edit("other.txt", Some("theirs\n"))])).await.unwrap();
    let against = mirror.commit(&work(&base, &[edit("README.md", Some("theirs\n"))])).await.unwrap();
    let Merge::Made(merged) = mirror.merge(&ours, &apart, "Merge main", at()).await.unwrap() else {
        panic!("the two touch different files")
    };
    assert_eq!(mirror.merge(&ours, &apart, "Merge main", at()).await.unwrap(), Merge::Made(merged.clone()));
    assert!(
        mirror.is_ancestor(&ours, &merged).await.unwrap()
            && mirror.is_ancestor(&apart, &merged).await.unwrap()
    );
    assert_eq!(mirror.merge(&merged, &apart, "Again", at()).await.unwrap(), Merge::Made(merged));
    let conflict = mirror.merge(&ours, &against, "Merge", at()).await.unwrap();
    assert_eq!(conflict, Merge::Conflict(vec!["README.md".to_owned()]));
}

#[tokio::test]
async fn a_push_is_done_once_and_never_overwrites_other_commits() {
    let world = World::new();
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    let base = mirror.branch("main").await.unwrap().unwrap();
    let first = mirror.commit(&work(&base, &[edit("a", Some("1"))])).await.unwrap();
    let second = mirror.commit(&work(&first, &[edit("a", Some("2"))])).await.unwrap();
    let branch = "aspora/wealth/0198";
    assert_eq!(mirror.push(branch, &first, None).await.unwrap(), Push::Done);
    assert_eq!(
        mirror.push(branch, &first, None).await.unwrap(),
        Push::Done,
        "repeated, as after a lost answer"
    );
    assert_eq!(mirror.push(branch, &second, None).await.unwrap(), Push::Moved { now: Some(first.clone()) });
    assert_eq!(mirror.push(branch, &second, Some(&first)).await.unwrap(), Push::Done);
    assert_eq!(mirror.push(branch, &second, Some(&first)).await.unwrap(), Push::Done);
    let theirs = world.publish(branch);
    let third = mirror.commit(&work(&second, &[edit("a", Some("3"))])).await.unwrap();
    assert_eq!(mirror.push(branch, &third, Some(&second)).await.unwrap(), Push::Moved { now: Some(theirs) });
    git(&world.remote(), &["update-ref", "-d", &format!("refs/heads/{branch}")]);
    assert_eq!(mirror.push(branch, &third, Some(&second)).await.unwrap(), Push::Moved { now: None });
    let back = mirror.push(branch, &first, Some(&second)).await.unwrap_err();
    assert!(matches!(back, Error::Refused { .. }), "{back}");
}

#[tokio::test]
async fn concurrent_fetches_create_one_mirror() {
    let world = World::new();
    // Each has its own `Workspaces`, like a process.
    let fetches = (0..6).map(|_| {
        let mirror = world.mirror();
        tokio::spawn(async move { mirror.fetch().await })
    });
    for fetch in fetches.collect::<Vec<_>>() {
        fetch.await.unwrap().unwrap();
    }
    assert!(world.mirror().branch("main").await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_in_a_hostile_repository_runs() {
    let world = World::new();
    let marker = world.directory.path().join("marker");
    let touch = format!("touch {}", marker.display());
    world.write(
        ".gitattributes",
        "* filter=evil diff=evil merge=evil text eol=crlf ident\ntests/** export-ignore\n",
    );
    world.write(
        ".gitmodules",
        "[submodule \"sub\"]\npath = sub\nurl = ext::sh -c touch% marker\nignore = all\n",
    );
    world.write("tests/test_a.py", "# $Id$\n");
    let base = world.publish("main");
    world.write("README.md", "changed\n");
    git(&world.people(), &["update-index", "--add", "--cacheinfo", &format!("160000,{base},sub")]);
    let head = world.publish("work");
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    // The worst case: an attacker controls the configuration and the hooks of the mirror itself.
    for (key, value) in [
        ("filter.evil.smudge", &touch),
        ("filter.evil.clean", &touch),
        ("filter.evil.process", &touch),
        ("diff.evil.command", &touch),
        ("diff.evil.textconv", &touch),
        ("merge.evil.driver", &touch),
        ("core.fsmonitor", &touch),
        ("core.sshCommand", &touch),
        ("credential.helper", &format!("!{touch}")),
    ] {
        git(mirror.path(), &["config", key, value]);
    }
    fs::create_dir_all(mirror.path().join("hooks")).unwrap();
    for hook in ["reference-transaction", "pre-push", "post-checkout", "post-index-change", "pre-auto-gc"] {
        let path = mirror.path().join("hooks").join(hook);
        fs::write(&path, format!("#!/bin/sh\n{touch}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (what, args) in [
        ("a hook", &["update-ref", "refs/heads/x", base.as_str()][..]),
        ("a driver", &["--attr-source=main", "diff", base.as_str(), head.as_str()]),
    ] {
        // Its exit code does not matter: git fails because the driver does not speak its protocol.
        let _ = Command::new("git").args(args).current_dir(mirror.path()).output().unwrap();
        assert!(marker.exists(), "{what} runs under plain git, so this test is able to fail");
        fs::remove_file(&marker).unwrap();
    }

    mirror.fetch().await.unwrap();
    let change = mirror.change(&base, &head).await.unwrap();
    assert!(change.files.iter().any(|file| file.path == "README.md" && !file.blank));
    mirror.diff(&base, &head).await.unwrap();
    mirror.commits(&base, &head).await.unwrap();
    let ours = mirror.commit(&work(&base, &[edit("README.md", Some("ours\n"))])).await.unwrap();
    let merge = mirror.merge(&ours, &head, "Merge", at()).await.unwrap();
    assert!(matches!(merge, Merge::Conflict(_)), "{merge:?}");
    assert_eq!(mirror.push("aspora/wealth/1", &ours, None).await.unwrap(), Push::Done);
    let worktree = mirror.worktree(&head).await.unwrap();
    let read = |path: &str| fs::read_to_string(worktree.path().join(path)).unwrap();
    assert_eq!(read("tests/test_a.py"), "# $Id$\n", "no attribute hides or alters a file");
    assert_eq!(read("out"), "/etc", "a link that leads outside becomes a file");
    assert_eq!(read("inside"), "changed\n", "a link that stays inside remains a link");
    assert!(!worktree.path().join("sub").exists() && !worktree.path().join(".git").exists());
    assert!(!marker.exists(), "something in the repository ran");
    let place = worktree.path().to_owned();
    drop(worktree);
    assert!(!place.exists());
}

#[tokio::test]
async fn a_submodule_with_ignore_all_is_still_a_change() {
    let world = World::new();
    world
        .write(".gitmodules", "[submodule \"sub\"]\npath = sub\nurl = https://example.com/x\nignore = all\n");
    let base = world.publish("main");
    git(&world.people(), &["update-index", "--add", "--cacheinfo", &format!("160000,{base},sub")]);
    git(&world.people(), &["commit", "-q", "-m", "sub"]);
    git(&world.people(), &["push", "-q", world.remote().to_str().unwrap(), "HEAD:refs/heads/work"]);
    let head = git(&world.people(), &["rev-parse", "HEAD"]).parse().unwrap();
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    let change = mirror.change(&base, &head).await.unwrap();
    assert_eq!(change.files.len(), 1);
    assert_eq!((change.files[0].path.as_str(), change.files[0].new_mode), ("sub", 0o160_000));
    let refused = mirror.commit(&work(&head, &[edit("sub", Some("x"))])).await.unwrap_err();
    assert!(refused.to_string().contains("submodule"), "{refused}");
}

#[tokio::test]
async fn the_token_is_sent_to_the_server_and_stored_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in
            ["401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"canary\"", "503 Service Unavailable"]
        {
            let mut stream = listener.accept().unwrap().0;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            requests.push(String::from_utf8_lossy(&request).into_owned());
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
        requests
    });
    let root = tempfile::tempdir().unwrap();
    let mirror = mirror(root.path().to_owned(), Remote::Url(base));
    let error = mirror.fetch().await.unwrap_err();
    assert!(error.is_transient() && !error.to_string().contains("canary"), "{error}");
    let requests = server.join().unwrap();
    assert!(!requests[0].contains("Authorization"), "{}", requests[0]);
    assert!(requests[1].contains("Authorization: Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5"), "{}", requests[1]);
    assert!(requests[1].starts_with("GET /acme/wealth.git/info/refs"), "{}", requests[1]);
    let kept = Command::new("grep").args(["-r", "canary"]).arg(root.path()).output().unwrap();
    assert!(kept.stdout.is_empty(), "the token is in a file");
}
