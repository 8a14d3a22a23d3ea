//! Asks an app for its review: by one comment a head, with a marker and the SHA, found again after a crash.

use super::Subject;
use crate::{
    activities::{
        Failure,
        attempt::Attempt,
        ledger::{Posted, ReviewRequestIntent},
    },
    core::reviewer::{Maker, Reviewer},
    github::text::Marker,
};

/// Asks, unless this head was asked for before, by this run or an earlier one on the branch. Who is asked by HTTP, and an
/// app that no comment asks, is not.
pub(super) async fn once(
    at: &Attempt<'_>,
    subject: &Subject<'_>,
    reviewer: &Reviewer,
) -> Result<(), Failure> {
    if at.brief.is_silent() {
        return Ok(());
    }
    let Maker::Forge(app) = &reviewer.maker else { return Ok(()) };
    let Some(ask) = &app.ask else { return Ok(()) };
    let (forge, head) = (&at.factory.forge, subject.head);
    let key = format!("review-request/{}/{}", reviewer.name, head.short());
    let marker = Marker::new(&format!("{}:{key}", at.lease.run));
    let body = format!("{ask}\n\nsha:{head}");
    let intent = ReviewRequestIntent { reviewer: reviewer.name.clone(), head: head.clone() };
    let posted = |id| Posted { id };
    let find = async {
        let found = forge.find_comment(&at.repo, subject.pull, &marker).await?;
        Ok(found.map(|comment| posted(comment.id)))
    };
    let act = async { Ok(posted(forge.create_comment(&at.repo, subject.pull, &marker, &body).await?.id)) };
    Box::pin(at.once_a_head(&key, &intent, find, act)).await?;
    Ok(())
}
