//! The graphs that are measured: steps in a row, whose activity answers `clean`.

use std::{fmt::Write as _, sync::Arc};

use anyhow::Context as _;

use crate::{
    core::{requirement::Requirement, workflow::Workflow},
    store::Pool,
};

/// The product that all runs are for.
pub(super) const PRODUCT: &str = "bench";
/// How many steps a chain has.
pub(super) const CHAIN: usize = 8;

/// The graphs, stored in a database.
#[derive(Debug, Clone)]
pub(super) struct Graphs {
    /// One step.
    pub(super) single: Arc<Workflow>,
    /// Eight steps, one after the other.
    pub(super) chain: Arc<Workflow>,
}

/// Stores both graphs in a database.
pub(super) async fn store(pool: &Pool) -> anyhow::Result<Graphs> {
    let mut stored = Vec::new();
    for steps in [1, CHAIN] {
        let text = chain(steps);
        let workflow = Workflow::parse(&text).context("read a graph of the bench")?;
        crate::store::workflow::keep(pool, &workflow.hash, &workflow.name, &text).await?;
        stored.push(Arc::new(workflow));
    }
    Ok(Graphs { single: Arc::clone(&stored[0]), chain: Arc::clone(&stored[1]) })
}

/// What every run asks for.
pub(super) fn requirement() -> anyhow::Result<Requirement> {
    let checked = Requirement::new(PRODUCT, "Measure this", "Nothing is done, and that is measured.", 3);
    checked.map_err(|wrong| anyhow::anyhow!("{wrong:?}"))
}

/// The text of a graph of `steps` steps in a row: `a`, `b`, …
fn chain(steps: usize) -> String {
    let names: Vec<String> = ('a'..='z').take(steps).map(String::from).collect();
    let mut text = format!("name = \"bench-{steps}\"\nstart = \"a\"\nexhausted = \"stopped\"\n");
    for (index, name) in names.iter().enumerate() {
        let next = names.get(index + 1).map_or("done", String::as_str);
        let _ = write!(
            text,
            "[step.{name}]\nrun = \"review\"\nqueue = \"default\"\n\
             on = {{ clean = \"{next}\", findings = \"stopped\", moved = \"stopped\" }}\n"
        );
    }
    text + "[end]\ndone = \"succeeded\"\nstopped = \"blocked\"\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_as_many_steps_as_requested() {
        for steps in [1, CHAIN] {
            assert_eq!(Workflow::parse(&chain(steps)).unwrap().steps.len(), steps);
        }
    }
}
