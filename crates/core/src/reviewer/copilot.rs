//! GitHub Copilot. It comments and never decides: its review of the head is one whose `commit_id` is the head, and a failed
//! one is a review too, whose text alone says so (netresearch/git-workflow-skill#151). Its comments have no mark of how bad
//! they are, but for `[nitpick]`.

use super::{
    Reading, Remark, Signs,
    generic::{self, Marked},
    text::{number_after, number_before, plain},
};
use crate::finding::Severity;

pub(super) fn read(signs: &Signs) -> Reading {
    generic::review(signs, |signs| {
        let Some(text) = signs.reviews.last().map(|review| review.text.as_deref()) else {
            return Err("its check is green and there is no review of this head".to_owned());
        };
        let text = text.ok_or("its review was edited afterwards")?;
        if let Some((seen, all)) = files(text).filter(|(seen, all)| seen < all) {
            return Err(format!("it looked at {seen} of {all} files"));
        }
        let counted = number_before(text, "comments.").or(number_before(text, "comment."));
        let counted = counted.or(number_before(text, "comments\n")).or(number_before(text, "comment\n"));
        let is_counted = counted.is_some()
            || plain(text).contains("no new comments")
            || plain(text).contains("no comments");
        if !is_counted && generic::threads(signs, severity).is_empty() {
            return Err("its review does not say how many comments it has".to_owned());
        }
        let mut remarks = generic::threads(signs, severity);
        remarks.extend(generic::uncounted(signs, counted));
        if let Some(hidden) = number_after(text, "low confidence (").filter(|hidden| *hidden > 0) {
            let message =
                format!("{} holds back {hidden} comments of low confidence in its review", signs.name);
            remarks.push(Remark::overall(Severity::Medium, message));
        }
        Ok(remarks)
    })
}

/// `Copilot reviewed 3 out of 4 changed files`.
fn files(text: &str) -> Option<(u32, u32)> {
    let text = plain(text);
    let (before, after) = text.split_once(" out of ")?;
    let seen = before.rsplit(' ').next()?.parse().ok()?;
    let all = after.split(' ').next()?.parse().ok()?;
    after.contains("changed files").then_some((seen, all))
}

fn severity(text: &str) -> Marked {
    if plain(text).contains("[nitpick]") { Marked::Known(Severity::Low) } else { Marked::Unknown }
}
