//! One request to the service of a product, started from a checkout in the sandbox.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::workspace::{Limits, Sandbox};

const DRIVER: &str = include_str!("ask.py");

/// What a service answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

#[derive(Deserialize)]
struct Printed {
    status: u16,
    body: String,
}

/// Starts `service.py` of a checkout and sends it a request; nothing of it is reachable from outside.
///
/// # Errors
/// When the service does not start or does not answer in JSON; the message has the end of its log.
pub async fn ask(
    sandbox: &Sandbox,
    checkout: &Path,
    (method, path): (&str, &str),
    body: &Value,
) -> anyhow::Result<Answer> {
    let body = body.to_string();
    // Isolated, so that no module of the product takes the place of one of the driver's.
    let argv = ["python3", "-I", "-c", DRIVER, method, path, &body];
    let run = sandbox.run(checkout, &argv, Limits::default()).await.context("start the service")?;
    let line = run.output.lines().rev().find_map(|line| line.strip_prefix("ANSWER "));
    let Some(line) = line.filter(|_| run.passed) else {
        bail!("the service did not answer: {}", run.output.trim());
    };
    let printed: Printed = serde_json::from_str(line).context("read the answer of the service")?;
    let body = serde_json::from_str(&printed.body);
    Ok(Answer { status: printed.status, body: body.with_context(|| format!("no JSON: {}", printed.body))? })
}
