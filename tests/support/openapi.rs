//! Checks every exchange with the twin against GitHub's published OpenAPI description.
//!
//! npm installs the description (`@octokit/openapi`) into `target/openapi` once. The validator of an operation is
//! built when it is first used.

use std::sync::{Arc, Mutex, OnceLock};

use anyhow::Context as _;
use aspora::dev::github::{Delivery, Exchange, Observer};
use serde_json::{Value, json};

use super::{
    npm,
    schemas::{Schemas, is_address},
    webhooks,
};

/// Where GitHub's description is known to be incomplete: method, path template, status, reason.
const EXCEPTIONS: &[(&str, &str, u16, &str)] = &[
    ("*", "*", 401, "every route refuses a wrong token; only some list it"),
    ("*", "*", 400, "every route refuses a body that is not JSON; only some list it"),
    ("*", "*", 403, "every route refuses a credential that may not; only some list it"),
    ("*", "*", 301, "every route of a renamed repository leads to its id; only some list it"),
    ("*", "*", 404, "every route hides what does not exist; only some list it"),
    (
        "POST",
        "/repos/{owner}/{repo}/check-runs",
        422,
        "an unknown commit is refused; the description lists 201 alone",
    ),
    (
        "POST",
        "/repos/{owner}/{repo}/statuses/{sha}",
        422,
        "an unknown commit is refused; the description lists 201 alone",
    ),
];

/// Checks exchanges and collects the deviations.
pub(crate) struct SpecChecker {
    deviations: Mutex<Vec<String>>,
    checked: Mutex<Vec<String>>,
}

impl SpecChecker {
    /// A checker that has read GitHub's description.
    ///
    /// # Errors
    /// When the description is missing and cannot be installed.
    pub(crate) fn new() -> anyhow::Result<Arc<Self>> {
        description()?;
        Ok(Arc::new(Self { deviations: Mutex::default(), checked: Mutex::default() }))
    }

    /// The callback for `Twin::observe`.
    pub(crate) fn observer(self: &Arc<Self>) -> Observer {
        let checker = Arc::clone(self);
        Arc::new(move |exchange| checker.observe(exchange))
    }

    fn observe(&self, exchange: &Exchange) {
        // GraphQL has a schema of its own, which the description of the REST API leaves out.
        if exchange.path == "/graphql" {
            return;
        }
        let deviations = check(exchange);
        let name = format!("{} {} {}", exchange.method, exchange.path, exchange.status);
        self.checked.lock().expect("no holder has panicked").push(name.clone());
        let deviations = deviations.into_iter().map(|deviation| format!("{name}: {deviation}"));
        self.deviations.lock().expect("no holder has panicked").extend(deviations);
    }

    /// Called at the end of a test: asserts conformance of what was asked, unless that was nothing, and of the webhooks
    /// that were sent. A test that has failed already is not checked.
    pub(crate) fn finish(&self, sent: &[Delivery]) {
        if std::thread::panicking() {
            return;
        }
        webhooks::assert_conform(sent);
        if !self.checked.lock().expect("no holder has panicked").is_empty() {
            self.assert_conforms();
        }
    }

    /// Panics with every deviation, or when no exchange was checked at all.
    pub(crate) fn assert_conforms(&self) {
        let deviations = self.deviations.lock().expect("no holder has panicked");
        assert!(deviations.is_empty(), "not as GitHub describes it:\n{}", deviations.join("\n"));
        assert!(!self.checked.lock().expect("no holder has panicked").is_empty(), "no exchange was checked");
    }
}

/// How an exchange deviates from GitHub's description.
fn check(exchange: &Exchange) -> Vec<String> {
    let description = match description() {
        Ok(description) => description,
        Err(error) => return vec![error.to_string()],
    };
    let Some((template, operation)) = description.operation(&exchange.method, &exchange.path) else {
        return vec!["GitHub has no such route".to_owned()];
    };
    let mut deviations = description.check_query(operation, &exchange.query);
    if !exchange.charted {
        deviations.push("src/dev/github/permissions.tsv has no such route".to_owned());
    }
    let key = format!("{} {template}", exchange.method);
    let request = operation.pointer("/requestBody/content/application~1json/schema");
    let refused = exchange.status >= 400;
    if let (Some(schema), Some(body), false) = (request, &exchange.request_body, refused) {
        deviations.extend(description.schemas.check(&format!("{key} request"), schema, body));
    }
    deviations.extend(description.check_response(&key, template, operation, exchange));
    deviations
}

/// The description, read once.
struct Description {
    schemas: Schemas,
}

fn description() -> anyhow::Result<&'static Description> {
    static READ: OnceLock<Result<Description, String>> = OnceLock::new();
    let read = READ.get_or_init(|| Description::read().map_err(|error| format!("{error:#}")));
    read.as_ref().map_err(|error| anyhow::anyhow!(error.clone()))
}

impl Description {
    fn read() -> anyhow::Result<Self> {
        let file = npm::file("openapi", "@octokit/openapi", "generated/api.github.com.json")?;
        let text = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        let mut document: Value = serde_json::from_slice(&text).context("parse GitHub's description")?;
        allow_null(&mut document);
        correct(&mut document);
        Ok(Self {
            schemas: Schemas::new(document, || jsonschema::draft4::options().with_format("uri", is_address)),
        })
    }

    /// The path template and operation of a request; a fixed segment is preferred to a parameter.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.schemas.document["paths"].as_object()?;
        let method = method.to_lowercase();
        let matching =
            paths.iter().filter(|(template, of)| of.get(&method).is_some() && matches_path(template, path));
        let (template, of) = matching.min_by_key(|(template, _)| {
            let swallows = template.split('/').count() != path.split('/').count();
            (swallows, template.matches('{').count())
        })?;
        Some((template, &of[&method]))
    }

    fn check_query(&self, operation: &Value, query: &str) -> Vec<String> {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let known: Vec<&Value> = parameters.iter().map(|parameter| self.resolve(parameter)).collect();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.filter_map(|(name, value)| check_parameter(&known, &name, &value, self)).collect()
    }

    fn check_response(&self, key: &str, template: &str, operation: &Value, it: &Exchange) -> Vec<String> {
        let Some(answer) = operation["responses"].get(it.status.to_string()) else {
            let excused = EXCEPTIONS.iter().any(|(method, path, status, _)| {
                (*method == "*" || *method == it.method)
                    && (*path == "*" || *path == template)
                    && *status == it.status
            });
            let body = it.response_body.clone().unwrap_or_default();
            return match excused {
                true => self.schemas.check("basic error", &basic_error(), &body),
                false => vec!["GitHub does not respond with this status".to_owned()],
            };
        };
        let content = &self.resolve(answer)["content"];
        match (content.pointer("/application~1json/schema"), &it.response_body) {
            (Some(schema), Some(body)) => self.schemas.check(&format!("{key} {}", it.status), schema, body),
            (Some(_), None) => vec!["the response has no body".to_owned()],
            // An error without a described body has one nevertheless, in the form that all errors have.
            (None, Some(body)) if it.status >= 400 => self.schemas.check("basic error", &basic_error(), body),
            (None, Some(_)) => vec!["the response has a body where GitHub has none".to_owned()],
            (None, None) => Vec::new(),
        }
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let target = value["$ref"]
            .as_str()
            .and_then(|name| self.schemas.document.pointer(name.trim_start_matches('#')));
        target.unwrap_or(value)
    }
}

fn check_parameter(known: &[&Value], name: &str, value: &str, description: &Description) -> Option<String> {
    let Some(parameter) = known.iter().find(|one| one["name"] == *name && one["in"] == "query") else {
        return Some(format!("GitHub does not know the query parameter `{name}`"));
    };
    let number = value.parse::<i64>().map(Value::from);
    let typed = match parameter["schema"]["type"].as_str() {
        Some("integer") => number.unwrap_or_else(|_| value.into()),
        _ => Value::from(value),
    };
    let deviations = description.schemas.check(
        &format!("query {name} {}", parameter["schema"]),
        &parameter["schema"],
        &typed,
    );
    deviations.into_iter().next()
}

fn matches_path(template: &str, path: &str) -> bool {
    let (mut names, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (names.next(), segments.next()) {
            (None, None) => return true,
            // A reference, branch or path may hold slashes; it is the template's last segment then.
            (Some("{ref}" | "{branch}" | "{path}"), Some(_)) if names.clone().next().is_none() => {
                return true;
            }
            (Some(name), Some(segment)) if name.starts_with('{') || name == segment => {}
            _ => return false,
        }
    }
}

/// Corrects a slip of the description: the account of a listed installation cannot be both user and enterprise.
fn correct(document: &mut Value) {
    let account = "/paths/~1app~1installations/get/responses/200/content/application~1json/schema/items/properties/account";
    let Some(account) = document.pointer_mut(account) else { return };
    let Some(inner) = account.pointer_mut("/anyOf/0").and_then(Value::as_object_mut) else { return };
    if let Some(all) = inner.remove("allOf") {
        inner.insert("anyOf".to_owned(), all);
    }
}

/// Rewrites OpenAPI's `nullable` to JSON Schema.
fn allow_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(allow_null);
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
                let inner = Value::Object(std::mem::take(fields));
                fields.insert("anyOf".to_owned(), json!([inner, {"type": "null"}]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_null),
        _ => {}
    }
}

/// The schema of the form that all errors have.
fn basic_error() -> Value {
    json!({"$ref": "#/components/schemas/basic-error"})
}
