//! The timeline of a pull request, of which only forced pushes are read.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Error, Forge, route};
use crate::core::requirement::RepoName;

/// The events that give a branch a head which need not contain the one before (docs.github.com "Issue event types").
const FORCED: [&str; 2] = ["head_ref_force_pushed", "head_ref_restored"];

/// An event; the kinds that are not read lack most fields.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    event: String,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
}

impl Forge {
    /// When the branch of a pull request was force-pushed or restored, by the forge's clock, oldest first.
    ///
    /// # Errors
    /// Those of the calls; also when a forced push has no time, since its place would then be unknown.
    pub async fn forced_pushes(&self, repo: &RepoName, number: u64) -> Result<Vec<DateTime<Utc>>, Error> {
        let route = route(repo, &format!("issues/{number}/timeline"));
        let events: Vec<Event> = self.pages(&route, |page| page).await?;
        let forced = events.into_iter().filter(|event| FORCED.contains(&event.event.as_str()));
        let time = |event: Event| {
            event.created_at.ok_or_else(|| {
                Error::unreadable(format!("GET {route}"), &format!("a {} has no time", event.event))
            })
        };
        forced.map(time).collect()
    }
}
