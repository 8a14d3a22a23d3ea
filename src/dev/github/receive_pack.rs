//! The wire of a push: the references and the pack that it sends, and an answer that declines it.
//!
//! See git's own documentation, `gitprotocol-pack` and `gitprotocol-http`.

use anyhow::Context as _;
use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse as _, Response},
};

use super::{incoming::Update, push_rules::Declined};

/// A push as it arrives.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) updates: Vec<Update>,
    /// Empty when nothing but deletions is pushed.
    pub(crate) pack: &'a [u8],
}

/// Reads the body of a push; what is not one has no references.
pub(crate) fn read(body: &[u8]) -> Request<'_> {
    let (mut updates, mut rest, mut options) = (Vec::new(), body, false);
    while let Some((line, after)) = packet(rest) {
        rest = after;
        let Some(line) = line else { break };
        let line = String::from_utf8_lossy(line);
        let (command, capabilities) = line.split_once('\0').unwrap_or((&line, ""));
        options |= capabilities.split(' ').any(|word| word == "push-options");
        updates.extend(update(command.trim_end()));
    }
    while options && let Some((line, after)) = packet(rest) {
        rest = after;
        options = line.is_some();
    }
    Request { updates, pack: rest }
}

/// The answer to a push that is declined as a whole.
pub(crate) fn declined(updates: &[Update], declined: &Declined) -> Response {
    let mut report = line(b"unpack ok\n");
    for update in updates {
        report.extend(line(format!("ng {} {}\n", update.reference, declined.reason).as_bytes()));
    }
    report.extend_from_slice(b"0000");
    let mut body = shown(&declined.lines);
    body.extend(line(&[b"\x01", &report[..]].concat()));
    body.extend_from_slice(b"0000");
    let headers = [
        ("content-type", "application/x-git-receive-pack-result"),
        ("cache-control", "no-cache, max-age=0, must-revalidate"),
    ];
    (headers, body).into_response()
}

/// The answer of git's own backend with warnings before it.
pub(crate) async fn with_warnings(answer: Response, warnings: &[String]) -> anyhow::Result<Response> {
    if warnings.is_empty() {
        return Ok(answer);
    }
    let (mut head, body) = answer.into_parts();
    head.headers.remove("content-length");
    let body = to_bytes(body, usize::MAX).await.context("read the backend's answer")?;
    Ok(Response::from_parts(head, Body::from([&shown(warnings)[..], &body].concat())))
}

/// Lines for people, as git shows them behind `remote: `. They may stand before the rest of an answer.
fn shown(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|text| line(format!("\x02{text}        \n").as_bytes())).collect()
}

/// The first packet and what follows it; a flush packet is `None`.
fn packet(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let length = usize::from_str_radix(std::str::from_utf8(bytes.get(..4)?).ok()?, 16).ok()?;
    match length {
        0 => Some((None, &bytes[4..])),
        4.. => Some((Some(bytes.get(4..length)?), &bytes[length..])),
        _ => None,
    }
}

fn update(command: &str) -> Option<Update> {
    let [before, after, reference] = command.splitn(3, ' ').collect::<Vec<_>>()[..] else { return None };
    let sha = |text: &str| (!text.bytes().all(|byte| byte == b'0')).then(|| text.to_owned());
    Some(Update { reference: reference.to_owned(), before: sha(before), after: sha(after) })
}

fn line(bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_its_references_and_its_pack() {
        let (one, none) = ("1".repeat(40), "0".repeat(40));
        let mut body = line(format!("{none} {one} refs/heads/a\0report-status push-options").as_bytes());
        body.extend(line(format!("{one} {none} refs/heads/b b").as_bytes()));
        body.extend_from_slice(b"0000");
        body.extend(line(b"option"));
        body.extend_from_slice(b"0000PACK");
        let request = read(&body);
        let update = |name: &str, before: Option<&String>, after: Option<&String>| Update {
            reference: name.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        };
        let expected = [update("refs/heads/a", None, Some(&one)), update("refs/heads/b b", Some(&one), None)];
        assert_eq!(request.updates, expected);
        assert_eq!(request.pack, b"PACK");
        assert!(read(b"0000").updates.is_empty() && read(b"zz").updates.is_empty());
    }
}
