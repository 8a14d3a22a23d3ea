//! Many runs at once, each as if it had been accepted alone.

use uuid::Uuid;

use super::{Engine, Error};
use crate::{
    core::{
        limit,
        requirement::Requirement,
        run::{Action, Run},
        workflow::Workflow,
    },
    store::{
        self,
        bulk::{self, Beginning},
        product::Product,
        wake,
    },
};

/// The most runs that begin in one transaction.
const TOGETHER: usize = 1_000;

impl Engine {
    /// Takes the same requirement `count` times and begins a run of `workflow` for each; tells the runs.
    ///
    /// The graph must be kept in the database already. There is a transaction for each 1,000 runs, and idle
    /// workers are told by the last one: after an error some runs may have begun.
    ///
    /// # Errors
    /// [`Error::NoProduct`] for an unknown product.
    pub async fn accept_bulk(
        &self,
        workflow: &Workflow,
        requirement: &Requirement,
        count: usize,
    ) -> Result<Vec<Uuid>, Error> {
        let name = requirement.product.as_str();
        let product = store::product::get(&self.pool, name).await?;
        let product = product.ok_or_else(|| Error::NoProduct(name.to_owned()))?;
        let mut begun = Vec::with_capacity(count);
        while begun.len() < count {
            let some = (count - begun.len()).min(TOGETHER);
            let last = begun.len() + some == count;
            begun.extend(self.begin(workflow, requirement, &product, some, last).await?);
        }
        Ok(begun)
    }

    async fn begin(
        &self,
        workflow: &Workflow,
        requirement: &Requirement,
        product: &Product,
        count: usize,
        tell: bool,
    ) -> Result<Vec<Uuid>, Error> {
        let ids = || -> Vec<Uuid> { (0..count).map(|_| Uuid::now_v7()).collect() };
        let (requirements, runs) = (ids(), ids());
        let mut tx = self.pool.begin().await?;
        let at = store::now(&mut tx).await?;
        let (run, actions) = Run::start(workflow, at)?;
        for action in &actions {
            let (workflow_hash, step) = (&workflow.hash, workflow.steps.get(&workflow.start));
            let keys = step.map(|step| {
                let (name, repository, base) = (&product.name, &product.repository, &product.base_branch);
                limit::keys(name, repository, base, step.run, step.queue, &self.provider)
            });
            let keys = &keys.unwrap_or_default();
            let beginning =
                Beginning { requirement, actor: "bulk", product, workflow_hash, run: &run, action, keys, at };
            bulk::begin(&mut tx, &requirements, &runs, &beginning).await?;
            if let Action::Enqueue { queue, .. } = action
                && tell
            {
                wake::notify(&mut tx, *queue).await?;
            }
        }
        tx.commit().await?;
        Ok(runs)
    }
}
