//! The files that set-up sees, copied to a folder of their own, and the digest that a layer is found by.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::recipe::Recipe;

/// Changes when what a layer holds for the same recipe changes.
const FORMAT: &str = "layer 2";
/// Source files without which cargo does not read a package.
const SOURCES: [(&str, &str); 2] = [("src/lib.rs", ""), ("src/main.rs", "fn main() {}\n")];

/// The files of `inputs` that are there, with their contents; links are none.
pub(super) fn read(tree: &Path, inputs: &[String]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for path in inputs {
        let is_plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let is_file = fs::symlink_metadata(tree.join(path)).is_ok_and(|data| data.is_file());
        if is_plain && is_file && stays(tree, path) {
            files.push((path.clone(), fs::read(tree.join(path))?));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whether no folder of the path is a link.
fn stays(tree: &Path, path: &str) -> bool {
    let mut folder = tree.to_owned();
    let parents = Path::new(path).parent().into_iter().flat_map(Path::components);
    parents.into_iter().all(|part| {
        folder.push(part);
        fs::symlink_metadata(&folder).is_ok_and(|data| data.is_dir())
    })
}

/// What a layer is found by: all that set-up can see.
pub(super) fn key(recipe: &Recipe, files: &[(String, Vec<u8>)], tools: &[String]) -> String {
    let mut digest = Sha256::new();
    // Each part with its length, so that no two lists run together.
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    let count = |length: usize| (length as u64).to_be_bytes();
    add(FORMAT.as_bytes());
    add(recipe.root.as_bytes());
    for list in [&recipe.setup, &tools.to_vec()] {
        add(&count(list.len()));
        list.iter().for_each(|one| add(one.as_bytes()));
    }
    add(&count(files.len()));
    for (path, content) in files {
        add(path.as_bytes());
        add(content);
    }
    hex::encode(digest.finalize())
}

/// Writes them to a folder; beside each package of cargo the sources that its manifest needs.
pub(super) fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    for (path, content) in files {
        put(&folder.join(path), content)?;
    }
    for (path, content) in files.iter().filter(|(path, _)| path.rsplit('/').next() == Some("Cargo.toml")) {
        let package = folder.join(path).parent().map(Path::to_owned).unwrap_or_default();
        for (source, text) in sources(&String::from_utf8_lossy(content)) {
            let file = package.join(&source);
            let is_plain = source.components().all(|part| matches!(part, Component::Normal(_)));
            if is_plain && !file.exists() {
                put(&file, text.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn put(file: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(file, content)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o644))
}

/// The source files that a manifest of cargo names, or that are looked for where it names none.
fn sources(manifest: &str) -> Vec<(PathBuf, &'static str)> {
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    if !manifest.contains_key("package") {
        return Vec::new();
    }
    let mut found: Vec<(PathBuf, &str)> =
        SOURCES.iter().map(|(path, text)| (PathBuf::from(path), *text)).collect();
    for kind in ["lib", "bin", "example", "test", "bench"] {
        let targets: Vec<&toml::Value> = match manifest.get(kind) {
            Some(toml::Value::Array(many)) => many.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let folder = match kind {
            "bin" => "src/bin".to_owned(),
            "bench" => "benches".to_owned(),
            other => format!("{other}s"),
        };
        for target in targets {
            let text = |key: &str| target.get(key).and_then(toml::Value::as_str);
            let path = text("path").map(PathBuf::from);
            let usual = || text("name").map(|name| Path::new(&folder).join(format!("{name}.rs")));
            let source = if kind == "lib" { "" } else { "fn main() {}\n" };
            found.extend(path.or_else(usual).map(|path| (path, source)));
        }
    }
    if manifest.get("package").and_then(|package| package.get("build")).is_some_and(toml::Value::is_str) {
        let build = manifest["package"]["build"].as_str().unwrap_or_default();
        found.push((PathBuf::from(build), "fn main() {}\n"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_lock_file_line_or_tool_makes_another_key() {
        let recipe = |line: &str| Recipe { setup: vec![line.to_owned()], ..Recipe::default() };
        let file = |path: &str, text: &str| vec![(path.to_owned(), text.as_bytes().to_vec())];
        let of =
            |line, files: &[(String, Vec<u8>)], tool: &str| key(&recipe(line), files, &[tool.to_owned()]);
        let first = of("npm ci", &file("a", "1"), "node 20");
        assert_eq!(first, of("npm ci", &file("a", "1"), "node 20"));
        for other in [
            of("npm i", &file("a", "1"), "node 20"),
            of("npm ci", &file("a", "2"), "node 20"),
            of("npm ci", &file("b", "1"), "node 20"),
            of("npm ci", &file("a1", ""), "node 20"),
            of("npm ci", &file("a", "1"), "node 22"),
            of("npm ci", &[], "node 20"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn links_and_paths_that_leave_are_no_inputs_and_packages_of_cargo_get_sources() {
        let tree = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| super::put(&tree.path().join(path), text.as_bytes()).unwrap();
        put("Cargo.toml", "[workspace]\nmembers = ['a']\n");
        put(
            "a/Cargo.toml",
            "[package]\nname = 'a'\n[[bin]]\nname = 'b'\npath = 'cli/b.rs'\n[[bench]]\nname = 'c'\n",
        );
        std::os::unix::fs::symlink("/etc/passwd", tree.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", tree.path().join("folder")).unwrap();
        let inputs = ["Cargo.toml", "a/Cargo.toml", "link", "folder/passwd", "../x", "/etc/passwd", "none"];
        let files = read(tree.path(), &inputs.map(str::to_owned)).unwrap();
        let names: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["Cargo.toml", "a/Cargo.toml"]);
        let copy = tempfile::tempdir().unwrap();
        write(copy.path(), &files).unwrap();
        for file in ["a/src/lib.rs", "a/src/main.rs", "a/cli/b.rs", "a/benches/c.rs"] {
            assert!(copy.path().join(file).is_file(), "{file}");
        }
        assert!(!copy.path().join("src").exists());
    }
}
