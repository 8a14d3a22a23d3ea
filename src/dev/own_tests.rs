//! The tests of a commit as its product file says them, in the sandbox, on the layer of its set-up.

use std::path::{Path, PathBuf};

use crate::{
    core::product_file::{self, Build, ProductFile},
    workspace::{Commands, GitFolder, Layer, Prepared, Recipe, Sandbox, TestRun, Worktree},
};

/// The product's own commands for its cases and for those that start the whole service, where it has them.
const HARNESS: &str = "scripts/harness";
const INTEGRATION: &str = "scripts/harness-integration";

/// Which of the product's tests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All of them.
    All,
    /// The cases of incidents.
    Harness,
    /// The cases that start the whole service.
    Integration,
}

/// A commit that is set up: how it is tested, and what set-up left.
pub(super) struct OwnTests {
    tree: PathBuf,
    paths: Vec<String>,
    builds: Vec<(Build, Recipe, Option<Layer>)>,
    /// Held until the tests have ended.
    git_folder: Option<GitFolder>,
}

impl OwnTests {
    /// Sets up what the product file of a checkout names; `None` without such a file.
    ///
    /// # Errors
    /// A sentence when the file is broken or set-up failed, with the end of its output.
    pub(super) async fn set_up(sandbox: &Sandbox, tree: &Path) -> Result<Option<Self>, String> {
        let Ok(text) = tokio::fs::read_to_string(tree.join(product_file::PATH)).await else {
            return Ok(None);
        };
        let file = ProductFile::parse(&text).map_err(|error| error.to_string())?;
        let paths = files(tree).map_err(|error| format!("list the files: {error}"))?;
        let mut builds = Vec::new();
        for (_, build) in file.builds() {
            let recipe = Recipe::of(build, paths.iter().map(String::as_str));
            match sandbox.prepare(tree, &recipe).await.map_err(|error| error.to_string())? {
                Prepared::Ready(layer) => builds.push((build.clone(), recipe, layer)),
                Prepared::Failed(run) => return Err(format!("set-up failed:\n\n{}", end(&run.output))),
            }
        }
        Ok(Some(Self { tree: tree.to_owned(), paths, builds, git_folder: None }))
    }

    /// As [`OwnTests::set_up`], for tests that are run: with the history for those that are to see it.
    ///
    /// # Errors
    /// As [`OwnTests::set_up`]; and when the history cannot be had.
    pub(super) async fn of(sandbox: &Sandbox, worktree: &Worktree) -> Result<Option<Self>, String> {
        let Some(mut own) = Self::set_up(sandbox, worktree.path()).await? else { return Ok(None) };
        if own.builds.iter().any(|(build, ..)| build.history) {
            own.git_folder = Some(worktree.git_folder().await.map_err(|error| error.to_string())?);
        }
        let with = |(build, recipe, layer): (Build, Recipe, Option<Layer>)| {
            let git_folder = own.git_folder.as_ref().filter(|_| build.history);
            (build, recipe.with_git_folder(git_folder), layer)
        };
        own.builds = own.builds.into_iter().map(with).collect();
        Ok(Some(own))
    }

    /// Runs tests of each product of the file, until one fails; `None` if there are none of these.
    ///
    /// # Errors
    /// A sentence when this machine cannot run them.
    pub(super) async fn run(&self, sandbox: &Sandbox, which: Which) -> Result<Option<TestRun>, String> {
        let mut last = None;
        for (build, recipe, layer) in &self.builds {
            let lines = self.lines(build, which);
            if lines.is_empty() {
                continue;
            }
            let run = sandbox.test(&self.tree, recipe, layer.as_ref(), Commands::Lines(&lines)).await;
            let run = run.map_err(|error| error.to_string())?;
            let passed = run.passed;
            last = Some(run);
            if !passed {
                break;
            }
        }
        Ok(last)
    }

    /// Runs a program beside the services of the first product.
    ///
    /// # Errors
    /// A sentence when this machine cannot run it.
    pub(super) async fn run_words(&self, sandbox: &Sandbox, words: &[String]) -> Result<TestRun, String> {
        let (_, recipe, layer) = self.builds.first().ok_or("the product file names no product")?;
        let run = sandbox.test(&self.tree, recipe, layer.as_ref(), Commands::Words(words)).await;
        run.map_err(|error| error.to_string())
    }

    /// Runs lint, tests with coverage and the cases that start the whole service, of each product until one fails; the last
    /// run, and all lines.
    pub(super) async fn run_everything(&self, sandbox: &Sandbox) -> Result<(TestRun, Vec<String>), String> {
        let (mut last, mut all) = (None, Vec::new());
        for (build, recipe, layer) in &self.builds {
            let tests = build.coverage.as_ref().map_or(&build.test, |coverage| &coverage.run);
            let mut lines: Vec<String> = build.lint.iter().chain(tests).cloned().collect();
            lines.extend(self.lines(build, Which::Integration));
            let run = sandbox.test(&self.tree, recipe, layer.as_ref(), Commands::Lines(&lines)).await;
            all.append(&mut lines);
            let run = run.map_err(|error| error.to_string())?;
            let passed = run.passed;
            last = Some(run);
            if !passed {
                break;
            }
        }
        Ok((last.ok_or("the product file names no product")?, all))
    }

    fn lines(&self, build: &Build, which: Which) -> Vec<String> {
        let (script, is_integration) = match which {
            Which::All => return build.test.clone(),
            Which::Harness => (HARNESS, false),
            Which::Integration => (INTEGRATION, true),
        };
        let below = |path: &str| match build.root.is_empty() {
            true => Some(path.to_owned()),
            false => path.strip_prefix(&build.root)?.strip_prefix('/').map(str::to_owned),
        };
        let paths: Vec<String> = self.paths.iter().filter_map(|path| below(path)).collect();
        if paths.iter().any(|path| path == script) {
            return vec![script.to_owned()];
        }
        let Some(case) = &build.case else { return Vec::new() };
        let is_case = |path: &&String| is_case(path, is_integration);
        let line = |path: &String| {
            case.replace(product_file::CASE_PATH, &format!("'{}'", path.replace('\'', "'\\''")))
        };
        paths.iter().filter(is_case).map(line).collect()
    }
}

/// Whether a path is that of a case of the harness, of this kind.
pub(super) fn is_case(path: &str, integration: bool) -> bool {
    let Some(name) = path.strip_prefix("tests/harness/").and_then(|rest| rest.rsplit('/').next()) else {
        return false;
    };
    if integration {
        name.contains("integration")
    } else {
        name.contains("test") && !name.contains("integration")
    }
}

/// The files of a checkout, without git's own; links are not followed.
pub(super) fn files(tree: &Path) -> std::io::Result<Vec<String>> {
    let (mut found, mut todo) = (Vec::new(), vec![tree.to_owned()]);
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && entry.file_name() != ".git" {
                todo.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                found.extend(path.strip_prefix(tree).ok().and_then(Path::to_str).map(str::to_owned));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The last 4,000 characters of an output.
pub(super) fn end(output: &str) -> &str {
    let skip = output.len().saturating_sub(4_000);
    let begin = (skip..=output.len()).find(|&at| output.is_char_boundary(at)).unwrap_or(0);
    &output[begin..]
}
