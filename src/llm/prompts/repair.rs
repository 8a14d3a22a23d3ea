//! The prompt for the repair of an answer that could not be used.

use std::fmt::Write as _;

use super::{
    super::{Message, Prompt, Role, Task, shown},
    Page, again, cut,
};
use crate::core::edit::{BlockFailed, Kept, Malformed, Refused};

/// The prompt for the repair of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Repair<'a> {
    /// The prompt whose answer could not be used.
    pub asked: &'a Prompt,
    /// That answer.
    pub answer: &'a str,
    /// What is wrong with it.
    pub complaints: &'a [Complaint],
    /// The number of the answer that is asked for: 2 is the first repair; from 3 on, whole files are asked for.
    pub attempt: u32,
    /// The blocks that are kept; the others alone are asked for.
    pub kept: &'a Kept,
}

/// One thing that is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong, in one line.
    pub what: String,
    /// The file that it is about, if it is about one.
    pub path: Option<String>,
    /// The most similar lines of that file, numbered; may be empty.
    pub nearest: String,
}

impl Complaint {
    /// Something that is wrong with the answer as a whole.
    #[must_use]
    pub fn general(what: &str) -> Self {
        Self { what: what.to_owned(), path: None, nearest: String::new() }
    }
}

impl From<&BlockFailed> for Complaint {
    fn from(failed: &BlockFailed) -> Self {
        Self {
            what: failed.to_string(),
            path: Some(failed.path.to_string()),
            nearest: failed.nearest.clone(),
        }
    }
}

impl From<&Malformed> for Complaint {
    fn from(malformed: &Malformed) -> Self {
        Self::general(&malformed.to_string())
    }
}

impl From<&Refused> for Complaint {
    fn from(refused: &Refused) -> Self {
        let path = (!refused.path.is_empty()).then(|| refused.path.clone());
        Self { what: refused.why.to_string(), path, nearest: String::new() }
    }
}

impl Repair<'_> {
    /// Asks for the same change in an answer that can be used: for what failed alone where other blocks are kept. A
    /// review is asked for again as a review.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        if self.asked.json_schema.is_some() {
            return self.review_again();
        }
        let is_kept = !self.kept.blocks.is_empty();
        let mut page = Page::new(match is_kept {
            true => {
                "Some blocks of your answer could not be used, and nothing is applied yet. What is wrong with them:"
            }
            false => "Your answer could not be used, and nothing of it was. What is wrong:",
        });
        for complaint in self.complaints {
            page.complaint(complaint);
        }
        page.text.push_str(&if is_kept { self.failed_alone() } else { self.in_full() });
        again(self.asked, self.answer, include_str!("repair.md"), page)
    }

    fn in_full(&self) -> String {
        match self.attempt {
            3.. => "\nAnswer again in full. Give every file that you change as a whole `=== file:` block, without any \
                    `=== edit:` block.\n",
            _ => "\nAnswer again in full: every block, also those that were right.\n",
        }
        .to_owned()
    }

    fn failed_alone(&self) -> String {
        let list = |paths: &[String]| shown::raw("paths", &paths.join("\n"));
        let mut text =
            format!("\nThese blocks are good, and are kept as they are:\n{}", list(&self.kept.paths()));
        if !self.kept.missing.is_empty() {
            let _ = write!(
                text,
                "Give a block for each of these files, and for no other:\n{}",
                list(&self.kept.missing)
            );
        }
        text.push_str(
            "Your next answer is put together with what is kept, and all of it is used or nothing. A block for a kept \
             file takes the place of the kept one; leave it out otherwise. Title and why are kept too, unless you give \
             new ones.\n",
        );
        if self.attempt >= 3 {
            text.push_str("Give each file as a whole `=== file:` block, without any `=== edit:` block.\n");
        }
        text
    }

    /// The question of the review once more, with what is wrong with the answer.
    fn review_again(&self) -> Prompt {
        let mut page = Page::new("Your answer could not be read as a review. What is wrong:");
        for complaint in self.complaints {
            page.complaint(complaint);
        }
        page.text
            .push_str("\nAnswer again with the one JSON object that was asked for, and nothing around it.\n");
        let answer = Message::new(Role::Assistant, cut(self.answer));
        let more = [answer, Message::new(Role::User, page.text)];
        let messages = self.asked.messages.iter().cloned().chain(more).collect();
        Prompt { task: Task::Review, messages, json_schema: self.asked.json_schema.clone() }
    }
}

impl Page {
    fn complaint(&mut self, complaint: &Complaint) {
        self.text.push('\n');
        self.text.push_str(&shown::prose("complaint", &complaint.what));
        if let Some(path) = complaint.path.as_ref().filter(|_| !complaint.nearest.is_empty()) {
            self.text.push_str("The nearest lines of the file, after their numbers:\n");
            self.text.push_str(&shown::raw(path, &complaint.nearest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::edit::{Answer, Part, Reading};

    fn asked(schema: bool) -> Prompt {
        let task = if schema { Task::Review } else { Task::Generate };
        let messages =
            vec![Message::new(Role::System, format!("Task: {task}\n")), Message::new(Role::User, "Do it.")];
        let schema =
            schema.then(|| super::super::Schema { name: "review".to_owned(), schema: serde_json::json!({}) });
        Prompt { task, messages, json_schema: schema }
    }

    fn kept() -> Kept {
        let Ok(Reading::Part(part)) = Answer::read("=== delete: good.py\n=== edit: a.py\nx\n=== end: a.py\n")
        else {
            unreachable!()
        };
        Kept::of(part, &[], vec!["a.py".to_owned()])
    }

    fn last(asked: &Prompt, attempt: u32, kept: &Kept) -> String {
        let nearest = "    1 | x\n".to_owned();
        let complaints = [Complaint { what: "block 1: x".into(), path: Some("a.py".into()), nearest }];
        let repair = Repair { asked, answer: "=== edit: a.py", complaints: &complaints, attempt, kept };
        repair.prompt().messages.pop().unwrap().content
    }

    #[test]
    fn the_third_attempt_asks_for_whole_files() {
        let of = |attempt| last(&asked(false), attempt, &Kept::default());
        assert!(
            of(2).contains("    1 | x\n") && of(2).contains("every block") && !of(2).contains("without any")
        );
        assert!(of(3).contains("without any `=== edit:` block"));
    }

    #[test]
    fn what_failed_is_asked_for_alone_and_the_rest_is_kept() {
        let text = last(&asked(false), 2, &kept());
        assert!(
            text.contains("are kept as they are") && text.contains("good.py") && text.contains("\na.py\n"),
            "{text}"
        );
        assert!(!text.contains("every block"), "{text}");
        assert!(last(&asked(false), 3, &kept()).contains("without any `=== edit:` block"));
        let Part { refused, .. } =
            match Answer::read("=== delete: good.py\n=== edit: a.py\nx\n=== end: a.py\n") {
                Ok(Reading::Part(part)) => part,
                other => panic!("{other:?}"),
            };
        assert_eq!(Complaint::from(&refused[0]).path.as_deref(), Some("a.py"));
    }

    #[test]
    fn a_review_is_asked_for_as_a_review() {
        let asked = asked(true);
        let repair =
            Repair { asked: &asked, answer: "LGTM", complaints: &[], attempt: 2, kept: &Kept::default() };
        let prompt = repair.prompt();
        assert_eq!((prompt.task, &prompt.json_schema), (Task::Review, &asked.json_schema));
        assert_eq!(Task::of(&prompt.messages[0].content), Some(Task::Review));
        assert!(!prompt.messages.iter().any(|message| message.content.contains("=== ")), "{prompt:?}");
        assert_eq!(prompt.messages[2].content, "LGTM");
    }
}
