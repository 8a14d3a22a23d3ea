//! GitHub's REST routes, one file a subject. A handler reads the request, calls the domain, and renders.

mod actions;
mod apps;
mod branches;
mod checks;
mod comments;
mod deployments;
mod extract;
mod hooks;
mod issues;
mod merges;
mod paging;
mod pulls;
mod repositories;
mod reviews;
mod timeline;

use std::sync::Arc;

use axum::Router;

pub(crate) use self::{
    extract::{Body, By},
    paging::LARGEST_PAGE,
};
use super::shared::Shared;

/// All REST routes.
pub(crate) fn all() -> Router<Arc<Shared>> {
    Router::new()
        .merge(apps::routes())
        .merge(hooks::routes())
        .merge(repositories::routes())
        .merge(branches::routes())
        .merge(pulls::routes())
        .merge(merges::routes())
        .merge(reviews::routes())
        .merge(comments::routes())
        .merge(timeline::routes())
        .merge(checks::routes())
        .merge(actions::routes())
        .merge(issues::routes())
        .merge(deployments::routes())
}
