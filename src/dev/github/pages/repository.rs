//! The pages of one repository.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::{
    diff,
    editor::{self, Edited},
    forms,
    layout::{badge, external, page, prose, when},
};
use crate::dev::github::{
    git::{Changed, Commit, EMPTY_TREE, Git},
    host::Host,
    pulls,
    refusal::Refusal,
    reviews,
    sessions::Visitor,
    shared::Shared,
    state::{CheckRun, Comment, Pull, Repository, Review, ReviewComment},
};

/// Commits of the base branch on a repository's page.
const LATEST: usize = 20;

/// The pages of a repository as it is now; `home` is their base.
pub(super) struct RepositoryPages<'a> {
    it: Repository,
    git: Git,
    home: String,
    visitor: Option<&'a Visitor>,
}

impl<'a> RepositoryPages<'a> {
    /// 404 for a repository that the twin does not have.
    pub(super) fn of(shared: &Shared, name: &str, visitor: Option<&'a Visitor>) -> Result<Self, Refusal> {
        let it = shared.host.read(name, Repository::clone)?;
        Ok(Self { git: shared.host.git(name), home: shared.links.page(&it), it, visitor })
    }

    pub(super) async fn root(&self) -> Result<Response, Refusal> {
        let branch = &self.it.default_branch;
        let latest = self.git.latest(&format!("refs/heads/{branch}"), LATEST).await?;
        let files = self.git.paths(&format!("refs/heads/{branch}")).await?;
        let name = self.it.full_name();
        Ok(page(
            self.visitor,
            &name,
            &html! {
                p.muted { a href="/" { "Repositories" } }
                h1 { (name) }
                section {
                    h2 { "Pull requests" }
                    @if self.it.pulls.is_empty() { p.muted { "None yet." } }
                    table { @for pull in self.it.pulls.iter().rev() { tr {
                        td { (badge(state_of(pull))) }
                        td.wide { a href={ (self.home) "/pull/" (pull.number) } { (pull.title) } " #" (pull.number) }
                        td.muted { (pull.author) } td { (when(&pull.created_at)) }
                    } } }
                }
                section { h2 { "Latest commits of " (branch) } (self.commits(&latest)) }
                section {
                    h2 { "Files of " (branch) " (" (files.len()) ")" }
                    ul.files { @for file in &files { li { code { (file) } } } }
                }
            },
        ))
    }

    pub(super) async fn pull(&self, host: &Host, number: &str) -> Result<Response, Refusal> {
        let number: i64 = number.parse().map_err(|_| Refusal::not_found())?;
        let pull = self.it.pull(number).ok_or_else(Refusal::not_found)?;
        let comparison = pulls::compare(host, &self.it.full_name(), pull).await?;
        let (base, head) = (&comparison.base_sha, &comparison.head_sha);
        let commits = self.git.commits(&format!("{base}..{head}"), false).await?;
        let changes = self.git.changes(base, head).await?;
        Ok(self.page(
            &format!("{} #{number}", pull.title),
            &html! {
                (self.summary(pull))
                section {
                    h2 { "Description" }
                    (prose(pull.body.as_deref().unwrap_or_default()))
                }
                section { h2 { "Commits (" (commits.len()) ")" } (self.commits(&commits)) }
                (self.checks(head))
                (self.conversation(number))
                (self.forms(pull, head, &changes))
                (changed(&changes))
            },
        ))
    }

    fn summary(&self, pull: &Pull) -> Markup {
        html! {
            p {
                (badge(state_of(pull))) " " (pull.author)
                @if pull.open { " wants to merge " } @else { " wanted to merge " }
                code { (pull.head_ref) } " at " (self.sha(&pull.head_sha)) " into " code { (pull.base_ref) }
                ". Opened " (when(&pull.created_at)) "."
                @if let Some(merge) = &pull.merge {
                    " Merged by " (merge.by) " as " (self.sha(&merge.sha)) ", " (when(&merge.at)) "."
                }
            }
        }
    }

    fn checks(&self, sha: &str) -> Markup {
        let runs: Vec<_> = self.it.check_runs.iter().rev().filter(|run| run.head_sha == sha).collect();
        html! {
            section {
                h2 { "Checks of " (self.sha(sha)) }
                @if runs.is_empty() { p.muted { "None yet." } }
                table { @for run in runs { tr {
                    td { (badge(conclusion(run))) }
                    td { a href={ (self.home) "/runs/" (run.id) } { (run.name) } }
                    td.wide { (run.title.as_deref().unwrap_or("")) }
                    td.muted { (run.app) }
                } } }
            }
        }
    }

    fn conversation(&self, number: i64) -> Markup {
        let login = self.visitor.map(|visitor| visitor.login.as_str());
        let seen = |it: &&Review| it.pull == number && reviews::is_seen_by(it, login);
        let reviews: Vec<_> = self.it.reviews.iter().filter(seen).collect();
        let comments: Vec<_> = self.it.comments.iter().filter(|it| it.issue == number).collect();
        html! {
            section {
                h2 { "Reviews (" (reviews.len()) ")" }
                @for review in &reviews { (self.review(review)) }
                @if reviews.is_empty() { p.muted { "None yet." } }
            }
            @if !comments.is_empty() {
                section {
                    h2 { "Comments (" (comments.len()) ")" }
                    @for comment in &comments { (conversation_comment(comment)) }
                }
            }
        }
    }

    fn review(&self, review: &Review) -> Markup {
        let lines = self.it.review_comments.iter().filter(|line| line.review == review.id);
        html! {
            article id={ "pullrequestreview-" (review.id) } {
                p {
                    (badge(&review.state.to_lowercase().replace('_', " "))) " " strong { (review.author) }
                    " on " (self.sha(&review.commit_id)) ", " (when(review.submitted_at.as_deref().unwrap_or("pending")))
                }
                @if !review.body.is_empty() { (prose(&review.body)) }
                @for line in lines { (line_comment(line)) }
                @if let Some(visitor) = self.visitor {
                    @if review.state == "PENDING" { (forms::draft(visitor, &self.address(review.pull), review)) }
                    (forms::dismissal(visitor, &self.address(review.pull), review))
                }
            }
        }
    }

    /// What the visitor can do to the pull request.
    fn forms(&self, pull: &Pull, head: &str, changes: &[Changed]) -> Markup {
        let address = self.address(pull.number);
        html! {
            @if let Some(visitor) = self.visitor {
                @if pull.open { (forms::review(visitor, &address, head, changes)) }
                (forms::pull(visitor, &self.it, &address, pull, head))
            } @else {
                section { a href={ "/login?next=" (address) } { "Sign in" } " to review, comment or merge." }
            }
        }
    }

    fn address(&self, number: i64) -> String {
        format!("/{}/pull/{number}", self.it.full_name())
    }

    /// The editor for a file of a branch, the first one if none is named.
    pub(super) async fn editor(&self, branch: &str, path: &str) -> Result<Response, Refusal> {
        let head = self.git.branch(branch).await?.ok_or_else(Refusal::not_found)?;
        let Some(visitor) = self.visitor else {
            let message = "You must be signed in to edit a file.";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
        };
        let files = self.git.paths(&head).await?;
        let path = if path.is_empty() { files.first().map_or("", String::as_str) } else { path };
        let bytes = self.git.file(&head, path).await?.unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "The file is no text; it cannot be edited here.")
        })?;
        let edited = Edited {
            home: &format!("/{}", self.it.full_name()),
            branch,
            head: &head,
            path,
            text: &text,
            files: &files,
        };
        Ok(self.page(&format!("Edit {branch}"), &editor::form(visitor, &edited)))
    }

    pub(super) async fn commit(&self, sha: &str) -> Result<Response, Refusal> {
        if !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Refusal::not_found());
        }
        let sha = self.git.commit_named(sha).await?.ok_or_else(Refusal::not_found)?;
        let commit = self.git.latest(&sha, 1).await?.pop().ok_or_else(Refusal::not_found)?;
        let parent = commit.parents.first().map_or(EMPTY_TREE, String::as_str);
        let changes = self.git.changes(parent, &sha).await?;
        Ok(self.page(
            subject(&commit),
            &html! {
                p {
                    "Commit " code { (commit.sha) } " by " strong { (commit.author.name) }
                    " <" (commit.author.email) ">, " (when(&commit.author.date)) "."
                    @for parent in &commit.parents { " Parent " (self.sha(parent)) "." }
                }
                section { h2 { "Message" } pre.text { (commit.message) } }
                (self.checks(&sha))
                (changed(&changes))
            },
        ))
    }

    pub(super) fn run(&self, id: &str) -> Result<Response, Refusal> {
        let id: i64 = id.parse().map_err(|_| Refusal::not_found())?;
        let run = self.it.check_runs.iter().find(|run| run.id == id).ok_or_else(Refusal::not_found)?;
        let part = |name: &str, text: &Option<String>| {
            html! { @if let Some(text) = text { section { h2 { (name) } (prose(text)) } } }
        };
        Ok(self.page(
            &run.name,
            &html! {
                p {
                    (badge(conclusion(run))) " on " (self.sha(&run.head_sha)) " by the app " strong { (run.app) }
                    ", started " (when(&run.started_at))
                    @if let Some(at) = &run.completed_at { ", completed " (when(at)) } "."
                    @if let Some(address) = &run.details_url { " " (external(address, "Details")) }
                }
                @if let Some(title) = &run.title { section { h2 { "Title" } p { (title) } } }
                (part("Summary", &run.summary))
                (part("Text", &run.text))
                @if let Some(visitor) = self.visitor {
                    (forms::check(visitor, &format!("/{}/runs/{id}", self.it.full_name()), run))
                }
            },
        ))
    }

    fn commits(&self, commits: &[Commit]) -> Markup {
        html! {
            table { @for commit in commits { tr {
                td { (self.sha(&commit.sha)) } td.wide { (subject(commit)) }
                td.muted { (commit.author.name) } td { (when(&commit.author.date)) }
            } } }
        }
    }

    fn sha(&self, sha: &str) -> Markup {
        html! { a.sha href={ (self.home) "/commit/" (sha) } title=(sha) { (sha.get(..7).unwrap_or(sha)) } }
    }

    fn page(&self, title: &str, main: &Markup) -> Response {
        page(
            self.visitor,
            title,
            &html! { p.muted { a href=(self.home) { (self.it.full_name()) } } h1 { (title) } (main) },
        )
    }
}

fn changed(changes: &[Changed]) -> Markup {
    html! {
        section {
            h2 { "Changed files (" (changes.len()) ")" }
            @for file in changes { (diff::file(file)) }
        }
    }
}

fn line_comment(line: &ReviewComment) -> Markup {
    html! {
        blockquote id={ "discussion_r" (line.id) } {
            code { (line.path) ":" (line.line) }
            (prose(&line.body))
        }
    }
}

fn conversation_comment(comment: &Comment) -> Markup {
    html! {
        article id={ "issuecomment-" (comment.id) } {
            p { strong { (comment.author) } ", " (when(&comment.created_at)) }
            (prose(&comment.body))
        }
    }
}

fn subject(commit: &Commit) -> &str {
    commit.message.lines().next().unwrap_or("(no message)")
}

fn state_of(pull: &Pull) -> &'static str {
    match (&pull.merge, pull.open, pull.draft) {
        (Some(_), ..) => "merged",
        (None, false, _) => "closed",
        (None, true, true) => "draft",
        (None, true, false) => "open",
    }
}

fn conclusion(run: &CheckRun) -> &str {
    run.conclusion.as_deref().unwrap_or(&run.status)
}
