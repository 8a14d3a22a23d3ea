//! `aspora run questions` and `aspora run answer`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use uuid::Uuid;

use super::{Client, Printer, options, plain};
use crate::{
    api::{NewAnswer, NewAnswers, QuestionRound, Questions},
    core::question::ANSWER_LIMIT,
};

/// The answers to the open questions of a run, given in exactly one way.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// Id of the run.
    id: Uuid,
    #[command(flatten)]
    given: Given,
    /// The round that is answered [default: the open one].
    #[arg(long)]
    round: Option<u32>,
}

/// One text for all questions, or one for each.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Given {
    /// One text that answers all questions.
    #[arg(short, long)]
    text: Option<String>,
    /// Read that text from a file; `-` means stdin.
    #[arg(short = 'F', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The answer to one question, by its number; once for each question.
    #[arg(short, long = "question", value_name = "NUMBER=TEXT", value_parser = numbered)]
    question: Vec<(u32, String)>,
    /// Read the text from stdin.
    #[arg(value_name = "-", value_parser = ["-"])]
    stdin: Option<String>,
}

/// Lists what a run asked, and who answered what.
pub(super) async fn list(client: &Client, printer: &Printer, run: Uuid) -> anyhow::Result<()> {
    let questions = client.questions(run).await?;
    printer.say(&shown(&questions), &questions)
}

/// Answers the open questions of a run.
pub(super) async fn answer(client: &Client, printer: &Printer, command: Answer) -> anyhow::Result<()> {
    let Answer { id, given, round } = command;
    let Given { text, file, question, stdin } = given;
    let answers = question.into_iter().map(|(question, text)| NewAnswer { question, text }).collect();
    let text = match (text, file, stdin) {
        (Some(text), ..) => Some(text),
        (None, None, None) => None,
        (None, file, _) => Some(options::read(file.as_deref(), ANSWER_LIMIT, "the answer")?),
    };
    let questions = client.answer(id, &NewAnswers { round, text, answers }).await?;
    printer.say(&shown(&questions), &questions)
}

fn numbered(text: &str) -> Result<(u32, String), String> {
    let (number, answer) = text.split_once('=').ok_or("NUMBER=TEXT is needed, such as 1=\"5 %\"")?;
    let number = number.trim().parse().map_err(|_| format!("{number:?} is not the number of a question"))?;
    Ok((number, answer.to_owned()))
}

fn shown(questions: &Questions) -> String {
    if questions.rounds.is_empty() {
        return "The run has asked nothing.".to_owned();
    }
    let mut text = String::new();
    for round in &questions.rounds {
        let _ = writeln!(text, "Round {} of {}{}", round.round, plain(&round.step), state(questions, round));
        for (place, question) in round.questions.iter().enumerate() {
            let _ = writeln!(text, "  {}. {}", place + 1, plain(question));
            if let Some(answer) = for_each(round).and_then(|answers| answers.get(place)) {
                let _ = write!(text, "{}", indented(answer));
            }
        }
        if let (Some(answers), None) = (&round.answers, for_each(round)) {
            answers.iter().for_each(|answer| text.push_str(&indented(answer)));
        }
    }
    text.trim_end().to_owned()
}

/// The answers of a round, if there is one for each question.
fn for_each(round: &QuestionRound) -> Option<&[String]> {
    round.answers.as_deref().filter(|answers| answers.len() == round.questions.len())
}

fn indented(answer: &str) -> String {
    answer.lines().map(|line| format!("     > {}\n", plain(line))).collect()
}

fn state(questions: &Questions, round: &QuestionRound) -> String {
    match (&round.answered_by, round.withdrawn_at) {
        (Some(by), _) => format!(", answered by {}", plain(by)),
        (None, Some(_)) => ", withdrawn: the requirement was amended".to_owned(),
        (None, None) if questions.open == Some(round.round) => ", open".to_owned(),
        (None, None) => ", not answered".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::cli::args::parses;

    #[test]
    fn answers_are_given_in_exactly_one_way() {
        let check = |rest: &[&str], good: bool| {
            let id = "run answer 01999999-0000-7000-8000-000000000000";
            assert_eq!(parses(id, rest), good, "{rest:?}");
        };
        check(&["--text", "5 %"], true);
        check(&["--file", "F"], true);
        check(&["-"], true);
        check(&["--question", "1=5 %", "--question", "2=x=y"], true);
        check(&[], false);
        check(&["--text", "5 %", "--question", "1=5 %"], false);
        check(&["--question", "5 %"], false);
        check(&["--question", "x=5 %"], false);
    }

    #[test]
    fn questions_and_answers_are_listed_without_control_characters() {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let round = |number, answers: Option<&[&str]>| QuestionRound {
            round: number,
            step: "generate".to_owned(),
            questions: own(&["Which\u{1b}[2J limit?", "Of whom?"]),
            asked_at: DateTime::UNIX_EPOCH,
            answers: answers.map(own),
            answered_by: answers.map(|_| "ada".to_owned()),
            answered_at: None,
            withdrawn_at: None,
        };
        let rounds = vec![round(1, Some(&["5 %", "all"])), round(2, Some(&["a\nb"])), round(3, None)];
        let questions = Questions { run_id: Uuid::nil(), open: Some(3), rounds };
        assert_eq!(
            shown(&questions),
            "Round 1 of generate, answered by ada\n  1. Which\u{fffd}[2J limit?\n     > 5 %\n  2. Of whom?\n     > all\n\
             Round 2 of generate, answered by ada\n  1. Which\u{fffd}[2J limit?\n  2. Of whom?\n     > a\n     > b\n\
             Round 3 of generate, open\n  1. Which\u{fffd}[2J limit?\n  2. Of whom?"
        );
    }
}
