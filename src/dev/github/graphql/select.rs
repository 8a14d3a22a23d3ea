//! Selects what a query asks for of a whole object, and pages its lists.

use serde_json::{Map, Value, json};

use super::{errors::undefined, parse::Field};

/// The most nodes of one page. docs.github.com "Rate limits and query limits for the GraphQL API".
const LARGEST_PAGE: usize = 100;

/// The selected fields of an object, which has all that are built of its type, each with the name of its type in
/// `__typename`; an error in GitHub's form for a field that it lacks.
pub(super) fn select(field: &Field, whole: &Value, variables: &Map<String, Value>) -> Result<Value, Value> {
    match whole {
        Value::Array(items) if is_connection(field) => page(field, items, variables),
        Value::Array(items) => items.iter().map(|item| select(field, item, variables)).collect(),
        Value::Object(all) if !field.fields.is_empty() => {
            let kind = all.get("__typename").and_then(Value::as_str).unwrap_or_default();
            let one = |inner: &Field| {
                let value =
                    all.get(&inner.name).ok_or_else(|| undefined(&[&field.name], kind, &inner.name))?;
                Ok((inner.key().to_owned(), select(inner, value, variables)?))
            };
            field.fields.iter().map(one).collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        plain => Ok(plain.clone()),
    }
}

fn is_connection(field: &Field) -> bool {
    field.fields.iter().any(|inner| matches!(&*inner.name, "nodes" | "pageInfo" | "totalCount"))
}

/// A page of a list, by `first` and `after`; the cursor is a number in text. GitHub refuses a list without `first`.
fn page(field: &Field, items: &[Value], variables: &Map<String, Value>) -> Result<Value, Value> {
    let given = |name: &str| argument(field, name, variables);
    let refuse = |message: String| json!({"path": [field.key()], "message": message});
    let Some(first) = given("first").and_then(|it| usize::try_from(it.as_u64()?).ok()) else {
        let message = format!(
            "You must provide a `first` or `last` value to properly paginate the `{}` connection.",
            field.name
        );
        return Err(refuse(message));
    };
    if first > LARGEST_PAGE {
        let message = format!(
            "Requesting {first} records on the `{}` connection exceeds the `first` limit of {LARGEST_PAGE} records.",
            field.name
        );
        return Err(refuse(message));
    }
    let after = given("after").and_then(|it| it.as_str()?.parse::<usize>().ok()).unwrap_or(0);
    let shown = items.iter().skip(after).take(first);
    let end = after + shown.clone().count();
    let whole = json!({
        "__typename": "Connection", "totalCount": items.len(), "nodes": shown.collect::<Vec<_>>(),
        "pageInfo": {
            "__typename": "PageInfo", "hasNextPage": end < items.len(),
            "endCursor": (end > after).then(|| end.to_string()),
        },
    });
    select(field, &whole, variables)
}

/// An argument's value: a literal, or that of its variable.
pub(super) fn argument(field: &Field, name: &str, variables: &Map<String, Value>) -> Option<Value> {
    let (_, text) = field.arguments.iter().find(|(known, _)| known == name)?;
    match text.strip_prefix('$') {
        Some(variable) => variables.get(variable).cloned(),
        None => serde_json::from_str(text).ok(),
    }
}
