//! Python: requirement files, `pyproject.toml`, Pipenv, and the lock file of PEP 751.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::{
    Declared,
    cargo::{of_table, requirement, shown},
    declare, json, toml,
};

/// A requirements file: a requirement of PEP 508 or an option of pip on each line.
pub(super) fn requirements(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines() {
        let line = if line.trim_start().starts_with('#') { "" } else { line };
        let line = line.split(" #").next().unwrap_or_default().trim();
        // What pip checks and does not choose by.
        let line = line.split(" --hash").next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if line.starts_with('-') {
            // An option may add an index or another file, from which anything can come.
            let (option, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            declare(&mut declared, option, rest.trim());
        } else {
            specifier(&mut declared, line)?;
        }
    }
    Ok(declared)
}

/// One requirement of PEP 508: a name, perhaps extras, and a version, a URL or a marker.
fn specifier(declared: &mut Declared, text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.contains("://") && !text.contains(" @ ") && !text.contains("@ ") {
        declare(declared, text, "by its address");
        return Ok(());
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || "._-".contains(c))).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = match rest.trim_start().strip_prefix('[') {
        Some(extras) => extras.split_once(']').ok_or_else(|| format!("{text:?} is no requirement"))?.1,
        None => rest,
    };
    let rest = rest.trim();
    let is_known = rest.is_empty() || rest.starts_with(['=', '<', '>', '!', '~', '@', ';', '(']);
    if name.is_empty() || !is_known {
        return Err(format!("{text:?} is no requirement"));
    }
    // Names are compared as PEP 503 says.
    let name = name.to_lowercase().replace(['_', '.'], "-");
    declare(declared, name, if rest.is_empty() { "any" } else { rest });
    Ok(())
}

pub(super) fn project(text: &str) -> Result<Declared, String> {
    let root = toml(text)?;
    let mut declared = Declared::new();
    let at =
        |path: &[&str]| path.iter().try_fold(&root, |table, key| table.get(*key).and_then(Value::as_table));
    for (place, key) in [(&["project"][..], "dependencies"), (&["build-system"], "requires")] {
        if let Some(list) = at(place).and_then(|table| table.get(key)) {
            of_list(list, &mut declared)?;
        }
    }
    for place in [
        &["project", "optional-dependencies"][..],
        &["dependency-groups"],
        &["tool", "pdm", "dev-dependencies"],
    ] {
        for list in at(place).into_iter().flat_map(Table::values) {
            of_list(list, &mut declared)?;
        }
    }
    let tool = ["tool"];
    for name in ["poetry", "uv", "hatch"] {
        let Some(table) = at(&tool).and_then(|tool| tool.get(name)).and_then(Value::as_table) else {
            continue;
        };
        of_tool(table, &mut declared)?;
    }
    Ok(declared)
}

/// The tables of Poetry, and the sources and lists of uv.
fn of_tool(tool: &Table, declared: &mut Declared) -> Result<(), String> {
    for (key, value) in tool {
        match (key.as_str(), value) {
            ("dependencies" | "dev-dependencies" | "sources", Value::Table(table)) => {
                of_table(table, declared)
            }
            ("dev-dependencies" | "constraint-dependencies" | "override-dependencies", list) => {
                of_list(list, declared)?;
            }
            ("group", Value::Table(groups)) => {
                for group in groups.values().filter_map(|group| group.get("dependencies")) {
                    of_table(group.as_table().ok_or("a group is no table")?, declared);
                }
            }
            ("source" | "index", Value::Array(sources)) => {
                sources.iter().for_each(|source| declare(declared, "index", requirement(source)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn of_list(list: &Value, declared: &mut Declared) -> Result<(), String> {
    for item in list.as_array().ok_or("a list of requirements is no list")? {
        match item {
            Value::String(text) => specifier(declared, text)?,
            // A group that includes another adds nothing of its own.
            Value::Table(_) => {}
            _ => return Err("a requirement is no text".to_owned()),
        }
    }
    Ok(())
}

pub(super) fn pipfile(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    for (key, value) in &toml(text)? {
        match (key.as_str(), value) {
            ("source", Value::Array(sources)) => {
                sources.iter().for_each(|source| declare(&mut declared, "index", requirement(source)));
            }
            ("requires" | "scripts" | "pipenv", _) => {}
            (_, Value::Table(table)) => of_table(table, &mut declared),
            _ => {}
        }
    }
    Ok(declared)
}

pub(super) fn pipfile_lock(text: &str) -> Result<Declared, String> {
    let root = json(text)?;
    let mut declared = Declared::new();
    for (_, group) in root.as_object().ok_or("it is no object")?.iter().filter(|(key, _)| *key != "_meta") {
        for (name, package) in group.as_object().ok_or("a group is no object")? {
            let part = |key| package.get(key).and_then(Json::as_str);
            let version = part("version").or_else(|| part("ref")).or_else(|| part("file")).unwrap_or("any");
            declare(&mut declared, name, version);
        }
    }
    Ok(declared)
}

/// The lock file of PEP 751.
pub(super) fn pylock(text: &str) -> Result<Declared, String> {
    let root = toml(text)?;
    let mut declared = Declared::new();
    for package in root.get("packages").and_then(Value::as_array).ok_or("it has no `packages`")? {
        let name = package.get("name").and_then(Value::as_str).ok_or("a package has no name")?;
        let version = package.get("version").and_then(Value::as_str);
        let from = ["vcs", "directory", "archive"].iter().find_map(|key| package.get(*key));
        declare(
            &mut declared,
            name,
            version.map_or_else(|| from.map_or("any".to_owned(), shown), str::to_owned),
        );
    }
    Ok(declared)
}
