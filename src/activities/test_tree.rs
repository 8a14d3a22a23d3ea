//! The tests of a folder of files, as a product file has them.

use std::path::Path;

use crate::{
    core::{
        product_file::Build,
        tested::{Demanded, Ended, Tested},
    },
    workspace::{self, Commands, Layer, Prepared, Recipe, Reported, Sandbox, TestRun},
};

/// Sets up and tests the files below `tree`, whose paths are these; where the tests pass, runs what else the product file asks.
///
/// # Errors
/// When the sandbox cannot be started, or this machine lacks a service or a toolchain. What does not pass is a [`Tested`].
pub async fn test_tree(
    sandbox: &Sandbox,
    tree: &Path,
    paths: &[String],
    build: &Build,
) -> Result<Tested, workspace::Error> {
    let recipe = Recipe::of(build, paths.iter().map(String::as_str));
    let layer = match sandbox.prepare(tree, &recipe).await? {
        Prepared::Failed(run) => return Ok(Tested::set_up_failed(&build.test, ended(&run))),
        Prepared::Ready(layer) => layer,
    };
    let place = Place { sandbox, tree, recipe: &recipe, layer: layer.as_ref() };
    let run = place.run(&build.test).await?;
    let tested = Tested::read(&build.test, ended(&run));
    let demands = if tested.passed() { place.demands(build).await? } else { Vec::new() };
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

    /// What the product file asks besides passing tests. Coverage is measured where it has a floor, because measuring
    /// runs the tests once more.
    async fn demands(&self, build: &Build) -> Result<Vec<Demanded>, workspace::Error> {
        let mut demands = Vec::new();
        if !build.lint.is_empty() {
            demands.push(Demanded::lint(&build.lint, ended(&self.run(&build.lint).await?)));
        }
        if let Some(coverage) = build.coverage.as_ref().filter(|coverage| coverage.floor.is_some()) {
            let lines_and_path = (coverage.run.as_slice(), coverage.report.as_str());
            let reported = self.sandbox.report(self.tree, self.recipe, self.layer, lines_and_path);
            let Reported { run, report } = reported.await?;
            demands.push(Demanded::coverage(&coverage.run, ended(&run), report, coverage.floor));
        }
        Ok(demands)
    }
}

/// A run as core reads it.
pub(super) fn ended(run: &TestRun) -> Ended<'_> {
    Ended { exit: run.exit, timed_out: run.timed_out, output: &run.output, millis: run.duration_ms }
}
