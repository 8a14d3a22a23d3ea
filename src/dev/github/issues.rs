//! Issues: opened and listed, never closed.

use serde::Deserialize;

use super::{
    host::Turn,
    refusal::Refusal,
    state::{Issue, Repository, now},
};

/// An issue to be opened.
#[derive(Debug, Deserialize)]
pub(crate) struct NewIssue {
    title: String,
    body: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
}

/// Opens an issue.
pub(crate) fn open(turn: &Turn<'_>, repo: &str, actor: &str, new: NewIssue) -> Result<Issue, Refusal> {
    let issue = turn.write(repo, |it, ids| {
        let issue = Issue {
            id: ids.next(),
            number: it.new_number(),
            title: new.title,
            body: new.body,
            author: actor.to_owned(),
            labels: new.labels,
            created_at: now(),
        };
        it.issues.push(issue.clone());
        issue
    })?;
    Ok(issue)
}

/// The issues with all of these labels, of this author if one is named, newest first.
pub(crate) fn find<'a>(it: &'a Repository, labels: &[&str], creator: Option<&str>) -> Vec<&'a Issue> {
    let fits = |issue: &&Issue| {
        labels.iter().all(|label| issue.labels.iter().any(|has| has == label))
            && creator.is_none_or(|login| login == issue.author)
    };
    it.issues.iter().rev().filter(fits).collect()
}
