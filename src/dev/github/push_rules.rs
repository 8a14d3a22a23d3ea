//! Pushes that GitHub declines: protected branches, rulesets, workflow files, secrets and large files.
//!
//! The lines are those that GitHub was seen to print. In which order it looks at a push is not documented; one that
//! breaks several rules is declined for the first of them here.

use super::{
    git::Git,
    host::Host,
    incoming::Update,
    protection::{Rules, Source},
    refusal::Refusal,
    rules::{self, THROUGH_PULL_REQUEST, UNSIGNED},
    secrets,
};

/// Who pushes, and whether their credential may change workflow files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pusher<'a> {
    pub(crate) login: &'a str,
    pub(crate) workflows: bool,
}

/// Why a push is declined.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declined {
    /// What git shows behind `remote: `.
    pub(crate) lines: Vec<String>,
    /// The reason of each reference, in git's parentheses.
    pub(crate) reason: String,
}

/// docs.github.com "About large files on GitHub": a file over 50 MiB is warned of, one over 100 MiB is declined.
const WARNED: u64 = 50 << 20;
const LARGEST: u64 = 100 << 20;
/// The largest file that is looked through for secrets; the twin's own limit.
const SCANNED: usize = 1 << 20;
const LARGE: &str =
    "Large files detected. You may want to try Git Large File Storage - https://git-lfs.github.com.";

/// Looks at a push whose objects `git` has; lines to show besides, or why it is declined.
pub(crate) async fn inspect(
    host: &Host,
    repo: &str,
    git: &Git,
    pusher: Pusher<'_>,
    updates: &[Update],
) -> Result<Result<Vec<String>, Declined>, Refusal> {
    let mut shown = Vec::new();
    for update in updates {
        let commits = match &update.after {
            Some(tip) => git.new_commits(tip).await?,
            None => Vec::new(),
        };
        match sizes(git, update).await? {
            Ok(warnings) => shown.extend(warnings),
            Err(declined) => return Ok(Err(declined)),
        }
        if let Some(declined) = leaks(repo, git, update, &commits).await? {
            return Ok(Err(declined));
        }
        if let Some(declined) = broken_rules(host, repo, git, pusher, update, &commits).await? {
            return Ok(Err(declined));
        }
        if let Some(declined) = workflow(git, pusher, &commits).await? {
            return Ok(Err(declined));
        }
    }
    Ok(Ok(shown))
}

async fn sizes(git: &Git, update: &Update) -> anyhow::Result<Result<Vec<String>, Declined>> {
    let Some(tip) = &update.after else { return Ok(Ok(Vec::new())) };
    let mut warned: Vec<_> = git.new_blobs(tip).await?;
    warned.retain(|blob| blob.bytes > WARNED);
    if warned.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let megabytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let too_large: Vec<_> = warned.iter().filter(|blob| blob.bytes > LARGEST).collect();
    if too_large.is_empty() {
        let warning = |path: &str, size| {
            format!(
                "warning: File {path} is {size:.2} MB; this is larger than GitHub's recommended maximum file size of \
                 50.00 MB"
            )
        };
        let lines = warned.iter().map(|blob| warning(&blob.path, megabytes(blob.bytes)));
        return Ok(Ok(lines.chain([format!("warning: GH001: {LARGE}")]).collect()));
    }
    let mut lines = vec![
        "error: Trace: 0123456789abcdef".to_owned(),
        "error: See https://gh.io/lfs for more information.".to_owned(),
    ];
    lines.extend(too_large.iter().map(|blob| {
        let size = megabytes(blob.bytes);
        format!(
            "error: File {} is {size:.2} MB; this exceeds GitHub's file size limit of 100.00 MB",
            blob.path
        )
    }));
    lines.push(format!("error: GH001: {LARGE}"));
    Ok(Err(Declined { lines, reason: "pre-receive hook declined".to_owned() }))
}

/// Push protection: secrets in lines that the new commits add.
async fn leaks(
    repo: &str,
    git: &Git,
    update: &Update,
    commits: &[String],
) -> anyhow::Result<Option<Declined>> {
    let mut found = Vec::new();
    for commit in commits {
        for path in git.paths_of(commit).await? {
            for (kind, line) in added_secrets(git, commit, &path).await? {
                found.extend(place(repo, commit, kind, &format!("{path}:{line}")));
            }
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let head: [&str; 8] = [
        &format!("error: GH013: Repository rule violations found for {}.", update.reference),
        "",
        "- GITHUB PUSH PROTECTION",
        "  —————————————————————————————————————————",
        "    Resolve the following violations before pushing again",
        "",
        "    - Push cannot contain secrets",
        "",
    ];
    let lines = head.map(str::to_owned).into_iter().chain(found).collect();
    Ok(Some(Declined { lines, reason: VIOLATIONS.to_owned() }))
}

/// The kind and line of each secret that a commit adds to a file.
async fn added_secrets(git: &Git, commit: &str, path: &str) -> anyhow::Result<Vec<(&'static str, usize)>> {
    let text = git.file(commit, path).await?.filter(|text| text.len() <= SCANNED);
    let Some(text) = text else { return Ok(Vec::new()) };
    let before = git.file(&format!("{commit}^"), path).await?.unwrap_or_default();
    let before: Vec<&[u8]> = before.split(|&byte| byte == b'\n').collect();
    let now: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let mut found = secrets::find(&text);
    found.retain(|(_, line)| !before.contains(&now[line - 1]));
    Ok(found)
}

/// GitHub's lines for one secret.
fn place(repo: &str, commit: &str, kind: &str, place: &str) -> Vec<String> {
    let lines: [&str; 8] = [
        &format!("  —— {kind} ——————————————————————"),
        "   locations:",
        &format!("     - commit: {commit}"),
        &format!("       path: {place}"),
        "",
        "   (?) To push, remove secret from commit(s) or follow this URL to allow the secret.",
        &format!("   https://github.com/{repo}/security/secret-scanning/unblock-secret/twin"),
        "",
    ];
    lines.map(str::to_owned).to_vec()
}

const VIOLATIONS: &str = "push declined due to repository rule violations";

/// The rules of a branch, as they hold for a push.
async fn broken_rules(
    host: &Host,
    repo: &str,
    git: &Git,
    pusher: Pusher<'_>,
    update: &Update,
    commits: &[String],
) -> Result<Option<Declined>, Refusal> {
    let Some(branch) = update.reference.strip_prefix("refs/heads/") else { return Ok(None) };
    let forced = match (&update.before, &update.after) {
        (Some(before), Some(after)) => !git.contains(after, before).await?,
        (None, _) | (_, None) => false,
    };
    let mut merges = false;
    for commit in commits {
        merges |= git.commits(commit, true).await?.iter().any(|commit| commit.parents.len() > 1);
    }
    host.read(repo, |it| {
        for (source, rules) in rules::of_branch(it, branch) {
            if rules.bypass.iter().any(|login| login == pusher.login) {
                continue;
            }
            let mut reasons = shape(update, rules, forced, merges);
            if rules.signatures && !commits.iter().all(|sha| it.verified.contains(sha)) {
                reasons.push(UNSIGNED.to_owned());
            }
            if let Some(after) = &update.after {
                reasons.extend(rules::checks(it, after, rules, false));
            }
            if !reasons.is_empty() {
                return Some(declined(repo, update, source, &reasons));
            }
        }
        None
    })
}

/// What is wrong with the way in which a branch is to move.
fn shape(update: &Update, rules: &Rules, forced: bool, merges: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut add = |broken: bool, reason: &str| reasons.extend(broken.then(|| reason.to_owned()));
    let deletes = update.after.is_none();
    add(deletes && !rules.allow_deletions, "Cannot delete this branch");
    add(forced && !rules.allow_force_pushes, "Cannot force-push to this branch");
    add(!deletes && (rules.pull_request || rules.approvals > 0), THROUGH_PULL_REQUEST);
    add(!deletes && rules.merge_queue, "Changes must be made through the merge queue");
    add(merges && rules.linear_history, "This branch must not contain merge commits.");
    reasons
}

fn declined(repo: &str, update: &Update, source: Source, reasons: &[String]) -> Declined {
    let (mut lines, reason) = match source {
        Source::Protection => (
            vec![format!("error: GH006: Protected branch update failed for {}.", update.reference)],
            "protected branch hook declined",
        ),
        Source::Ruleset => (
            vec![
                format!("error: GH013: Repository rule violations found for {}.", update.reference),
                format!(
                    "Review all repository rules at https://github.com/{repo}/rules?ref={}",
                    update.reference.replace('/', "%2F")
                ),
            ],
            VIOLATIONS,
        ),
    };
    for reason in reasons {
        lines.extend([String::new(), format!("- {reason}")]);
    }
    Declined { lines, reason: reason.to_owned() }
}

/// Any file below `.github/workflows` needs the permission of its own, by its path.
async fn workflow(git: &Git, pusher: Pusher<'_>, commits: &[String]) -> anyhow::Result<Option<Declined>> {
    if pusher.workflows {
        return Ok(None);
    }
    for commit in commits {
        let paths = git.paths_of(commit).await?;
        if let Some(path) = paths.iter().find(|path| path.starts_with(".github/workflows/")) {
            let reason = if pusher.login.ends_with("[bot]") {
                format!(
                    "refusing to allow a GitHub App to create or update workflow `{path}` without `workflows` permission"
                )
            } else {
                format!(
                    "refusing to allow a Personal Access Token to create or update workflow `{path}` without `workflow` scope"
                )
            };
            return Ok(Some(Declined { lines: Vec::new(), reason }));
        }
    }
    Ok(None)
}
