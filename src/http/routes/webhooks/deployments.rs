//! Deployments that the forge announces. A webhook is stored as it is; a worker finds out which merged changes it contains.

use super::{ignored, known};
use crate::{
    api::{Receipt, ReceiptResult},
    core::deployment::News,
    github::webhook::NamedRepository,
    http::{AppState, middleware::error::Error},
    store::deployment::{self, Recorded},
};

/// Stores what is announced.
pub(super) async fn announced(
    app: &AppState,
    delivery: &str,
    repository: &NamedRepository,
    news: &News,
) -> Result<Receipt, Error> {
    let (name, id) = (repository.name.to_string(), repository.id.and_then(|id| i64::try_from(id).ok()));
    let mut tx = app.engine.pool().begin().await?;
    let recorded = deployment::record(&mut tx, delivery, (&name, id), news).await?;
    tx.commit().await?;
    Ok(match recorded {
        Recorded::Known => known(),
        Recorded::Foreign => ignored(format!("no product has the repository {name}")),
        Recorded::New => {
            let state = news.status.as_ref().map_or("made", |status| status.state.as_str());
            let (place, sha) = (&news.deployment.environment, news.deployment.sha.short());
            let what = format!("deployment of {sha} to `{place}`: {state}");
            Receipt::new(ReceiptResult::Stored, what)
        }
    })
}
