//! What a demonstration looks at after the merge: the tests of the base branch, and answers of its service.

use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use super::dev_server::DevServer;
use crate::{
    dev::{Compared, Exchange, MainTests, ask, test_main},
    workspace::{Sandbox, Worktree},
};

/// The head of a base branch, checked out.
pub(super) struct Merged<'a> {
    sandbox: &'a Sandbox,
    worktree: Worktree,
    /// The head's short name.
    pub(super) head: String,
}

/// A request to the merged service, its answer, and each field of it beside the expected one.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) answer: Value,
    pub(super) compared: Vec<Compared>,
}

impl DevServer {
    /// Checks out the head of a base branch.
    ///
    /// # Errors
    /// When the branch cannot be read.
    pub(super) async fn merged<'a>(
        &self,
        sandbox: &'a Sandbox,
        repository: &str,
        branch: &str,
    ) -> anyhow::Result<Merged<'a>> {
        let mirror = self.app.workspaces(Arc::new(self.app.client()?))?.mirror(&repository.parse()?);
        mirror.fetch().await?;
        mirror.fetch_tags().await?;
        let head = mirror.branch(branch).await?;
        let head = head.with_context(|| format!("{repository} has no branch {branch}"))?;
        Ok(Merged { sandbox, worktree: mirror.worktree(&head).await?, head: head.short().to_owned() })
    }
}

impl Merged<'_> {
    /// Runs all that the product has to test itself.
    ///
    /// # Errors
    /// When set-up fails, or this machine cannot run it.
    pub(super) async fn test(&self) -> anyhow::Result<MainTests> {
        test_main(self.sandbox, &self.worktree).await
    }

    /// Starts the service and compares its answers with the expected ones.
    ///
    /// # Errors
    /// When the service does not start or does not answer; the message has the end of its log.
    pub(super) async fn ask(&self, exchanges: &[Exchange]) -> anyhow::Result<Vec<Asked>> {
        let answers = ask(self.sandbox, &self.worktree, exchanges).await?;
        let asked = |(exchange, answer): (&Exchange, _)| {
            let compared = exchange.compare(&answer);
            let (method, path) = (exchange.method.clone(), exchange.path.clone());
            Asked { method, path, answer: answer.body, compared }
        };
        Ok(exchanges.iter().zip(answers).map(asked).collect())
    }
}

impl Asked {
    /// Whether every field is as expected.
    pub(super) fn fits(&self) -> bool {
        self.compared.iter().all(|it| it.same)
    }

    /// The request, and each field as it was answered; beside what was expected where that is another.
    pub(super) fn sentence(&self) -> String {
        let field = |it: &Compared| match it.same {
            true => format!("{} {}", it.field, it.answered),
            false => format!("{} {} INSTEAD OF {}", it.field, it.answered, it.expected),
        };
        let fields: Vec<String> = self.compared.iter().map(field).collect();
        let verdict = if self.fits() { "as expected" } else { "OTHERWISE THAN EXPECTED" };
        format!("{} {} answers {verdict}: {}", self.method, self.path, fields.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_differs_is_shown_beside_the_expected_one() {
        let compared = |answered: Value| {
            let same = answered == json!(-0.008);
            Compared { field: "risk_pct".to_owned(), expected: json!(-0.008), answered, same }
        };
        let asked = |answered| Asked {
            method: "POST".to_owned(),
            path: "/api/v1/risk-check".to_owned(),
            answer: json!({}),
            compared: vec![compared(answered)],
        };
        let good = asked(json!(-0.008)).sentence();
        assert_eq!(good, "POST /api/v1/risk-check answers as expected: risk_pct -0.008");
        let bad = asked(json!(-0.8)).sentence();
        assert!(bad.ends_with("OTHERWISE THAN EXPECTED: risk_pct -0.8 INSTEAD OF -0.008"), "{bad}");
        assert!(asked(json!(-0.008)).fits() && !asked(Value::Null).fits());
    }
}
