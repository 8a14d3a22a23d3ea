//! Runs a product's tests in bubblewrap: no network, no environment, no host files, hard limits.
//!
//! The files go in as a tar on standard input and are kept in memory; only text comes out. Tests never run outside
//! of the sandbox: where its start-up probe fails, they do not run at all.

mod cluster;
mod group;
mod image;
mod inputs;
mod inside;
mod layers;
mod limits;
mod probe;
mod proxy;
mod recipe;
mod registries;
mod report;
mod runner;
mod seccomp;
mod services;
mod setup;
mod spawn;
mod stage;
mod syscalls;
mod system;
mod tail;
mod toolchains;
mod tools;
pub(super) mod unavailable;
mod watch;

use std::{path::Path, sync::Arc};

use self::{
    inside::Inside,
    runner::{Files, Job, Runner},
    tools::Tools,
};
pub use self::{
    layers::{Layer, LayerUsage, Layers},
    limits::{Limits, Over, TestRun},
    recipe::{Commands, Recipe},
    report::Reported,
    setup::Prepared,
    unavailable::Unavailable,
};
use super::error::Error;

/// A sandbox that has passed its start-up probe.
#[derive(Debug, Clone)]
pub struct Sandbox {
    runner: Arc<Runner>,
    layers: Layers,
}

impl Sandbox {
    /// Finds the tools, and runs the start-up probe, which attacks the sandbox.
    ///
    /// # Errors
    /// [`Unavailable`] names what is missing, or which attack of the probe succeeded.
    pub async fn find() -> Result<Self, Unavailable> {
        Self::find_in(&std::env::var_os("PATH").unwrap_or_default()).await
    }

    /// As [`Sandbox::find`], with this search path for the tools.
    ///
    /// # Errors
    /// As [`Sandbox::find`].
    pub async fn find_in(path: &std::ffi::OsStr) -> Result<Self, Unavailable> {
        Self::probed(path, |_| {}).await
    }

    /// As [`Sandbox::find`], on a machine on which no control group can be made: runs are watched and killed.
    ///
    /// # Errors
    /// As [`Sandbox::find`].
    pub async fn find_without_groups() -> Result<Self, Unavailable> {
        Self::probed(&std::env::var_os("PATH").unwrap_or_default(), Runner::without_groups).await
    }

    async fn probed(path: &std::ffi::OsStr, change: impl FnOnce(&mut Runner)) -> Result<Self, Unavailable> {
        let tools = Tools::find_in(path).map_err(|reason| Unavailable { reason })?;
        let mut runner = Runner::new(tools).map_err(|reason| Unavailable { reason })?;
        change(&mut runner);
        probe::probe(&runner).await?;
        Ok(Self { runner: Arc::new(runner), layers: Layers::of_this_user() })
    }

    /// Who limits the memory of runs, as a phrase.
    #[must_use]
    pub fn limited_by(&self) -> &'static str {
        if self.runner.has_groups() { "control groups" } else { "watching their processes" }
    }

    /// Runs `argv` in a copy of `directory`. `argv[0]` is searched inside the sandbox, in `/usr/local/bin`, `/usr/bin`
    /// and `/bin`. Standard output and error are read as one stream.
    ///
    /// # Errors
    /// When this machine cannot start the sandbox. A failure of the test is a [`TestRun`].
    pub async fn run(&self, directory: &Path, argv: &[&str], limits: Limits) -> Result<TestRun, Error> {
        let inside = Inside { unpack: inside::UNPACK.to_owned(), ..Inside::default() };
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        self.runner.run(Job { files: Files::Tree(directory, None), inside, argv, user: None, limits }).await
    }

    /// With layers in another folder than that of this user.
    #[must_use]
    pub fn with_layers(self, layers: Layers) -> Self {
        Self { layers, ..self }
    }

    /// Where set-up's layers are.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Runs the set-up of a product, unless a layer of the same commands, files and tools is there. Set-up sees the recipe's
    /// inputs alone and reaches the package registries alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when this machine lacks a toolchain; otherwise when it cannot start the sandbox or keep the
    /// layer. A failure of set-up is [`Prepared::Failed`].
    pub async fn prepare(&self, tree: &Path, recipe: &Recipe) -> Result<Prepared, Error> {
        setup::prepare(&self.runner, &self.layers, tree, recipe).await
    }

    /// Runs commands on a copy of `tree` and the layer of its set-up, with the recipe's services and without a network.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when this machine lacks a service or a toolchain; otherwise as [`Sandbox::run`].
    pub async fn test(
        &self,
        tree: &Path,
        recipe: &Recipe,
        layer: Option<&Layer>,
        commands: Commands<'_>,
    ) -> Result<TestRun, Error> {
        setup::test((&self.runner, &self.layers), tree, recipe, layer, commands).await
    }

    /// As [`Sandbox::test`] with lines of `sh -e`, which write a report; `path` is relative to the product's folder.
    ///
    /// # Errors
    /// As [`Sandbox::test`].
    pub async fn report(
        &self,
        tree: &Path,
        recipe: &Recipe,
        layer: Option<&Layer>,
        lines_and_path: (&[String], &str),
    ) -> Result<Reported, Error> {
        report::report((&self.runner, &self.layers), tree, recipe, layer, lines_and_path).await
    }
}
