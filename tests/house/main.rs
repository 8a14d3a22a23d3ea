//! The house itself: its layers, its words, its sizes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod layers;
mod sizes;
mod words;

use std::{fs, path::Path};

/// The Rust files below a folder of the project: their paths below it, and their texts.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut found, mut todo) = (Vec::new(), vec![root.clone()]);
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((name(&path, &root), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

fn name(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap().display().to_string()
}

/// A text file of the project.
fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {name}: {error}"))
}
