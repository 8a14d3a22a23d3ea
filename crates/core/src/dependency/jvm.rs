//! Java and Kotlin: Maven's `pom.xml`, Gradle's lock file and its catalog of versions. A build script is a program.

use toml::Value;

use super::{Declared, cargo::requirement, declare, toml};

pub(super) fn gradle_lock(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (module, _) = line.split_once('=').ok_or_else(|| format!("{line:?} is no module"))?;
        if let Some((name, version)) = module.rsplit_once(':') {
            declare(&mut declared, name, version);
        }
    }
    Ok(declared)
}

pub(super) fn catalog(text: &str) -> Result<Declared, String> {
    let root = toml(text)?;
    let mut declared = Declared::new();
    for (kind, table) in &root {
        let table = table.as_table().ok_or("it has a value outside of its tables")?;
        for (name, value) in table.iter().filter(|_| kind != "bundles") {
            let module = value.get("module").or_else(|| value.get("id")).and_then(Value::as_str);
            let version = value.get("version").unwrap_or(value);
            declare(
                &mut declared,
                module.map_or(format!("{kind}.{name}"), str::to_owned),
                requirement(version),
            );
        }
    }
    Ok(declared)
}

/// Every element with an `artifactId`, and every property, which versions refer to.
pub(super) fn pom(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    // What is open: the tag, and the coordinates that are known of it.
    let mut open: Vec<(String, [String; 3])> = Vec::new();
    let text = without_comments(text)?;
    let mut pieces = text.split('<');
    pieces.next();
    for piece in pieces {
        let (tag, content) = piece.split_once('>').ok_or("a tag has no end")?;
        if tag.starts_with(['?', '!']) || tag.ends_with('/') {
            continue;
        }
        if let Some(closed) = tag.strip_prefix('/') {
            let (name, [group, artifact, version]) = open.pop().ok_or("a tag is closed and was not open")?;
            if name != closed.trim() {
                return Err(format!("`{name}` is not closed"));
            }
            if !artifact.is_empty() && name != "exclusion" && !open.is_empty() {
                let version = if version.is_empty() { "managed elsewhere".to_owned() } else { version };
                declare(&mut declared, format!("{group}:{artifact}"), version);
            }
            continue;
        }
        let (tag, content) = (tag.split_whitespace().next().unwrap_or_default(), content.trim());
        let part = ["groupId", "artifactId", "version"].iter().position(|part| *part == tag);
        if let Some((above, coordinates)) = open.last_mut() {
            match part {
                Some(part) => coordinates[part] = content.to_owned(),
                None if above == "properties" => declare(&mut declared, format!("${{{tag}}}"), content),
                None => {}
            }
        }
        open.push((tag.to_owned(), Default::default()));
    }
    if open.is_empty() { Ok(declared) } else { Err("a tag is not closed".to_owned()) }
}

fn without_comments(text: &str) -> Result<String, String> {
    if text.contains("<![CDATA[") || text.contains("<!ENTITY") {
        return Err("it has parts that only an XML parser reads".to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        plain.push_str(before);
        rest = comment.split_once("-->").ok_or("a comment has no end")?.1;
    }
    Ok(plain + rest)
}
