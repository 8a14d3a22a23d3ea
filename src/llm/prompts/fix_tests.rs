//! The prompt for the same change with passing tests.

use super::{
    super::{Prompt, shown},
    IN_FULL, Page, again, cut_front,
};

/// Tests that do not pass with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedTests {
    /// What they came to, after "the tests".
    pub said: String,
    /// What was wrong without the change, if anything was.
    pub before: Option<String>,
    /// The end of their output.
    pub log: String,
}

/// The prompt for the same change with passing tests, before anything of it is pushed.
#[derive(Debug, Clone, Copy)]
pub struct FixTests<'a> {
    /// The prompt whose answer made the tests fail.
    pub asked: &'a Prompt,
    /// That answer.
    pub answer: &'a str,
    /// What the tests came to.
    pub tests: &'a RedTests,
}

impl RedTests {
    /// What they came to and their log, as text.
    #[must_use]
    pub fn shown(&self) -> String {
        let before = self.before.as_ref().map(|before| format!("{before}\n")).unwrap_or_default();
        format!("the tests {}\n{before}\n{}", self.said, self.log)
    }
}

impl FixTests<'_> {
    /// Asks for the change again.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut page =
            Page::new("The product's tests do not pass with your change, and nothing of it was used.");
        page.section("The tests with your change", &shown::raw("tests", &cut_front(&self.tests.shown())));
        page.text.push_str(IN_FULL);
        again(self.asked, self.answer, include_str!("fix_tests.md"), page)
    }
}
