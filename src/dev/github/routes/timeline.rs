//! The timelines of pull requests.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};

use super::{
    extract::{Numbered, Repo},
    paging::{Query, list},
};
use crate::dev::github::{answers::Answer, pulls, shared::Shared};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/repos/{owner}/{repo}/issues/{number}/timeline", get(all))
}

async fn all(
    State(shared): State<Arc<Shared>>,
    Repo(repo): Repo,
    Path((_, _, number)): Numbered,
    query: Query,
) -> Answer {
    pulls::one(&shared.host, &repo, number)?;
    let shown = shared.host.read(&repo, |it| {
        let events = it.timeline.iter().filter(|event| event.pull == number);
        events.map(|event| shared.links.timeline_event(it, event)).collect()
    })?;
    list(&shared.links, &query, shown)
}
