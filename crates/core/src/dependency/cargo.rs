//! Cargo's manifest, and the lock files that have its form: `[[package]]` with `name`, `version` and `source`.

use toml::{Table, Value};

use super::{Declared, declare, toml};

/// The tables of a manifest that name dependencies.
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn manifest(text: &str) -> Result<Declared, String> {
    let root = toml(text)?;
    let mut declared = Declared::new();
    of_tables(&root, &mut declared);
    for target in tables(root.get("target")) {
        of_tables(target, &mut declared);
    }
    if let Some(Value::Table(workspace)) = root.get("workspace") {
        of_tables(workspace, &mut declared);
    }
    for patch in tables(root.get("patch")).chain(root.get("replace").and_then(Value::as_table)) {
        of_table(patch, &mut declared);
    }
    Ok(declared)
}

fn of_tables(root: &Table, declared: &mut Declared) {
    for name in TABLES {
        if let Some(Value::Table(table)) = root.get(name) {
            of_table(table, declared);
        }
    }
}

/// Names with their requirement: a version, or a table that also says from where.
pub(super) fn of_table(table: &Table, declared: &mut Declared) {
    for (name, value) in table {
        declare(declared, name, requirement(value));
    }
}

/// What of a requirement decides which code is taken.
pub(super) fn requirement(value: &Value) -> String {
    let table = match value {
        Value::String(version) => return version.clone(),
        Value::Table(table) => table,
        Value::Array(all) => return all.iter().map(requirement).collect::<Vec<_>>().join(" | "),
        other => return shown(other),
    };
    let part = |key: &&str| {
        let value = table.get(*key)?;
        let text = shown(value);
        Some(if *key == "version" { text } else { format!("{key} {text}") })
    };
    let keys = [
        "version",
        "package",
        "git",
        "path",
        "url",
        "file",
        "registry",
        "index",
        "source",
        "branch",
        "tag",
        "rev",
        "ref",
        "workspace",
    ];
    let parts: Vec<String> = keys.iter().filter_map(part).collect();
    if parts.is_empty() { "any".to_owned() } else { parts.join(", ") }
}

fn tables(value: Option<&Value>) -> impl Iterator<Item = &Table> {
    value.and_then(Value::as_table).into_iter().flat_map(Table::values).filter_map(Value::as_table)
}

pub(super) fn lock(text: &str) -> Result<Declared, String> {
    let root = toml(text)?;
    let mut declared = Declared::new();
    let packages = match root.get("package") {
        None => return Ok(declared),
        Some(packages) => packages.as_array().ok_or("its `package` is not a list")?,
    };
    for package in packages {
        let text = |key| package.get(key).and_then(Value::as_str);
        let name = text("name").ok_or("a package has no name")?;
        let version = text("version").unwrap_or("without a version");
        let source = package.get("source").map(shown);
        declare(&mut declared, name, source.map_or(version.to_owned(), |from| format!("{version} ({from})")));
    }
    Ok(declared)
}

/// A value on one line: `url https://e.example, subdirectory x`.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Table(table) => {
            table.iter().map(|(key, value)| format!("{key} {}", shown(value))).collect::<Vec<_>>().join(", ")
        }
    }
}
