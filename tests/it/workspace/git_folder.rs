//! The history that tests see: the commits and tags up to a head, and nothing else of the mirror.

use std::process::Output;

use aspora::workspace::{Commands, GitFolder, Limits, Prepared, Recipe, TestRun};

use super::*;

/// `main` has two commits after the tag `v1`, `secret` one that nothing of `main` reaches.
struct Past {
    world: World,
    mirror: Mirror,
    head: Sha,
    secret: Sha,
}

impl Past {
    async fn new() -> Self {
        Self::of(World::new()).await
    }

    async fn of(world: World) -> Self {
        let first = world.publish("main");
        world.tag(&["-a", "v1", "-m", "the first"], &first);
        world.write("README.md", "second\n");
        world.publish("main");
        world.write("secret", "of another run\n");
        let secret = world.publish("secret");
        world.tag(&["hidden"], &secret);
        git(&world.people(), &["reset", "-q", "--hard", "HEAD~1"]);
        world.write("README.md", "third\n");
        git(&world.people(), &["add", "-A"]);
        git(&world.people(), &["update-index", "--add", "--cacheinfo", &format!("160000,{first},sub")]);
        git(&world.people(), &["commit", "-q", "-m", "a submodule"]);
        git(&world.people(), &["push", "-q", world.remote().to_str().unwrap(), "HEAD:refs/heads/main"]);
        let mirror = world.mirror();
        mirror.fetch().await.unwrap();
        mirror.fetch_tags().await.unwrap();
        let head = mirror.branch("main").await.unwrap().unwrap();
        Self { world, mirror, head, secret }
    }

    /// Runs lines on the head, with its history where that is asked for.
    async fn run(&self, recipe: Recipe, with_history: bool, lines: &[&str]) -> TestRun {
        let worktree = self.mirror.worktree(&self.head).await.unwrap();
        let git_folder = worktree.git_folder().await.unwrap();
        let recipe = recipe.with_git_folder(with_history.then_some(&git_folder));
        let sandbox = crate::support::sandbox().await.unwrap();
        let layer = match sandbox.prepare(worktree.path(), &recipe).await.unwrap() {
            Prepared::Ready(layer) => layer,
            Prepared::Failed(run) => panic!("{}", run.output),
        };
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        let before = state(git_folder.path());
        let run = sandbox.test(worktree.path(), &recipe, layer.as_ref(), Commands::Lines(&lines)).await;
        assert_eq!(state(git_folder.path()), before, "what a test writes stays in the sandbox");
        run.unwrap()
    }

    async fn passes(&self, lines: &[&str]) {
        let run = self.run(Recipe::default(), true, lines).await;
        assert!(run.passed, "{}", run.output);
    }
}

impl World {
    fn tag(&self, args: &[&str], at: &Sha) {
        git(&self.people(), &[&["tag", "--force"], args, &[at.as_str()]].concat());
        git(
            &self.people(),
            &["push", "-q", "--force", self.remote().to_str().unwrap(), "refs/tags/*:refs/tags/*"],
        );
    }
}

/// Every file below a folder with its length, and what its references are.
fn state(folder: &Path) -> String {
    let output =
        Command::new("find").arg(folder).args(["-type", "f", "-printf", "%p %s %T@\n"]).output().unwrap();
    let Output { stdout, .. } = Command::new("git").arg("-C").arg(folder).arg("show-ref").output().unwrap();
    String::from_utf8([output.stdout, stdout].concat()).unwrap()
}

#[tokio::test]
async fn tests_see_the_commits_and_the_tags_up_to_the_head() {
    let past = Past::new().await;
    let said = format!("v1-2-g{}", &past.head.as_str()[..7]);
    let is_head = format!("test \"$(git rev-parse HEAD)\" = {}", past.head);
    past.passes(&[
        &format!("test \"$(git describe --tags --dirty)\" = {said}"),
        "test \"$(git log --oneline | wc -l)\" = 4",
        "git log -1 --format=%s v1 && test \"$(git cat-file -t v1)\" = tag",
        &is_head,
        "git cat-file -p HEAD:README.md | grep third && git fsck --full --strict",
        // It is what a person's own checkout of the commit would have, a submodule and a link to the outside included.
        "git diff-index --quiet HEAD && test -z \"$(git status --porcelain --untracked-files=all)\"",
        "echo x >>README.md && ! git diff --quiet && git describe --dirty | grep dirty",
    ])
    .await;
}

#[tokio::test]
async fn nothing_else_of_the_mirror_is_there() {
    let past = Past::new().await;
    let no_secret = format!("! git cat-file -e {} 2>&1", past.secret);
    let no_file = "! git cat-file -e \"$(echo of another run | git hash-object --stdin)\" 2>&1";
    past.passes(&[
        "test \"$(git tag)\" = v1",
        "test \"$(git for-each-ref | wc -l)\" = 1 && test -z \"$(git remote)\"",
        &no_secret,
        no_file,
        "test ! -e .git/objects/info/alternates && test ! -e .git/logs && test ! -e .git/hooks",
        "test \"$(git config --list --local | sort | tr '\\n' ' ')\" = \
         'core.bare=false core.filemode=true core.repositoryformatversion=0 '",
        "! grep -rI aspora .git",
    ])
    .await;
}

#[tokio::test]
async fn what_a_test_does_to_its_history_reaches_nothing() {
    let past = Past::new().await;
    let before = state(past.mirror.path());
    past.passes(&[
        "git config user.name x && git config user.email x@example.com",
        "git commit -q --allow-empty -m mine && git tag mine && git branch mine",
        "git tag -d v1 && git gc -q --prune=now && rm -rf .git/objects",
    ])
    .await;
    assert_eq!(state(past.mirror.path()), before);
    past.passes(&["test \"$(git tag)\" = v1"]).await;
}

#[tokio::test]
async fn without_a_history_version_plugins_read_variables_and_set_up_always_does() {
    let past = Past::new().await;
    let versions =
        "test \"$SETUPTOOLS_SCM_PRETEND_VERSION$PBR_VERSION$PDM_BUILD_SCM_VERSION\" = 0.0.00.0.00.0.0";
    let none = "test -z \"$SETUPTOOLS_SCM_PRETEND_VERSION$PBR_VERSION$PDM_BUILD_SCM_VERSION\"";
    let plain =
        past.run(Recipe::default(), false, &[versions, "test ! -e .git && test ! -e /product/.git"]).await;
    assert!(plain.passed, "{}", plain.output);
    let setup = ["test ! -e .git", versions, "echo ready >/deps/ready"].map(str::to_owned).to_vec();
    let recipe = Recipe { setup, ..Recipe::default() };
    let seen = past.run(recipe, true, &[none, "cat /deps/ready", "test -d .git"]).await;
    assert!(seen.passed, "{}", seen.output);
}

#[tokio::test]
async fn what_a_change_plants_for_git_does_nothing() {
    let world = World::new();
    let marker = world.directory.path().join("marker");
    let touch = format!("touch {} /tmp/marker", marker.display());
    world.write(".gitattributes", "* filter=evil diff=evil text ident\n");
    let config = format!(
        "[core]\n fsmonitor = {touch}\n hooksPath = hooks\n pager = {touch}\n[filter \"evil\"]\n clean = {touch}\n \
         smudge = {touch}\n required\n[diff \"evil\"]\n textconv = {touch}\n"
    );
    for path in [".gitconfig", "config", "gitconfig/config", "info/attributes"] {
        world.write(path, &config);
    }
    let modules = "[submodule \"sub\"]\n path = sub\n url = ext::sh -c touch% /tmp/marker\n";
    world.write(".gitmodules", modules);
    for hook in ["post-checkout", "post-index-change", "pre-commit", "reference-transaction"] {
        world.write(&format!("hooks/{hook}"), &format!("#!/bin/sh\n{touch}\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(world.people().join("hooks").join(hook), mode).unwrap();
    }
    world.write("git", "#!/bin/sh\ntouch /tmp/marker\n");
    fs::set_permissions(world.people().join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let past = Past::of(world).await;
    // The worst case: an attacker controls the configuration of the mirror itself.
    for key in ["core.fsmonitor", "uploadpack.packObjectsHook", "filter.evil.clean", "core.sshCommand"] {
        git(past.mirror.path(), &["config", key, &touch]);
    }
    past.passes(&[
        "test ! -e /tmp/marker && ! git config --list | grep touch",
        "git status --porcelain && git diff HEAD~1 >/dev/null && git describe --tags --dirty",
        "test ! -e /tmp/marker",
    ])
    .await;
    assert!(!marker.exists(), "something of the repository was run on this machine");
}

#[tokio::test]
async fn a_history_that_is_too_large_says_its_size_the_limit_and_what_to_do() {
    let past = Past::new().await;
    let refused = past.mirror.git_folder(&past.head, 100).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
    let (said, short) = (refused.to_string(), past.head.short());
    let begin =
        format!("tests cannot run here: the product file asks for the history of {short}, which has ");
    assert!(said.starts_with(&begin), "{said}");
    let end = " bytes of objects; the limit is 100 bytes: take `history` out of the product file";
    assert!(said.ends_with(end), "{said}");
    assert!(past.mirror.git_folder(&past.head, GitFolder::LIMIT).await.is_ok());
}

#[tokio::test]
async fn a_history_counts_beside_what_the_tests_themselves_may_write() {
    let world = World::new();
    let noise: String =
        (0..200_000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    world.write("noise", &noise);
    world.publish("main");
    fs::remove_file(world.people().join("noise")).unwrap();
    let past = Past::of(world).await;
    let limits = Limits { disk: 1 << 20, ..Limits::default() };
    let run = past.run(Recipe { limits, ..Recipe::default() }, true, &["git log -1 --format=%s"]).await;
    assert!(run.passed, "{}", run.output);
}

#[tokio::test]
async fn tags_are_as_the_remote_has_them_now() {
    let past = Past::new().await;
    git(&past.world.remote(), &["update-ref", "-d", "refs/tags/v1"]);
    past.world.tag(&["v2"], &past.head);
    git(&past.world.remote(), &["update-ref", "-d", "refs/tags/v1"]);
    past.mirror.fetch().await.unwrap();
    past.passes(&["test \"$(git tag)\" = v1"]).await;
    past.mirror.fetch_tags().await.unwrap();
    past.passes(&["test \"$(git describe --tags)\" = v2 && test \"$(git tag)\" = v2"]).await;
    assert_eq!(past.mirror.branch("main").await.unwrap(), Some(past.head), "branches are left alone");
}

#[tokio::test]
async fn a_shallow_clone_has_no_history_to_give() {
    let past = Past::new().await;
    let from = format!("file://{}", past.world.remote().display());
    git(past.world.directory.path(), &["clone", "-q", "--bare", "--depth", "1", &from, "shallow.git"]);
    let shallow = Mirror::at(past.world.directory.path().join("shallow.git"));
    let refused = shallow.git_folder(&past.head, GitFolder::LIMIT).await.unwrap_err().to_string();
    assert!(
        refused.ends_with("this is a shallow clone: fetch all of it with `git fetch --unshallow`"),
        "{refused}"
    );
}
