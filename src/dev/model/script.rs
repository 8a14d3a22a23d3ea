//! The script: rules that map a prompt to an answer. The first rule that matches wins.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::llm::Task;

/// An ordered list of rules.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The rules, in the order in which they are matched.
    pub rules: Vec<Rule>,
}

/// One rule: which prompt gets which answer.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The task it is for.
    pub task: Task,
    /// Texts that the prompt must contain, all of them.
    pub when: Vec<String>,
    /// Texts that the prompt must not contain, none of them.
    pub unless: Vec<String>,
    /// The answer, verbatim.
    pub answer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    answer: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    task: Task,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    file: String,
    #[serde(default)]
    then: Vec<String>,
}

impl Script {
    /// Reads a listing (`[[answer]] task = …, when = […], unless = […], file = …, then = […]`); `file` returns the text of a
    /// file that the listing names. An answer is the text of its `file`, followed by those of `then`.
    ///
    /// # Errors
    /// When the listing is not such TOML, or names a file that does not exist.
    pub fn from_dir_text(toml: &str, file: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let listing: Listing = toml::from_str(toml).context("read the script's listing")?;
        let mut rules = Vec::new();
        for entry in listing.answer {
            let mut answer = String::new();
            for name in std::iter::once(&entry.file).chain(&entry.then) {
                let Some(text) = file(name) else {
                    bail!("the script names `{name}`, which does not exist");
                };
                answer.push_str(&text);
            }
            rules.push(Rule { task: entry.task, when: entry.when, unless: entry.unless, answer });
        }
        Ok(Self { rules })
    }

    /// The same script with one more rule, matched last.
    #[must_use]
    pub fn with(mut self, task: Task, when: &[&str], unless: &[&str], answer: &str) -> Self {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        self.rules.push(Rule { task, when: own(when), unless: own(unless), answer: answer.to_owned() });
        self
    }

    /// The rules of this script, then those of the other.
    #[must_use]
    pub fn before(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }

    /// The answer to a prompt, whose messages are joined in `text`.
    #[must_use]
    pub fn answer(&self, task: Task, text: &str) -> Option<&str> {
        let fits = |rule: &&Rule| {
            rule.task == task
                && rule.when.iter().all(|wanted| text.contains(wanted))
                && !rule.unless.iter().any(|unwanted| text.contains(unwanted))
        };
        self.rules.iter().find(fits).map(|rule| rule.answer.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = r#"
        [[answer]]
        task = "review"
        when = ["a", "b"]
        unless = ["c"]
        file = "first.txt"
        then = ["more.txt"]

        [[answer]]
        task = "review"
        file = "last.txt"
    "#;

    #[test]
    fn the_first_rule_that_matches_answers() {
        let script = Script::from_dir_text(LISTING, |name| Some(format!("<{name}>"))).unwrap();
        for (text, answer) in [("a b", "<first.txt><more.txt>"), ("a", "<last.txt>"), ("a b c", "<last.txt>")]
        {
            assert_eq!(script.answer(Task::Review, text), Some(answer), "{text}");
        }
        assert_eq!(script.answer(Task::Generate, "a b"), None);
    }

    #[test]
    fn of_two_scripts_the_first_answers_before_the_second() {
        let one = |answer: &str| Script::default().with(Task::Review, &["a"], &[], answer);
        let both =
            one("first").before(one("second")).before(Script::default().with(Task::Review, &[], &[], "rest"));
        assert_eq!(both.answer(Task::Review, "a"), Some("first"));
        assert_eq!(both.answer(Task::Review, "b"), Some("rest"));
    }

    #[test]
    fn a_wrong_listing_is_refused_with_its_error() {
        let refused = |toml: &str| format!("{:#}", Script::from_dir_text(toml, |_| None).unwrap_err());
        assert!(refused(LISTING).contains("`first.txt`, which does not exist"));
        let missing =
            Script::from_dir_text(LISTING, |name| (name != "more.txt").then(String::new)).unwrap_err();
        assert!(missing.to_string().contains("`more.txt`, which does not exist"));
        assert!(refused(&LISTING.replace("unless", "unles")).contains("unles"));
        assert!(refused(&LISTING.replace("review", "revue")).contains("revue"));
    }
}
