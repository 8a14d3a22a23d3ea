//! Questions that a model asks before it writes a change, and what people answer.

use chrono::TimeDelta;

/// The most rounds of questions that a run may ask.
pub const ROUNDS_LIMIT: u32 = 3;
/// The most questions of one round.
pub const QUESTIONS_LIMIT: usize = 5;
/// The longest question, in bytes of visible text.
pub const QUESTION_LIMIT: usize = 2_000;
/// The longest answers to one round together, in bytes (16 KiB).
pub const ANSWER_LIMIT: usize = 16 * 1024;
/// For how long a run waits for answers until its step looks again whether there are any. Silence is no answer: it goes
/// on waiting then.
pub const LOOK_AGAIN: TimeDelta = TimeDelta::days(7);

/// What is wrong with answers, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    /// The JSON pointer of the field.
    pub pointer: String,
    /// What is wrong, the limit, and what to do.
    pub message: String,
}

/// What a person answers to a round of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// One text for all questions.
    All(String),
    /// A text for each of these questions, which are numbered from 1.
    Each(Vec<(u32, String)>),
}

impl Answers {
    /// Reads one text for all questions, or a text for each.
    ///
    /// # Errors
    /// What is wrong with each text, or that there is none or both are given.
    pub fn new(all: Option<&str>, each: &[(u32, &str)]) -> Result<Self, Vec<Wrong>> {
        match (all, each) {
            (Some(_), [_, ..]) => {
                Err(vec![wrong("/text", "give one text, or answers to each question; not both")])
            }
            (None, []) => {
                Err(vec![wrong("/text", "is missing; answer all questions in one text, or each in answers")])
            }
            (Some(text), []) => checked("/text", text).map(Self::All).map_err(|wrong| vec![wrong]),
            (None, each) => Self::of_each(each),
        }
    }

    fn of_each(each: &[(u32, &str)]) -> Result<Self, Vec<Wrong>> {
        let (mut answers, mut faults) = (Vec::new(), Vec::new());
        for (place, (number, text)) in each.iter().enumerate() {
            if each[..place].iter().any(|(earlier, _)| earlier == number) {
                faults.push(wrong(
                    format!("/answers/{place}/question"),
                    format!("question {number} is answered twice"),
                ));
            }
            match checked(format!("/answers/{place}/text"), text) {
                Ok(text) => answers.push((*number, text)),
                Err(fault) => faults.push(fault),
            }
        }
        let size: usize = answers.iter().map(|(_, text)| text.len()).sum();
        if size > ANSWER_LIMIT {
            faults
                .push(wrong("/answers", format!("have {size} bytes together; the limit is {ANSWER_LIMIT}")));
        }
        answers.sort_unstable();
        if faults.is_empty() { Ok(Self::Each(answers)) } else { Err(faults) }
    }

    /// The answers to a round of so many questions: one for each, in their order, or one for all.
    ///
    /// # Errors
    /// When one of the questions has no answer, or an answer no question.
    pub fn fit(&self, questions: usize) -> Result<Vec<String>, Wrong> {
        let each = match self {
            Self::All(text) => return Ok(vec![text.clone()]),
            Self::Each(each) => each,
        };
        let number = |place: usize| u32::try_from(place + 1).unwrap_or(u32::MAX);
        let is_asked = |given: u32| (0..questions).any(|place| number(place) == given);
        if let Some((given, _)) = each.iter().find(|(given, _)| !is_asked(*given)) {
            let message = format!("there is no question {given}; the open ones are 1 to {questions}");
            return Err(wrong("/answers", message));
        }
        let missing = (0..questions).map(number).find(|asked| !each.iter().any(|(given, _)| given == asked));
        match missing {
            Some(asked) => {
                Err(wrong("/answers", format!("lack question {asked}; answer all, or all in one text")))
            }
            None => Ok(each.iter().map(|(_, text)| text.clone()).collect()),
        }
    }
}

fn wrong(pointer: impl Into<String>, message: impl Into<String>) -> Wrong {
    Wrong { pointer: pointer.into(), message: message.into() }
}

fn checked(pointer: impl Into<String>, text: &str) -> Result<String, Wrong> {
    let text = text.trim();
    let message = if text.is_empty() {
        "is empty; silence is no answer".to_owned()
    } else if text.len() > ANSWER_LIMIT {
        format!("has {} bytes; the limit is {ANSWER_LIMIT}", text.len())
    } else if text.contains('\0') {
        "holds a NUL byte; remove it".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(wrong(pointer, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(all: Option<&str>, each: &[(u32, &str)], questions: usize, expected: Result<&[&str], &str>) {
        let fitted = Answers::new(all, each)
            .map_err(|wrong| wrong[0].clone())
            .and_then(|answers| answers.fit(questions))
            .map_err(|wrong| format!("{} {}", wrong.pointer, wrong.message));
        let fitted = fitted.as_ref().map(|texts| texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(fitted.as_deref().map_err(|error| error.as_str()), expected);
    }

    #[test]
    fn one_text_answers_all_questions() {
        check(Some(" 5 % \n"), &[], 3, Ok(&["5 %"]));
        check(Some(" "), &[], 1, Err("/text is empty; silence is no answer"));
        check(Some("a\0b"), &[], 1, Err("/text holds a NUL byte; remove it"));
        check(None, &[], 1, Err("/text is missing; answer all questions in one text, or each in answers"));
        check(Some("a"), &[(1, "b")], 1, Err("/text give one text, or answers to each question; not both"));
        check(Some(&"x".repeat(ANSWER_LIMIT)), &[], 1, Ok(&[&"x".repeat(ANSWER_LIMIT)]));
        check(Some(&"x".repeat(ANSWER_LIMIT + 1)), &[], 1, Err("/text has 16385 bytes; the limit is 16384"));
    }

    #[test]
    fn a_round_is_answered_whole_or_not_at_all() {
        check(None, &[(2, "b"), (1, "a")], 2, Ok(&["a", "b"]));
        check(None, &[(1, "a")], 2, Err("/answers lack question 2; answer all, or all in one text"));
        check(
            None,
            &[(1, "a"), (3, "c")],
            2,
            Err("/answers there is no question 3; the open ones are 1 to 2"),
        );
        check(None, &[(0, "a")], 1, Err("/answers there is no question 0; the open ones are 1 to 1"));
        check(None, &[(1, "a"), (1, "b")], 1, Err("/answers/1/question question 1 is answered twice"));
        check(None, &[(1, "")], 1, Err("/answers/0/text is empty; silence is no answer"));
        let half = "x".repeat(ANSWER_LIMIT / 2 + 1);
        let most = "/answers have 16386 bytes together; the limit is 16384";
        check(None, &[(1, &half), (2, &half)], 2, Err(most));
    }
}
