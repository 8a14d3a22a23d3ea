//! Prompts as plain data that can be stored and compared.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The task of a prompt, which the first line of its system message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Write a case that shows an incident.
    Reproduce,
    /// Write the change that a requirement asks for.
    Generate,
    /// Repair an answer that could not be read or did not fit; release 0.1.0 recorded it as `mend`.
    #[serde(alias = "mend")]
    Repair,
    /// Find what is wrong with a change.
    Review,
    /// Repair what a review or the gate found.
    Remediate,
}

impl Task {
    /// The name in `Task: <name>`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reproduce => "reproduce",
            Self::Generate => "generate",
            Self::Repair => "repair",
            Self::Review => "review",
            Self::Remediate => "remediate",
        }
    }

    /// The task that a system message names in its first line.
    #[must_use]
    pub fn of(system: &str) -> Option<Self> {
        let word = system.lines().next()?.strip_prefix("Task: ")?.trim();
        [Self::Reproduce, Self::Generate, Self::Repair, Self::Review, Self::Remediate]
            .into_iter()
            .find(|task| task.as_str() == word)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Ours: the rules.
    System,
    /// Ours: what the task is about.
    User,
    /// An earlier answer of the model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its author.
    pub role: Role,
    /// Its text.
    pub content: String,
}

/// The JSON Schema of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// A short name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// The JSON Schema, in the subset of OpenAI's strict mode.
    pub schema: serde_json::Value,
}

/// A complete prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Its task.
    pub task: Task,
    /// The conversation; the first message is the system message.
    pub messages: Vec<Message>,
    /// The schema of the answer; `None` for plain text.
    pub json_schema: Option<Schema>,
}

impl Prompt {
    /// SHA-256 of the prompt as JSON, in hexadecimal: equal prompts have equal digests.
    #[must_use]
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("a prompt is plain data"));
        hex::encode(Sha256::digest(json))
    }

    /// The size of all messages together, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.messages.iter().map(|message| message.content.len()).sum()
    }
}

impl Message {
    pub(super) fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_in_the_first_line() {
        for task in [Task::Reproduce, Task::Generate, Task::Repair, Task::Review, Task::Remediate] {
            assert_eq!(Task::of(&format!("Task: {task}\n\nmore")), Some(task));
        }
        assert_eq!(Task::of("task: generate"), None);
        assert_eq!(Task::of("Hello\nTask: generate"), None);
    }

    #[test]
    fn a_digest_distinguishes_prompts_and_survives_storing() {
        let prompt = |content: &str| Prompt {
            task: Task::Generate,
            messages: vec![Message::new(Role::User, content)],
            json_schema: None,
        };
        assert_ne!(prompt("a").digest(), prompt("b").digest());
        let stored = serde_json::to_string(&prompt("a")).unwrap();
        assert_eq!(serde_json::from_str::<Prompt>(&stored).unwrap().digest(), prompt("a").digest());
    }
}
