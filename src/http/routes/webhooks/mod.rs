//! Webhooks: verified, stored, and only then acknowledged.

mod access;
mod buttons;
mod comments;
mod deployments;
mod incidents;
mod issues;
mod names;

use axum::{Json, extract::State};

pub(super) use self::incidents::{__path_incidents, incidents};

use crate::{
    api::{Problem, Receipt, ReceiptResult},
    core::{run::Topic, words::counted},
    engine::{Follows, Received},
    github::webhook::{Delivery, Hint, Ignored, Meaning, NamedRepository},
    http::{
        AppState,
        middleware::{error::Error, github_webhook::Signed},
    },
    store::signal::News,
};

/// Takes a webhook of the forge; 2xx means that it is stored or of no interest.
#[utoipa::path(post, path = "/api/v1/webhooks/github", tag = "webhooks",
    params(
        ("X-Hub-Signature-256" = String, Header, description = "sha256= and the HMAC-SHA256 of the body."),
        ("X-GitHub-Event" = String, Header), ("X-GitHub-Delivery" = String, Header),
    ),
    request_body(
        content((Value = "application/json"), (Value = "application/x-www-form-urlencoded")),
        description = "GitHub's payload, or a form with it in the field `payload`; at most 25 MB, within 10 s.",
    ),
    responses(
        (status = 200, description = "Stored, stored before, of no interest, or done; `result` says which.", body = Receipt),
        (status = 401, description = "The signature is missing or wrong; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is over the limit; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content type is neither of GitHub's; nothing was stored.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn github(
    State(app): State<AppState>,
    Signed(delivery): Signed,
) -> Result<Json<Receipt>, Error> {
    let Delivery { id, repository, meaning, .. } = delivery;
    if let Some(repository) = &repository {
        names::follow(&app, repository).await?;
    }
    let receipt = match (meaning, repository) {
        (Meaning::Changed(topic, hint), Some(repository)) => {
            store_change(&app, &id, topic, &repository, hint).await?
        }
        (Meaning::Commented(pull), Some(repository)) => comments::written(&app, &repository, pull).await?,
        (Meaning::Pressed(press), Some(repository)) => {
            buttons::pressed(&app, &id, &repository, &press).await?
        }
        (Meaning::Issue(news), Some(repository)) => issues::changed(&app, &repository, &news).await?,
        (Meaning::Deployed(news), Some(repository)) => {
            deployments::announced(&app, &id, &repository, &news).await?
        }
        (Meaning::Access(access), _) => access::changed(&app, &id, &access).await?,
        (Meaning::Ignored(why), _) => ignored(why.to_string()),
        (
            Meaning::Changed(..)
            | Meaning::Commented(_)
            | Meaning::Pressed(_)
            | Meaning::Issue(_)
            | Meaning::Deployed(_),
            None,
        ) => ignored(Ignored::NoRepository.to_string()),
    };
    app.settings.metrics.webhook(receipt.result.as_str());
    Ok(Json(receipt))
}

/// Stores what changed; a pull request that others opened is judged, and what is open into a branch whose policy moved is
/// judged again.
async fn store_change(
    app: &AppState,
    delivery: &str,
    topic: Topic,
    repository: &NamedRepository,
    mut hint: Hint,
) -> Result<Receipt, Error> {
    let (opened, moves_policy) = (hint.opened.take(), hint.moves_policy);
    let follows = match &opened {
        Some(opened) => Follows::Judgement(opened),
        None if moves_policy => Follows::NewPolicy,
        None => Follows::Nothing,
    };
    store_news(app, news(delivery, topic, repository, hint), follows).await
}

/// The signal that is stored.
fn news(delivery: &str, topic: Topic, repository: &NamedRepository, hint: Hint) -> News {
    News {
        delivery: delivery.to_owned(),
        topic,
        repository: repository.name.to_string(),
        repository_id: repository.id.and_then(|id| i64::try_from(id).ok()),
        whole: hint.whole,
        branch: hint.branch,
        pull: hint.pull.and_then(|number| i64::try_from(number).ok()),
        sha: hint.sha.map(String::from),
    }
}

/// Stores a signal and wakes the runs that it is about.
async fn store_news(app: &AppState, news: News, follows: Follows<'_>) -> Result<Receipt, Error> {
    Ok(match app.engine.receive(&news, follows).await? {
        Received::Stored { runs } => {
            let what = format!("news of `{}` for {}", news.topic.as_str(), counted(runs, "live run"));
            Receipt::new(ReceiptResult::Stored, what)
        }
        Received::Known => known(),
        Received::Foreign => {
            let number = news.repository_id.map(|id| format!(" (number {id})")).unwrap_or_default();
            ignored(format!("no product has the repository {}{number}", news.repository))
        }
    })
}

fn known() -> Receipt {
    Receipt::new(ReceiptResult::Known, "this delivery was stored before")
}

fn ignored(why: impl Into<String>) -> Receipt {
    Receipt::new(ReceiptResult::Ignored, why)
}
