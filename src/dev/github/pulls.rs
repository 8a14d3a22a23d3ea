//! Pull requests: how they open, change and close, and how they follow their branches.

use serde::Deserialize;

use super::{
    ci,
    event::{Event, PreviousBase, PullAction},
    git::{Comparison, Move},
    host::{Host, Turn},
    refusal::Refusal,
    stale,
    state::{Merge, Pull, TimelineEvent, now},
};

/// A pull request to be opened.
#[derive(Debug, Deserialize)]
pub(crate) struct NewPull {
    pub(crate) title: String,
    pub(crate) head: String,
    pub(crate) base: String,
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) draft: bool,
}

/// A change of a pull request; what it leaves out stays.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PullChange {
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) base: Option<String>,
}

/// Which pull requests a list shows.
#[derive(Debug)]
pub(crate) struct PullFilter<'a> {
    /// `open`, `closed` or `all`.
    pub(crate) state: &'a str,
    /// `user:branch`. GitHub ignores a head without a user; so does the twin.
    pub(crate) head: Option<&'a str>,
    pub(crate) base: Option<&'a str>,
}

/// Opens a pull request; 422 for the reasons that GitHub has.
pub(crate) async fn open(turn: &Turn<'_>, repo: &str, actor: &str, new: NewPull) -> Result<i64, Refusal> {
    let head = head_branch(repo, &new.head)?;
    let head_sha = turn.git(repo).branch(&head).await?.ok_or_else(|| invalid("head"))?;
    refuse_duplicate(turn, repo, &head, &new.base)?;
    add(turn, repo, actor, new, Head { branch: head, sha: head_sha, fork: None }).await
}

/// The head of a new pull request.
pub(crate) struct Head {
    pub(crate) branch: String,
    pub(crate) sha: String,
    /// Who owns the other repository that has the branch.
    pub(crate) fork: Option<String>,
}

/// Opens a pull request with this head.
pub(crate) async fn add(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    new: NewPull,
    Head { branch: head, sha: head_sha, fork }: Head,
) -> Result<i64, Refusal> {
    let git = turn.git(repo);
    let base_sha = git.branch(&new.base).await?.ok_or_else(|| invalid("base"))?;
    if git.ahead(&base_sha, &head_sha).await? == 0 {
        return Err(rule(&format!("No commits between {} and {head}", new.base)));
    }
    let tip = head_sha.clone();
    let number = turn.write(repo, |it, ids| {
        let number = it.new_number();
        it.pulls.push(Pull {
            id: ids.next(),
            number,
            title: new.title,
            body: new.body,
            author: actor.to_owned(),
            head_ref: head,
            base_ref: new.base,
            head_sha,
            base_sha,
            open: true,
            draft: new.draft,
            created_at: now(),
            updated_at: now(),
            closed_at: None,
            merge: None,
            fork,
        });
        number
    })?;
    git.show_pull(number, &tip).await?;
    announce(turn, repo, actor, number, PullAction::Opened).await?;
    ci::check(turn, repo, number)?;
    Ok(number)
}

fn head_branch(repo: &str, head: &str) -> Result<String, Refusal> {
    match head.split_once(':') {
        Some((user, branch)) if user == owner_of(repo) => Ok(branch.to_owned()),
        Some(_) => Err(invalid("head")),
        None => Ok(head.to_owned()),
    }
}

fn refuse_duplicate(host: &Host, repo: &str, head: &str, base: &str) -> Result<(), Refusal> {
    let same = |pull: &Pull| pull.open && pull.own_branch() == Some(head) && pull.base_ref == base;
    if host.read(repo, |it| it.pulls.iter().any(same))? {
        return Err(rule(&format!("A pull request already exists for {}:{head}.", owner_of(repo))));
    }
    Ok(())
}

/// The pull request as it is saved.
pub(crate) fn one(host: &Host, repo: &str, number: i64) -> Result<Pull, Refusal> {
    host.read(repo, |it| it.pull(number).cloned())?.ok_or_else(Refusal::not_found)
}

/// The pull request, and its head compared with its base.
pub(crate) async fn current(host: &Host, repo: &str, number: i64) -> Result<(Pull, Comparison), Refusal> {
    let pull = one(host, repo, number)?;
    let comparison = compare(host, repo, &pull).await?;
    Ok((pull, comparison))
}

/// Compares head and base as git has them now, or as they were when the pull request was closed.
pub(crate) async fn compare(host: &Host, repo: &str, pull: &Pull) -> anyhow::Result<Comparison> {
    let git = host.git(repo);
    let (mut head, mut base) = (pull.head_sha.clone(), pull.base_sha.clone());
    if pull.open {
        if let Some(branch) = pull.own_branch() {
            head = git.branch(branch).await?.unwrap_or(head);
        }
        base = git.branch(&pull.base_ref).await?.unwrap_or(base);
    }
    git.compare(&base, &head).await
}

/// The pull requests that a filter lets through, oldest first, with their heads and bases as git has them now.
pub(crate) async fn find(host: &Host, repo: &str, filter: &PullFilter<'_>) -> Result<Vec<Pull>, Refusal> {
    let head = filter.head.and_then(|head| head.split_once(':'));
    let fits = |pull: &&Pull| {
        (filter.state == "all" || (filter.state == "open") == pull.open)
            && head.is_none_or(|(user, branch)| {
                user == pull.fork.as_deref().unwrap_or_else(|| owner_of(repo)) && branch == pull.head_ref
            })
            && filter.base.is_none_or(|base| base == pull.base_ref)
    };
    let branches = host.git(repo).branches().await?;
    let mut found: Vec<Pull> = host.read(repo, |it| it.pulls.iter().filter(fits).cloned().collect())?;
    for pull in found.iter_mut().filter(|pull| pull.open) {
        let now = |branch: &String, saved: &String| branches.get(branch).unwrap_or(saved).clone();
        if pull.fork.is_none() {
            pull.head_sha = now(&pull.head_ref, &pull.head_sha);
        }
        pull.base_sha = now(&pull.base_ref, &pull.base_sha);
    }
    Ok(found)
}

/// The pull requests that bring a commit into their base.
pub(crate) async fn with_commit(host: &Host, repo: &str, sha: &str) -> Result<Vec<Pull>, Refusal> {
    let git = host.git(repo);
    let numbers = git.pulls_with(sha).await?;
    let is_one = |pull: &&Pull| numbers.contains(&pull.number);
    let mut found = Vec::new();
    for pull in host.read(repo, |it| it.pulls.iter().filter(is_one).cloned().collect::<Vec<_>>())? {
        if !git.contains(&pull.base_sha, sha).await? {
            found.push(pull);
        }
    }
    Ok(found)
}

/// Changes title, body or base, closes or reopens. A base can be changed while the pull request is open.
pub(crate) async fn edit(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    change: PullChange,
) -> Result<(), Refusal> {
    let pull = one(turn, repo, number)?;
    let state = change.state.as_deref();
    if !matches!(state, None | Some("open" | "closed")) {
        return Err(invalid("state"));
    }
    let rebased = match change.base.filter(|base| *base != pull.base_ref) {
        Some(base) => Some(new_base(turn, repo, &pull, base).await?),
        None => None,
    };
    let reopens = state == Some("open") && !pull.open;
    let is_gone = match pull.own_branch() {
        Some(branch) => turn.git(repo).branch(branch).await?.is_none(),
        None => false,
    };
    if reopens && (pull.merge.is_some() || is_gone) {
        return Err(rule("state cannot be changed. The pull request cannot be reopened."));
    }
    let closes = state == Some("closed") && pull.open;
    turn.write(repo, |it, _| {
        if let Some(pull) = it.pull_mut(number) {
            pull.title = change.title.unwrap_or_else(|| pull.title.clone());
            pull.body = change.body.or(pull.body.take());
            pull.updated_at = now();
            if let Some((branch, sha)) = &rebased {
                (pull.base_ref, pull.base_sha) = (branch.clone(), sha.clone());
            }
            if reopens {
                (pull.open, pull.closed_at) = (true, None);
            }
        }
    })?;
    let base = rebased.map(|_| PreviousBase { branch: pull.base_ref, sha: pull.base_sha });
    match (closes, reopens) {
        (true, _) => close(turn, repo, actor, number).await,
        (false, true) => announce(turn, repo, actor, number, PullAction::Reopened).await,
        (false, false) => announce(turn, repo, actor, number, PullAction::Edited { base }).await,
    }
}

/// The branch that an open pull request is pointed at, and its commit.
async fn new_base(
    turn: &Turn<'_>,
    repo: &str,
    pull: &Pull,
    base: String,
) -> Result<(String, String), Refusal> {
    if !pull.open {
        return Err(rule("Cannot change the base branch of a closed pull request."));
    }
    let sha = turn.git(repo).branch(&base).await?.ok_or_else(|| invalid("base"))?;
    refuse_duplicate(turn, repo, &pull.head_ref, &base)?;
    Ok((base, sha))
}

/// Makes a pull request a draft, or ready for review.
pub(crate) async fn set_draft(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    draft: bool,
) -> Result<(), Refusal> {
    one(turn, repo, number)?;
    turn.write(repo, |it, _| {
        if let Some(pull) = it.pull_mut(number) {
            (pull.draft, pull.updated_at) = (draft, now());
        }
    })?;
    let action = if draft { PullAction::ConvertedToDraft } else { PullAction::ReadyForReview };
    announce(turn, repo, actor, number, action).await
}

/// Closes without merging. The saved head and base stay as they are now.
pub(crate) async fn close(turn: &Turn<'_>, repo: &str, actor: &str, number: i64) -> Result<(), Refusal> {
    let (_, comparison) = current(turn, repo, number).await?;
    turn.write(repo, |it, _| {
        if let Some(pull) = it.pull_mut(number) {
            pull.open = false;
            pull.closed_at = Some(now());
            (pull.head_sha, pull.base_sha) = (comparison.head_sha, comparison.base_sha);
        }
    })?;
    announce(turn, repo, actor, number, PullAction::Closed).await
}

/// Records that a pull request was merged by the commit `sha`.
pub(crate) fn mark_merged(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    comparison: &Comparison,
    sha: &str,
) -> Result<(), Refusal> {
    turn.write(repo, |it, _| {
        if let Some(pull) = it.pull_mut(number) {
            let at = now();
            pull.open = false;
            (pull.head_sha, pull.base_sha) = (comparison.head_sha.clone(), comparison.base_sha.clone());
            (pull.closed_at, pull.updated_at) = (Some(at.clone()), at.clone());
            pull.merge = Some(Merge { sha: sha.to_owned(), by: actor.to_owned(), at });
        }
    })?;
    Ok(())
}

/// Updates the open pull requests of a branch that moved: a new head, a deleted head, or a head that was merged
/// into the base by a push.
pub(crate) async fn follow(turn: &Turn<'_>, repo: &str, actor: &str, moved: &Move) -> Result<(), Refusal> {
    let pulls = turn.read(repo, |it| it.pulls.clone())?;
    for pull in pulls.into_iter().filter(|pull| pull.open) {
        match &moved.after {
            Some(after) if pull.own_branch() == Some(&moved.branch) => {
                synchronize(turn, repo, actor, &pull, after).await?;
            }
            None if pull.own_branch() == Some(&moved.branch) => close(turn, repo, actor, pull.number).await?,
            Some(after) if pull.base_ref == moved.branch => {
                let before = moved.before.as_deref().unwrap_or(after);
                detect_merge(turn, repo, actor, &pull, before, after).await?;
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Gives a pull request its new head.
pub(crate) async fn synchronize(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    pull: &Pull,
    after: &str,
) -> Result<(), Refusal> {
    let dismissed = stale::dismiss(turn, repo, pull, after).await?;
    let forced = !turn.git(repo).contains(after, &pull.head_sha).await?;
    turn.git(repo).show_pull(pull.number, after).await?;
    turn.write(repo, |it, ids| {
        if let Some(pull) = it.pull_mut(pull.number) {
            after.clone_into(&mut pull.head_sha);
            pull.updated_at = now();
        }
        if forced {
            it.timeline.push(TimelineEvent {
                id: ids.next(),
                pull: pull.number,
                event: "head_ref_force_pushed".to_owned(),
                actor: actor.to_owned(),
                commit_id: after.to_owned(),
                created_at: now(),
            });
        }
    })?;
    let action = PullAction::Synchronize { before: pull.head_sha.clone(), after: after.to_owned() };
    announce(turn, repo, actor, pull.number, action).await?;
    for review in dismissed {
        let (pull, comparison) = current(turn, repo, pull.number).await?;
        turn.announce(repo, actor, &Event::Review { action: "dismissed", review, pull, comparison })?;
    }
    ci::check(turn, repo, pull.number)
}

/// A pull request whose head came into its base by a push counts as merged.
async fn detect_merge(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    pull: &Pull,
    before: &str,
    after: &str,
) -> Result<(), Refusal> {
    let git = turn.git(repo);
    if !git.contains(after, &pull.head_sha).await? || git.contains(before, &pull.head_sha).await? {
        return Ok(());
    }
    let comparison = git.compare(before, &pull.head_sha).await?;
    mark_merged(turn, repo, actor, pull.number, &comparison, after)?;
    announce(turn, repo, actor, pull.number, PullAction::Closed).await
}

/// Announces what happened to a pull request.
pub(crate) async fn announce(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    action: PullAction,
) -> Result<(), Refusal> {
    let (pull, comparison) = current(turn, repo, number).await?;
    Ok(turn.announce(repo, actor, &Event::PullRequest { action, pull, comparison })?)
}

/// The owner in `owner/name`.
pub(crate) fn owner_of(repo: &str) -> &str {
    repo.split('/').next().unwrap_or("")
}

fn invalid(field: &str) -> Refusal {
    Refusal::field("PullRequest", field, "invalid")
}

fn rule(message: &str) -> Refusal {
    Refusal::rule("PullRequest", message)
}
