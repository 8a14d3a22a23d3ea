//! Names that others give: our rules are git's own.

use aspora::core::branch;
use proptest::prelude::*;

use super::*;

/// Whether git takes this as the name of a branch.
fn is_good_to_git(name: &str) -> bool {
    let full = format!("refs/heads/{name}");
    let status = Command::new("git").args(["check-ref-format", &full]).status().unwrap();
    status.success() && !name.starts_with('-') && !matches!(name, "@" | "HEAD")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_branchs_name_is_allowed_exactly_where_git_allows_it(
        name in "([a-zä#@{}.~^:?*\\[/ \\\\-]|\\.lock|\\.\\.|@\\{|//|\u{1}|\u{7f}|中|🦀|HEAD){1,6}"
    ) {
        prop_assert_eq!(branch::fault(&name).is_none(), is_good_to_git(&name), "{:?}", name);
    }
}

#[tokio::test]
async fn odd_names_of_repositories_and_branches_are_fetched_and_pushed() {
    let world = World::new();
    for repository in ["acme/.github", "-acme-/-x", "acme/--upload-pack"] {
        let name = repository.parse().unwrap();
        let remote = world.directory.path().join("remote").join(format!("{repository}.git"));
        fs::create_dir_all(remote.parent().unwrap()).unwrap();
        let from = world.remote();
        git(
            world.directory.path(),
            &["clone", "-q", "--bare", from.to_str().unwrap(), remote.to_str().unwrap()],
        );
        let config = Config {
            root: world.directory.path().join("root"),
            remote: Remote::Local(world.directory.path().join("remote")),
            credentials: Credentials::None,
            author: Signature { name: "aspora".into(), email: "bot@aspora.ai".into() },
        };
        let mirror = Workspaces::new(config).unwrap().mirror(&name);
        mirror.fetch().await.unwrap();
        let base = mirror.branch("main").await.unwrap().unwrap();
        for branch in ["fix#1", "größe/中文", "100%", "a+b", "{a,b}", "(x)&y;z", "x@y", "a/-b"] {
            let commit = mirror.commit(&work(&base, &[edit("a", Some(branch))])).await.unwrap();
            assert_eq!(mirror.push(branch, &commit, None).await.unwrap(), Push::Done, "{branch}");
            assert_eq!(mirror.remote_branch(branch).await.unwrap().as_ref(), Some(&commit), "{branch}");
            mirror.fetch().await.unwrap();
            assert_eq!(mirror.branch(branch).await.unwrap(), Some(commit), "{branch}");
        }
    }
}
