//! A pull request that others opened, as the forge shows it before a step has looked.

use uuid::Uuid;

use crate::sha::Sha;

/// What people are shown of a pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Its title.
    pub title: String,
    /// Its description, Markdown.
    pub body: String,
    /// The login of who opened it; `None` if the account was deleted.
    pub author_login: Option<String>,
    /// The number of that account.
    pub author_account: Option<i64>,
}

/// An open pull request. Only its number decides anything; a step reads the rest again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The branch that it would be merged into.
    pub base_branch: String,
    /// Its branch.
    pub head_branch: String,
    /// The login of who owns the other repository that has the branch: `ghost` where that is gone. `None` where it is in
    /// the same repository.
    pub fork: Option<String>,
    /// The commit at the tip of its branch.
    pub head: Sha,
    /// What people are shown.
    pub description: Description,
}

impl Opened {
    /// The name of its branch among those of the repository: no branch of a fork can be taken for one, since no branch may
    /// have a colon.
    #[must_use]
    pub fn branch(&self) -> String {
        match &self.fork {
            Some(owner) => format!("{owner}:{}", self.head_branch),
            None => self.head_branch.clone(),
        }
    }
}

/// What is known of the last run about a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The run.
    pub run: Uuid,
    /// Whether the run goes on.
    pub is_live: bool,
    /// Whether it ended because the pull request was closed or merged.
    pub was_closed: bool,
    /// The head that it knew.
    pub head: Option<String>,
}

impl Judged {
    /// Whether an open pull request with this head needs another run: it was reopened, or it has a new head. A run that a
    /// person ended, or that needs a person, is not begun again for the same head.
    #[must_use]
    pub fn needs_another(&self, head: &Sha) -> bool {
        !self.is_live && (self.was_closed || self.head.as_deref() != Some(head.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(digit: char) -> Sha {
        digit.to_string().repeat(40).parse().unwrap()
    }

    #[test]
    fn a_pull_request_has_one_run_a_life_and_one_more_for_a_new_head_after_its_end() {
        let check = |is_live, was_closed, known: char, head: char, expected| {
            let judged = Judged { run: Uuid::nil(), is_live, was_closed, head: Some(sha(known).to_string()) };
            assert_eq!(judged.needs_another(&sha(head)), expected, "{judged:?} {head}");
        };
        check(true, false, 'a', 'b', false);
        check(false, true, 'a', 'a', true);
        check(false, false, 'a', 'a', false);
        check(false, false, 'a', 'b', true);
    }

    #[test]
    fn no_branch_of_a_fork_is_taken_for_one_of_the_repository() {
        let opened = |fork: Option<&str>| Opened {
            base_branch: "main".to_owned(),
            head_branch: "main".to_owned(),
            fork: fork.map(str::to_owned),
            head: sha('a'),
            description: Description::default(),
        };
        assert_eq!(opened(None).branch(), "main");
        let theirs = opened(Some("eve")).branch();
        assert_eq!(theirs, "eve:main");
        assert!(crate::branch::fault(&theirs).is_some());
    }
}
