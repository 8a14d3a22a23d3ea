//! Checks the payloads of webhooks against GitHub's published descriptions (`@octokit/openapi-webhooks`).

use std::{collections::HashSet, sync::OnceLock};

use anyhow::Context as _;
use aspora::dev::github::Delivery;
use jsonschema::ValidationOptions;
use serde_json::Value;

use super::{
    npm,
    schemas::{Schemas, is_address},
};

/// What GitHub sends and does not describe: event and action, where it is said.
const UNPUBLISHED: &[(&str, &str, &str)] =
    &[("pull_request", "stacked", "stacks are a preview, which the descriptions leave out")];

/// Panics with every way in which these payloads deviate from GitHub's descriptions.
#[track_caller]
pub(crate) fn assert_conform(sent: &[Delivery]) {
    let mut seen = HashSet::new();
    let once = sent.iter().filter(|delivery| seen.insert(delivery.id));
    let deviations: Vec<String> = once.flat_map(deviations).collect();
    assert!(deviations.is_empty(), "not as GitHub describes it:\n{}", deviations.join("\n"));
}

/// How a payload deviates from its description.
pub(crate) fn deviations(delivery: &Delivery) -> Vec<String> {
    let (event, action) = (&delivery.event, delivery.payload["action"].as_str());
    if UNPUBLISHED.iter().any(|(of, what, _)| of == event && Some(*what) == action) {
        return Vec::new();
    }
    let name = action.map_or_else(|| event.clone(), |action| format!("{event}-{action}")).replace('_', "-");
    let schemas = match schemas() {
        Ok(schemas) => schemas,
        Err(error) => return vec![error.to_string()],
    };
    let at = "/post/requestBody/content/application~1json/schema";
    match schemas.document["webhooks"][&name].pointer(at) {
        Some(schema) => schemas.check(&name, schema, &delivery.payload),
        None => vec![format!("GitHub has no webhook {name}")],
    }
}

fn schemas() -> anyhow::Result<&'static Schemas> {
    static READ: OnceLock<Result<Schemas, String>> = OnceLock::new();
    let read = READ.get_or_init(|| read().map_err(|error| format!("{error:#}")));
    read.as_ref().map_err(|error| anyhow::anyhow!(error.clone()))
}

fn read() -> anyhow::Result<Schemas> {
    let file = npm::file("openapi-webhooks", "@octokit/openapi-webhooks", "generated/api.github.com.json")?;
    let text = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let document: Value = serde_json::from_slice(&text).context("parse GitHub's description of webhooks")?;
    Ok(Schemas::new(document, options))
}

/// The addresses of bots are no addresses by the letter of the format, though GitHub sends them:
/// `49699333+dependabot[bot]@users.noreply.github.com`.
fn options() -> ValidationOptions<'static> {
    jsonschema::draft202012::options().with_format("email", |_: &str| true).with_format("uri", is_address)
}
