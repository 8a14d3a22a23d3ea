//! GitHub's routes, one file a subject; here what they share: refusals, bodies, pages of a list.

pub(crate) mod checks;
pub(crate) mod comments;
pub(crate) mod pulls;
pub(crate) mod repos;
pub(crate) mod reviews;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Shared,
    state::{Repository, State},
};

/// What a handler answers.
pub(crate) type Answer = Result<Response, Refusal>;

/// All REST routes.
pub(crate) fn all() -> Router<Arc<Shared>> {
    Router::new()
        .merge(repos::routes())
        .merge(pulls::routes())
        .merge(reviews::routes())
        .merge(comments::routes())
        .merge(checks::routes())
}

/// An answer that is an error, in GitHub's shape.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    errors: Vec<Value>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), errors: Vec::new() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    /// 422 for a field, such as `head` with the code `invalid`.
    pub(crate) fn field(resource: &str, field: &str, code: &str) -> Self {
        Self::validation(json!({"resource": resource, "field": field, "code": code}))
    }

    /// 422 for a rule, with its sentence.
    pub(crate) fn rule(resource: &str, message: &str) -> Self {
        Self::validation(json!({"resource": resource, "code": "custom", "message": message}))
    }

    /// 422 in the simple shape, whose errors are sentences.
    pub(crate) fn sentence(sentence: &str) -> Self {
        let errors = vec![json!(sentence)];
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Unprocessable Entity") }
    }

    fn validation(error: Value) -> Self {
        let errors = vec![error];
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed") }
    }

    pub(crate) fn message(&self) -> String {
        let errors = Value::from(self.errors.clone());
        format!("{} {}: {errors}", self.status.as_u16(), self.message)
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!("the GitHub twin failed: {error:#}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message, "documentation_url": "https://docs.github.com/rest",
            "status": self.status.as_str(),
        });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.into();
        }
        (self.status, Json(body)).into_response()
    }
}

/// `owner/name` of the path, of a repository that exists.
#[derive(Debug, Clone)]
pub(crate) struct Repo(pub(crate) String);

impl FromRequestParts<Arc<Shared>> for Repo {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let mut segments = parts.uri.path().split('/').skip(2);
        let name = format!("{}/{}", segments.next().unwrap_or(""), segments.next().unwrap_or(""));
        if shared.has(&name) { Ok(Self(name)) } else { Err(Refusal::not_found()) }
    }
}

/// A JSON body; 400 when it is not JSON, 422 when it lacks what is needed.
pub(crate) struct Sent<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON");
        let bytes = Bytes::from_request(request, shared)
            .await
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "Problems reading the body"))?;
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        let value: Value = serde_json::from_slice(&bytes).map_err(broken)?;
        serde_json::from_value(value).map(Self).map_err(|error| Refusal::rule("Request", &error.to_string()))
    }
}

/// The query's pairs, and the page that is asked for.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    path: String,
}

impl FromRequestParts<Arc<Shared>> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or("");
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { pairs, path: parts.uri.path().to_owned() })
    }
}

const USUAL_PAGE: usize = 30;
const LARGEST_PAGE: usize = 100;

impl Query {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The asked page of a list, and the links to the others.
    pub(crate) fn page(&self, shared: &Shared, all: Vec<Value>) -> (Vec<Value>, Option<HeaderValue>) {
        let size = self.number("per_page", USUAL_PAGE).min(LARGEST_PAGE);
        let page = self.number("page", 1);
        let last = all.len().div_ceil(size).max(1);
        let mut links = Vec::new();
        let mut link = |number: usize, name: &str| {
            links.push(format!("<{}>; rel=\"{name}\"", self.address(shared, number)));
        };
        if page > 1 {
            link(page - 1, "prev");
        }
        if page < last {
            link(page + 1, "next");
            link(last, "last");
        }
        if page > 1 {
            link(1, "first");
        }
        let shown = all.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        (shown, HeaderValue::from_str(&links.join(", ")).ok().filter(|_| !links.is_empty()))
    }

    fn number(&self, name: &str, usual: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0).unwrap_or(usual)
    }

    fn address(&self, shared: &Shared, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs.iter().filter(|(key, _)| key != "page"));
        query.append_pair("page", &page.to_string());
        format!("{}{}?{}", shared.links.base, self.path, query.finish())
    }
}

/// 200 with one page of a list.
pub(crate) fn list(shared: &Shared, query: &Query, all: Vec<Value>) -> Response {
    let (shown, links) = query.page(shared, all);
    linked(Json(shown).into_response(), links)
}

/// 200 with one page of a list below a name, and the count of all.
pub(crate) fn counted(shared: &Shared, query: &Query, name: &str, all: Vec<Value>) -> Response {
    let total = all.len();
    let (shown, links) = query.page(shared, all);
    linked(Json(json!({"total_count": total, name: shown})).into_response(), links)
}

fn linked(mut answer: Response, links: Option<HeaderValue>) -> Response {
    answer.headers_mut().extend(links.map(|links| (http::header::LINK, links)));
    answer
}

/// 201 with the thing and its address.
pub(crate) fn created(thing: Value) -> Response {
    let location = thing["url"].as_str().unwrap_or("").to_owned();
    (StatusCode::CREATED, [("location", location)], Json(thing)).into_response()
}

/// 200 with the thing.
pub(crate) fn ok(thing: Value) -> Answer {
    Ok(Json(thing).into_response())
}

impl Shared {
    /// Reads one repository.
    pub(crate) fn read<T>(&self, name: &str, read: impl FnOnce(&Repository) -> T) -> Result<T, Refusal> {
        self.look(|state| state.repositories.get(name).map(read)).ok_or_else(Refusal::not_found)
    }

    /// Changes one repository and saves, together with the webhooks that tell of it.
    pub(crate) fn write<T>(
        &self,
        name: &str,
        write: impl FnOnce(&mut Repository, &mut NewIds<'_>) -> T,
    ) -> anyhow::Result<T> {
        self.change(|state| {
            let mut repository = state
                .repositories
                .remove(name)
                .ok_or_else(|| anyhow::anyhow!("the twin has no repository {name}"))?;
            let answer = write(&mut repository, &mut NewIds(state));
            state.repositories.insert(name.to_owned(), repository);
            Ok(answer)
        })
    }

    /// Remembers a webhook that tells what happened, and wakes whoever delivers.
    pub(crate) fn announce(
        &self,
        name: &str,
        actor: &str,
        event: &str,
        payload: Value,
    ) -> anyhow::Result<()> {
        if self.webhooks.receiver().is_none() {
            return Ok(());
        }
        let about = self.look(|state| state.repositories.get(name).map(|it| self.links.repository(it)));
        let common = json!({"repository": about, "sender": self.links.user(actor)});
        let payload = super::render::with(payload, common);
        let delivery = super::Delivery { id: uuid::Uuid::new_v4(), event: event.to_owned(), payload };
        self.change(|state| {
            state.outbox.push_back(delivery);
            Ok(())
        })?;
        self.webhooks.news.notify_one();
        Ok(())
    }
}

/// Gives ids while a repository is being changed.
pub(crate) struct NewIds<'a>(&'a mut State);

impl NewIds<'_> {
    pub(crate) fn next(&mut self) -> i64 {
        self.0.new_id()
    }
}
