//! Git's smart HTTP: `git http-backend` as a CGI, for clone, fetch and push.
//!
//! A push runs alone and tells afterwards which branches it moved.

use std::{collections::BTreeMap, process::Stdio, sync::Arc};

use anyhow::Context as _;
use axum::{
    body::Bytes,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::io::AsyncWriteExt as _;

use super::{BOT, Shared, repository::git, routes::Refusal};

/// Serves one request below `/{owner}/{repo}.git/`.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    if !shared.knows(headers) {
        let ask = [("www-authenticate", "Basic realm=\"GitHub\"")];
        return Ok((StatusCode::UNAUTHORIZED, ask, "Bad credentials\n").into_response());
    }
    let Some(name) = repository_of(uri.path()).filter(|name| shared.has(name)) else {
        return Err(Refusal::not_found());
    };
    if !uri.path().ends_with("/git-receive-pack") {
        return Ok(run(shared, method, uri, headers, body).await?);
    }
    let _turn = shared.turn.lock().await;
    let git = shared.git(&name);
    let before = git.branches().await?;
    let answer = run(shared, method, uri, headers, body).await?;
    let after = git.branches().await?;
    shared.moved(&name, BOT, &moves(&before, &after)).await?;
    Ok(answer)
}

/// One branch that came (no `before`), went (no `after`) or moved.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) branch: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

fn moves(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Move> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let all = names.into_iter().map(|branch| Move {
        branch: branch.clone(),
        before: before.get(branch).cloned(),
        after: after.get(branch).cloned(),
    });
    all.filter(|moved| moved.before != moved.after).collect()
}

/// `owner/name` of `/owner/name.git/…`.
pub(crate) fn repository_of(path: &str) -> Option<String> {
    let (name, _) = path.strip_prefix('/')?.split_once(".git/")?;
    (name.split('/').count() == 2).then(|| name.to_owned())
}

async fn run(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> anyhow::Result<Response> {
    let mut command = git();
    command.arg("http-backend").stdin(Stdio::piped());
    command
        .env("GIT_PROJECT_ROOT", shared.repositories())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or(""))
        .env("REQUEST_METHOD", method.as_str())
        .env("REMOTE_USER", BOT)
        .env("CONTENT_LENGTH", body.len().to_string());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("git-protocol", "GIT_PROTOCOL"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
    ] {
        if let Some(value) = headers.get(header).and_then(|value| value.to_str().ok()) {
            command.env(variable, value);
        }
    }
    let mut child = command.spawn().context("start git http-backend")?;
    let mut stdin = child.stdin.take().context("open the backend's input")?;
    let write = async move {
        // The backend may answer before it has read everything.
        let _ = stdin.write_all(&body).await;
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    read_answer(output.context("wait for git http-backend")?.stdout)
}

/// A CGI's answer: headers, an empty line, the body.
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
