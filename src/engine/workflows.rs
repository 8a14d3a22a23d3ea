//! The workflows that an engine knows: those of this release, and those that older runs began with.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Engine, Error};
use crate::{
    core::{subject::SubjectKind, workflow::Workflow},
    store::{self, Pool},
};

/// The workflows of this release, oldest first: of those that serve one kind of subject, the last is what new
/// runs begin with. The database keeps those of earlier releases.
pub(super) const SHIPPED: [&str; 3] = [
    include_str!("../../workflows/requirement.toml"),
    include_str!("../../workflows/judge.toml"),
    include_str!("../../workflows/harness_gap.toml"),
];

/// The parsed workflows of one process.
#[derive(Debug)]
pub(super) struct Workflows {
    by_hash: RwLock<HashMap<String, Arc<Workflow>>>,
    newest: HashMap<SubjectKind, Arc<Workflow>>,
}

impl Workflows {
    /// Parses the shipped workflows and stores those that the database does not have.
    pub(super) async fn open(pool: &Pool, shipped: &[&str]) -> Result<Self, Error> {
        let (mut by_hash, mut newest) = (HashMap::new(), HashMap::new());
        for source in shipped {
            let workflow = parse("(shipped)", source)?;
            store::workflow::keep(pool, &workflow.hash, &workflow.name, source).await?;
            by_hash.insert(workflow.hash.clone(), Arc::clone(&workflow));
            newest.insert(workflow.subject, workflow);
        }
        Ok(Self { by_hash: RwLock::new(by_hash), newest })
    }
}

impl Engine {
    /// The workflow that new runs about this kind of subject begin with.
    ///
    /// # Errors
    /// [`Error::NoWorkflow`] when this release ships none.
    pub fn newest(&self, kind: SubjectKind) -> Result<Arc<Workflow>, Error> {
        self.workflows.newest.get(&kind).cloned().ok_or(Error::NoWorkflow(kind))
    }

    /// The workflow with this hash, from memory or the database.
    ///
    /// # Errors
    /// [`Error::Workflow`] when this release cannot read it.
    pub async fn workflow(&self, hash: &str) -> Result<Arc<Workflow>, Error> {
        let by_hash = &self.workflows.by_hash;
        let known = by_hash.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned();
        if let Some(workflow) = known {
            return Ok(workflow);
        }
        let source = store::workflow::source(&self.pool, hash).await?;
        let workflow = parse(hash, &source)?;
        let mut by_hash = by_hash.write().unwrap_or_else(PoisonError::into_inner);
        by_hash.insert(hash.to_owned(), Arc::clone(&workflow));
        Ok(workflow)
    }
}

fn parse(hash: &str, source: &str) -> Result<Arc<Workflow>, Error> {
    let parsed = Workflow::parse(source);
    parsed.map(Arc::new).map_err(|error| Error::Workflow { hash: hash.to_owned(), error })
}
