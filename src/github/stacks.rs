//! Stacks of pull requests, a public preview. docs.github.com "REST API endpoints for stacks".

use serde::Deserialize;

use super::{Error, Forge, route};
use crate::core::{requirement::RepoName, sha::Sha};

/// One pull request of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its number in the repository.
    pub number: u64,
    /// Whether it is open; a merge of a layer above takes it along.
    pub open: bool,
    /// The commit at the tip of its branch.
    pub head: Sha,
}

impl Forge {
    /// The layers of the stack that a pull request is in, from the bottom to the top; none if it is in none.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn layers(&self, repo: &RepoName, number: u64) -> Result<Vec<Layer>, Error> {
        let route = route(repo, &format!("stacks?pull_request={number}"));
        let stacks: Vec<RawStack> = self.pages(&route, |page| page).await?;
        let ours = |stack: &RawStack| stack.pull_requests.iter().any(|layer| layer.number == number);
        let layers = stacks.into_iter().find(ours).map(|stack| stack.pull_requests).unwrap_or_default();
        Ok(layers.into_iter().map(Layer::from).collect())
    }
}

#[derive(Deserialize)]
struct RawStack {
    pull_requests: Vec<RawLayer>,
}

#[derive(Deserialize)]
struct RawLayer {
    number: u64,
    state: String,
    head: RawHead,
}

#[derive(Deserialize)]
struct RawHead {
    sha: Sha,
}

impl From<RawLayer> for Layer {
    fn from(raw: RawLayer) -> Self {
        Self { number: raw.number, open: raw.state == "open", head: raw.head.sha }
    }
}
