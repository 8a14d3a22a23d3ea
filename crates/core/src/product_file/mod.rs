//! `.aspora/product.toml`: how a product is set up, tested and covered, read at the base of a change.
//!
//! It lies beside the policy and is as protected as the policy: a change of it is critical and needs a person. A
//! repository of one product writes the keys at the top; one of several gives each product a table with its folder.

pub mod detect;
mod inputs;
mod kinds;
mod parse;
mod render;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use kinds::{DependencyRule, Service, TestsBy, Toolchain};
pub use parse::Error;

use crate::{glob::Patterns, requirement::ProductName};

/// Where the file lies in a repository.
pub const PATH: &str = ".aspora/product.toml";
/// The longest file, in bytes.
pub const FILE_LIMIT: usize = 64 * 1024;
/// The most command lines under one key.
pub const LINES_LIMIT: usize = 50;
/// The longest command line, in bytes.
pub const LINE_LIMIT: usize = 4_096;
/// What a case's command must hold: it is replaced by the path of the case.
pub const CASE_PATH: &str = "{path}";

/// A product file: how each product of the repository is built.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductFile {
    /// By the name of the product; `None` where the repository holds one product.
    builds: BTreeMap<Option<ProductName>, Build>,
}

impl ProductFile {
    /// How this product is built; `None` if the file is of several products and this is none of them.
    #[must_use]
    pub fn of(&self, product: &ProductName) -> Option<&Build> {
        self.builds.get(&None).or_else(|| self.builds.get(&Some(product.clone())))
    }

    /// Of these products, those that a change of these paths touches: it has a file in their folder, or one that is in the
    /// folder of none of them, which touches them all. A product that the file does not name has no folder of its own, so
    /// that every change touches it.
    #[must_use]
    pub fn touched<'n>(&self, among: &'n [ProductName], paths: &[&str]) -> Vec<&'n ProductName> {
        let holds = |name: &ProductName, path: &str| self.of(name).is_some_and(|build| build.holds(path));
        let is_shared = |path: &&str| !among.iter().any(|name| holds(name, path));
        let touches_all = paths.iter().any(is_shared);
        let is_touched = |name: &&ProductName| {
            touches_all || self.of(name).is_none() || paths.iter().any(|path| holds(name, path))
        };
        among.iter().filter(is_touched).collect()
    }

    /// Each product with its build, in the order of names; without a name where the repository holds one product.
    pub fn builds(&self) -> impl Iterator<Item = (Option<&ProductName>, &Build)> {
        self.builds.iter().map(|(name, build)| (name.as_ref(), build))
    }

    /// A file of several products, each with its folder.
    #[must_use]
    pub fn several(builds: impl IntoIterator<Item = (ProductName, Build)>) -> Self {
        Self { builds: builds.into_iter().map(|(name, build)| (Some(name), build)).collect() }
    }

    /// A file of one product.
    #[must_use]
    pub fn single(build: Build) -> Self {
        Self { builds: BTreeMap::from([(None, build)]) }
    }
}

/// How one product is built. Command lines are lines of `sh -e`, run one after the other in the product's folder, in the
/// sandbox; the first that fails ends them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Build {
    /// The product's folder; empty for the whole repository.
    pub root: String,
    /// Installs what the tests need into `/deps`, from the dependency files alone.
    pub setup: Vec<String>,
    /// Patterns of further files that `setup` reads; manifests and lock files are always there.
    pub inputs: Vec<String>,
    /// Runs the tests, without a network.
    pub test: Vec<String>,
    /// Checks the style, without a network and without services.
    pub lint: Vec<String>,
    /// Measures coverage.
    pub coverage: Option<Coverage>,
    /// Runs one case of `tests/harness`; `{path}` is its path.
    pub case: Option<String>,
    /// What runs beside the tests, in their sandbox.
    pub services: Vec<Service>,
    /// What happens when a change names another set of dependencies.
    pub dependencies: DependencyRule,
    /// Whose run of the tests decides.
    pub tests: TestsBy,
    /// Folders of tools that are mounted read-only.
    pub toolchains: Vec<Toolchain>,
    /// A container image that takes the place of the host's `/usr`.
    pub image: Option<String>,
    /// Whether tests see the commits and tags up to the head in a `.git` of their own.
    pub history: bool,
    /// The limits of one run.
    pub limits: Limits,
    /// How often a red run goes back to the model before a person is asked.
    pub rounds: u32,
}

impl Build {
    /// Whether a changed path belongs to this product.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        self.root.is_empty() || path == self.root || inside(&self.root, path).is_some()
    }

    /// The files that set-up reads, of all the paths of a commit: manifests, lock files, and what `inputs` adds.
    #[must_use]
    pub fn setup_files<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let inputs = Patterns::new(self.inputs.clone()).ok();
        let is_input = |path: &str| {
            inside(&self.root, path)
                .is_some_and(|path| inputs.as_ref().is_some_and(|patterns| patterns.is_match(path)))
        };
        paths
            .into_iter()
            .filter(|path| (self.holds(path) && inputs::is_manifest(path)) || is_input(path))
            .collect()
    }
}

/// The path below a folder; `None` if it lies elsewhere.
fn inside<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    if root.is_empty() { Some(path) } else { path.strip_prefix(root)?.strip_prefix('/') }
}

/// How coverage is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// Runs the tests and writes the report.
    pub run: Vec<String>,
    /// The report in the product's folder: Cobertura or JaCoCo XML, LCOV, Go's cover profile, or coverage.py's and
    /// Istanbul's JSON.
    pub report: String,
    /// The least share of lines in percent, 0 to 100.
    pub floor: Option<f64>,
}

/// The limits of one run in the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds of wall-clock time, 1 to 7,200.
    pub seconds: u32,
    /// MiB of memory of the whole run, 64 to 65,536.
    pub memory_mib: u32,
    /// Processes and threads at once, 8 to 32,768.
    pub processes: u32,
    /// MiB of one file, 1 to 65,536.
    pub file_mib: u32,
}

impl Default for Limits {
    /// Ten minutes, 2 GiB, 512 processes and threads, files of 1 GiB: enough for the tests of common public
    /// repositories.
    fn default() -> Self {
        Self { seconds: 600, memory_mib: 2_048, processes: 512, file_mib: 1_024 }
    }
}
