//! What a head changes beyond its own listing: over several merge bases, by its merge, and by renames.

use aspora::core::policy::DIFF_LIMIT;

use super::*;

#[tokio::test]
async fn j8_a_change_lists_what_differs_from_any_merge_base() {
    let world = World::new();
    let people = world.people();
    git(&people, &["checkout", "-q", "-b", "topic"]);
    world.write("notes.md", "topic\n");
    let topic = world.publish("topic");
    git(&people, &["checkout", "-q", "main"]);
    world.write("README.md", "fixed\n");
    let fixed = world.publish("main");
    git(&people, &["merge", "-q", "--no-edit", topic.as_str()]);
    let main = world.publish("main");
    git(&people, &["checkout", "-q", "topic"]);
    git(&people, &["merge", "-q", "--no-edit", fixed.as_str()]);
    world.write("README.md", "hello\n");
    let head = world.publish("topic");
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.merge_bases(&main, &head).await.unwrap().len(), 2);
    let change = mirror.change(&main, &head).await.unwrap();
    assert!(change.files.iter().any(|file| file.path == "README.md"), "the fix is taken back: {change:?}");
}

#[tokio::test]
async fn j5_a_merge_shows_where_an_edit_lands_and_what_conflicts() {
    let world = World::new();
    let people = world.people();
    world.write("notes/guide.md", "1\n2\n3\n4\n5\n6\n7\n");
    let base = world.publish("main");
    world.write("notes/guide.md", "1\n2\n3\n4\n5\n6\nseven\n");
    let head = world.publish("topic");
    git(&people, &["checkout", "-q", base.as_str()]);
    fs::create_dir(people.join("core")).unwrap();
    git(&people, &["mv", "notes/guide.md", "core/guide.md"]);
    let main = world.publish("main");
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    let listed = mirror.change(&main, &head).await.unwrap();
    let preview = mirror.merge_preview(&main, &head, &listed).await.unwrap();
    let beyond: Vec<_> = preview.beyond.files.iter().map(|file| (file.path.as_str(), file.kind)).collect();
    assert_eq!(beyond, [("core/guide.md", ChangeKind::Modified)]);
    assert_eq!(preview.conflicts, Vec::<String>::new());
    let nothing = mirror.merge_preview(&base, &head, &listed).await.unwrap();
    assert_eq!(nothing.beyond.files, [], "a head that holds its base merges to itself");
    world.write("core/guide.md", "1\n2\n3\n4\n5\n6\nSEVEN\n");
    let against = world.publish("main");
    mirror.fetch().await.unwrap();
    let preview = mirror.merge_preview(&against, &head, &listed).await.unwrap();
    assert_eq!(preview.conflicts, ["core/guide.md"]);
}

#[tokio::test]
async fn renames_are_counted_once_and_a_diff_to_its_limit() {
    let world = World::new();
    world.write("one.md", "a\nb\nc\nd\ne\n");
    let base = world.publish("main");
    fs::rename(world.people().join("one.md"), world.people().join(":two.md")).unwrap();
    world.write("three.md", "new\n");
    let head = world.publish("topic");
    world.write("large.txt", &"0123456789\n".repeat(500_000));
    let large = world.publish("topic");
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.change(&base, &head).await.unwrap().files.len(), 3);
    assert_eq!(mirror.files_with_renames(&base, &head).await.unwrap(), 2);
    let bytes = mirror.diff_bytes(&base, &head).await.unwrap();
    assert!((100..1_000).contains(&bytes), "{bytes}");
    assert_eq!(mirror.diff_bytes(&base, &large).await.unwrap(), DIFF_LIMIT + 1);
}
