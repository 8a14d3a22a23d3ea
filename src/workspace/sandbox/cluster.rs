//! An empty Postgres cluster, as a layer: making one takes longer than many tests do, copying one does not.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use sha2::{Digest as _, Sha256};

use super::{
    inside::Inside,
    layers::{Held, Layer, Layers, Making},
    limits::Limits,
    recipe::Commands,
    runner::{Files, Job, Runner},
    stage::{READABLE, empty_deps},
    system::Mount,
};

/// Where tests find it.
pub(super) const PLACE: &str = "/run/aspora-postgres";

/// Makes a cluster with one database in `$D/data`, by the programs in `$B`.
pub(super) const MAKE: &str = r#"
"$B/initdb" -D "$D/data" -U sandbox --auth=trust --no-sync -E UTF8 --locale=C.UTF-8 &&
  echo 'create database sandbox' | "$B/postgres" --single -D "$D/data" -c fsync=off postgres
"#;

/// The layer with the cluster that these programs make; `None`, with a warning in the log, where it cannot be made: tests
/// then make their own.
pub(super) async fn empty(runner: &Runner, layers: &Layers, programs: &Path) -> Option<Layer> {
    let key = key(programs)?;
    loop {
        let making = match layers.hold(&key).await {
            Ok(Held::Ready(layer)) => return Some(layer),
            Ok(Held::ToMake(making)) => making,
            Err(error) => {
                tracing::warn!("no empty Postgres cluster is kept: {error}");
                return None;
            }
        };
        if let Err(reason) = make(runner, &making, programs).await {
            tracing::warn!("no empty Postgres cluster is kept: {reason}");
            making.give_up();
            return None;
        }
        let finished = tokio::task::spawn_blocking(|| making.finish()).await;
        if !finished.is_ok_and(|finished| finished.is_ok()) {
            return None;
        }
    }
}

/// What decides what is made: the programs as they are, and how they are called.
fn key(programs: &Path) -> Option<String> {
    let mut digest = Sha256::new();
    for name in ["initdb", "postgres"] {
        let data = fs::metadata(programs.join(name)).ok()?;
        digest.update(format!("{}/{name} {} {}\n", programs.display(), data.len(), data.mtime()));
    }
    digest.update(MAKE);
    Some(hex::encode(digest.finalize()))
}

async fn make(runner: &Runner, making: &Making, programs: &Path) -> Result<(), String> {
    let user = runner.user();
    let deps = empty_deps(&making.folder, user).map_err(|error| error.to_string())?;
    let mount = Mount { source: deps, target: "/deps".to_owned(), writable: true };
    let inside = Inside { mounts: vec![mount], folder: "/".to_owned(), ..Inside::default() };
    let lines = [format!("B={} D=/deps; {MAKE}", programs.display()), READABLE.to_owned()];
    let argv = Commands::Lines(&lines).argv();
    let job = Job { files: Files::None, inside, argv, user: Some(user), limits: Limits::default() };
    let run = runner.run(job).await.map_err(|error| error.to_string())?;
    if run.passed { Ok(()) } else { Err(run.output) }
}
