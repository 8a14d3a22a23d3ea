//! How a repository is probably set up and tested, from its manifests; a person confirms it.

mod go;
mod node;
mod propose;
mod python;
mod rust;

use std::collections::BTreeMap;

pub use propose::{NoSuchFolder, Proposed, propose};

use super::{Build, Service, parse::ROUNDS};

/// The files of a commit, as detection reads them.
pub trait Files {
    /// The paths of all files.
    fn paths(&self) -> &[String];

    /// The text of a file; `None` if there is none, or it is no text.
    fn text(&self, path: &str) -> Option<String>;
}

/// The files of a commit whose text was fetched before.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The paths of all files.
    pub paths: Vec<String>,
    /// The texts of those that are [wanted].
    pub texts: BTreeMap<String, String>,
}

impl Files for Fetched {
    fn paths(&self) -> &[String] {
        &self.paths
    }

    fn text(&self, path: &str) -> Option<String> {
        self.texts.get(path).cloned()
    }
}

/// A proposal, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// The proposal.
    pub build: Build,
    /// What was found, a sentence each, for the person who confirms it.
    pub notes: Vec<String>,
}

/// A folder as the detection of one language reads it.
struct Folder<'a> {
    files: &'a dyn Files,
    root: &'a str,
}

impl Folder<'_> {
    fn path(&self, name: &str) -> String {
        if self.root.is_empty() { name.to_owned() } else { format!("{}/{name}", self.root) }
    }

    fn has(&self, name: &str) -> bool {
        let path = self.path(name);
        self.files.paths().contains(&path)
    }

    fn text(&self, name: &str) -> Option<String> {
        let path = self.path(name);
        if self.has(name) { self.files.text(&path) } else { None }
    }

    /// The paths below the folder, without it.
    fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.paths().iter().filter_map(|path| super::inside(self.root, path))
    }
}

/// The names of files that start services for development.
const COMPOSE_FILES: [&str; 4] = ["compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"];
/// Files whose folder is a product.
const MANIFESTS: [&str; 6] =
    ["pyproject.toml", "setup.py", "requirements.txt", "package.json", "Cargo.toml", "go.mod"];

/// The most files that detection reads.
const MOST_READ: usize = 200;

/// The files of a repository whose text detection may ask for, of all its paths: for a caller that must fetch each.
#[must_use]
pub fn wanted(paths: &[String]) -> Vec<&str> {
    let named = |name: &str| MANIFESTS.contains(&name) || COMPOSE_FILES.contains(&name) || name == "Makefile";
    let is_wanted = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_requirements = path.contains("requirements") && has_extension(name, "txt");
        named(name) || is_requirements || path.starts_with(".github/workflows/")
    };
    let near = |path: &&str| path.matches('/').count() <= 4 && !is_vendored(path);
    let files = paths.iter().map(String::as_str).filter(near);
    let first = files.clone().filter(|path| is_wanted(path));
    let tests = files.filter(|path| python::is_test(path)).take(20);
    first.take(MOST_READ - 20).chain(tests).collect()
}

fn has_extension(name: &str, wanted: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == wanted)
}

fn is_vendored(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "node_modules" | "vendor" | "third_party"))
}

/// The folders of a repository that have a manifest of their own, outermost first; those below another are left out.
#[must_use]
pub fn folders(files: &dyn Files) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    for path in files.paths() {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if MANIFESTS.contains(&name) && !is_vendored(folder) {
            folders.push(folder.to_owned());
        }
    }
    folders.sort_by_key(|folder| (folder.matches('/').count(), folder.clone()));
    folders.dedup();
    let all = folders.clone();
    folders
        .retain(|folder| !all.iter().any(|other| other != folder && super::inside(other, folder).is_some()));
    folders
}

/// The proposals for one folder of a repository (empty for its top), one for each language that is found there.
#[must_use]
pub fn detect(files: &dyn Files, root: &str) -> Vec<Detected> {
    let folder = Folder { files, root };
    let found = [rust::detect(&folder), go::detect(&folder), python::detect(&folder), node::detect(&folder)];
    let mut found: Vec<Detected> = found.into_iter().flatten().collect();
    let services = services(&folder);
    for detected in &mut found {
        detected.build.root = root.to_owned();
        detected.build.rounds = ROUNDS;
        detected.build.services.clone_from(&services);
        detected.notes.extend(hints(&folder));
        if !services.is_empty() {
            detected.notes.push("the compose file starts services that the tests may need".to_owned());
        }
    }
    found
}

/// The services that a compose file of the folder starts.
fn services(folder: &Folder<'_>) -> Vec<Service> {
    let text: String = COMPOSE_FILES.iter().filter_map(|name| folder.text(name)).collect();
    let images: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("image:")).map(str::trim).collect();
    let has = |word: &str| images.iter().any(|image| image.to_lowercase().contains(word));
    [(Service::Postgres, "postgres"), (Service::Redis, "redis")]
        .into_iter()
        .filter(|(_, word)| has(word))
        .map(|(service, _)| service)
        .collect()
}

/// What else the repository says about its tests.
fn hints(folder: &Folder<'_>) -> Vec<String> {
    let mut hints = Vec::new();
    let makefile = folder.text("Makefile").unwrap_or_default();
    for target in ["test", "check"] {
        if makefile.lines().any(|line| line.starts_with(&format!("{target}:"))) {
            hints.push(format!("the Makefile has a target `{target}`"));
        }
    }
    for path in folder.paths().filter(|path| path.starts_with(".github/workflows/")).take(20) {
        let text = folder.text(path).unwrap_or_default();
        let words =
            ["pytest", "tox", "nox", "npm test", "npm run test", "go test", "cargo test", "make test"];
        let found: Vec<&str> = words.into_iter().filter(|word| has_word(&text, word)).collect();
        if !found.is_empty() {
            hints.push(format!("the workflow `{path}` runs `{}`", found.join("`, `")));
        }
    }
    hints
}

/// Whether a text has a command that does not only end another word, as `go test` ends `cargo test`.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |before: &str| before.ends_with(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c));
    text.match_indices(word).any(|(at, _)| !inside(&text[..at]))
}
