//! Issues: opened, labelled, closed and reopened.

use serde::Deserialize;

use super::{
    event::{Event, IssueAction},
    host::{Host, Turn},
    refusal::Refusal,
    state::{Issue, Pull, Repository, now},
};

/// The words that close an issue from a pull request. docs.github.com "Linking a pull request to an issue".
const CLOSING: [&str; 9] =
    ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];

/// An issue to be opened.
#[derive(Debug, Deserialize)]
pub(crate) struct NewIssue {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) labels: Vec<String>,
}

/// What changes of an issue; what is left out stays.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct IssueFields {
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) state_reason: Option<String>,
    pub(crate) labels: Option<Vec<String>>,
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
            closed_at: None,
            state_reason: None,
        };
        it.issues.push(issue.clone());
        issue
    })?;
    announce(turn, repo, actor, issue.number, IssueAction::Opened)?;
    for label in &issue.labels {
        announce(turn, repo, actor, issue.number, IssueAction::Labeled(label.clone()))?;
    }
    Ok(issue)
}

/// The issue of this number.
pub(crate) fn one(host: &Host, repo: &str, number: i64) -> Result<Issue, Refusal> {
    let found = host.read(repo, |it| it.issues.iter().find(|issue| issue.number == number).cloned())?;
    found.ok_or_else(Refusal::not_found)
}

/// Changes an issue, and closes or reopens it.
pub(crate) fn update(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    fields: IssueFields,
) -> Result<Issue, Refusal> {
    let issue = one(turn, repo, number)?;
    let is_open = match fields.state.as_deref() {
        None => issue.closed_at.is_none(),
        Some("open") => true,
        Some("closed") => false,
        Some(_) => return Err(Refusal::field("Issue", "state", "invalid")),
    };
    turn.write(repo, |it, _| {
        if let Some(issue) = it.issues.iter_mut().find(|issue| issue.number == number) {
            issue.title = fields.title.unwrap_or_else(|| issue.title.clone());
            issue.body = fields.body.or_else(|| issue.body.take());
        }
    })?;
    if let Some(labels) = fields.labels {
        turn.write(repo, |it, _| {
            with(it, number, |issue| issue.labels.retain(|name| labels.contains(name)))
        })?;
        label(turn, repo, actor, number, &labels)?;
    }
    if is_open != issue.closed_at.is_none() {
        stand(turn, repo, actor, number, is_open, fields.state_reason)?;
    }
    one(turn, repo, number)
}

/// Closes or reopens an issue.
fn stand(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    is_open: bool,
    reason: Option<String>,
) -> Result<(), Refusal> {
    turn.write(repo, |it, _| {
        with(it, number, |issue| {
            issue.closed_at = (!is_open).then(now);
            let usual = if is_open { "reopened" } else { "completed" };
            issue.state_reason = Some(reason.unwrap_or_else(|| usual.to_owned()));
        });
    })?;
    announce(turn, repo, actor, number, if is_open { IssueAction::Reopened } else { IssueAction::Closed })
}

/// Adds labels that an issue does not have.
pub(crate) fn label(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    labels: &[String],
) -> Result<(), Refusal> {
    let known = one(turn, repo, number)?.labels;
    for label in labels.iter().filter(|label| !known.contains(label)) {
        turn.write(repo, |it, _| with(it, number, |issue| issue.labels.push(label.clone())))?;
        announce(turn, repo, actor, number, IssueAction::Labeled(label.clone()))?;
    }
    Ok(())
}

/// Closes the issues that a merged pull request names, if it was merged into the default branch.
pub(crate) fn close_by(turn: &Turn<'_>, repo: &str, actor: &str, pull: &Pull) -> Result<(), Refusal> {
    let (default, open) = turn.read(repo, |it| {
        let open = it.issues.iter().filter(|issue| issue.closed_at.is_none()).map(|issue| issue.number);
        (it.default_branch.clone(), open.collect::<Vec<_>>())
    })?;
    let named = closed_by(pull.body.as_deref().unwrap_or_default());
    for number in open.into_iter().filter(|number| pull.base_ref == default && named.contains(number)) {
        stand(turn, repo, actor, number, false, None)?;
    }
    Ok(())
}

/// The issues of this repository that a text closes.
pub(crate) fn closed_by(text: &str) -> Vec<i64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |pair: &[&str]| {
        let [word, issue] = pair else { return None };
        let word =
            word.trim_start_matches(|c: char| !c.is_alphanumeric()).trim_end_matches(':').to_lowercase();
        let digits: String = issue.strip_prefix('#')?.chars().take_while(char::is_ascii_digit).collect();
        CLOSING.contains(&&*word).then(|| digits.parse().ok())?
    };
    words.windows(2).filter_map(number).collect()
}

/// The issues with all of these labels, of this author if one is named and in this state, newest first.
pub(crate) fn find<'a>(
    it: &'a Repository,
    labels: &[&str],
    creator: Option<&str>,
    state: &str,
) -> Vec<&'a Issue> {
    let fits = |issue: &&Issue| {
        labels.iter().all(|label| issue.labels.iter().any(|has| has == label))
            && creator.is_none_or(|login| login == issue.author)
            && (state == "all" || (state == "closed") == issue.closed_at.is_some())
    };
    it.issues.iter().rev().filter(fits).collect()
}

fn with(it: &mut Repository, number: i64, change: impl FnOnce(&mut Issue)) {
    if let Some(issue) = it.issues.iter_mut().find(|issue| issue.number == number) {
        change(issue);
    }
}

fn announce(
    turn: &Turn<'_>,
    repo: &str,
    actor: &str,
    number: i64,
    action: IssueAction,
) -> Result<(), Refusal> {
    Ok(turn.announce(repo, actor, &Event::Issue { action, number })?)
}

#[cfg(test)]
mod tests {
    use super::closed_by;

    #[test]
    fn the_words_that_close_an_issue_stand_before_its_number() {
        let cases: [(&str, &[i64]); 6] = [
            ("Fixes #7", &[7]),
            ("closes: #7, resolves #8.", &[7, 8]),
            ("(fixed #7)", &[7]),
            ("see #7", &[]),
            ("fixes 7, prefixes #8", &[]),
            ("fixes acme/other#7", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(closed_by(text), expected, "{text}");
        }
    }
}
