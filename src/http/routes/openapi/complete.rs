//! What every operation answers besides what it describes itself: who may use it, from the table of access, and the
//! failures that come before its handler.

use utoipa::{
    Modify,
    openapi::{
        Content, OpenApi, Ref, RefOr, Response,
        path::{Operation, PathItem},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use crate::core::access::{self, Access};

/// The scheme of requests with a key.
const KEY: &str = "key";
/// The scheme of requests of a browser, which change nothing over REST.
const SESSION: &str = "session";

/// Completes the document.
pub(super) struct Complete;

impl Modify for Complete {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut key = Http::new(HttpAuthScheme::Bearer);
        key.description = Some("An API key, from `aspora key create`.".to_owned());
        components.add_security_scheme(KEY, SecurityScheme::Http(key));
        let session = ApiKeyValue::with_description(
            "aspora_session",
            "The session of a browser; over HTTPS the name begins with `__Host-`.",
        );
        components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                complete(method, path, operation);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    let all = [("GET", get), ("POST", post), ("PUT", put), ("PATCH", patch), ("DELETE", delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn complete(method: &str, path: &str, operation: &mut Operation) {
    let access = access::route(method, path).map(|route| route.access);
    let is_open = matches!(access, Some(Access::Anyone | Access::Signed));
    name(operation);
    operation.security = Some(security(method, is_open));
    if !is_open {
        add(operation, "401", "The key is missing or opens nothing.");
        add(operation, "429", "The key has made as many requests in this minute as it may.");
    }
    if matches!(access, Some(Access::May(..))) || method != "GET" {
        add(
            operation,
            "403",
            "The role or the products of the key are not enough, or a page of another site asks.",
        );
    }
    let takes = operation.parameters.as_ref().is_some_and(|all| !all.is_empty());
    if takes || operation.request_body.is_some() {
        add(operation, "400", "A parameter is invalid, or the body is not well-formed.");
    }
    if operation.request_body.is_some() {
        add(operation, "408", "The body did not arrive in time.");
        add(operation, "413", "The body is over the limit.");
        add(operation, "415", "The Content-Type is another.");
        add(operation, "422", "A field is invalid.");
    }
    add(
        operation,
        "default",
        "Any other failure: 408 too slow, 421 another host's name, 500, 503 no database.",
    );
}

/// Names that are unique: the tag and the verb.
fn name(operation: &mut Operation) {
    let tag = operation.tags.as_ref().and_then(|tags| tags.first()).map(|tag| tag.replace(' ', "_"));
    if let (Some(tag), Some(id)) = (tag, &mut operation.operation_id) {
        *id = format!("{tag}_{id}");
    }
}

fn security(method: &str, is_open: bool) -> Vec<SecurityRequirement> {
    let of = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    match (is_open, method) {
        (true, _) => Vec::new(),
        (false, "GET") => vec![of(KEY), of(SESSION)],
        (false, _) => vec![of(KEY)],
    }
}

/// Describes a failure, unless the operation describes it.
fn add(operation: &mut Operation, status: &str, description: &str) {
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
        let mut response = Response::new(description);
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        response.content.insert("application/problem+json".to_owned(), RefOr::T(problem));
        RefOr::T(response)
    });
}
