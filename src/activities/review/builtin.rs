//! The built-in reviewer: the model reviews one head.

use std::{collections::BTreeMap, future::ready};

use futures::{FutureExt as _, future::BoxFuture};

use super::{Reviewing, Seen, Subject};
use crate::{
    activities::{
        Failure,
        ask::{Given, Objection},
        attempt::Attempt,
        context,
    },
    core::{change::ChangeKind, reviewer::raised, sha::Sha},
    llm::{self, Complaint, Source},
    workspace::Mirror,
};

/// The texts of the changed files on the head, by path.
pub(super) type Texts = BTreeMap<String, String>;

/// The built-in reviewer.
pub(super) struct Builtin;

impl Reviewing for Builtin {
    fn look<'a>(
        &'a self,
        at: &'a Attempt<'_>,
        subject: &'a Subject<'_>,
    ) -> BoxFuture<'a, Result<Seen, Failure>> {
        examine(at, subject).boxed()
    }
}

/// Asks the model. An answer that cannot be read is never a clean review, nor is one of a change that it was not shown
/// whole; that one is not asked for.
async fn examine(at: &Attempt<'_>, subject: &Subject<'_>) -> Result<Seen, Failure> {
    let Subject { mirror, base, head, .. } = subject;
    let diff = subject.diff.ok_or_else(|| Failure::unusable("the built-in reviewer needs the diff"))?;
    let (texts, mut left_out) = texts(mirror, base, head).await?;
    if diff.cut {
        left_out.push(format!("all but the first {} bytes of the diff", diff.text.len()));
    }
    let (prompt, too_large) = prompt(at, subject, &diff.text, &texts).await?;
    left_out.extend(too_large);
    if !left_out.is_empty() {
        return Ok(Seen::Failed(format!("the reviewer would not be shown {}", left_out.join(", "))));
    }
    let read = |given: Given| {
        let review = llm::read_review(&given.text, |path, line| line_of(&texts, path, line));
        let unusable = |complaint: String| Objection::unusable(Complaint::general(&complaint));
        ready(Ok(review.map_err(|unreadable| unusable(unreadable.to_string()))))
    };
    let (summary, findings) = at.ask(head, prompt, read).await?;
    Ok(Seen::Complete { summary, findings: findings.into_iter().map(raised).collect() })
}

/// The texts of the changed files on the head, and those of them that are no text.
pub(super) async fn texts(mirror: &Mirror, base: &Sha, head: &Sha) -> Result<(Texts, Vec<String>), Failure> {
    let change = mirror.change(base, head).await?;
    let files = change.files.iter().filter(|file| file.kind != ChangeKind::Deleted);
    let paths: Vec<&str> = files.map(|file| file.path.as_str()).collect();
    let texts = context::texts(mirror, head, paths.clone()).await?;
    let no_text = paths.into_iter().filter(|path| !texts.contains_key(*path));
    let left_out = no_text.map(|path| format!("{path} (not text)")).collect();
    Ok((texts, left_out))
}

/// The prompt, and what of the change it leaves out for its size.
async fn prompt(
    at: &Attempt<'_>,
    subject: &Subject<'_>,
    diff: &str,
    texts: &Texts,
) -> Result<(llm::Prompt, Vec<String>), Failure> {
    let requirement = &at.brief;
    let files: Vec<Source> =
        texts.iter().map(|(path, text)| Source { path: path.clone(), text: text.clone() }).collect();
    let spec = context::text(subject.mirror, subject.base, context::SPEC).await?;
    let tier = at.progress().tier.map_or_else(|| "unknown".to_owned(), |tier| tier.to_string());
    let review = llm::Review {
        product: &requirement.named(),
        title: &requirement.title,
        body: &requirement.body,
        said: &at.said().await?,
        spec: spec.as_deref(),
        tier: &tier,
        diff,
        files: &files,
    };
    Ok((review.prompt(), review.left_out()))
}

/// A line of a changed file, from 1.
pub(super) fn line_of(texts: &Texts, path: &str, line: u32) -> Option<String> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    texts.get(path)?.lines().nth(index).map(str::to_owned)
}
