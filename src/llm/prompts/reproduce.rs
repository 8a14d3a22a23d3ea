//! The prompt for a case that shows an incident.

use super::{IN_FULL, Page, Source, again, cut_front, rules};
use crate::llm::{Prompt, Said, Task, shown};

/// The prompt for a failing case.
#[derive(Debug, Clone, Copy)]
pub struct Reproduce<'a> {
    /// The product's name.
    pub product: &'a str,
    /// The incident, in one line.
    pub title: &'a str,
    /// What was reported.
    pub body: &'a str,
    /// What people said about it since.
    pub said: &'a Said,
    /// The product's `SPEC.md` on the base branch, if there is one.
    pub spec: Option<&'a str>,
    /// How the product is tested, line by line.
    pub command: &'a [String],
    /// The relevant files, most relevant first.
    pub files: &'a [Source],
    /// The cases that there are, one line each.
    pub harness: &'a [String],
    /// Every path on the base branch.
    pub tree: &'a [String],
}

impl Reproduce<'_> {
    /// Asks for the case alone.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut page = Page::new(&format!("Product: {}", self.product));
        page.incident(self.title, self.body, self.said);
        page.spec(self.spec);
        page.section("How the product is tested", &shown::raw("command", &self.command.join("\n")));
        page.list("Harness cases that are there", self.harness);
        page.tree(self.tree);
        page.files("Code", self.files, shown::file);
        page.ask(Task::Reproduce, &rules(include_str!("reproduce.md")), None)
    }
}

/// The prompt for another case, after one that proves nothing.
#[derive(Debug, Clone, Copy)]
pub struct ProveAgain<'a> {
    /// The prompt whose answer proves nothing.
    pub asked: &'a Prompt,
    /// That answer.
    pub answer: &'a str,
    /// Why it proves nothing.
    pub why: &'a str,
    /// The end of the output of the tests with it; empty if they did not run.
    pub log: &'a str,
}

impl ProveAgain<'_> {
    /// Asks for the case again.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut page = Page::new("Your case was not taken, and nothing of it was used.");
        page.section("Why", &shown::prose("reason", self.why));
        if !self.log.is_empty() {
            page.section("The tests of the base with your case", &shown::raw("tests", &cut_front(self.log)));
        }
        page.text.push_str(IN_FULL);
        again(self.asked, self.answer, include_str!("prove_again.md"), page)
    }
}
