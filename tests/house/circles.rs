//! No file in these folders uses another file that uses it, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use super::files;

const FOLDERS: &[&str] = &["dev", "workspace"];

/// The files that each file uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_files_use_each_other_in_a_circle() {
    let uses = uses(&files("src"));
    let of_folder = |file: &&String| FOLDERS.iter().any(|folder| file.starts_with(&format!("{folder}/")));
    let circular: Vec<_> =
        uses.keys().filter(of_folder).filter(|file| reachable(file, &uses).contains(*file)).collect();
    assert!(circular.is_empty(), "{circular:#?}");
}

#[test]
fn the_reader_of_uses_finds_files_and_circles() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let uses = uses(&[
        file("a/mod.rs", "mod b;\nmod c;\nfn f() { b::thing(); Vec::new(); }\n"),
        file("a/b.rs", "mod deep;\nuse super::{c::{self, One}, c::inner::*};\nuse self::deep::X as Y;\n"),
        file(
            "a/b/deep.rs",
            "fn f() { crate::a::c::go(); }\n#[cfg(test)]\nmod tests { use super::super::X; }\n",
        ),
        file("a/c.rs", "use crate::a::b::deep::X;\n"),
    ]);
    assert_eq!(uses["a/mod.rs"], BTreeSet::from(["a/b.rs".to_owned()]));
    assert_eq!(uses["a/b.rs"], ["a/b/deep.rs", "a/c.rs"].map(str::to_owned).into());
    let circular: Vec<_> = uses.keys().filter(|file| reachable(file, &uses).contains(*file)).collect();
    assert_eq!(circular, ["a/b/deep.rs", "a/c.rs"]);
}

fn uses(files: &[(String, String)]) -> Uses {
    let modules: BTreeMap<Vec<String>, &String> =
        files.iter().map(|(file, _)| (module_of(file), file)).collect();
    let used = |(file, text): &(String, String)| {
        let paths = paths_in(text.split("#[cfg(test)]").next().unwrap_or(text));
        let used = paths.iter().filter_map(|path| file_of(path, &module_of(file), &modules));
        (file.clone(), used.filter(|used| used != file).collect())
    };
    files.iter().map(used).collect()
}

/// `a/b.rs` and `a/b/mod.rs` hold the module `a::b`.
fn module_of(file: &str) -> Vec<String> {
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
    name.split('/').map(str::to_owned).collect()
}

/// The file of the innermost module that a path names, as seen from the module `here`.
fn file_of(path: &[String], here: &[String], modules: &BTreeMap<Vec<String>, &String>) -> Option<String> {
    let mut full = here.to_vec();
    for (at, segment) in path.iter().enumerate() {
        match segment.as_str() {
            "crate" => full.clear(),
            "super" => drop(full.pop()),
            "self" => {}
            // A path without a prefix counts if it begins with a child module; other names are crates and items.
            name if at == 0 && !modules.contains_key(&[here, &[name.to_owned()]].concat()) => return None,
            name => full.push(name.to_owned()),
        }
    }
    (0..=full.len()).rev().find_map(|end| modules.get(&full[..end]).map(|file| (*file).clone()))
}

/// All paths in the code, those of `use` lines with the groups in their braces.
fn paths_in(text: &str) -> Vec<Vec<String>> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let start = code[..at].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len();
        if !code[..start].ends_with(':') {
            read_path(&code[start..], &[], &mut found);
        }
    }
    found
}

/// Reads a path and the groups in it; returns what follows.
fn read_path<'a>(text: &'a str, start: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let (mut path, mut rest) = (start.to_vec(), text.trim_start());
    loop {
        if let Some(mut group) = rest.strip_prefix('{') {
            while !group.trim_start().starts_with('}') && !group.is_empty() {
                group = read_path(group, &path, found);
                // Skips `*` and `as name`.
                group = &group[group.find([',', '}']).unwrap_or(group.len())..];
                group = group.strip_prefix(',').unwrap_or(group);
            }
            return group.trim_start().strip_prefix('}').unwrap_or_default();
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        let Some(further) = rest.strip_prefix("::") else { break };
        rest = further;
    }
    found.push(path);
    rest
}

fn reachable(from: &str, uses: &Uses) -> BTreeSet<String> {
    let (mut found, mut todo) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = todo.pop() {
        for used in uses.get(&file).into_iter().flatten() {
            if found.insert(used.clone()) {
                todo.push(used.clone());
            }
        }
    }
    found
}
