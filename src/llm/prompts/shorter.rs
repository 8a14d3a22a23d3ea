//! The prompt for a shorter answer, after one that was cut at the token limit.

use super::{
    super::{Message, Prompt, Role, Task},
    Page, rules,
};

/// The prompt for a shorter answer. Nothing of the one that was cut is shown.
#[derive(Debug, Clone, Copy)]
pub struct Shorter<'a> {
    /// The prompt whose answer was cut.
    pub asked: &'a Prompt,
}

/// In place of the answer: some models want turns to alternate.
const CUT: &str = "(The answer was cut at its token limit.)";

impl Shorter<'_> {
    /// Asks for the same in fewer words.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let is_review = self.asked.json_schema.is_some();
        let mut page = Page::new(
            "Your answer was longer than the limit of tokens and was cut, so nothing of it was used.",
        );
        page.text.push_str(match is_review {
            true => "\nAnswer again, shorter: report the findings that matter most, in few words.\n",
            false => {
                "\nAnswer again, shorter: change files that exist in `=== edit:` blocks and not as a whole, touch as few \
                 files as the task needs, and write nothing outside of blocks.\n"
            }
        });
        let earlier = self.asked.messages.iter().filter(|message| message.role != Role::System).cloned();
        let system = match self.asked.messages.first() {
            Some(first) if is_review => first.clone(),
            _ => Message::new(Role::System, rules(include_str!("shorter.md"))),
        };
        let more = [Message::new(Role::Assistant, CUT), Message::new(Role::User, page.text)];
        Prompt {
            task: if is_review { Task::Review } else { Task::Repair },
            messages: std::iter::once(system).chain(earlier).chain(more).collect(),
            json_schema: self.asked.json_schema.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_answer_is_asked_for_in_the_same_form() {
        let messages = vec![Message::new(Role::System, "Task: review\n"), Message::new(Role::User, "Do it.")];
        let schema = super::super::Schema { name: "review".to_owned(), schema: serde_json::json!({}) };
        let review = Prompt { task: Task::Review, messages: messages.clone(), json_schema: Some(schema) };
        let change = Prompt { task: Task::Generate, messages, json_schema: None };
        for (asked, task, says) in [(review, Task::Review, "findings"), (change, Task::Repair, "`=== edit:`")]
        {
            let prompt = Shorter { asked: &asked }.prompt();
            assert_eq!((prompt.task, Task::of(&prompt.messages[0].content)), (task, Some(task)));
            assert_eq!(prompt.json_schema, asked.json_schema);
            assert!(prompt.messages.last().unwrap().content.contains(says));
            let roles: Vec<Role> = prompt.messages.iter().map(|message| message.role).collect();
            assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
        }
    }
}
