//! An installation of the App that was made, changed, suspended or removed.

use std::collections::BTreeSet;

use super::{ignored, known, news, store_news};
use crate::{
    api::{Receipt, ReceiptResult},
    core::{requirement::RepoName, run::Topic},
    engine::Follows,
    github::webhook::{Access, Hint, NamedRepository},
    http::{AppState, middleware::error::Error},
    store,
};

/// Forgets what we may do in the repositories that are meant, and wakes every run in them. Workers are other processes:
/// their clients find it out by themselves, when the run that was woken looks.
pub(super) async fn changed(app: &AppState, delivery: &str, access: &Access) -> Result<Receipt, Error> {
    let repositories = of_products(app, access).await?;
    if repositories.is_empty() {
        return Ok(ignored("no product has a repository there"));
    }
    let names: Vec<String> = repositories.iter().map(ToString::to_string).collect();
    let mut is_new = false;
    for name in repositories {
        if let Some(forge) = &app.settings.forge {
            forge.forget(&name).await;
        }
        let delivery = format!("{delivery}@{name}");
        let repository = NamedRepository { name, id: None };
        let hint = Hint { whole: true, ..Hint::default() };
        let receipt =
            store_news(app, news(&delivery, Topic::Pull, &repository, hint), Follows::Nothing).await?;
        is_new |= receipt.result == ReceiptResult::Stored;
    }
    if !is_new {
        return Ok(known());
    }
    let what = format!("news for every live run in {}", names.join(", "));
    Ok(Receipt::new(ReceiptResult::Stored, what))
}

/// The repositories of products that are meant, each once.
async fn of_products(app: &AppState, access: &Access) -> Result<Vec<RepoName>, Error> {
    let is_meant = |name: &RepoName| {
        let is_owned = access.owner.as_ref().is_some_and(|owner| owner.eq_ignore_ascii_case(name.owner()));
        let is_same = |it: &RepoName| it.to_string().eq_ignore_ascii_case(&name.to_string());
        is_owned || access.repositories.iter().any(is_same)
    };
    let products = store::product::list(app.engine.pool()).await?;
    let names: BTreeSet<String> = products.into_iter().map(|product| product.repository).collect();
    Ok(names.iter().filter_map(|name| name.parse().ok()).filter(is_meant).collect())
}
