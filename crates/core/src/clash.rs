//! New paths that are one file with an existing one where letter case or Unicode form does not count, as on macOS and
//! Windows: a checkout there overwrites the one with the other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::path::fold;

/// A new path and the existing one that it would overwrite, or stand in the way of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Clash {
    /// The new path.
    pub path: String,
    /// The existing path.
    pub with: String,
}

impl Clash {
    /// What is wrong, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { path, with } = self;
        format!(
            "{path:?} is {with:?} where letter case or Unicode form does not count, as on macOS and Windows"
        )
    }
}

/// The paths of a tree, by what they are where letter case and Unicode form do not count.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, BTreeSet<String>>);

impl Tree {
    /// The tree of these paths.
    #[must_use]
    pub fn of(paths: Vec<String>) -> Self {
        let mut tree = Self::default();
        paths.into_iter().for_each(|path| tree.insert(path));
        tree
    }

    /// Adds a path.
    pub fn insert(&mut self, path: String) {
        self.0.entry(fold(&path)).or_default().insert(path);
    }

    /// Takes a path out, if it is there.
    pub fn remove(&mut self, path: &str) {
        let folded = fold(path);
        let Some(paths) = self.0.get_mut(&folded) else { return };
        paths.remove(path);
        if paths.is_empty() {
            self.0.remove(&folded);
        }
    }

    /// Every path that a new one could clash with: [`clashes`] finds among these what it finds in the whole tree.
    #[must_use]
    pub fn near(&self, new: &str) -> Vec<String> {
        let folded = fold(new);
        let inside = format!("{folded}/");
        let same = std::iter::once(folded.as_str()).chain(above(&folded)).filter_map(|it| self.0.get(it));
        let below = self.0.range(inside.clone()..).take_while(|(path, _)| path.starts_with(&inside));
        same.chain(below.map(|(_, paths)| paths)).flatten().cloned().collect()
    }
}

/// Every new path that clashes with an existing one, each pair once. A file clashes with a folder, too.
pub fn clashes<'a>(new: impl IntoIterator<Item = &'a str>, existing: &[impl AsRef<str>]) -> Vec<Clash> {
    let files: BTreeMap<String, &str> = new.into_iter().map(|path| (fold(path), path)).collect();
    let folders: BTreeMap<&str, &str> =
        files.iter().flat_map(|(folded, path)| above(folded).map(|folder| (folder, *path))).collect();
    if files.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for with in existing.iter().map(AsRef::as_ref) {
        let folded = fold(with);
        let same = files.get(&folded).copied();
        let below = above(&folded).find_map(|folder| files.get(folder).copied());
        let over = folders.get(folded.as_str()).copied();
        let is_other = |path: &&str| *path != with && !is_below(with, path) && !is_below(path, with);
        for path in [same, below, over].into_iter().flatten().filter(is_other) {
            found.push(Clash { path: path.to_owned(), with: with.to_owned() });
        }
    }
    found.sort();
    found.dedup();
    found
}

fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Whether a path is inside a folder of exactly this name: git itself keeps no file beside such a folder.
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(new: &str, existing: &str, expected: bool) {
        assert_eq!(!clashes([new], &[existing]).is_empty(), expected, "{new} beside {existing}");
    }

    #[test]
    fn a_new_path_clashes_where_a_file_system_ignores_the_difference() {
        check("docs/api.md", "docs/API.md", true);
        check("API/v1/trades/orders.py", "api/v1/trades/orders.py", true);
        check("docs/caf\u{e9}.md", "docs/cafe\u{301}.md", true);
        check("stra\u{df}e", "STRASSE", true);
        check("Lib", "lib/a.py", true);
        check("Lib/b.py", "lib", true);
    }

    #[test]
    fn what_is_near_a_path_holds_all_that_it_clashes_with() {
        let paths = ["docs/API.md", "Lib", "lib/a.py", "LIB/b/c.py", "x", "lib2", "docs/caf\u{e9}.md"];
        let tree = Tree::of(paths.map(str::to_owned).to_vec());
        for new in ["docs/api.md", "lib", "Lib/b", "X/y", "lib/b/c.py/d", "docs/cafe\u{301}.md", "other"] {
            assert_eq!(clashes([new], &tree.near(new)), clashes([new], &paths), "{new}");
        }
        let mut smaller = tree;
        smaller.remove("docs/API.md");
        smaller.remove("none");
        assert!(smaller.near("docs/api.md").is_empty());
    }

    #[test]
    fn other_paths_do_not_clash() {
        check("docs/api.md", "docs/api.md", false);
        check("docs/api2.md", "docs/API.md", false);
        check("Lib/b.py", "lib/a.py", false);
        check("lib", "lib/a.py", false);
        check("lib/a.py", "lib", false);
        assert_eq!(clashes([], &["a"]), []);
    }
}
