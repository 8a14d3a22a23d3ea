//! Git's smart HTTP: `git http-backend` as a CGI, for clone, fetch and push.
//!
//! A push holds the turn, and afterwards its branches are compared with those before it.

use std::{path::PathBuf, process::Stdio};

use anyhow::Context as _;
use axum::{
    body::Bytes,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{
    access,
    credentials::{self, Credential},
    git::git,
    permissions::Level,
    push,
    push_rules::{self, Pusher},
    receive_pack,
    refusal::Refusal,
    shared::Shared,
    state::State,
};

/// Serves one request below `/{owner}/{repo}.git/`.
pub(crate) async fn serve(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let name = repository_of(uri.path()).ok_or_else(Refusal::not_found)?;
    if let Some(location) = new_address(shared, headers, &name, uri) {
        return Ok((StatusCode::MOVED_PERMANENTLY, [("location", location)]).into_response());
    }
    let push = uri.path().ends_with("/git-receive-pack") || uri.query() == Some("service=git-receive-pack");
    let by = match admitted(shared, headers, &name, push) {
        Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {
            let challenge = [("www-authenticate", "Basic realm=\"GitHub\"")];
            return Ok((StatusCode::UNAUTHORIZED, challenge, "Bad credentials\n").into_response());
        }
        Err(Refusal { status: StatusCode::FORBIDDEN, message, .. }) => {
            return Ok((StatusCode::FORBIDDEN, message).into_response());
        }
        admitted => admitted?,
    };
    let workflows = shared.host.read(&name, |it| access::may(&by, it, "workflows", Level::Write))?;
    let caller = by.login.unwrap_or_default();
    let call = Cgi { repositories: shared.host.repositories(), caller: &caller, method, uri, headers };
    if !uri.path().ends_with("/git-receive-pack") {
        return Ok(call.run(body).await?);
    }
    let turn = shared.host.turn().await;
    let git = turn.git(&name);
    let request = receive_pack::read(&body);
    let quarantine = tempfile::tempdir().context("make a folder for a push")?;
    let incoming = git.with_pack(&quarantine.path().join("objects"), request.pack).await?;
    let pusher = Pusher { login: &caller, workflows };
    let warnings = match push_rules::inspect(&turn, &name, &incoming, pusher, &request.updates).await? {
        Ok(warnings) => warnings,
        Err(declined) => return Ok(receive_pack::declined(&request.updates, &declined)),
    };
    let before = git.branches().await?;
    let answer = call.run(body.clone()).await?;
    let answer = receive_pack::with_warnings(answer, &warnings).await?;
    let after = git.branches().await?;
    push::moved(&turn, &name, &caller, &push::moves(&before, &after)).await?;
    Ok(answer)
}

/// Where a repository is now whose old name a call of git has, if the caller may see it.
fn new_address(shared: &Shared, headers: &HeaderMap, name: &str, uri: &Uri) -> Option<String> {
    let (_, rest) = uri.path().split_once(".git/")?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    shared.host.with_state(|state| {
        let it = state.renamed(name)?;
        let by = caller(shared, headers, state).ok()?;
        access::sees(&by, it).then(|| format!("{}/{}.git/{rest}{query}", shared.links.base, it.full_name()))
    })
}

/// Who calls git: a person by their password, or anyone by a token. GitHub has not taken passwords for git since 2021;
/// the twin does, so that a person needs nothing else to push.
fn caller(shared: &Shared, headers: &HeaderMap, state: &State) -> Result<Credential, Refusal> {
    match credentials::basic(headers) {
        Some((login, password)) if shared.members.accepts(&login, &password) => {
            Ok(Credential::of_person(&login))
        }
        _ => shared.credentials.read(headers, &state.registry, false),
    }
}

/// The credential of a call of git, if it may read the repository, or push to it.
fn admitted(shared: &Shared, headers: &HeaderMap, name: &str, push: bool) -> Result<Credential, Refusal> {
    shared.host.with_state(|state| {
        let by = caller(shared, headers, state)?;
        let it = state.repositories.get(name).filter(|it| access::sees(&by, it));
        if by.login.is_none() && (push || it.is_none()) {
            return Err(Refusal::bad_credentials());
        }
        if push && it.is_some_and(|it| it.archived) {
            let message = "This repository was archived so it is read-only.";
            return Err(Refusal::new(StatusCode::FORBIDDEN, message));
        }
        let level = if push { Level::Write } else { Level::Read };
        if access::may(&by, it.ok_or_else(Refusal::not_found)?, "contents", level) {
            return Ok(by);
        }
        let message = match push {
            true => {
                format!("Permission to {name}.git denied to {}.", by.login.as_deref().unwrap_or_default())
            }
            false => "Write access to repository not granted.".to_owned(),
        };
        Err(Refusal::new(StatusCode::FORBIDDEN, &message))
    })
}

/// `owner/name` of `/owner/name.git/…`.
pub(crate) fn repository_of(path: &str) -> Option<String> {
    let (name, _) = path.strip_prefix('/')?.split_once(".git/")?;
    (name.split('/').count() == 2).then(|| name.to_owned())
}

/// One call of `git http-backend`.
struct Cgi<'a> {
    repositories: PathBuf,
    caller: &'a str,
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

impl Cgi<'_> {
    async fn run(&self, body: Bytes) -> anyhow::Result<Response> {
        let mut child = self.command(body.len()).spawn().context("start git http-backend")?;
        let mut stdin = child.stdin.take().context("open the backend's input")?;
        let write = async move {
            // The backend may answer before it has read everything.
            let _ = stdin.write_all(&body).await;
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        read_answer(output.context("wait for git http-backend")?.stdout)
    }

    fn command(&self, length: usize) -> Command {
        let mut command = git();
        command.arg("http-backend").stdin(Stdio::piped());
        command
            .env("GIT_PROJECT_ROOT", &self.repositories)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", self.uri.path())
            .env("QUERY_STRING", self.uri.query().unwrap_or(""))
            .env("REQUEST_METHOD", self.method.as_str())
            .env("REMOTE_USER", self.caller)
            .env("CONTENT_LENGTH", length.to_string());
        for (header, variable) in [
            ("content-type", "CONTENT_TYPE"),
            ("git-protocol", "GIT_PROTOCOL"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ] {
            if let Some(value) = self.headers.get(header).and_then(|value| value.to_str().ok()) {
                command.env(variable, value);
            }
        }
        command
    }
}

/// Reads a CGI's answer: headers, an empty line, the body.
fn read_answer(mut output: Vec<u8>) -> anyhow::Result<Response> {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").context("read the backend's headers")?;
    let body = output.split_off(end + 4);
    let mut answer = Response::builder();
    for line in String::from_utf8_lossy(&output).lines() {
        match line.split_once(": ") {
            Some(("Status", status)) => answer = answer.status(status.get(..3).unwrap_or("500")),
            Some((name, value)) => answer = answer.header(name, value),
            None => {}
        }
    }
    answer.body(body.into()).context("build the backend's answer")
}
