//! Harness gaps on the forge: their issues, their comments, and which merged pull request has the case.

mod blame;
mod tend;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub(super) use self::{blame::blame, tend::tend};
use super::{
    Factory, Failure,
    attempt::Attempt,
    ledger::{IssueIntent, IssueMade},
};
use crate::{
    core::{
        gap::TITLE_MARK,
        harness,
        policy::{Policy, PullState},
        requirement::RepoName,
        sha::Sha,
    },
    engine::gap_clock,
    github::{Forge, NewIssue, text},
    store::gap::{self, Case, Row, Rule},
    workspace::Mirror,
};

/// A case that was merged.
pub(super) struct MergedCase {
    pub(super) pull: u64,
    pub(super) sha: Option<Sha>,
    pub(super) files: Vec<String>,
    pub(super) at: Option<DateTime<Utc>>,
}

/// Reads the rule for gaps of the base's policy, for this gap and those to come.
pub(super) async fn time(at: &Attempt<'_>, mirror: &Mirror, base: &Sha) -> Result<(), Failure> {
    let Some(about) = at.brief.gap() else { return Ok(()) };
    let Some(rule) = rule_of(mirror, base).await? else { return Ok(()) };
    gap::keep_rule(&at.factory.pool, &about.product, &rule).await?;
    Ok(gap_clock::time(&at.factory.pool, about.id, &rule).await?)
}

/// The first rule for gaps of the policy at a commit; none where the policy has none or cannot be read.
async fn rule_of(mirror: &Mirror, base: &Sha) -> Result<Option<Rule>, Failure> {
    let Some(text) = mirror.policy(base).await? else { return Ok(None) };
    let Ok(policy) = Policy::parse(text.as_bytes()) else { return Ok(None) };
    let Some(first) = policy.harness_gaps().first() else { return Ok(None) };
    Ok(Some(Rule {
        kind: first.kind.clone(),
        label: first.label.clone(),
        limit_minutes: i32::try_from(first.limit_minutes).unwrap_or(i32::MAX),
        policy_digest: Some(policy.digest().to_owned()),
    }))
}

/// Makes the issue of a gap, once: an earlier attempt's is found by its marker.
pub(super) async fn issue(at: &Attempt<'_>) -> Result<(), Failure> {
    let Some(about) = at.brief.gap() else { return Ok(()) };
    // What the policy says of the label may have been read just now.
    let Some(about) = gap::get(&at.factory.pool, about.id).await? else { return Ok(()) };
    if about.issue.is_some() {
        return Ok(());
    }
    let forge = &at.factory.forge;
    let marker = marker(about.id);
    let new = NewIssue {
        title: text::cap(&format!("{TITLE_MARK} {}", text::line(&about.title)), text::TITLE_LIMIT),
        body: marker.mark(&body(at.factory, &about)),
        labels: vec![about.label.clone()],
    };
    let intent = IssueIntent { title: new.title.clone(), label: about.label.clone() };
    // Also before the first act of this run: an earlier run about the gap may have made it.
    let act = async {
        let issue = match forge.find_issue(&at.repo, &about.label, &marker).await? {
            Some(issue) => issue,
            None => forge.open_issue(&at.repo, &new).await?,
        };
        Ok(IssueMade { number: issue.number, url: issue.html_url })
    };
    let made = at.once("gap-issue", &intent, async { Ok(None) }, act).await?;
    Ok(gap_clock::has_issue(&at.factory.pool, about.id, made.number).await?)
}

fn body(factory: &Factory, about: &Row) -> String {
    let reported = text::neutralise(&about.body);
    let more = about.url.as_deref().map(|url| format!("\n\nMore: {url}")).unwrap_or_default();
    format!(
        "An incident of {} that no case of `tests/harness/` would have caught.\n\n{reported}{more}\n\n---\nOpened by {} in \
         Aspora: {}",
        about.happened_at.format("%Y-%m-%d %H:%M UTC"),
        text::line(&about.opened_by),
        page(factory, about.id),
    )
}

/// The marker of a gap's issue.
fn marker(id: Uuid) -> text::Marker {
    text::Marker::new(&format!("gap:{id}"))
}

/// The page of a gap.
fn page(factory: &Factory, id: Uuid) -> String {
    format!("{}/harness-gaps/{id}", factory.public_url)
}

/// A case proved nothing: that stands in the history of the gap.
pub(super) async fn refused(at: &Attempt<'_>, why: &str) -> Result<(), Failure> {
    let Some(about) = at.brief.gap() else { return Ok(()) };
    let note = format!("a case of the model was refused: {why}");
    gap_clock::note(&at.factory.pool, about.id, ("unproven", &note), None, None).await?;
    Ok(())
}

/// The case of a merged pull request; `None` where it is not merged, or has none.
pub(super) async fn merged_case(
    forge: &Forge,
    repo: &RepoName,
    number: u64,
) -> Result<Option<MergedCase>, Failure> {
    let pull = forge.pull(repo, number).await?;
    if pull.state != PullState::Merged {
        return Ok(None);
    }
    let files = forge.pull_files(repo, number).await?.into_iter();
    let files: Vec<String> = files
        .filter(|file| {
            file.status != "removed" && file.status != "unchanged" && harness::holds(&file.filename)
        })
        .map(|file| file.filename)
        .collect();
    let case = MergedCase { pull: number, sha: pull.merge_commit_sha, files, at: pull.merged_time };
    Ok(Some(case).filter(|case| !case.files.is_empty()))
}

/// Stops the clock at the time of the merge.
pub(super) async fn convert(factory: &Factory, id: Uuid, case: &MergedCase) -> Result<(), Failure> {
    let now = crate::store::now(&mut *factory.pool.acquire().await?).await?;
    let case = Case {
        pull: i64::try_from(case.pull).unwrap_or(i64::MAX),
        sha: case.sha.as_ref().map(Sha::as_str),
        files: &case.files,
        // The forge's clock may be ahead of ours.
        at: case.at.map_or(now, |at| at.min(now)),
    };
    gap_clock::convert(&factory.pool, id, case).await?;
    Ok(())
}
