//! Many runs in one transaction, each as if it had been accepted alone.

use uuid::Uuid;

use super::{Engine, Error};
use crate::{
    core::{
        limit::{self, Target},
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
const PER_TRANSACTION: usize = 1_000;

impl Engine {
    /// Accepts the same requirement `count` times, begins a run of `workflow` for each, and returns the runs.
    ///
    /// The workflow must be in the database already. There is a transaction for each 1,000 runs, so after an
    /// error some runs may have begun. The last transaction notifies idle workers.
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
            let some = (count - begun.len()).min(PER_TRANSACTION);
            let last = begun.len() + some == count;
            begun.extend(self.begin_many(workflow, requirement, &product, some, last).await?);
        }
        Ok(begun)
    }

    async fn begin_many(
        &self,
        workflow: &Workflow,
        requirement: &Requirement,
        product: &Product,
        count: usize,
        notify: bool,
    ) -> Result<Vec<Uuid>, Error> {
        let ids = || -> Vec<Uuid> { (0..count).map(|_| Uuid::now_v7()).collect() };
        let (requirements, runs) = (ids(), ids());
        let mut tx = self.pool.begin().await?;
        let at = store::now(&mut tx).await?;
        let (run, actions) = Run::start(workflow, at)?;
        for action in &actions {
            let (workflow_hash, step) = (&workflow.hash, workflow.steps.get(&workflow.start));
            let Product { name, repository, base_branch, .. } = product;
            let target = Target { product: name, repository, base_branch };
            let keys = step.map(|step| limit::keys(&target, step.run, step.queue, &self.provider));
            let keys = &keys.unwrap_or_default();
            let beginning =
                Beginning { requirement, actor: "bulk", product, workflow_hash, run: &run, action, keys, at };
            bulk::begin(&mut tx, &requirements, &runs, &beginning).await?;
            if let Action::Enqueue { queue, .. } = action
                && notify
            {
                wake::notify(&mut tx, *queue).await?;
            }
        }
        tx.commit().await?;
        Ok(runs)
    }
}
