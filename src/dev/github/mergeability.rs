//! `mergeable`, `mergeable_state` and the test merge: worked out in the background, as GitHub does.

use super::{
    accounts::{BOT, address_of},
    git::Comparison,
    host::Host,
    merge_state::TestMerge,
    refusal::Refusal,
    rules,
    state::{Pull, Repository},
};

/// What a pull request shows of it.
#[derive(Debug)]
pub(crate) struct Mergeability {
    pub(crate) mergeable: Option<bool>,
    /// One of `behind`, `blocked`, `clean`, `dirty`, `draft`, `has_hooks`, `unknown`, `unstable`.
    pub(crate) state: String,
}

/// Counts a read: the first one after head or base have moved begins the computation.
pub(crate) async fn look(
    host: &Host,
    repo: &str,
    pull: &Pull,
    comparison: &Comparison,
) -> Result<(), Refusal> {
    if !pull.open {
        return Ok(());
    }
    let (head, base) = (&comparison.head_sha, &comparison.base_sha);
    let (known, reads) = host.read(repo, |it| {
        let known =
            it.merging.tests.get(&pull.number).filter(|test| test.head == *head && test.base == *base);
        (known.cloned(), it.merging.reads)
    })?;
    let test = match known {
        Some(test) if test.reads_left == 0 => return Ok(()),
        Some(test) => TestMerge { reads_left: test.reads_left - 1, ..test },
        None => {
            let sha = test_merge(host, repo, head, base).await?;
            TestMerge { head: head.clone(), base: base.clone(), reads_left: reads, sha }
        }
    };
    host.change(|state| {
        if let Some(it) = state.repositories.get_mut(repo) {
            it.merging.tests.insert(pull.number, test);
        }
        Ok(())
    })?;
    Ok(())
}

async fn test_merge(host: &Host, repo: &str, head: &str, base: &str) -> anyhow::Result<Option<String>> {
    let git = host.git(repo);
    let Some(tree) = git.merged_tree(base, head).await? else { return Ok(None) };
    let message = format!("Merge {head} into {base}");
    git.commit_tree(&tree, &[base, head], &message, (BOT, &address_of(BOT))).await.map(Some)
}

/// What a pull request shows now.
pub(crate) fn shown(it: &Repository, pull: &Pull, comparison: &Comparison) -> Mergeability {
    match fresh(it, pull, &comparison.head_sha, &comparison.base_sha) {
        None => Mergeability { mergeable: None, state: "unknown".to_owned() },
        Some(test) => {
            let state = state(it, pull, comparison, test.sha.is_some());
            Mergeability { mergeable: Some(test.sha.is_some()), state }
        }
    }
}

/// The commit that merged it, or the test merge until then.
pub(crate) fn merge_commit<'a>(
    it: &'a Repository,
    pull: &'a Pull,
    head: &str,
    base: &str,
) -> Option<&'a str> {
    match &pull.merge {
        Some(merge) => Some(&merge.sha),
        None => fresh(it, pull, head, base)?.sha.as_deref(),
    }
}

/// The test merge of this head and base, once it is worked out.
fn fresh<'a>(it: &'a Repository, pull: &Pull, head: &str, base: &str) -> Option<&'a TestMerge> {
    let test = it.merging.tests.get(&pull.number)?;
    (pull.open && test.reads_left == 0 && test.head == head && test.base == base).then_some(test)
}

fn state(it: &Repository, pull: &Pull, comparison: &Comparison, mergeable: bool) -> String {
    if let Some(forced) = it.merging.forced.get(&pull.number) {
        return forced.clone();
    }
    let state = match mergeable {
        false => "dirty",
        true if pull.draft => "draft",
        true => rules::state(it, pull, comparison),
    };
    state.to_owned()
}
