//! The proof of a harness case: the base's code with the case alone, in the sandbox.

use super::{
    Failure,
    attempt::Attempt,
    consent::{Permit, Permitted},
};
use crate::{
    core::{
        change::ChangeKind,
        gap::{CaseFile, Proof},
        harness,
        path::RepoPath,
        policy::{TestFacts, TestRule},
        sha::Sha,
    },
    store::test_run::{self, Purpose},
    workspace::{FileEdit, Mirror, NewCommit},
};

/// The cases that a change brings, as files with their names and as they are on its head.
pub(super) struct Cases {
    pub(super) files: Vec<CaseFile>,
    edits: Vec<FileEdit>,
}

impl Attempt<'_> {
    /// What the proof of a head rests on; `None` where the run is about no gap, or its dependencies wait for a person.
    pub(super) async fn proof_of(
        &self,
        mirror: &Mirror,
        (base, head): (&Sha, &Sha),
        tests: Option<&TestFacts>,
    ) -> Result<Option<Proof>, Failure> {
        if self.brief.gap().is_none() || tests.is_some_and(|tests| tests.withheld.is_some()) {
            return Ok(None);
        }
        let (plan, forked) = self.plan_of(mirror, base, head).await?;
        let fork = forked.as_ref().map_or(base, |forked| &forked.fork).clone();
        let cases = cases(mirror, &fork, head).await?;
        let none = Proof { files: cases.files.clone(), base: None, with_cases: None };
        if plan.rule != TestRule::Ours || cases.edits.is_empty() {
            return Ok(Some(none));
        }
        let permitted = match self.permit(mirror, plan, (base, forked.as_ref()), head).await? {
            Permit::Given(permitted) => permitted,
            Permit::Withheld(_) => return Ok(None),
        };
        self.prove(mirror, &permitted, &fork, cases).await.map(Some)
    }

    /// Runs the base's tests, and those with the cases put over the base's code.
    pub(super) async fn prove(
        &self,
        mirror: &Mirror,
        permitted: &Permitted,
        fork: &Sha,
        cases: Cases,
    ) -> Result<Proof, Failure> {
        let message = "the cases of a change over the code of its base".to_owned();
        let new =
            NewCommit { parent: fork.clone(), files: cases.edits, message, at: chrono::DateTime::UNIX_EPOCH };
        let over = mirror.commit(&new).await?;
        let plan = permitted.tests_alone();
        let base = self.tested(mirror, &plan, fork).await?;
        let with_cases = self.tested(mirror, &plan, &over).await?;
        test_run::note(&self.factory.pool, self.lease.run, &over, Purpose::Case, &with_cases).await?;
        Ok(Proof {
            files: cases.files,
            base: Some(base.without_log()),
            with_cases: Some(with_cases.without_log()),
        })
    }

    /// The same with the whole output of the run with the cases, for the model.
    pub(super) async fn log_with(
        &self,
        mirror: &Mirror,
        permitted: &Permitted,
        over: &Sha,
    ) -> Result<String, Failure> {
        Ok(self.tested(mirror, &permitted.tests_alone(), over).await?.log)
    }
}

/// The files below the harness that a change adds or changes.
pub(super) async fn cases(mirror: &Mirror, fork: &Sha, head: &Sha) -> Result<Cases, Failure> {
    let mut cases = Cases { files: Vec::new(), edits: Vec::new() };
    for file in mirror.change(fork, head).await?.files {
        let Ok(path) = file.path.parse::<RepoPath>() else { continue };
        if !harness::holds(&file.path) || file.kind == ChangeKind::Deleted {
            continue;
        }
        let Some(bytes) = mirror.read(head, &path).await? else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        cases.files.extend(CaseFile::read(&file.path, &text));
        cases.edits.push(FileEdit { path, content: Some(bytes) });
    }
    Ok(cases)
}
