//! The merge: only with a clearance, only of the head that the clearance names.

use http::Method;
use serde::{Deserialize, Serialize};

use super::{Error, Forge, Kind, route, text};
use crate::core::{
    policy::{Clearance, PullState},
    requirement::RepoName,
    sha::Sha,
};

/// The result of a merge call that GitHub answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// The head was merged by this commit.
    Merged(Sha),
    /// The head is no longer the one that was judged.
    HeadMoved,
    /// Not mergeable now. Read the pull request again before anything else.
    NotMergeable {
        /// GitHub's message.
        why: String,
        /// Whether the same call may succeed shortly: the base just moved, or GitHub is still working it out.
        retry: bool,
    },
    /// Not permitted, or not by this method: a person must change that.
    Forbidden {
        /// GitHub's message.
        why: String,
    },
}

/// The merge methods, most preferred first; a repository can disallow any of them.
/// A merge commit is preferred because it keeps the judged head itself in the base.
const METHODS: [&str; 3] = ["merge", "squash", "rebase"];

impl Forge {
    /// Merges the head that the clearance names, by a merge commit where the repository allows it.
    ///
    /// The caller must check that the base is still [`Clearance::base`]: GitHub compares only the head. The
    /// message is neutralised here; the caller neutralises the title, in which `#number` must stay a link.
    ///
    /// # Errors
    /// Those of the calls. After an error that [`Error::is_ambiguous`], the merge may have happened: read the
    /// pull request and check [`super::Pull::merged_at`] before merging again.
    pub async fn merge(
        &self,
        repo: &RepoName,
        number: u64,
        clearance: &Clearance,
        title: &str,
        message: &str,
    ) -> Result<Merge, Error> {
        self.merge_head(repo, number, clearance.head(), title, message).await
    }

    async fn merge_head(
        &self,
        repo: &RepoName,
        number: u64,
        head: &Sha,
        title: &str,
        message: &str,
    ) -> Result<Merge, Error> {
        let title = text::cap(title, text::TITLE_LIMIT);
        let message = text::cap(&text::neutralise(message), text::BODY_LIMIT);
        let mut refused = Merge::Forbidden { why: "the repository allows no merge method".to_owned() };
        for merge_method in METHODS {
            let body = Body { sha: head, merge_method, commit_title: &title, commit_message: &message };
            refused = match self.put_merge(repo, number, &body).await? {
                Reply::Done(merge) => return Ok(merge),
                Reply::OtherMethod(why) => Merge::Forbidden { why },
                Reply::Unclear(why) => return self.explain(repo, number, head, why).await,
            };
        }
        Ok(refused)
    }

    async fn put_merge(&self, repo: &RepoName, number: u64, body: &Body<'_>) -> Result<Reply, Error> {
        #[derive(Deserialize)]
        struct Done {
            sha: Option<Sha>,
            merged: bool,
            #[serde(default)]
            message: String,
        }
        let route = route(repo, &format!("pulls/{number}/merge"));
        let answer = match self.call(Method::PUT, &route, Some(body)).await {
            Ok(answer) => answer,
            Err(error) => return Reply::of(error),
        };
        Ok(match answer.json::<Done>()? {
            Done { merged: true, sha: Some(sha), .. } => Reply::Done(Merge::Merged(sha)),
            done => Reply::Unclear(done.message),
        })
    }

    /// "Pull Request is not mergeable" has many causes, among them that it is merged already.
    async fn explain(&self, repo: &RepoName, number: u64, head: &Sha, why: String) -> Result<Merge, Error> {
        let pull = self.pull(repo, number).await?;
        Ok(match pull.merged_at(head) {
            Some(sha) => Merge::Merged(sha),
            None if pull.head_sha != *head => Merge::HeadMoved,
            None => Merge::NotMergeable {
                why,
                retry: pull.state != PullState::Merged && pull.mergeable.is_none(),
            },
        })
    }
}

/// The body of the merge call.
#[derive(Serialize)]
struct Body<'a> {
    sha: &'a Sha,
    merge_method: &'static str,
    commit_title: &'a str,
    commit_message: &'a str,
}

/// What an answer to the merge call means.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Done(Merge),
    OtherMethod(String),
    Unclear(String),
}

impl Reply {
    fn of(error: Error) -> Result<Self, Error> {
        let why = error.message().to_owned();
        let message = why.to_ascii_lowercase();
        let says = |phrase: &str| message.contains(phrase);
        match error.kind() {
            // GitHub returns this briefly while it reads the branch's protection.
            Kind::Conflict if says("not authorized to push") => {
                Ok(Self::Done(Merge::NotMergeable { why, retry: true }))
            }
            Kind::Conflict => Ok(Self::Done(Merge::HeadMoved)),
            Kind::MethodNotAllowed if says("base branch was modified") => {
                Ok(Self::Done(Merge::NotMergeable { why, retry: true }))
            }
            Kind::MethodNotAllowed if says("not authorized") => Ok(Self::Done(Merge::Forbidden { why })),
            Kind::MethodNotAllowed
                if says("merges are not allowed") || says("merge commits are not allowed") =>
            {
                Ok(Self::OtherMethod(why))
            }
            Kind::MethodNotAllowed => Ok(Self::Unclear(why)),
            Kind::Forbidden => Ok(Self::Done(Merge::Forbidden { why })),
            Kind::Timeout
            | Kind::Connection
            | Kind::Server
            | Kind::RateLimited
            | Kind::Held
            | Kind::Unauthorized
            | Kind::NotFound
            | Kind::Validation
            | Kind::Gone
            | Kind::Moved
            | Kind::Refused
            | Kind::Unreadable
            | Kind::Unsent => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Json, Router, http::StatusCode, routing::put};
    use serde_json::{Value, json};

    use super::*;
    use crate::github::{Config, Credential, Timeouts};

    const HEAD: &str = "1111111111111111111111111111111111111111";
    const OTHER: &str = "2222222222222222222222222222222222222222";

    /// A GitHub that gives these answers to the merge calls in turn, and returns this pull request.
    struct Stub {
        answers: Vec<(u16, &'static str)>,
        pull: Value,
    }

    impl Stub {
        async fn merges(self) -> (Result<Merge, Error>, Vec<Value>) {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let orders = seen.clone();
            let answers = self.answers;
            let merge = move |Json(order): Json<Value>| {
                let mut orders = orders.lock().unwrap();
                let (status, message) = answers[orders.len()];
                orders.push(order);
                let answer = Json(json!({"sha": OTHER, "merged": status == 200, "message": message}));
                std::future::ready((StatusCode::from_u16(status).unwrap(), answer))
            };
            let pull = self.pull;
            let router = Router::new()
                .route("/repos/acme/w/pulls/7/merge", put(merge))
                .route("/repos/acme/w/pulls/7", axum::routing::get(move || std::future::ready(Json(pull))));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let api_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
            tokio::spawn(async move { axum::serve(listener, router).await });
            let config =
                Config { api_url, credential: Credential::Token("t".into()), timeouts: Timeouts::default() };
            let forge = Forge::new(config).unwrap();
            let repo = "acme/w".parse().unwrap();
            let merge = forge.merge_head(&repo, 7, &HEAD.parse().unwrap(), "Add @risk", "closes #1").await;
            let orders = seen.lock().unwrap().clone();
            (merge, orders)
        }
    }

    fn pull(merged: bool, head: &str, mergeable: Option<bool>) -> Value {
        json!({
            "number": 7, "state": "open", "merged": merged, "merge_commit_sha": OTHER,
            "mergeable": mergeable, "head": {"ref": "b", "sha": head}, "base": {"ref": "main", "sha": OTHER},
            "user": null, "changed_files": 1, "html_url": "", "title": "", "body": null,
            "created_at": "2026-11-22T00:00:00Z", "updated_at": "2026-11-22T00:00:00Z",
        })
    }

    fn waits(why: &str, retry: bool) -> Merge {
        Merge::NotMergeable { why: why.to_owned(), retry }
    }

    #[tokio::test]
    async fn every_answer_to_a_merge_is_understood() {
        async fn check(status: u16, message: &'static str, pull: Value, expected: Merge) {
            let (merge, orders) = Stub { answers: vec![(status, message)], pull }.merges().await;
            assert_eq!(merge, Ok(expected), "{status} {message}");
            assert_eq!(orders.len(), 1, "{status} {message}");
        }
        let open = || pull(false, HEAD, Some(true));
        let forbidden = |why: &str| Merge::Forbidden { why: why.to_owned() };
        check(200, "merged", open(), Merge::Merged(OTHER.parse().unwrap())).await;
        check(409, "Head branch was modified.", open(), Merge::HeadMoved).await;
        let not_yet = "You're not authorized to push to this branch.";
        check(409, not_yet, open(), waits(not_yet, true)).await;
        check(405, not_yet, open(), forbidden(not_yet)).await;
        check(403, "No.", open(), forbidden("No.")).await;
        let moved = "Base branch was modified. Review and try the merge again.";
        check(405, moved, open(), waits(moved, true)).await;
        let vague = "Pull Request is not mergeable";
        check(405, vague, pull(false, HEAD, Some(false)), waits(vague, false)).await;
        check(405, vague, pull(false, HEAD, None), waits(vague, true)).await;
        check(405, vague, pull(false, OTHER, None), Merge::HeadMoved).await;
        check(405, vague, pull(true, HEAD, None), Merge::Merged(OTHER.parse().unwrap())).await;
        check(405, vague, pull(true, OTHER, None), Merge::HeadMoved).await;
        let missing = "Required status check \"ci\" is expected.";
        check(405, missing, open(), waits(missing, false)).await;
    }

    #[tokio::test]
    async fn a_merge_names_the_head_and_its_message_closes_nothing() {
        let (_, orders) = Stub { answers: vec![(200, "")], pull: pull(false, HEAD, None) }.merges().await;
        let expected = json!({
            "sha": HEAD, "merge_method": "merge",
            "commit_title": "Add @risk", "commit_message": "closes #\u{200b}1",
        });
        assert_eq!(orders, [expected]);
    }

    #[tokio::test]
    async fn the_next_method_is_tried_if_one_is_not_allowed() {
        let no_commits = (405, "Merge commits are not allowed on this repository.");
        let no_squash = (405, "Squash merges are not allowed on this repository.");
        let no_rebase = (405, "Rebase merges are not allowed on this repository.");
        let open = || pull(false, HEAD, Some(true));

        let (merge, orders) = Stub { answers: vec![no_commits, (200, "")], pull: open() }.merges().await;
        assert_eq!(merge, Ok(Merge::Merged(OTHER.parse().unwrap())));
        assert_eq!(orders[1]["merge_method"], "squash");

        let answers = vec![no_commits, no_squash, no_rebase];
        let (merge, orders) = Stub { answers, pull: open() }.merges().await;
        assert_eq!(merge, Ok(Merge::Forbidden { why: no_rebase.1.to_owned() }));
        assert!(orders.iter().all(|order| order["sha"] == HEAD));
    }

    #[tokio::test]
    async fn an_ambiguous_answer_is_an_error_and_the_merge_is_not_repeated() {
        let (merge, orders) = Stub { answers: vec![(502, "")], pull: json!({}) }.merges().await;
        assert!(merge.is_err_and(|error| error.is_ambiguous() && error.is_transient()));
        assert_eq!(orders.len(), 1);
    }
}
