//! What is done with mirrors that nothing needs any more.

use std::time::Duration;

use super::World;

#[tokio::test]
async fn mirrors_that_nothing_needs_are_removed_once_they_are_old() {
    let world = World::new();
    let mirror = world.mirror();
    mirror.fetch().await.unwrap();
    let (workspaces, name) = (world.workspaces(), "Acme/Wealth".parse().unwrap());
    let week = Duration::from_secs(7 * 24 * 3600);
    assert_eq!(workspaces.sweep(&[], week).await.unwrap(), 0, "it was fetched a moment ago");
    let kept = workspaces.sweep(std::slice::from_ref(&name), Duration::ZERO).await.unwrap();
    assert_eq!((kept, mirror.path().exists()), (0, true));
    assert_eq!(workspaces.sweep(&[], Duration::ZERO).await.unwrap(), 1);
    assert!(!mirror.path().exists());
    mirror.fetch().await.unwrap();
}
