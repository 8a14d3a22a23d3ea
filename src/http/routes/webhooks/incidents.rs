//! Webhooks of those who know of incidents: Sentry, and senders that an operator describes by a mapping. Verified, stored, and
//! only then acknowledged.

use axum::{
    Extension, Json,
    body::Body,
    extract::{FromRequest, FromRequestParts as _, Path, Request, State},
};
use serde_json::Value;

use crate::{
    api::{Problem, Receipt, ReceiptResult},
    core::incident::Delivered,
    engine::{self, NewGap},
    http::{
        AppState,
        middleware::{
            error::Error,
            incident_sender::{SenderKind, Senders},
            problem::Kind,
        },
    },
    store,
};

/// A delivery whose signature was verified.
pub(in crate::http::routes) struct Report {
    sender: String,
    product: String,
    source: &'static str,
    delivered: Delivered,
}

impl FromRequest<AppState> for Report {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, app: &AppState) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<(String, String)>::from_request_parts(&mut parts, app).await;
        let Path((sender, product)) = path.map_err(|_| Error::internal())?;
        let senders = Extension::<Senders>::from_request_parts(&mut parts, app).await;
        let Extension(senders) = senders.map_err(|_| Error::internal())?;
        let known = senders.get(&sender)?;
        let bytes = senders.read(known, &parts.headers, body).await?;
        let payload: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::new(Kind::BadSyntax, format!("the body is not JSON: {error}")))?;
        let (source, delivered) = match known.what {
            SenderKind::Sentry => ("sentry", known.read_sentry(&parts.headers, &payload)?),
            SenderKind::Mapped(ref mapping) => ("sender", mapping.read(&payload)),
        };
        Ok(Self { sender, product, source, delivered })
    }
}

/// Takes an incident that Sentry or another sender tells of a product, and opens a harness gap for it; the same incident opens
/// one gap. 2xx means that it is stored, or is no incident.
#[utoipa::path(post, path = "/api/v1/webhooks/incidents/{sender}/{product}", tag = "webhooks",
    params(
        ("sender" = String, Path, description = "`sentry`, or a sender of ASPORA_INCIDENT_SENDERS."),
        ("product" = String, Path, description = "The product that the incident happened to."),
        ("Sentry-Hook-Signature" = Option<String>, Header, description = "Of Sentry: the HMAC-SHA256 of the body in hexadecimal. Of others: in the header that their mapping names."),
        ("Sentry-Hook-Resource" = Option<String>, Header, description = "Of Sentry: `issue`, `event_alert`, `error` or `metric_alert`; others are ignored."),
    ),
    request_body(content((Value = "application/json")), description = "What the sender sends; at most 1 MiB, within 10 s."),
    responses(
        (status = 200, description = "Stored, stored before, or no incident; `result` says which.", body = Receipt),
        (status = 400, description = "The body is not JSON, or a header is missing; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The signature is missing or wrong; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This server knows no such sender, or no such product.", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is over the limit; nothing was stored.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http::routes) async fn incidents(
    State(app): State<AppState>,
    reported: Report,
) -> Result<Json<Receipt>, Error> {
    let Report { sender, product, source, delivered } = reported;
    let receipt = match delivered {
        Delivered::Ignored(why) => Receipt::new(ReceiptResult::Ignored, why),
        Delivered::Incident(incident) => {
            let mut tx = app.engine.pool().begin().await?;
            let now = store::now(&mut tx).await?;
            let mut incident = incident.fitted(now);
            // Two senders may know different incidents by one key.
            if source == "sender" {
                incident.key = format!("{sender}:{}", incident.key).chars().take(200).collect();
            }
            let new = NewGap { product: &product, source, reported: &incident, issue: None, by: &sender };
            let opened = match app.engine.open_gap_in(&mut tx, new).await {
                Ok(opened) => opened,
                Err(engine::Error::NoProduct(_)) => {
                    return Err(Error::not_found("product", format!("`{product}`")));
                }
                Err(error) => return Err(error.into()),
            };
            tx.commit().await?;
            match opened.is_new {
                true => Receipt::new(ReceiptResult::Stored, format!("harness gap {} is open", opened.gap)),
                false => {
                    Receipt::new(ReceiptResult::Known, format!("the incident has harness gap {}", opened.gap))
                }
            }
        }
    };
    app.settings.metrics.webhook(receipt.result.as_str());
    Ok(Json(receipt))
}
