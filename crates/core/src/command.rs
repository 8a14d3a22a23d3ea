//! Commands to a run that people write as comments on its pull request: `/aspora <verb> [rest]`.
//!
//! Only the first line that is not blank counts, and only as plain text at its beginning: what is quoted, indented as
//! code, fenced, in HTML or behind an invisible character is no command. Who may give one is not decided here.

use crate::visible::without_invisible;

/// What a command begins with.
pub const PREFIX: &str = "/aspora";
/// The most characters of what follows a verb; the rest is cut off.
pub const REST_LIMIT: usize = 4_000;
/// The most characters of the line that holds the verb.
const LINE_LIMIT: usize = 1_000;
/// The most characters of a word that is answered as an unknown verb.
const WORD_LIMIT: usize = 20;

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// To say where the run stands.
    Status,
    /// To say why it does not move.
    Why,
    /// To enqueue no more jobs.
    Pause,
    /// To continue, or to give back what a person has taken over.
    Resume,
    /// To look again, or to go on after the end.
    Retry,
    /// To fix what follows in the next round of remediation.
    Fix,
    /// To count as an approval of the head.
    Approve,
    /// To answer what the run asks.
    Answer,
    /// To merge a pull request of others once it is cleared.
    Merge,
    /// To leave the branch to a person.
    Takeover,
    /// To end the run.
    Cancel,
}

/// A command that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is asked for.
    pub verb: Verb,
    /// What follows the verb, without white space around it; of `fix` and `answer` all lines, of the others the rest of the line.
    pub rest: String,
}

/// A comment that begins like a command and names no verb of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{PREFIX}` knows {known}; `{word}` is none of them", known = verbs())]
pub struct UnknownVerb {
    /// What stands where the verb should be: letters and digits only.
    pub word: String,
}

impl Verb {
    /// All verbs, in the order in which people are shown them.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Why,
        Self::Pause,
        Self::Resume,
        Self::Retry,
        Self::Fix,
        Self::Approve,
        Self::Answer,
        Self::Merge,
        Self::Takeover,
        Self::Cancel,
    ];

    /// As people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Why => "why",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Fix => "fix",
            Self::Approve => "approve",
            Self::Answer => "answer",
            Self::Merge => "merge",
            Self::Takeover => "takeover",
            Self::Cancel => "cancel",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub const fn does(self) -> &'static str {
        match self {
            Self::Status => "say where the run stands",
            Self::Why => "say why it does not move",
            Self::Pause => "begin nothing more",
            Self::Resume => "go on; after a takeover, on the branch as it is then",
            Self::Retry => "look again now, or go on after the end",
            Self::Fix => "fix what follows, in the next round",
            Self::Approve => "approve the head, as a review does",
            Self::Answer => "answer what the run asks by what follows",
            Self::Merge => "merge the head once it is cleared, where it is not ours",
            Self::Takeover => "leave the branch to you",
            Self::Cancel => "end the run",
        }
    }

    /// The verb that a word names, in any letter case.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str().eq_ignore_ascii_case(word))
    }
}

/// The command in a comment; `None` if it holds none.
///
/// # Errors
/// [`UnknownVerb`] if it begins like one.
pub fn read(comment: &str) -> Option<Result<Command, UnknownVerb>> {
    let mut lines = comment.lines().skip_while(|line| line.trim().is_empty());
    let line = plain(lines.next()?)?;
    let after = line.strip_prefix(PREFIX)?;
    if after.starts_with(|c: char| !c.is_whitespace()) {
        return None;
    }
    let after = after.trim();
    let (word, rest) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
    let Some(verb) = Verb::of(word) else {
        let word = word.chars().filter(char::is_ascii_alphanumeric).take(WORD_LIMIT).collect();
        return Some(Err(UnknownVerb { word }));
    };
    let mut text = rest.trim().to_owned();
    if matches!(verb, Verb::Fix | Verb::Answer) {
        lines.for_each(|line| text.extend(["\n", line]));
    }
    let rest = without_invisible(&text).trim().chars().take(REST_LIMIT).collect();
    Some(Ok(Command { verb, rest }))
}

/// The names of all verbs, for people.
#[must_use]
pub fn verbs() -> String {
    Verb::ALL.map(Verb::as_str).join(", ")
}

/// The line, if Markdown shows it as it is written: not indented as code, not too long, with nothing hidden in it.
fn plain(line: &str) -> Option<&str> {
    let line = line.trim_end();
    let text = line.trim_start_matches(' ');
    let is_code = line.len() - text.len() > 3;
    let is_odd = line.chars().count() > LINE_LIMIT || without_invisible(line) != line;
    (!is_code && !is_odd).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn is_command(comment: &str, verb: Verb, rest: &str) {
        assert_eq!(read(comment), Some(Ok(Command { verb, rest: rest.to_owned() })), "{comment:?}");
    }

    #[test]
    fn a_comment_that_begins_with_a_command_is_one() {
        is_command("/aspora status", Verb::Status, "");
        is_command("\r\n\n  /aspora   PAUSE  until Monday \r\n\nThanks!", Verb::Pause, "until Monday");
        is_command("/aspora fix the rounding\nin `risk.py`\n", Verb::Fix, "the rounding\nin `risk.py`");
        is_command("/aspora fix\n\u{202e}text", Verb::Fix, "text");
        is_command("/aspora answer 5 %\nof the total", Verb::Answer, "5 %\nof the total");
        is_command("/aspora approve abc1234\nThanks!", Verb::Approve, "abc1234");
        is_command(&format!("/aspora fix\n{}", "x".repeat(9_000)), Verb::Fix, &"x".repeat(REST_LIMIT));
        for verb in Verb::ALL {
            is_command(&format!("/aspora {}", verb.as_str()), verb, "");
        }
    }

    #[test]
    fn a_verb_that_we_do_not_know_is_answered_and_not_repeated_as_it_is() {
        let unknown = |comment: &str| read(comment).map(|read| read.unwrap_err().word);
        assert_eq!(unknown("/aspora"), Some(String::new()));
        assert_eq!(unknown("/aspora lgtm"), Some("lgtm".to_owned()));
        assert_eq!(unknown("/aspora @all<!--"), Some("all".to_owned()));
        let sentence = UnknownVerb { word: "lgtm".to_owned() }.to_string();
        assert!(sentence.contains("status, why") && sentence.contains("`lgtm`"), "{sentence}");
    }

    /// What stands before or around a command so that it is none.
    const AROUND: [(&str, &str); 25] = [
        ("> ", ""),
        (">", ""),
        ("> > ", ""),
        ("```\n", "\n```"),
        ("~~~sh\n", "\n~~~"),
        ("`", "`"),
        ("    ", ""),
        ("\t", ""),
        ("Please run ", ""),
        ("See what asha wrote:\n\n", ""),
        ("<!-- aspora:x -->\n", ""),
        ("<!-- ", " -->"),
        ("<details>", "</details>"),
        ("- ", ""),
        ("1. ", ""),
        ("**", "**"),
        ("\u{200b}", ""),
        ("\u{feff}", ""),
        ("\u{202e}", ""),
        ("/", ""),
        ("\\", ""),
        ("@aspora ", ""),
        ("[", "](https://evil.example)"),
        ("", "\u{0}"),
        ("|", "|"),
    ];

    #[test]
    fn two_hundred_and_seventy_five_hostile_texts_hold_no_command() {
        let mut texts = 0;
        for verb in Verb::ALL {
            for (before, after) in AROUND {
                let text = format!("{before}/aspora {}{after}", verb.as_str());
                assert_eq!(read(&text), None, "{text:?}");
                texts += 1;
            }
        }
        assert_eq!(texts, 275);
        for text in [
            "",
            " \n\t",
            "/asporaX pause",
            "/aspora-pause",
            "/ASPORA pause",
            "／aspora pause",
            "/aspora\u{200b} pause",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn only_a_first_line_with_our_prefix_is_a_command(text in r"([>`/ \n\t]|/aspora|pause|fix|\PC){0,12}") {
            let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            if read(&text).is_some() {
                prop_assert!(first.trim_start_matches(' ').starts_with(PREFIX));
            }
            if let Some(Ok(command)) = read(&text) {
                prop_assert!(command.rest.chars().count() <= REST_LIMIT);
            }
        }
    }
}
