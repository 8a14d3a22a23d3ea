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
        Some(test) if !test.contains(PLACEHOLDER) => {
            let hooks = [script("pretest"), script("posttest")];
            without_style(manager, test, hooks, &mut notes).unwrap_or_else(|| vec![format!("{manager} test")])
        }
        _ => {
            notes.push("it has no script `test`, so Node's own runner is proposed".to_owned());
            vec!["node --test".to_owned()]
        }
    };
    let lint = script("lint").map(|_| format!("{manager} run lint")).into_iter().collect();
    let needs = ["dependencies", "devDependencies"]
        .iter()
        .any(|key| manifest.get(key).and_then(Value::as_object).is_some_and(|it| !it.is_empty()));
    let setup = if needs { setup } else { Vec::new() };
    Some(Detected { build: Build { setup, test, lint, ..Build::default() }, notes })
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

/// The steps of npm's `pretest`, `test` and `posttest` as lines of their own, without those that check the style or ask
/// a registry: the first says nothing of the tests, the second cannot be done in the sandbox. `None` where all of them
/// can stay.
fn without_style(
    manager: &str,
    test: &str,
    [before, after]: [Option<&str>; 2],
    notes: &mut Vec<String>,
) -> Option<Vec<String>> {
    // Other managers run no hooks, and `exec` of theirs means something else.
    if manager != "npm" {
        return None;
    }
    let steps = [before, Some(test), after].into_iter().flatten().flat_map(|script| script.split(" && "));
    let (left_out, kept): (Vec<&str>, Vec<&str>) = steps.map(str::trim).partition(|step| is_left_out(step));
    if left_out.is_empty() || kept.is_empty() {
        return None;
    }
    notes.push(format!(
        "left out of its tests, as style or a question to a registry: `{}`",
        left_out.join("`, `")
    ));
    let line = |step: &&str| match step.starts_with("npm ") {
        true => (*step).to_owned(),
        false => format!("npm exec -c '{}'", step.replace('\'', "'\\''")),
    };
    Some(kept.iter().map(line).collect())
}

/// Whether a step of a script checks the style, or asks a registry.
fn is_left_out(step: &str) -> bool {
    let mut words = step.split_whitespace();
    let style = |word: &str| {
        let name = word.split(':').next().unwrap_or(word);
        matches!(name, "lint" | "eslint" | "standard" | "prettier" | "format" | "prettier-check")
    };
    match words.next() {
        Some("npm" | "npx") if step.contains("audit") => true,
        Some("npm") => {
            let rest = words.find(|word| !matches!(*word, "run" | "run-script") && !word.starts_with('-'));
            rest.is_some_and(style)
        }
        Some(first) => style(first),
        None => true,
    }
}
