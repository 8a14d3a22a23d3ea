//! PHP: Composer's manifest and lock file.

use serde_json::Value;

use super::{Declared, declare, json};

pub(super) fn manifest(text: &str) -> Result<Declared, String> {
    let root = json(text)?;
    let mut declared = Declared::new();
    for group in ["require", "require-dev"].iter().filter_map(|key| root.get(*key)) {
        for (name, version) in group.as_object().ok_or("its requirements are no object")? {
            declare(&mut declared, name, version.as_str().ok_or("a version is no text")?);
        }
    }
    if let Some(repositories) = root.get("repositories") {
        declare(&mut declared, "repositories", repositories.to_string());
    }
    Ok(declared)
}

pub(super) fn lock(text: &str) -> Result<Declared, String> {
    let root = json(text)?;
    let mut declared = Declared::new();
    for group in ["packages", "packages-dev"].iter().filter_map(|key| root.get(*key)) {
        for package in group.as_array().ok_or("its packages are no list")? {
            let text = |key| package.get(key).and_then(Value::as_str);
            let reference =
                package.pointer("/dist/reference").or_else(|| package.pointer("/source/reference"));
            let name = text("name").ok_or("a package has no name")?;
            let version = text("version").ok_or("a package has no version")?;
            // A branch is a version that moves: then the commit tells.
            let commit = reference.and_then(Value::as_str).filter(|_| version.contains("dev"));
            declare(&mut declared, name, commit.map_or(version.to_owned(), |at| format!("{version} ({at})")));
        }
    }
    Ok(declared)
}
