//! The prompt for the same change without dependencies that a person refused.

use super::{
    super::{Prompt, shown},
    IN_FULL, Page, again, cut,
};

/// The prompt for the same change without what was refused, before anything of it is pushed.
#[derive(Debug, Clone, Copy)]
pub struct DoWithout<'a> {
    /// The prompt whose answer names the dependencies.
    pub asked: &'a Prompt,
    /// That answer.
    pub answer: &'a str,
    /// What was refused, and by whom.
    pub refusal: &'a str,
}

impl DoWithout<'_> {
    /// Asks for the change again.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut page = Page::new("A person refused what your change depends on, and nothing of it was used.");
        page.section("What was refused", &shown::raw("refused", &cut(self.refusal)));
        page.text.push_str(IN_FULL);
        again(self.asked, self.answer, include_str!("do_without.md"), page)
    }
}
