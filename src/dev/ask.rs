//! Requests to the service of a product, started from a checkout in the sandbox, and how its answers compare with the
//! expected ones.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::own_tests::OwnTests;
use crate::workspace::{Limits, Sandbox, Worktree};

const DRIVER: &str = include_str!("ask.py");

/// A request, and the answer that is expected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The body, as JSON; nothing without one.
    #[serde(default)]
    pub body: Option<Value>,
    /// The expected status.
    pub status: u16,
    /// The expected fields of the answer; it may have others.
    pub answer: Map<String, Value>,
}

/// What a service answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A field of an answer beside the expected one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The field's name, or `status` for the HTTP status itself, as `HTTP status`.
    pub field: String,
    /// What was expected.
    pub expected: Value,
    /// What was answered; `null` if it was not.
    pub answered: Value,
    /// Whether both are the same, for numbers to the last digit.
    pub same: bool,
}

#[derive(Deserialize)]
struct Printed {
    status: u16,
    body: String,
}

impl Exchange {
    /// The status and each expected field beside what was answered.
    #[must_use]
    pub fn compare(&self, answer: &Answer) -> Vec<Compared> {
        let status = ("HTTP status".to_owned(), json!(self.status), json!(answer.status));
        let field = |(name, expected): (&String, &Value)| {
            let answered = answer.body.get(name).cloned().unwrap_or_default();
            (name.clone(), expected.clone(), answered)
        };
        let all = std::iter::once(status).chain(self.answer.iter().map(field));
        all.map(|(field, expected, answered)| {
            let same = expected == answered;
            Compared { field, expected, answered, same }
        })
        .collect()
    }
}

/// Starts the service of a checkout, with the set-up and beside the services that its product file names, and sends it
/// these requests in order; nothing of it is reachable from outside.
///
/// # Errors
/// When set-up fails, or the service does not start or does not answer in JSON; the message has the end of its log.
pub async fn ask(
    sandbox: &Sandbox,
    checkout: &Worktree,
    requests: &[Exchange],
) -> anyhow::Result<Vec<Answer>> {
    let list = requests.iter().map(|it| json!({"method": it.method, "path": it.path, "body": it.body}));
    let list = Value::Array(list.collect()).to_string();
    // Isolated, so that no module of the product takes the place of one of the driver's.
    let argv = ["python3", "-I", "-c", DRIVER, &list];
    let run = match OwnTests::of(sandbox, checkout).await.map_err(anyhow::Error::msg)? {
        Some(own) => own.run_words(sandbox, &argv.map(str::to_owned)).await.map_err(anyhow::Error::msg)?,
        None => sandbox.run(checkout.path(), &argv, Limits::default()).await.context("start the service")?,
    };
    let line = run.output.lines().rev().find_map(|line| line.strip_prefix("ANSWERS "));
    let Some(line) = line.filter(|_| run.passed) else {
        bail!("the service did not answer: {}", run.output.trim());
    };
    let printed: Vec<Printed> = serde_json::from_str(line).context("read the answers of the service")?;
    let answer = |it: Printed| {
        let body = serde_json::from_str(&it.body);
        Ok(Answer { status: it.status, body: body.with_context(|| format!("no JSON: {}", it.body))? })
    };
    printed.into_iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::showcase::WEALTH;

    #[test]
    fn each_number_of_the_risk_check_is_compared() {
        let [exchange]: [Exchange; 1] = WEALTH.example().unwrap().try_into().unwrap();
        let good = json!({"user_id": "a", "risk_pct": -0.008, "status": "GREEN", "limit": -0.05, "remaining": 0.042});
        let wrong = |status, body: &Value| {
            let compared = exchange.compare(&Answer { status, body: body.clone() });
            let wrong = compared.into_iter().filter(|it| !it.same);
            wrong.map(|it| it.field).collect::<Vec<_>>()
        };
        assert!(wrong(200, &good).is_empty());
        for key in ["risk_pct", "status", "limit", "remaining"] {
            let mut body = good.clone();
            body[key] = json!(0);
            assert_eq!(wrong(200, &body), [key]);
            body.as_object_mut().unwrap().remove(key);
            assert_eq!(wrong(200, &body), [key]);
        }
        assert_eq!(wrong(500, &good), ["HTTP status"]);
        let almost = json!({"risk_pct": -0.008_000_1, "status": "GREEN", "limit": -0.05, "remaining": 0.042});
        assert_eq!(wrong(200, &almost), ["risk_pct"]);
    }
}
