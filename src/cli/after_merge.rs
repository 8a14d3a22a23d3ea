//! What a demonstration looks at after the merge: the tests of the base branch, and an answer of its service.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::dev_server::DevServer;
use crate::{
    dev::{Answer, ask, unittest},
    workspace::{Limits, Worktree},
};

/// Where the risk checker answers, and what is asked of it: the example of the requirement.
const RISK_CHECK: (&str, &str) = ("POST", "/api/v1/risk-check");

impl DevServer {
    /// Runs a product's tests on the head of its base branch; the result as a sentence.
    ///
    /// # Errors
    /// When the branch cannot be read.
    pub async fn test_main(&self, repository: &str, branch: &str) -> anyhow::Result<String> {
        let sandbox = match &self.sandbox {
            Ok(sandbox) => sandbox,
            Err(unavailable) => return Ok(unavailable.to_string()),
        };
        let (worktree, head) = self.checkout(repository, branch).await?;
        let command = unittest();
        let argv: Vec<&str> = command.iter().map(String::as_str).collect();
        let run = sandbox.run(worktree.path(), &argv, Limits::default()).await?;
        let last = run.output.lines().rev().find(|line| line.starts_with("Ran ")).unwrap_or_default();
        let result = if run.passed { "pass" } else { "FAIL" };
        Ok(format!("the product's tests {result} on {branch} at {head} ({last})"))
    }

    /// Starts the service of the base branch, asks for the risk of a day, and compares the answer with the expected one,
    /// number by number; the answer, and what came of it as a sentence. `None` if there is no sandbox.
    ///
    /// # Errors
    /// When the service does not start or does not answer, or an answer differs; the message has both.
    pub async fn check_risk(
        &self,
        repository: &str,
        branch: &str,
    ) -> anyhow::Result<Option<(Value, String)>> {
        let Ok(sandbox) = &self.sandbox else { return Ok(None) };
        let (worktree, head) = self.checkout(repository, branch).await?;
        let asked =
            json!({"user_id": "priya@aspora.com", "portfolio_value": 1_545_000, "daily_loss": -12_340});
        let answer = ask(sandbox, worktree.path(), RISK_CHECK, &asked).await?;
        compare(&answer)?;
        let (method, path) = RISK_CHECK;
        let said = format!("{method} {path} on {branch} at {head} answers as expected: {}", answer.body);
        Ok(Some((answer.body, said)))
    }

    /// A checkout of the head of a branch, and the head's short name.
    async fn checkout(&self, repository: &str, branch: &str) -> anyhow::Result<(Worktree, String)> {
        let mirror = self.app.workspaces(Arc::new(self.app.client()?))?.mirror(&repository.parse()?);
        mirror.fetch().await?;
        let head = mirror.branch(branch).await?;
        let head = head.with_context(|| format!("{repository} has no branch {branch}"))?;
        Ok((mirror.worktree(&head).await?, head.short().to_owned()))
    }
}

/// Compares with the answer that the requirement's document shows.
fn compare(answer: &Answer) -> anyhow::Result<()> {
    let expected = json!({"risk_pct": -0.008, "status": "GREEN", "limit": -0.05, "remaining": 0.042});
    let differs = |(key, value): &(&String, &Value)| answer.body.get(*key) != Some(*value);
    let fields = expected.as_object().into_iter().flatten();
    let wrong: Vec<String> =
        fields.filter(differs).map(|(key, value)| format!("`{key}` is not {value}")).collect();
    if answer.status != 200 || !wrong.is_empty() {
        bail!("the risk check answers {} {}: {}", answer.status, answer.body, wrong.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_the_risk_check_is_compared() {
        let good = json!({"user_id": "a", "risk_pct": -0.008, "status": "GREEN", "limit": -0.05, "remaining": 0.042});
        compare(&Answer { status: 200, body: good.clone() }).unwrap();
        for key in ["risk_pct", "status", "limit", "remaining"] {
            let mut body = good.clone();
            body[key] = json!(0);
            let refused = compare(&Answer { status: 200, body }).unwrap_err().to_string();
            assert!(refused.ends_with(&format!("`{key}` is not {}", good[key])), "{refused}");
        }
        assert!(compare(&Answer { status: 500, body: good }).is_err());
    }
}
