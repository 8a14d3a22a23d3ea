//! Whether the checks that a policy demands are reported at all, and whether the branch's own rules demand them too.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Demand, Remark, reason};
use crate::{
    core::{
        policy::{App, CheckDemand, EVIDENCE_CHECK, GATE_CHECK, Policy, REVIEW_CHECK, Tier},
        requirement::{ProductName, RepoName},
        sha::Sha,
    },
    github::{Error, Forge, escape, route},
};

/// How many of the pull requests merged last are looked at, beside the branch itself.
const PULLS: usize = 5;
/// How many closed pull requests are listed to find them.
const LISTED: usize = 20;

/// A report of a check run or commit status: its name, and the app of a check run by number and slug.
type Report = (String, Option<u64>, Option<String>);

#[derive(Deserialize)]
struct ClosedPull {
    merged_at: Option<String>,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    sha: Sha,
}

impl Forge {
    /// The checks that a policy demands of a product and that nothing reported on the newest commit of its base branch
    /// or on the pull requests merged last, and those that the branch's own rules do not demand. Without a policy it is
    /// that of the branch, of which nothing is said here if it cannot be read.
    pub async fn inspect_checks(
        &self,
        repo: &RepoName,
        branch: &str,
        product: &ProductName,
        policy: Option<&Policy>,
    ) -> Vec<Remark> {
        let own;
        let policy = match policy {
            Some(policy) => policy,
            None => match self.policy(repo, branch).await {
                Ok(Ok(policy)) => {
                    own = policy;
                    &own
                }
                Ok(Err(_)) | Err(_) => return Vec::new(),
            },
        };
        let demanded = demanded(policy, product);
        let mut remarks = match self.reported(repo, branch).await {
            Ok((reports, looked_at)) => unreported(&demanded, &reports, looked_at, branch),
            Err(error) => vec![Remark::note(format!(
                "which checks are reported on `{branch}` cannot be read: {}",
                reason(&error)
            ))],
        };
        match self.demand(repo, branch).await {
            Ok(demand) => remarks.extend(unruled(&demanded, &demand, branch)),
            Err(error) => {
                let why = reason(&error);
                remarks.push(Remark::note(format!("what `{branch}` demands cannot be read: {why}")));
            }
        }
        remarks
    }

    /// What reported on the branch and on the pull requests merged into it last, and how many of these there are.
    async fn reported(&self, repo: &RepoName, branch: &str) -> Result<(BTreeSet<Report>, usize), Error> {
        let base = escape(branch);
        let listing = format!("pulls?state=closed&base={base}&sort=updated&direction=desc&per_page={LISTED}");
        let closed: Vec<ClosedPull> = self.get(&route(repo, &listing)).await?;
        let merged = closed.into_iter().filter(|pull| pull.merged_at.is_some()).take(PULLS);
        let heads: Vec<Sha> = merged.map(|pull| pull.head.sha).collect();
        let mut reports = BTreeSet::new();
        let newest: Commit = self.get(&route(repo, &format!("commits/{base}"))).await?;
        for sha in heads.iter().chain([&newest.sha]) {
            let runs = self.check_runs(repo, sha).await?.into_iter();
            reports.extend(runs.map(|run| (run.name, run.app_id, run.app_slug)));
            let statuses = self.statuses(repo, sha).await?.into_iter();
            reports.extend(statuses.map(|status| (status.context, None, None)));
        }
        Ok((reports, heads.len()))
    }
}

#[derive(Deserialize)]
struct Commit {
    sha: Sha,
}

/// The checks of others that a product's tiers demand, each with those tiers.
fn demanded<'a>(
    policy: &'a Policy,
    product: &ProductName,
) -> BTreeMap<&'a str, (&'a CheckDemand, Vec<Tier>)> {
    let mut all: BTreeMap<&str, (&CheckDemand, Vec<Tier>)> = BTreeMap::new();
    for tier in Tier::ALL.into_iter().rev() {
        let checks = policy.demands(product, tier).into_iter().flat_map(|demands| &demands.checks);
        for check in checks.filter(|check| !is_ours(check)) {
            all.entry(&check.name).or_insert((check, Vec::new())).1.push(tier);
        }
    }
    all
}

/// Whether Aspora reports it, or demands it of the user interface alone.
fn is_ours(check: &CheckDemand) -> bool {
    [GATE_CHECK, REVIEW_CHECK, EVIDENCE_CHECK].contains(&check.name.as_str())
}

fn unreported(
    demanded: &BTreeMap<&str, (&CheckDemand, Vec<Tier>)>,
    reports: &BTreeSet<Report>,
    looked_at: usize,
    branch: &str,
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (name, (check, tiers)) in demanded {
        let is_by = |(reported, id, slug): &&Report| {
            reported == name
                && match &check.app {
                    None => true,
                    Some(App::Id(app)) => *id == Some(*app),
                    Some(App::Slug(app)) => slug.as_ref() == Some(app),
                }
        };
        if reports.iter().any(|report| is_by(&report)) {
            continue;
        }
        let app = match &check.app {
            None => String::new(),
            Some(App::Id(id)) => format!(" of app {id}"),
            Some(App::Slug(slug)) => format!(" of app {slug}"),
        };
        let pulls = crate::core::words::counted(looked_at, "pull request");
        remarks.push(Remark::bad(format!(
            "nothing reports the check `{name}`{app}, which the policy demands of {}: neither on `{branch}` nor on the \
             last {pulls} merged into it; such a change waits until its deadline",
            listed(tiers)
        )));
    }
    remarks
}

fn unruled(
    demanded: &BTreeMap<&str, (&CheckDemand, Vec<Tier>)>,
    demand: &Demand,
    branch: &str,
) -> Vec<Remark> {
    let is_ruled = |name: &str| demand.checks.iter().any(|check| check.name == name);
    let lacking = demanded.iter().filter(|(name, _)| !is_ruled(name));
    let said = lacking.map(|(name, (_, tiers))| {
        let holds = if is_ruled(GATE_CHECK) {
            format!("the required `{GATE_CHECK}` alone holds it")
        } else {
            "people can merge without it".to_owned()
        };
        let tiers = listed(tiers);
        Remark::note(format!(
            "the rules of `{branch}` do not require `{name}`, which the policy demands of {tiers}: {holds}"
        ))
    });
    said.collect()
}

fn listed(tiers: &[Tier]) -> String {
    tiers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
