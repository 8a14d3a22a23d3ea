//! A reviewer that is asked for the findings of a head over HTTP.

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use secrecy::SecretString;
use url::Url;

use super::{Ask, Reviewing, Seen, Subject, forge::findings};
use crate::{
    activities::{Failure, attempt::Attempt},
    core::{
        requirement::RepoName,
        reviewer::{Reviewer, read_findings},
        sha::Sha,
    },
    notify::Asker,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the workers know of reviewers that are asked by HTTP.
#[derive(Clone)]
pub struct Access {
    asker: Asker,
    keys: Vec<(String, SecretString)>,
}

impl Access {
    /// A client, and the key of each server by its origin such as `https://api.greptile.com`: it is sent there and nowhere
    /// else.
    ///
    /// # Errors
    /// When no HTTPS client can be built here.
    pub fn new(allows_private: bool, keys: Vec<(String, SecretString)>) -> reqwest::Result<Self> {
        Ok(Self { asker: Asker::new(allows_private, PATIENCE)?, keys })
    }
}

/// A server with this base URL.
pub(super) struct ByHttp<'a> {
    pub(super) reviewer: &'a Reviewer,
    pub(super) base: &'a Url,
}

impl Reviewing for ByHttp<'_> {
    fn look<'a>(
        &'a self,
        at: &'a Attempt<'_>,
        subject: &'a Subject<'_>,
    ) -> BoxFuture<'a, Result<Seen, Failure>> {
        async move {
            let name = &self.reviewer.name;
            let awaited = |why: String| Seen::Awaited { why: format!("{name}: {why}"), ask: Ask::No };
            let access = &at.factory.reviewers;
            let url = findings_url(self.base, &at.repo, subject.pull, subject.head);
            let origin = self.base.origin().ascii_serialization();
            let key = access.keys.iter().find(|(known, _)| *known == origin).map(|(_, key)| key);
            Ok(match access.asker.get(&url, key).await {
                Err(error) => awaited(error),
                // The document's rule: there is no review of this commit yet.
                Ok((404, _)) => awaited("it has no review of this head yet".to_owned()),
                Ok((200, text)) => match read_findings(&text, subject.head) {
                    Ok(remarks) => {
                        let findings = findings(self.reviewer, subject, &remarks).await?;
                        Seen::Complete { summary: String::new(), findings }
                    }
                    Err(unreadable) => awaited(unreadable.to_string()),
                },
                Ok((status, _)) => awaited(format!("it answered with the status {status}")),
            })
        }
        .boxed()
    }
}

/// `{base}/reviews/{owner}/{repo}/pr/{n}/findings?sha=`.
fn findings_url(base: &Url, repo: &RepoName, pull: u64, head: &Sha) -> Url {
    let (mut url, full) = (base.clone(), repo.to_string());
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push("reviews").extend(full.split('/'));
        path.push("pr").push(&pull.to_string()).push("findings");
    }
    url.query_pairs_mut().append_pair("sha", head.as_str());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_the_documents_with_or_without_a_slash_at_the_end_of_the_base() {
        let head: Sha = "1".repeat(40).parse().unwrap();
        for base in ["https://api.greptile.com/v1", "https://api.greptile.com/v1/"] {
            let url = findings_url(&base.parse().unwrap(), &"acme/wealth".parse().unwrap(), 7, &head);
            let expected =
                format!("https://api.greptile.com/v1/reviews/acme/wealth/pr/7/findings?sha={head}");
            assert_eq!(url.as_str(), expected);
        }
    }
}
