//! What the policy at the base says that the repository must allow.

use super::{ChosenMethod, Remark, reason};
use crate::{
    core::{
        merge_method::MergeMethod,
        policy::{POLICY_PATH, Policy},
        requirement::{ProductName, RepoName},
    },
    github::{Error, Forge},
};

impl Forge {
    /// What is to be said of the policy on a base branch, and by which method it has this product merged: the policy is
    /// the stricter document, so what it names counts over the product's own method.
    pub async fn inspect_policy(
        &self,
        repo: &RepoName,
        base_branch: &str,
        product: &ProductName,
        own: MergeMethod,
    ) -> (Vec<Remark>, ChosenMethod) {
        let policy = match self.policy(repo, base_branch).await {
            Ok(Ok(policy)) => policy,
            Ok(Err(remark)) => return (vec![remark], own.into()),
            Err(error) => {
                let why = reason(&error);
                let what = format!("the policy on `{base_branch}` cannot be read: {why}");
                return (vec![Remark::note(what)], own.into());
            }
        };
        let Some(method) = policy.merge_method(product) else { return (Vec::new(), own.into()) };
        let what = format!(
            "the policy on `{base_branch}` has {product} merged by `{method}`, which counts over the product's `{own}`"
        );
        let remarks = if method == own { Vec::new() } else { vec![Remark::note(what)] };
        (remarks, ChosenMethod { method, by_policy: true })
    }

    /// The policy on a branch, or what is wrong with it.
    pub(super) async fn policy(
        &self,
        repo: &RepoName,
        branch: &str,
    ) -> Result<Result<Policy, Remark>, Error> {
        let Some(bytes) = self.file(repo, branch, POLICY_PATH).await? else {
            let what = format!("`{branch}` has no {POLICY_PATH}: every change of it is critical");
            return Ok(Err(Remark::note(what)));
        };
        Ok(Policy::parse(&bytes).map_err(|error| {
            let what = format!(
                "the policy on `{branch}` is refused, and every run waits until it is repaired: {error}"
            );
            Remark::bad(what)
        }))
    }
}
