//! Subscriptions: each person manages their own, and admins those of the factory.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use uuid::Uuid;

use super::responses::NotFound;
use crate::{
    api::{Deliveries, Delivery, NewSubscription, Problem, Replay, Replayed, Subscription},
    core::{
        access::{Denied, Right},
        notice::NoticeKind,
    },
    engine::{NotSubscribed, people},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id, Query},
            idempotency::{Once, Outcome, Reply},
            problem::Kind,
        },
        scope,
    },
    notify::{self, SigningSecret},
    store::{self, Connection, delivery, subscription},
};

/// The route's name beside the keys that were used on it.
const ROUTE: &str = "POST /api/v1/subscriptions";
/// The kinds of targets.
const TARGETS: [&str; 3] = ["webhook", "slack", "email"];
/// The states of messages.
const STATES: [&str; 3] = ["due", "delivered", "dead"];
/// The most messages that are named to be sent again.
const MOST: usize = 1000;

/// The caller's subscriptions; an admin of all products sees everybody's.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "subscriptions", responses(
    (status = 200, description = "The subscriptions, oldest first.", body = Vec<Subscription>),
))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<Subscription>>, Error> {
    let owner = Some(caller.actor()).filter(|_| !is_keeper(&caller));
    let rows = subscription::list(app.engine.pool(), owner).await?;
    Ok(Json(rows.into_iter().map(Subscription::from).collect()))
}

/// Subscribes a place to the notices that concern the caller, or to all of some products.
///
/// The address of a webhook and its secret are never shown again, but for a new secret in this response.
#[utoipa::path(post, path = "/api/v1/subscriptions", tag = "subscriptions", request_body = NewSubscription,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "1 to 255 visible ASCII characters. The same key with the same body makes no second subscription; the secret is in the first response alone.")),
    responses(
        (status = 201, description = "The subscription.", body = Subscription),
        (status = 403, description = "The role may only subscribe to what concerns the caller.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The first request with this key is still running.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is invalid, or the caller has 50 subscriptions.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    extract::Json(new): extract::Json<NewSubscription>,
) -> Result<Response, Error> {
    let once = Once::from_headers(&headers, &caller, ROUTE, &new)?;
    if new.everything && !caller.may(Right::Configure) {
        let denied = Denied::Role { role: caller.principal().role, right: Right::Configure };
        return Err(Error::new(
            Kind::Forbidden,
            format!("{denied}; leave out everything, for what concerns you"),
        ));
    }
    let checked = address(&app, &new)?;
    let secret = secret(&new)?;
    let products = products(&app, &caller, new.products).await?;
    let kinds = kinds(new.kinds)?;
    let stored = subscription::New {
        id: Uuid::now_v7(),
        owner: caller.actor(),
        personal: !new.everything,
        target: &new.target,
        address: &checked.address,
        shown: &checked.shown,
        secret: secret.as_ref().map(|(secret, _)| secret.as_bytes()),
        products: products.as_deref(),
        kinds: kinds.as_deref(),
    };
    let author = caller.author();
    let made = once.run(app.engine.pool(), async |tx: &mut Connection| {
        let row = app.engine.subscribe_in(tx, &stored, author).await?;
        let location = Some(format!("/api/v1/subscriptions/{}/deliveries", row.id));
        Ok::<_, NotSubscribed>(Reply {
            status: StatusCode::CREATED,
            location,
            body: json!(Subscription::from(row)),
        })
    });
    let mut outcome = made.await.map_err(|error| match error {
        NotSubscribed::Store(error) => error.into(),
        many @ NotSubscribed::TooMany(_) => Error::new(Kind::Invalid, many.to_string()),
    })?;
    // Added after the reply was kept for its key: a secret is stored with the subscription and nowhere else.
    if let (Outcome::Fresh(given), Some((secret, true))) = (&mut outcome, &secret) {
        given.response["secret"] = json!(secret.reveal());
    }
    Ok(outcome.into_response())
}

/// Removes a subscription, with the messages that are due to it.
#[utoipa::path(delete, path = "/api/v1/subscriptions/{id}", tag = "subscriptions", params(("id" = Uuid, Path)), responses(
    (status = 204, description = "It is removed."),
    NotFound,
))]
pub(super) async fn remove(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Error> {
    let row = own(&app, &caller, id).await?;
    app.engine.unsubscribe(&row, caller.author()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a message that only tries the subscription. It is delivered by a worker: see its deliveries.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/test", tag = "subscriptions",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "The same key sends no second message.")),
    responses(
        (status = 202, description = "The message is on its way.", body = Subscription),
        NotFound,
    ))]
pub(super) async fn test(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Outcome, Error> {
    let row = own(&app, &caller, id).await?;
    let once = Once::from_headers(&headers, &caller, &format!("{ROUTE}/{id}/test"), &())?;
    let author = caller.author();
    let sent = once.run(app.engine.pool(), async |tx: &mut Connection| {
        app.engine.try_subscription_in(tx, &row, author).await?;
        let body = json!(Subscription::from(row));
        Ok::<_, store::Error>(Reply { status: StatusCode::ACCEPTED, location: None, body })
    });
    Ok(sent.await?)
}

/// The messages to a subscription, newest first.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}/deliveries", tag = "subscriptions",
    params(
        ("id" = Uuid, Path),
        ("state" = Option<String>, Query, description = "Only messages in this state.", pattern = "^(due|delivered|dead)$"),
        ("cursor" = Option<Uuid>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 20.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page.", body = Deliveries),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
        NotFound,
    ))]
pub(super) async fn deliveries(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<Deliveries>, Error> {
    let query = query.only(&["state", "cursor", "limit"])?;
    let limit = query.number("limit", 1, 100, 20)?;
    let state = query.text("state");
    if state.is_some_and(|state| !STATES.contains(&state)) {
        return Err(Error::parameter("state", format!("must be one of {}", STATES.join(", "))));
    }
    let wrong =
        |_| Error::parameter("cursor", "is not a cursor of this list; send next_cursor as it was given");
    let before = query.text("cursor").map(str::parse::<Uuid>).transpose().map_err(wrong)?;
    let row = own(&app, &caller, id).await?;
    let mut rows = delivery::list(app.engine.pool(), row.id, state, before, i64::from(limit) + 1).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(Deliveries { items: rows.into_iter().map(Delivery::from).collect(), next_cursor }))
}

/// Sends messages again that were given up. A message keeps its id.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/replay", tag = "subscriptions", params(("id" = Uuid, Path)),
    request_body = Replay, responses(
        (status = 200, description = "How many are sent again.", body = Replayed),
        (status = 422, description = "It is not clear which are meant.", body = Problem, content_type = "application/problem+json"),
        NotFound,
    ))]
pub(super) async fn replay(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    extract::Json(wanted): extract::Json<Replay>,
) -> Result<Json<Replayed>, Error> {
    let ids = match (wanted.ids, wanted.all) {
        (Some(ids), false) if ids.is_empty() => Err(Error::field("/ids", "is empty; name at least one")),
        (Some(ids), false) if ids.len() > MOST => {
            Err(Error::field("/ids", "has over 1000 ids; send them in parts"))
        }
        (Some(ids), false) => Ok(Some(ids)),
        (None, true) => Ok(None),
        (Some(_), true) => Err(Error::field("/all", "cannot be combined with ids; send one of them")),
        (None, false) => {
            Err(Error::field("/ids", "is missing; send ids, or all: true if every dead one is meant"))
        }
    }?;
    let row = own(&app, &caller, id).await?;
    let deliveries = app.engine.replay_deliveries(&row, ids.as_deref(), caller.author()).await?;
    Ok(Json(Replayed { deliveries }))
}

/// Whether the caller keeps everybody's subscriptions.
fn is_keeper(caller: &Caller) -> bool {
    caller.may(Right::Administer) && caller.principal().products.names().is_none()
}

/// A subscription that is the caller's to manage; any other does not exist.
async fn own(app: &AppState, caller: &Caller, id: Uuid) -> Result<subscription::Row, Error> {
    let row = subscription::get(app.engine.pool(), id).await?;
    row.filter(|row| row.owner == caller.actor() || is_keeper(caller))
        .ok_or_else(|| Error::not_found("subscription", id))
}

fn address(app: &AppState, new: &NewSubscription) -> Result<notify::Checked, Error> {
    if !TARGETS.contains(&new.target.as_str()) {
        return Err(Error::field("/target", format!("must be one of {}", TARGETS.join(", "))));
    }
    if new.address.contains('\0') {
        return Err(Error::field("/address", "contains a NUL character; remove it"));
    }
    notify::check(&new.target, &new.address, app.settings.notify_private)
        .map_err(|wrong| Error::field("/address", wrong.to_string()))
}

/// The secret of a webhook, and whether it is new.
fn secret(new: &NewSubscription) -> Result<Option<(SigningSecret, bool)>, Error> {
    match (new.target.as_str(), &new.secret) {
        ("webhook", Some(text)) => {
            let secret = SigningSecret::parse(text);
            Ok(Some((secret.map_err(|wrong| Error::field("/secret", wrong.to_string()))?, false)))
        }
        ("webhook", None) => {
            let bytes = people::random_bytes::<32>().map_err(|_| Error::internal())?;
            Ok(Some((SigningSecret::from_bytes(&bytes), true)))
        }
        (_, None) => Ok(None),
        (_, Some(_)) => Err(Error::field("/secret", "is for webhooks alone; leave it out")),
    }
}

/// The products of the subscription: those that are named, otherwise those of a limited key.
async fn products(
    app: &AppState,
    caller: &Caller,
    named: Option<Vec<String>>,
) -> Result<Option<Vec<String>>, Error> {
    let Some(mut named) = named else { return Ok(caller.principal().products.names()) };
    if named.is_empty() {
        return Err(Error::field("/products", "is empty; name at least one, or leave it out"));
    }
    named.sort();
    named.dedup();
    let known = scope::products(app, caller).await?;
    match named.iter().position(|name| !known.iter().any(|product| product.name == *name)) {
        Some(place) => {
            let shown: String = named[place].chars().take(80).collect();
            Err(Error::field("/products", format!("there is no product `{shown}`")))
        }
        None => Ok(Some(named)),
    }
}

fn kinds(named: Option<Vec<String>>) -> Result<Option<Vec<String>>, Error> {
    let Some(named) = named else { return Ok(None) };
    if named.is_empty() {
        return Err(Error::field("/kinds", "is empty; name at least one, or leave it out"));
    }
    let read = |(place, text): (usize, &String)| {
        let kind = text.parse::<NoticeKind>();
        kind.map_err(|wrong| Error::field(&format!("/kinds/{place}"), wrong.to_string()))
    };
    let mut kinds = named.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    kinds.sort();
    kinds.dedup();
    Ok(Some(kinds.iter().map(ToString::to_string).collect()))
}
