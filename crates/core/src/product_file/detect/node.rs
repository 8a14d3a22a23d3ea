//! JavaScript and TypeScript: npm's manifest and the lock files of npm, yarn and pnpm.

use serde_json::Value;

use super::{Detected, Folder};
use crate::product_file::Build;

/// What `npm init` writes where a project has no tests.
const PLACEHOLDER: &str = "no test specified";

pub(super) fn detect(folder: &Folder<'_>) -> Option<Detected> {
    let manifest: Value = serde_json::from_str(&folder.text("package.json")?).ok()?;
    let script = |name: &str| manifest.pointer(&format!("/scripts/{name}")).and_then(Value::as_str);
    let mut notes = vec!["JavaScript or TypeScript, from `package.json`".to_owned()];
    let (manager, install) = manager(folder);
    // Scripts of packages are foreign code that no test of ours needs.
    let setup = vec![install.to_owned()];
    let test = match script("test") {
        Some(test) if !test.contains(PLACEHOLDER) => format!("{manager} test"),
        _ => {
            notes.push("it has no script `test`, so Node's own runner is proposed".to_owned());
            "node --test".to_owned()
        }
    };
    let lint = script("lint").map(|_| format!("{manager} run lint")).into_iter().collect();
    let needs = ["dependencies", "devDependencies"]
        .iter()
        .any(|key| manifest.get(key).and_then(Value::as_object).is_some_and(|it| !it.is_empty()));
    let setup = if needs { setup } else { Vec::new() };
    Some(Detected { build: Build { setup, test: vec![test], lint, ..Build::default() }, notes })
}

/// The package manager and its command to install what the lock file names.
fn manager(folder: &Folder<'_>) -> (&'static str, &'static str) {
    match () {
        () if folder.has("package-lock.json") || folder.has("npm-shrinkwrap.json") => {
            ("npm", "npm ci --ignore-scripts --no-audit --no-fund")
        }
        () if folder.has("pnpm-lock.yaml") => ("pnpm", "pnpm install --frozen-lockfile --ignore-scripts"),
        () if folder.has("yarn.lock") => ("yarn", "yarn install --frozen-lockfile --ignore-scripts"),
        () => ("npm", "npm install --ignore-scripts --no-audit --no-fund"),
    }
}
