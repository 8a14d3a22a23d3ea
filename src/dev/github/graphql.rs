//! `POST /graphql`: the few fields that are built, each judged by its own row of the permission table.
//!
//! Errors come with 200 and in GitHub's form. A field of GitHub's that is not built here is refused with 501, so that
//! no test takes silence for an answer.

mod commit;
mod errors;
mod issue;
mod parse;
mod select;
mod threads;

use std::sync::Arc;

use axum::{Router, extract::State, response::IntoResponse as _, routing::post};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::{
    errors::{of_field, undefined},
    parse::{Field, parse},
};
use super::{
    access::{self, Call},
    accounts::user_id,
    answers::{Answer, ok},
    credentials::{Credential, Kind},
    permissions::graphql_row,
    refusal::Refusal,
    routes::{Body, By},
    shared::Shared,
};

/// Fields of GitHub's that callers may come to need and that are not built.
const NOT_BUILT: [&str; 2] = ["enablePullRequestAutoMerge", "markPullRequestReadyForReview"];

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/graphql", post(answer))
}

#[derive(Deserialize)]
struct Request {
    query: String,
    #[serde(default)]
    variables: Map<String, Value>,
}

async fn answer(State(shared): State<Arc<Shared>>, By(by): By, Body(request): Body<Request>) -> Answer {
    if matches!(by.kind, Kind::Nobody) {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "This endpoint requires you to be authenticated.",
        ));
    }
    let operation = match parse(&request.query) {
        Ok(operation) => operation,
        Err(message) => return ok(json!({"errors": [{"message": message}]})),
    };
    let (mut data, mut errors) = (Map::new(), Vec::new());
    for field in &operation.fields {
        if NOT_BUILT.contains(&&*field.name) {
            let message = format!("The twin has not built `{}` of GraphQL", field.name);
            return Ok((StatusCode::NOT_IMPLEMENTED, message).into_response());
        }
        let resolved = match judge(&by, field) {
            Err(error) => Err(error),
            Ok(()) => resolve(&shared, &by, operation.kind, field, &request.variables).await?,
        };
        data.insert(field.key().to_owned(), resolved.as_ref().ok().cloned().unwrap_or_default());
        errors.extend(resolved.err());
    }
    if errors.is_empty() { ok(json!({"data": data})) } else { ok(json!({"data": data, "errors": errors})) }
}

/// Refuses a field by its row of the permission table.
fn judge(by: &Credential, field: &Field) -> Result<(), Value> {
    let Some(row) = graphql_row(&field.name) else { return Ok(()) };
    let call = Call { row, path: "/graphql", repository: None };
    access::judge(&call, by).map_err(|refusal| of_field(field, "FORBIDDEN", &refusal.message))
}

async fn resolve(
    shared: &Shared,
    by: &Credential,
    kind: &str,
    field: &Field,
    variables: &Map<String, Value>,
) -> Result<Result<Value, Value>, Refusal> {
    match (kind, &*field.name) {
        ("query", "viewer") => Ok(viewer(by, kind, field)),
        ("query", "repository") => threads::repository(shared, by, field, variables).await,
        ("mutation", "resolveReviewThread") => {
            let variable = field.input.as_ref().and_then(|name| variables.get(name));
            threads::resolve(shared, by, field, variable.cloned().unwrap_or_default()).await
        }
        ("mutation", "createCommitOnBranch") => {
            let variable = field.input.as_ref().and_then(|name| variables.get(name));
            commit::create(shared, by, field, variable.cloned().unwrap_or_default()).await
        }
        ("mutation", other) => Ok(Err(undefined(&[kind], "Mutation", other))),
        (_, other) => Ok(Err(undefined(&[kind], "Query", other))),
    }
}

fn viewer(by: &Credential, kind: &str, field: &Field) -> Result<Value, Value> {
    let login = by.login.as_deref().unwrap_or_default();
    let id = user_id(login);
    let one = |inner: &Field| {
        let value = match &*inner.name {
            "login" => json!(login),
            "databaseId" => json!(id),
            "id" => json!(format!("U_twin{id}")),
            // An App's viewer is a User in GraphQL too.
            "__typename" => json!("User"),
            unknown => return Err(undefined(&[kind, &field.name], "User", unknown)),
        };
        Ok((inner.key().to_owned(), value))
    };
    field.fields.iter().map(one).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}
