//! The tests of a folder of files, as a product file has them.

use std::path::Path;

use crate::{
    core::{
        product_file::{Build, Coverage},
        tested::{Demanded, Ended, Tested},
    },
    workspace::{self, Commands, GitFolder, Layer, Prepared, Recipe, Reported, Sandbox, TestRun},
};

/// Files that are tested.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The folder that they are in.
    pub tree: &'a Path,
    /// Their paths in it.
    pub paths: &'a [String],
    /// Their `.git`, which a product's tests see where its file asks for the history.
    pub git_folder: Option<&'a GitFolder>,
}

/// Sets up and tests files; where the tests pass, runs what else the product file asks.
///
/// # Errors
/// When the sandbox cannot be started, or this machine lacks a service or a toolchain. What does not pass is a [`Tested`].
pub async fn test_tree(
    sandbox: &Sandbox,
    Files { tree, paths, git_folder }: Files<'_>,
    build: &Build,
) -> Result<Tested, workspace::Error> {
    let recipe = Recipe::of(build, paths.iter().map(String::as_str));
    let recipe = recipe.with_git_folder(git_folder.filter(|_| build.history));
    let layer = match sandbox.prepare(tree, &recipe).await? {
        Prepared::Failed(run) => return Ok(Tested::set_up_failed(&build.test, ended(&run))),
        Prepared::Ready(layer) => layer,
    };
    let place = Place { sandbox, tree, recipe: &recipe, layer: layer.as_ref() };
    // Coverage is measured where it has a floor, because measuring runs the tests once more.
    let measured = build.coverage.as_ref().filter(|coverage| coverage.floor.is_some());
    let (run, report) = match measured.filter(|coverage| coverage.run == build.test) {
        Some(coverage) => place.report(coverage).await.map(|it| (it.run, Some(it.report)))?,
        None => (place.run(&build.test).await?, None),
    };
    let tested = Tested::read(&build.test, ended(&run));
    let mut demands = Vec::new();
    if tested.passed() && !build.lint.is_empty() {
        demands.push(Demanded::lint(&build.lint, ended(&place.lint(&build.lint).await?)));
    }
    if let Some(coverage) = measured.filter(|_| tested.passed()) {
        let Reported { run, report } = match report {
            Some(report) => Reported { run, report },
            None => place.report(coverage).await?,
        };
        demands.push(Demanded::coverage(&coverage.run, ended(&run), report, coverage.floor));
    }
    Ok(Tested { demands, ..tested })
}

/// Files on the layer of their set-up.
struct Place<'a> {
    sandbox: &'a Sandbox,
    tree: &'a Path,
    recipe: &'a Recipe,
    layer: Option<&'a Layer>,
}

impl Place<'_> {
    async fn run(&self, lines: &[String]) -> Result<TestRun, workspace::Error> {
        self.sandbox.test(self.tree, self.recipe, self.layer, Commands::Lines(lines)).await
    }

    /// Without services, whose start takes longer than most lints do: a lint reads code.
    async fn lint(&self, lines: &[String]) -> Result<TestRun, workspace::Error> {
        let recipe = Recipe { services: Vec::new(), ..self.recipe.clone() };
        self.sandbox.test(self.tree, &recipe, self.layer, Commands::Lines(lines)).await
    }

    async fn report(&self, coverage: &Coverage) -> Result<Reported, workspace::Error> {
        let lines_and_path = (coverage.run.as_slice(), coverage.report.as_str());
        self.sandbox.report(self.tree, self.recipe, self.layer, lines_and_path).await
    }
}

/// A run as core reads it.
pub(super) fn ended(run: &TestRun) -> Ended<'_> {
    Ended { exit: run.exit, timed_out: run.timed_out, output: &run.output, millis: run.duration_ms }
}
