//! What a person does on the pages. Each act is judged by the row of its REST route, as a call of that route is, and
//! then does what the route does.

use http::StatusCode;

use super::{editor, fields::Fields, forms::LINE_COMMENTS};
use crate::dev::github::{
    access::{self, Call},
    accounts::CI_APP,
    actions::{self, Ending},
    checks::{self, CheckOutput},
    ci, comments,
    credentials::Credential,
    merges::{self, MergeRequest},
    permissions::{Level, row_of},
    pulls::{self, PullChange},
    refusal::Refusal,
    reviews::{self, NewComment, NewReview},
    rules,
    shared::Shared,
};

/// One act of a person in a repository.
struct Act<'a> {
    shared: &'a Shared,
    repo: &'a str,
    login: &'a str,
    form: &'a Fields,
}

/// Does what a form asks for; the address below the repository where its result is shown.
pub(super) async fn perform(
    shared: &Shared,
    repo: &str,
    login: &str,
    rest: &[&str],
    form: &Fields,
) -> Result<String, Refusal> {
    let act = Act { shared, repo, login, form };
    match rest {
        ["pull", number, what @ ..] => {
            let number: i64 = number.parse().map_err(|_| Refusal::not_found())?;
            let anchor = act.on_pull(number, what).await?;
            Ok(format!("pull/{number}{anchor}"))
        }
        ["runs", id, what] => {
            let number: i64 = id.parse().map_err(|_| Refusal::not_found())?;
            act.on_check(number, what).await?;
            Ok(format!("runs/{id}"))
        }
        ["edit"] => {
            act.judge("PUT", &format!("contents/{}", form.get("path")))?;
            let sha = editor::commit(shared, repo, login, form).await?;
            Ok(format!("commit/{sha}"))
        }
        _ => Err(Refusal::not_found()),
    }
}

impl Act<'_> {
    async fn on_pull(&self, number: i64, what: &[&str]) -> Result<String, Refusal> {
        let (repo, login, form) = (self.repo, self.login, self.form);
        let pull = format!("pulls/{number}");
        let id = |id: &str| id.parse::<i64>().map_err(|_| Refusal::not_found());
        let turn = self.shared.host.turn().await;
        match what {
            ["reviews"] => {
                self.judge("POST", &format!("{pull}/reviews"))?;
                let id = reviews::submit(&turn, repo, login, number, new_review(form)?).await?;
                return Ok(format!("#pullrequestreview-{id}"));
            }
            ["reviews", review, "events"] => {
                self.judge("POST", &format!("{pull}/reviews/{review}/events"))?;
                let (event, body) = (form.get("event"), form.some("body"));
                reviews::finish(&turn, repo, login, (number, id(review)?), event, body).await?;
                return Ok(format!("#pullrequestreview-{review}"));
            }
            ["reviews", review, "dismissals"] => {
                self.judge("PUT", &format!("{pull}/reviews/{review}/dismissals"))?;
                self.refuse_dismissing(number)?;
                reviews::dismiss(&turn, repo, login, number, id(review)?).await?;
                return Ok(format!("#pullrequestreview-{review}"));
            }
            ["comments"] => {
                self.judge("POST", &format!("issues/{number}/comments"))?;
                let body = form.some("body").unwrap_or_default();
                let comment = comments::add(&turn, repo, login, number, body)?;
                return Ok(format!("#issuecomment-{}", comment.id));
            }
            ["merge"] => {
                self.judge("PUT", &format!("{pull}/merge"))?;
                let (sha, merge_method) = (form.some("sha"), form.some("merge_method"));
                let request = MergeRequest { sha, merge_method, ..MergeRequest::default() };
                merges::merge(&turn, repo, login, number, request).await?;
            }
            ["state"] => {
                self.judge("PATCH", &pull)?;
                self.refuse_managing(number)?;
                let change = PullChange { state: form.some("state"), ..PullChange::default() };
                pulls::edit(&turn, repo, login, number, change).await?;
            }
            ["draft"] => {
                self.judge("PATCH", &pull)?;
                self.refuse_managing(number)?;
                if !pulls::one(&turn, repo, number)?.open {
                    return Err(Refusal::unprocessable("The pull request is not open."));
                }
                pulls::set_draft(&turn, repo, login, number, form.get("draft") == "true").await?;
            }
            _ => return Err(Refusal::not_found()),
        }
        Ok(String::new())
    }

    async fn on_check(&self, id: i64, what: &str) -> Result<(), Refusal> {
        let (repo, login) = (self.repo, self.login);
        self.refuse_reader()?;
        let turn = self.shared.host.turn().await;
        let check = checks::one(&turn, repo, id)?;
        match what {
            "rerun" if check.app == CI_APP => {
                let run = turn.read(repo, |it| {
                    it.workflow_runs.iter().find(|run| run.suite == check.suite).map(|run| run.id)
                })?;
                let run = run.ok_or_else(Refusal::not_found)?;
                actions::rerun_failed_jobs(&turn, repo, run)?;
                drop(turn);
                ci::work(&self.shared.host, repo, run);
                Ok(())
            }
            "rerun" => checks::rerequest_as(&turn, repo, login, id).map(drop),
            "press" => checks::request_action(&turn, repo, login, id, self.form.get("identifier")),
            "fail" if check.app == CI_APP => actions::finish(&turn, repo, id, failed_by(login)).await,
            "fail" => Err(Refusal::new(StatusCode::FORBIDDEN, "Only checks of the twin's CI can be failed.")),
            _ => Err(Refusal::not_found()),
        }
    }

    /// Judges the act as a call of its REST route.
    fn judge(&self, method: &str, below: &str) -> Result<(), Refusal> {
        let path = format!("/repos/{}/{below}", self.repo);
        let row = row_of(method, &path).ok_or_else(Refusal::not_found)?;
        self.shared.host.with_state(|state| {
            let call = Call { row, path: &path, repository: state.repositories.get(self.repo) };
            access::judge(&call, &Credential::of_person(self.login))
        })
    }

    /// Only its author and those who may write close, reopen and draft a pull request.
    fn refuse_managing(&self, number: i64) -> Result<(), Refusal> {
        let author = pulls::one(&self.shared.host, self.repo, number)?.author;
        if author == self.login { Ok(()) } else { self.refuse_reader() }
    }

    /// docs.github.com "Dismissing a pull request review": into a protected branch, an administrator.
    fn refuse_dismissing(&self, number: i64) -> Result<(), Refusal> {
        let base = pulls::one(&self.shared.host, self.repo, number)?.base_ref;
        let level = self
            .shared
            .host
            .read(self.repo, |it| (it.level_of(self.login), !rules::of_branch(it, &base).is_empty()))?;
        match level {
            (Some(Level::Admin), _) | (Some(Level::Write), false) => Ok(()),
            (_, true) => Err(forbidden("Must be an administrator of this repository.")),
            (_, false) => Err(forbidden("Must have push access to this repository.")),
        }
    }

    fn refuse_reader(&self) -> Result<(), Refusal> {
        let level = self.shared.host.read(self.repo, |it| it.level_of(self.login))?;
        if level >= Some(Level::Write) {
            return Ok(());
        }
        Err(forbidden("Must have push access to this repository."))
    }
}

fn new_review(form: &Fields) -> Result<NewReview, Refusal> {
    let mut comments = Vec::new();
    for at in 1..=LINE_COMMENTS {
        let Some(body) = form.some(&format!("text{at}")) else { continue };
        comments.push(NewComment {
            path: form.get(&format!("path{at}")).to_owned(),
            body,
            line: form.number(&format!("line{at}"))?,
            side: form.some(&format!("side{at}")),
            start_line: None,
            position: None,
        });
    }
    // Without an event a review is a draft, which only its author sees.
    Ok(NewReview {
        commit_id: form.some("commit_id"),
        body: form.some("body"),
        event: form.some("event"),
        comments,
    })
}

fn failed_by(login: &str) -> Ending {
    let summary = format!("{login} failed this check on its page.");
    let output = CheckOutput {
        title: Some("Failed by a person".to_owned()),
        summary: Some(summary.clone()),
        ..CheckOutput::default()
    };
    Ending { conclusion: "failure".to_owned(), log: summary, output }
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, message)
}
