//! Questions that a run asks people, and their answers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::question;

/// What a run asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Questions {
    /// The run.
    pub run_id: Uuid,
    /// The round that waits for answers; absent if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<i32>,
    /// The rounds, the first one first.
    pub rounds: Vec<QuestionRound>,
}

/// A round of questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuestionRound {
    /// Its number, from 1.
    pub round: i32,
    /// The step that asks.
    pub step: String,
    /// The questions. Question 1 is the first one.
    pub questions: Vec<String>,
    /// When they were asked.
    pub asked_at: DateTime<Utc>,
    /// The answers, one for each question or one for all; absent while there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
    /// When they were withdrawn, because the requirement was amended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<DateTime<Utc>>,
}

/// Answers to the open questions of a run: one text for all, or a text for each. At most 16 KiB together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswers {
    /// The round that is answered; left out: the open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// One text that answers all questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A text for each question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<NewAnswer>,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    /// The question's number in its round, from 1.
    #[schema(minimum = 1, maximum = 5)]
    pub question: u32,
    /// The answer.
    #[schema(min_length = 1, max_length = 16384)]
    pub text: String,
}

impl From<question::Round> for QuestionRound {
    fn from(row: question::Round) -> Self {
        Self {
            round: row.round,
            step: row.step,
            questions: row.questions,
            asked_at: row.asked_at,
            answers: row.answers,
            answered_by: row.answered_by,
            answered_at: row.answered_at,
            withdrawn_at: row.withdrawn_at,
        }
    }
}
