//! `POST /graphql`: the few fields that are built, each judged by its own row of the permission table.
//!
//! Errors come with 200 and in GitHub's form. A field of GitHub's that is not built here is refused with 501, so that
//! no test takes silence for an answer.

mod parse;

use std::sync::Arc;

use axum::{Router, extract::State, response::IntoResponse as _, routing::post};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::parse::{Field, parse};
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
const NOT_BUILT: [&str; 4] = [
    "resolveReviewThread",
    "enablePullRequestAutoMerge",
    "createCommitOnBranch",
    "markPullRequestReadyForReview",
];

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/graphql", post(answer))
}

#[derive(Deserialize)]
struct Request {
    query: String,
}

async fn answer(State(_): State<Arc<Shared>>, By(by): By, Body(request): Body<Request>) -> Answer {
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
        match resolve(&by, operation.kind, field) {
            Ok(value) => {
                data.insert(field.key().to_owned(), value);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { ok(json!({"data": data})) } else { ok(json!({"data": null, "errors": errors})) }
}

fn resolve(by: &Credential, kind: &str, field: &Field) -> Result<Value, Value> {
    let root = if kind == "mutation" { "Mutation" } else { "Query" };
    if field.name != "viewer" || root != "Query" {
        return Err(undefined(&[kind], root, &field.name));
    }
    if let Some(row) = graphql_row(&field.name) {
        let call = Call { row, path: "/graphql", repository: None };
        access::judge(&call, by).map_err(
            |refusal| json!({"type": "FORBIDDEN", "path": [field.key()], "message": refusal.message}),
        )?;
    }
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

fn undefined(at: &[&str], on: &str, field: &str) -> Value {
    let path: Vec<&str> = at.iter().copied().chain([field]).collect();
    json!({
        "path": path, "message": format!("Field '{field}' doesn't exist on type '{on}'"),
        "extensions": {"code": "undefinedField", "typeName": on, "fieldName": field},
    })
}
