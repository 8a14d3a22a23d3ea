//! Which products the head of a pull request of others touches, and so by whose settings it is judged.

use super::{Failure, attempt::Attempt, brief::Theirs};
use crate::{
    core::{
        judging::Wanted,
        policy::{Facts, PullState},
        product_file::ProductFile,
        requirement::ProductName,
    },
    store::{judged_by::JudgedBy, pull},
};

impl Attempt<'_> {
    /// Keeps which products the judged head touches. If it is to be judged by other settings than this attempt has read, the
    /// attempt with those: facts that were gathered by the former ones count for nothing.
    pub(super) async fn resettled(&self, facts: &Facts) -> Result<Option<Self>, Failure> {
        let Some(theirs) = self.brief.theirs() else { return Ok(None) };
        // Of what is merged nothing is left to compare.
        if facts.pull_state.state != PullState::Open && theirs.pull.products.is_some() {
            return Ok(None);
        }
        let touched = self.touched(theirs, facts).await?;
        if theirs.pull.products.as_ref() == Some(&touched) {
            return Ok(None);
        }
        pull::touches(&self.factory.pool, theirs.pull.id, &touched).await?;
        let again = self.again().await?;
        let is_other = |now: &Theirs| essence(&now.by) != essence(&theirs.by);
        let is_other = again.brief.theirs().is_some_and(is_other);
        Ok(is_other.then_some(again))
    }

    /// The products of the repository and the base that a head touches, by name, by the folders that the product file at the
    /// base gives them. All of them, where it gives none or cannot be read, and where nothing is changed.
    async fn touched(&self, theirs: &Theirs, facts: &Facts) -> Result<Vec<String>, Failure> {
        let registered = &theirs.by.registered;
        let change = facts.whole_change();
        let paths: Vec<&str> = change.files.iter().map(|file| file.path.as_str()).collect();
        if registered.len() < 2 || paths.is_empty() {
            return Ok(registered.clone());
        }
        let mirror = self.factory.workspaces.mirror(&self.repo);
        let text = mirror.product_file(&facts.base).await?;
        let Some(file) = text.and_then(|text| ProductFile::parse(&text).ok()) else {
            return Ok(registered.clone());
        };
        let names: Result<Vec<ProductName>, _> = registered.iter().map(|name| name.parse()).collect();
        let names = names.map_err(Failure::unusable)?;
        Ok(file.touched(&names, &paths).into_iter().map(ToString::to_string).collect())
    }
}

/// What makes one judgement differ from another.
fn essence(by: &JudgedBy) -> (&Wanted, Vec<&str>) {
    (&by.wanted, by.names())
}
