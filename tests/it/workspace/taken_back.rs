//! Taking a merge back: which commit it rests on, and what changes.

use aspora::workspace::TakenBack;

use super::*;

/// Commits everything with this message; the commit.
fn commit(world: &World, message: &str) -> Sha {
    let people = world.people();
    git(&people, &["add", "-A"]);
    git(&people, &["commit", "-q", "-m", message]);
    git(&people, &["rev-parse", "HEAD"]).parse().unwrap()
}

/// A branch `topic` with two commits on `main`; its head, and where it forked.
fn two_commits(world: &World) -> (Sha, Sha) {
    let people = world.people();
    let fork = git(&people, &["rev-parse", "HEAD"]).parse().unwrap();
    git(&people, &["checkout", "-q", "-b", "topic"]);
    world.write("one.md", "1\n");
    commit(world, "docs: One");
    world.write("README.md", "hello\ntwo\n");
    (commit(world, "docs: Two"), fork)
}

/// The mirror, with everything that people have pushed.
async fn pushed(world: &World) -> Mirror {
    git(&world.people(), &["push", "-q", "--force", "--all", world.remote().to_str().unwrap()]);
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    mirror
}

#[tokio::test]
async fn what_a_merge_rests_on_is_known_for_each_method() {
    for method in ["merge", "squash", "rebase"] {
        let world = World::new();
        let people = world.people();
        let (head, _) = two_commits(&world);
        git(&people, &["checkout", "-q", "main"]);
        world.write("other.md", "of the base\n");
        let before = commit(&world, "docs: Three");
        match method {
            "merge" => drop(git(&people, &["merge", "-q", "--no-ff", "--no-edit", "topic"])),
            "squash" => {
                git(&people, &["merge", "-q", "--squash", "topic"]);
                commit(&world, "docs: One and two (#1)");
            }
            _ => drop(git(&people, &["cherry-pick", "topic~1", "topic"])),
        }
        let merged: Sha = git(&people, &["rev-parse", "HEAD"]).parse().unwrap();
        let mirror = pushed(&world).await;
        assert_eq!(mirror.before_merge(&merged, &head).await.unwrap(), before, "{method}");
        let TakenBack::Changes(files) = mirror.taken_back(&merged, &before, &merged).await.unwrap() else {
            panic!("{method} is not taken back");
        };
        let paths: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.after.as_deref())).collect();
        assert_eq!(paths, [("README.md", Some("hello\n")), ("one.md", None)], "{method}");
    }
}

#[tokio::test]
async fn a_rebase_with_other_commits_than_the_pull_request_is_refused() {
    let world = World::new();
    let people = world.people();
    let (head, _) = two_commits(&world);
    git(&people, &["checkout", "-q", "main"]);
    world.write("other.md", "of the base\n");
    commit(&world, "docs: Three");
    git(&people, &["cherry-pick", "topic"]);
    let merged: Sha = git(&people, &["rev-parse", "HEAD"]).parse().unwrap();
    let mirror = pushed(&world).await;
    let error = mirror.before_merge(&merged, &head).await.unwrap_err().to_string();
    assert!(error.contains("it is not known how many belong to it"), "{error}");
}

#[tokio::test]
async fn what_changed_since_stays_conflicts_are_named_and_what_is_gone_is_nothing() {
    let world = World::new();
    let people = world.people();
    let before: Sha = git(&people, &["rev-parse", "HEAD"]).parse().unwrap();
    world.write("README.md", "hello\nnew\n");
    let merged = commit(&world, "docs: New");
    world.write("later.md", "later\n");
    let later = commit(&world, "docs: Later");
    world.write("README.md", "hello\nnewer\n");
    let touched = commit(&world, "docs: Newer");
    world.write("README.md", "hello\n");
    let undone = commit(&world, "docs: Undo");
    let mirror = pushed(&world).await;
    let taken = async |onto: &Sha| mirror.taken_back(&merged, &before, onto).await.unwrap();
    let TakenBack::Changes(files) = taken(&later).await else { panic!("nothing is taken back") };
    let texts: Vec<_> =
        files.iter().map(|it| (it.path.as_str(), it.before.as_deref(), it.after.as_deref())).collect();
    assert_eq!(texts, [("README.md", Some("hello\nnew\n"), Some("hello\n"))]);
    assert_eq!(taken(&touched).await, TakenBack::Conflict(vec!["README.md".to_owned()]));
    assert_eq!(taken(&undone).await, TakenBack::Nothing);
}

#[tokio::test]
async fn what_cannot_be_written_as_text_is_refused_with_the_path() {
    let world = World::new();
    let people = world.people();
    fs::write(people.join("picture.png"), [0x89, 0xff, 0x00]).unwrap();
    let before = commit(&world, "docs: A picture");
    fs::remove_file(people.join("picture.png")).unwrap();
    let merged = commit(&world, "docs: No picture");
    fs::set_permissions(people.join("README.md"), fs::Permissions::from_mode(0o755)).unwrap();
    let mode = commit(&world, "docs: A mode");
    let mirror = pushed(&world).await;
    let error = mirror.taken_back(&merged, &before, &merged).await.unwrap_err().to_string();
    assert!(error.contains("picture.png") && error.contains("revert the merge by hand"), "{error}");
    let error = mirror.taken_back(&mode, &merged, &mode).await.unwrap_err().to_string();
    assert!(error.contains("README.md") && error.contains("its mode changes"), "{error}");
}
