//! The set of dependencies that a head brings: what a person is shown before anything of it is installed.
//!
//! A set is named by the digest of the files that set-up reads, so that a yes is for exactly these files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{DependencyFile, Reader, is_lock, reader};

/// How many packages a sentence names.
const NAMED: usize = 5;

/// A file that set-up reads, as git has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputFile {
    /// Its path.
    pub path: String,
    /// Git's mode.
    pub mode: u32,
    /// Git's name of its content.
    pub object: String,
}

/// The files that the set-up of each product reads, by the product's name.
pub type Inputs = BTreeMap<String, BTreeSet<InputFile>>;

/// What names a set of dependencies: SHA-256 in hexadecimal of every file that set-up reads.
#[must_use]
pub fn digest(inputs: &Inputs) -> String {
    let mut hash = Sha256::new();
    // Each part with its length, so that no two lists run together.
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    for (product, files) in inputs {
        add(product.as_bytes());
        add(&(files.len() as u64).to_be_bytes());
        for file in files {
            add(file.path.as_bytes());
            add(&file.mode.to_be_bytes());
            add(file.object.as_bytes());
        }
    }
    hex::encode(hash.finalize())
}

/// The paths in which two sets differ, in order.
#[must_use]
pub fn changed_paths(before: &Inputs, after: &Inputs) -> Vec<String> {
    let all = |inputs: &Inputs| inputs.values().flatten().cloned().collect::<BTreeSet<InputFile>>();
    let (before, after) = (all(before), all(after));
    let paths: BTreeSet<String> = before.symmetric_difference(&after).map(|file| file.path.clone()).collect();
    paths.into_iter().collect()
}

/// What a set of dependencies changes against the base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyList {
    /// The packages that come, go or change version, in the order of names.
    pub packages: Vec<Package>,
    /// The files that differ, with what changed in each.
    pub files: Vec<DependencyFile>,
}

/// A package that comes, goes or changes version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The versions that are gone; empty for a new package.
    pub from: Vec<String>,
    /// The versions that are new; empty for one that was removed.
    pub to: Vec<String>,
    /// How it comes in.
    pub comes: Comes,
}

/// How a package comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Comes {
    /// The project names it itself.
    Named {
        /// The manifest that does.
        by: String,
    },
    /// Only a lock file has it: another package needs it.
    Needed {
        /// The lock file.
        locked_in: String,
    },
}

impl DependencyList {
    /// The list of what these files change. `manifests` are paths and texts of the manifests after the change, by which
    /// the packages that the project names itself are known from the others.
    #[must_use]
    pub fn new<'a>(
        files: Vec<DependencyFile>,
        manifests: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let named = named(manifests);
        let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
        // Lock files last: of a package that one has, its versions are exact.
        let (locks, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| is_lock(&file.path));
        for file in &others {
            for change in &file.changes {
                let package = packages.entry(&change.name).or_insert_with(|| Package {
                    name: change.name.clone(),
                    from: Vec::new(),
                    to: Vec::new(),
                    comes: Comes::Named { by: file.path.clone() },
                });
                add(&mut package.from, &change.from);
                add(&mut package.to, &change.to);
            }
        }
        let mut locked: BTreeMap<&str, Package> = BTreeMap::new();
        for file in &locks {
            for change in &file.changes {
                let comes = match named.get(&change.name) {
                    Some(by) => Comes::Named { by: by.clone() },
                    None => Comes::Needed { locked_in: file.path.clone() },
                };
                let comes = packages.get(change.name.as_str()).map_or(comes, |known| known.comes.clone());
                let package = locked.entry(&change.name).or_insert_with(|| Package {
                    name: change.name.clone(),
                    from: Vec::new(),
                    to: Vec::new(),
                    comes,
                });
                add(&mut package.from, &change.from);
                add(&mut package.to, &change.to);
            }
        }
        packages.extend(locked);
        Self { packages: packages.into_values().collect(), files }
    }

    /// The packages in words, the first of them by name; where none could be read, the files.
    #[must_use]
    pub fn sentence(&self) -> String {
        let texts: Vec<String> = if self.packages.is_empty() {
            self.files.iter().map(|file| file.path.clone()).collect()
        } else {
            self.packages.iter().map(Package::change).collect()
        };
        let more = texts.len().saturating_sub(NAMED);
        let mut text = texts.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    }
}

impl Package {
    /// The change in words, as [`DependencyChange`](super::DependencyChange) has it.
    #[must_use]
    pub fn change(&self) -> String {
        super::change_in_words(&self.name, &self.from, &self.to)
    }

    /// The change, and how the package comes in.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{} ({})", self.change(), self.comes)
    }
}

impl fmt::Display for Comes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { by } => write!(f, "named in {by}"),
            Self::Needed { locked_in } => write!(f, "needed by another package, in {locked_in}"),
        }
    }
}

/// The packages that manifests name, each with the first of them.
fn named<'a>(manifests: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    for (path, text) in manifests {
        let read: Option<Reader> = reader(&path.to_lowercase()).filter(|_| !is_lock(path));
        for name in read.and_then(|read| read(text).ok()).into_iter().flatten().map(|(name, _)| name) {
            named.entry(name).or_insert_with(|| path.to_owned());
        }
    }
    named
}

/// Adds the versions that are not there yet.
fn add(versions: &mut Vec<String>, more: &[String]) {
    for version in more {
        if !versions.contains(version) {
            versions.push(version.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::compare;

    fn inputs(product: &str, files: &[(&str, u32, &str)]) -> Inputs {
        let file = |&(path, mode, object): &(&str, u32, &str)| InputFile {
            path: path.to_owned(),
            mode,
            object: object.to_owned(),
        };
        Inputs::from([(product.to_owned(), files.iter().map(file).collect())])
    }

    #[test]
    fn exactly_the_same_files_have_the_same_digest() {
        let first = inputs("web", &[("a", 0o100_644, "1"), ("b", 0o100_644, "2")]);
        assert_eq!(digest(&first), digest(&inputs("web", &[("b", 0o100_644, "2"), ("a", 0o100_644, "1")])));
        for other in [
            inputs("api", &[("a", 0o100_644, "1"), ("b", 0o100_644, "2")]),
            inputs("web", &[("a", 0o100_644, "1"), ("b", 0o100_644, "3")]),
            inputs("web", &[("a", 0o100_644, "1"), ("b", 0o120_000, "2")]),
            inputs("web", &[("a", 0o100_644, "1"), ("c", 0o100_644, "2")]),
            inputs("web", &[("a", 0o100_644, "1")]),
            inputs("web", &[]),
            Inputs::new(),
        ] {
            assert_ne!(digest(&first), digest(&other), "{other:?}");
        }
    }

    #[test]
    fn the_paths_that_differ_are_those_of_either_side() {
        let before = inputs("web", &[("a", 0o100_644, "1"), ("b", 0o100_644, "2")]);
        let after = inputs("web", &[("a", 0o100_644, "9"), ("c", 0o100_644, "2")]);
        assert_eq!(changed_paths(&before, &after), ["a", "b", "c"]);
        assert_eq!(changed_paths(&before, &before), [""; 0]);
    }

    #[track_caller]
    fn check(files: &[(&str, Option<&str>, &str)], expected: &[&str]) {
        let compared =
            files.iter().map(|(path, before, after)| compare(path, *before, Some(after))).collect();
        let list = DependencyList::new(compared, files.iter().map(|(path, _, after)| (*path, *after)));
        assert_eq!(list.packages.iter().map(Package::sentence).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_package_is_named_by_a_manifest_or_needed_by_another() {
        check(
            &[("requirements.txt", Some("a==1\n"), "a==2\nb==1\n")],
            &["a ==1 → ==2 (named in requirements.txt)", "b ==1 added (named in requirements.txt)"],
        );
        let lock = |names: &[&str]| {
            let packages =
                names.iter().map(|name| format!("[[package]]\nname = \"{name}\"\nversion = \"1.2.3\"\n"));
            packages.collect::<String>()
        };
        let manifest = "[dependencies]\nserde = \"1\"\n";
        check(
            &[("Cargo.toml", Some(""), manifest), ("Cargo.lock", Some(""), &lock(&["serde", "serde_core"]))],
            &[
                "serde 1.2.3 added (named in Cargo.toml)",
                "serde_core 1.2.3 added (needed by another package, in Cargo.lock)",
            ],
        );
        // The lock file alone changed, of a package that the manifest names all the same.
        check(
            &[("Cargo.toml", Some(manifest), manifest), ("Cargo.lock", Some(""), &lock(&["serde"]))],
            &["serde 1.2.3 added (named in Cargo.toml)"],
        );
    }

    #[test]
    fn a_sentence_names_a_few_packages_or_the_files() {
        let many: String = (0..7).map(|number| format!("p{number}==1\n")).collect();
        let list = DependencyList::new(vec![compare("requirements.txt", None, Some(&many))], []);
        assert_eq!(
            list.sentence(),
            "p0 ==1 added, p1 ==1 added, p2 ==1 added, p3 ==1 added, p4 ==1 added and 2 more"
        );
        let unread = DependencyList::new(vec![compare("vendor/x.whl", None, Some("x"))], []);
        assert_eq!(unread.sentence(), "vendor/x.whl");
    }
}
