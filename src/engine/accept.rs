//! How runs begin.

use uuid::Uuid;

use super::{Engine, Error};
use crate::{
    core::{
        branch,
        requirement::Requirement,
        run::{Event, Progress, Run},
        subject::Subject,
    },
    store::{self, Connection, event, product::Product, run::RunSpec},
};

/// An accepted requirement and the run that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The requirement.
    pub requirement: Uuid,
    /// Its run.
    pub run: Uuid,
}

/// What is fixed when a run begins.
pub(super) struct Beginning {
    /// What it is about; stored already.
    pub(super) subject: Subject,
    /// 1 (first) to 5 (last).
    pub(super) priority: i16,
    /// The branch that the change is on; `None` for a new one.
    pub(super) branch: Option<String>,
    /// What is known of the pull request.
    pub(super) progress: Progress,
    /// The run before it, whose effects and reviews are also its own.
    pub(super) parent: Option<Uuid>,
}

impl Engine {
    /// Accepts a requirement: when this returns, the database has it with a run and a job.
    ///
    /// # Errors
    /// [`Error::NoProduct`] for an unknown product, [`Error::BacklogFull`] for one at its limit of open runs.
    pub async fn accept(&self, requirement: &Requirement, actor: &str) -> Result<Accepted, Error> {
        let mut tx = self.pool.begin().await?;
        let accepted = self.accept_in(&mut tx, requirement, actor).await?;
        tx.commit().await?;
        Ok(accepted)
    }

    /// Accepts a requirement inside the caller's transaction.
    ///
    /// # Errors
    /// As [`Engine::accept`].
    pub async fn accept_in(
        &self,
        tx: &mut Connection,
        requirement: &Requirement,
        actor: &str,
    ) -> Result<Accepted, Error> {
        let product = admit(tx, requirement.product.as_str()).await?;
        let id = Uuid::now_v7();
        store::requirement::insert(tx, id, requirement, Some(actor)).await?;
        let priority = i16::from(requirement.priority);
        let (subject, progress) = (Subject::Requirement(id), Progress::default());
        let beginning = Beginning { subject, priority, branch: None, progress, parent: None };
        let run = self.begin(tx, beginning, product, actor).await?;
        Ok(Accepted { requirement: id, run })
    }

    /// Begins a run about a subject that is stored already, on the newest workflow for its kind.
    pub(super) async fn begin(
        &self,
        tx: &mut Connection,
        beginning: Beginning,
        product: Product,
        actor: &str,
    ) -> Result<Uuid, Error> {
        let Beginning { subject, priority, branch, progress, parent } = beginning;
        let (id, workflow) = (Uuid::now_v7(), self.newest(subject.kind())?);
        let spec = RunSpec {
            id,
            subject,
            workflow_hash: workflow.hash.clone(),
            branch: branch.unwrap_or_else(|| branch::name(&product.name, id)),
            product: product.name,
            repository: product.repository,
            base_branch: product.base_branch,
            priority,
            parent,
        };
        let now = store::now(tx).await?;
        let (run, actions) = Run::start_with(&workflow, progress.clone(), now)?;
        store::run::insert(tx, &spec, &run).await?;
        let (step, event) = (run.step(), &Event::Started { progress });
        event::append(tx, event::New { run: id, seq: 1, at: now, actor, step, event, lease: None }).await?;
        self.perform(tx, &spec, &workflow, &actions).await?;
        Ok(id)
    }
}

/// The product of a new run, unless it has as many open runs as its backlog allows.
async fn admit(tx: &mut Connection, name: &str) -> Result<Product, Error> {
    let held = store::product::hold(tx, name).await?;
    let product = if held { store::product::get(&mut *tx, name).await? } else { None };
    let product = product.ok_or_else(|| Error::NoProduct(name.to_owned()))?;
    if product.backlog.is_some()
        && let Some((most, open)) = store::product::open_runs(tx, name).await?
        && open >= i64::from(most)
    {
        return Err(Error::BacklogFull { product: product.name, most, open });
    }
    Ok(product)
}
