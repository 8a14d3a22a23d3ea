//! A form as an argument of its handler, if a page of the caller's own session sent it.

use axum::{
    extract::{FromRequest, Request},
    http::header,
    response::Response,
};
use serde::de::DeserializeOwned;

use super::{
    super::{
        AppState,
        middleware::{caller::Caller, extract},
    },
    FORM_LIMIT, Problem,
};

/// A form of the caller's session; any other is answered with a page that says what is wrong. A caller with a key
/// needs no proof: no other page can make a browser send the key.
pub(super) struct Submitted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Submitted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Response> {
        let caller = request.extensions().get::<Caller>().cloned();
        match read(request, app, caller.as_ref()).await {
            Ok(fields) => Ok(Self(fields)),
            Err(problem) => Err(problem.page(&app.settings, caller.as_ref())),
        }
    }
}

async fn read<T: DeserializeOwned>(
    request: Request,
    app: &AppState,
    caller: Option<&Caller>,
) -> Result<T, Problem> {
    let unreadable = |what: &str| Problem::Unreadable(format!("The form {what}."));
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.unwrap_or_default().starts_with("application/x-www-form-urlencoded") {
        return Err(unreadable("is not application/x-www-form-urlencoded"));
    }
    let bytes = extract::bytes(request, app, FORM_LIMIT).await;
    let bytes = bytes.map_err(|_| unreadable("is too long or ended early"))?;
    if let Some(session) = caller.and_then(Caller::session) {
        let proof = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf");
        if proof.is_none_or(|(_, proof)| proof != session.form_token()) {
            return Err(Problem::Foreign);
        }
    }
    fields(&bytes).map_err(|wrong| unreadable(&format!("has an invalid field: {wrong}")))
}

/// The fields, which are all texts.
fn fields<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let pairs = url::form_urlencoded::parse(bytes).into_owned();
    let fields = pairs.map(|(name, value)| (name, serde_json::Value::String(value))).collect();
    serde_json::from_value(serde_json::Value::Object(fields))
}
