//! API keys: issued, listed and revoked by admins.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::responses::{InvalidField, InvalidReason, NotFound};
use crate::{
    api::{self, IssuedKey, Key, Me, NewKey},
    core::{
        access::{MOST_REQUESTS_PER_MINUTE, PersonName, REQUESTS_PER_MINUTE, Role, UnknownRole, login},
        requirement::{Invalid, ProductName},
    },
    engine::people,
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id},
        },
    },
    store::{self, api_key},
};

/// The most products of a key.
const PRODUCTS: usize = 100;

/// Who the caller is, and what the key may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "keys", responses(
    (status = 200, description = "The caller.", body = Me),
))]
pub(super) async fn me(caller: Caller) -> Json<Me> {
    Json(caller.principal().into())
}

/// The keys, newest first, at most 1,000.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses(
    (status = 200, description = "The keys, without their secrets.", body = Vec<Key>),
))]
pub(super) async fn list(State(app): State<AppState>) -> Result<Json<Vec<Key>>, Error> {
    let rows = api_key::list(app.engine.pool()).await?;
    Ok(Json(rows.into_iter().map(Key::from).collect()))
}

/// Issues a key. The response is the only place where the key is ever shown.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKey, responses(
    (status = 201, description = "The key.", body = IssuedKey),
    InvalidField,
))]
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    extract::Json(new): extract::Json<NewKey>,
) -> Result<Response, Error> {
    let pool = app.engine.pool();
    let new = checked(new, store::now(&mut *pool.acquire().await?).await?)?;
    let people::Issued { key, row } = people::issue(pool, &new, caller.author()).await?;
    let body = IssuedKey { secret: key.reveal().to_owned(), key: row.into() };
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Revokes a key and ends its sessions. A key that was revoked before stays as it is.
#[utoipa::path(post, path = "/api/v1/keys/{id}/revoke", tag = "keys", request_body = api::Control,
    params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The key, which opens nothing any more.", body = Key),
    NotFound,
    InvalidReason,
))]
pub(super) async fn revoke(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    extract::Json(body): extract::Json<api::Control>,
) -> Result<Json<Key>, Error> {
    let reason = extract::reason(&body.reason)?;
    let row = people::revoke(app.engine.pool(), id, caller.author(), &reason).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| Error::not_found("key", id))
}

/// A key whose every field is valid.
fn checked(new: NewKey, now: chrono::DateTime<chrono::Utc>) -> Result<people::NewKey, Error> {
    let mut wrong = Vec::new();
    let person = new.person.parse::<PersonName>();
    let person = person.map_err(|it| wrong.push(("/person", it.message))).ok();
    let role = new.role.parse::<Role>();
    let role = role.map_err(|it: UnknownRole| wrong.push(("/role", it.to_string()))).ok();
    if let Some(Err(invalid)) = new.forge_login.as_deref().map(login) {
        wrong.push(("/forge_login", invalid.message));
    }
    if let Some(names) = &new.products {
        let invalid = names.iter().find_map(|name| name.parse::<ProductName>().err());
        let limits = format!("must name 1 to {PRODUCTS} products; leave it out for all");
        match invalid {
            Some(Invalid { message, .. }) => wrong.push(("/products", message)),
            None if !(1..=PRODUCTS).contains(&names.len()) => wrong.push(("/products", limits)),
            None => {}
        }
    }
    if new.expires_at.is_some_and(|at| at <= now || at.timestamp() > 253_402_300_799) {
        wrong.push(("/expires_at", "must be in the future, before the year 10000".to_owned()));
    }
    let most = MOST_REQUESTS_PER_MINUTE;
    let fits = |many: i32| u32::try_from(many).is_ok_and(|many| (1..=most).contains(&many));
    if new.requests_per_minute.is_some_and(|many| !fits(many)) {
        let limits = format!("must be from 1 to {most}; leave it out for {REQUESTS_PER_MINUTE}");
        wrong.push(("/requests_per_minute", limits));
    }
    match (person, role, wrong.is_empty()) {
        (Some(person), Some(role), true) => Ok(people::NewKey {
            person,
            forge_login: new.forge_login,
            role,
            products: new.products,
            expires_at: new.expires_at,
            requests_per_minute: new.requests_per_minute,
        }),
        _ => Err(Error::fields("key", wrong)),
    }
}

impl From<people::Error> for Error {
    fn from(error: people::Error) -> Self {
        let text = error.to_string();
        match error {
            people::Error::Store(error) => error.into(),
            people::Error::NoProduct(_) => Self::field("/products", text),
            people::Error::LoginTaken { .. } => Self::field("/forge_login", text),
            people::Error::NoRandom => Self::internal(),
        }
    }
}
