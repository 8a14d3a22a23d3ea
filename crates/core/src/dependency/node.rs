//! Node: `package.json`, and the lock files of npm, Yarn and pnpm.

use serde_json::{Map, Value};

use super::{Declared, declare, json};

/// The objects of a manifest that name dependencies; those of the last three may nest.
const OBJECTS: [&str; 6] = [
    "dependencies",
    "devDependencies",
    "peerDependencies",
    "optionalDependencies",
    "overrides",
    "resolutions",
];

pub(super) fn manifest(text: &str) -> Result<Declared, String> {
    let root = json(text)?;
    let mut declared = Declared::new();
    let tools = ["pnpm", "yarn"].iter().filter_map(|tool| root.get(*tool));
    for place in std::iter::once(&root).chain(tools) {
        for object in OBJECTS.iter().filter_map(|key| place.get(*key)) {
            requirements(object.as_object().ok_or("its dependencies are no object")?, "", &mut declared);
        }
    }
    Ok(declared)
}

fn requirements(object: &Map<String, Value>, above: &str, declared: &mut Declared) {
    for (name, value) in object {
        let name = format!("{above}{name}");
        match value {
            Value::String(version) => declare(declared, name, version),
            Value::Object(inner) => requirements(inner, &format!("{name} > "), declared),
            other => declare(declared, name, other.to_string()),
        }
    }
}

pub(super) fn npm_lock(text: &str) -> Result<Declared, String> {
    let root = json(text)?;
    let mut declared = Declared::new();
    match (root.get("packages"), root.get("dependencies")) {
        (Some(Value::Object(packages)), _) => {
            // The empty key is the project itself, and a key without `node_modules` a folder of it.
            let installed = packages
                .iter()
                .filter_map(|(at, package)| Some((at.rsplit_once("node_modules/")?.1, package)));
            for (name, package) in installed {
                declare(&mut declared, name, locked(package));
            }
        }
        (None, Some(Value::Object(dependencies))) => first_edition(dependencies, &mut declared),
        (None, None) => {}
        _ => return Err("its `packages` are no object".to_owned()),
    }
    Ok(declared)
}

/// The nested form of lock files of version 1.
fn first_edition(dependencies: &Map<String, Value>, declared: &mut Declared) {
    for (name, package) in dependencies {
        declare(declared, name, locked(package));
        if let Some(Value::Object(inner)) = package.get("dependencies") {
            first_edition(inner, declared);
        }
    }
}

/// The version, and where it comes from: no registry is taken for the usual one.
fn locked(package: &Value) -> String {
    let text = |key| package.get(key).and_then(Value::as_str);
    let version = text("version").unwrap_or("linked");
    match text("resolved") {
        Some(from) => format!("{version} ({from})"),
        None => version.to_owned(),
    }
}

/// Blocks that begin at the margin with what was asked for, and hold `version`. Yarn 1 quotes it, Yarn 2 has a colon.
pub(super) fn yarn_lock(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    let mut name: Option<String> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if !line.starts_with(' ') {
            name = Some(asked_for(line).ok_or_else(|| format!("{line:?} is no block"))?);
        } else if let Some(version) =
            line.strip_prefix("  version").filter(|_| name.as_deref() != Some("__metadata"))
        {
            let version = version.trim_start_matches([':', ' ']).trim_matches('"');
            declare(&mut declared, name.clone().ok_or("a version has no name")?, version);
        } else if let Some(from) = line.strip_prefix("  resolved ") {
            declare(&mut declared, name.clone().ok_or("an address has no name")?, from.trim_matches('"'));
        }
    }
    Ok(declared)
}

/// The name in `"@scope/a@^1.0", "@scope/a@^2":`.
fn asked_for(line: &str) -> Option<String> {
    let line = line.strip_suffix(':')?.trim_start_matches('"');
    let at = line
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '@' | '"' | ','))
        .map_or(line.len(), |(at, _)| at);
    Some(line[..at].to_owned())
}

/// The keys of `packages`: `a@1.0.0`, `/a@1.0.0(peer@2)` or, in version 5, `/a/1.0.0`.
pub(super) fn pnpm_lock(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    let mut is_inside = false;
    for line in text.lines() {
        if !line.starts_with([' ', '#']) && !line.trim().is_empty() {
            is_inside = line.trim_end() == "packages:";
        } else if let Some(key) =
            line.strip_prefix("  ").filter(|key| is_inside && !key.starts_with([' ', '#']))
        {
            let key = key.trim_end().trim_end_matches(" {}");
            let Some(key) = key.strip_suffix(':') else {
                if key.is_empty() { continue } else { return Err(format!("{key:?} is no package")) }
            };
            let (name, version) = package(key).ok_or_else(|| format!("{key:?} is no package"))?;
            declare(&mut declared, name, version);
        }
    }
    Ok(declared)
}

fn package(key: &str) -> Option<(&str, &str)> {
    let key = key.trim_matches(['\'', '"']);
    let key = key.split('(').next()?;
    let key = key.strip_prefix('/').unwrap_or(key);
    let at = key.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    let (name, version) = match at {
        Some(at) => (&key[..at], &key[at + 1..]),
        None => key.rsplit_once('/')?,
    };
    (!name.is_empty() && !version.is_empty()).then_some((name, version))
}
