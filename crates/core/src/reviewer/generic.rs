//! What all readers share, and the one for an app whose marks are not known.

use super::{
    Reading, Remark, Signs,
    text::{message, refusal},
};
use crate::{
    finding::Severity,
    policy::{Conclusion, StatusState},
};

/// How bad something is, by a reviewer's own mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marked {
    Known(Severity),
    Unknown,
}

impl Marked {
    /// What it counts as, and what is said of that where no mark is known.
    pub(super) fn severity(self, name: &str) -> (Severity, String) {
        match self {
            Self::Known(severity) => (severity, String::new()),
            Self::Unknown => {
                (Severity::High, format!(" ({name} gives no severity that is known here: it counts as high)"))
            }
        }
    }
}

/// An app whose marks are not known: its check is the review, and its threads are the findings.
pub(super) fn read(signs: &Signs) -> Reading {
    review(signs, |signs| Ok(threads(signs, |_| Marked::Unknown)))
}

/// What the signs come to: `remarks` is asked only of what has ended and does not say that there was no review. A check
/// that failed is a review if it has remarks.
pub(super) fn review(signs: &Signs, remarks: impl Fn(&Signs) -> Result<Vec<Remark>, String>) -> Reading {
    if signs.is_working() {
        return Reading::Working(format!("{} is at work", signs.name));
    }
    let has_threads = signs.threads.iter().any(|thread| thread.is_of_head);
    if signs.check.is_none() && signs.status.is_none() && signs.reviews.is_empty() && !has_threads {
        return Reading::Silent;
    }
    let last = signs.reviews.last().and_then(|review| review.text.as_deref()).unwrap_or_default();
    if let Some(refusal) = refusal(&signs.reported()).or_else(|| refusal(opening(last))) {
        return Reading::NotAReview(format!("{} says `{refusal}`", signs.name));
    }
    let mut found = match remarks(signs) {
        Ok(found) => found,
        Err(why) => return Reading::NotAReview(format!("{}: {why}", signs.name)),
    };
    let has_reported = signs.check.is_some() || signs.status.is_some();
    if has_reported && !signs.is_green() {
        let word = outcome(signs);
        if found.is_empty() && is_verdict(signs) {
            let said = message(&signs.reported());
            found.push(Remark::overall(Severity::High, format!("{} reports {word}: {said}", signs.name)));
        }
        if found.is_empty() {
            return Reading::NotAReview(format!("{} ended with {word}", signs.name));
        }
    }
    if found.is_empty() && signs.reviews.iter().any(|review| review.refuses) {
        let message = format!("{} asks for changes and names none that can be read", signs.name);
        found.push(Remark::overall(Severity::High, message));
    }
    Reading::Complete(found)
}

/// The first lines of a review's text: what follows may quote the code.
fn opening(text: &str) -> &str {
    let end = text.match_indices('\n').nth(4).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// Whether what is not green says that something is wrong with the change.
fn is_verdict(signs: &Signs) -> bool {
    let check = signs.check.as_ref().and_then(|check| check.conclusion);
    matches!(check, Some(Conclusion::Failure | Conclusion::ActionRequired))
        || signs.status.as_ref().is_some_and(|status| status.state == StatusState::Failure)
}

fn outcome(signs: &Signs) -> &'static str {
    match signs.check.as_ref().and_then(|check| check.conclusion) {
        Some(Conclusion::Failure) => "failure",
        Some(Conclusion::Neutral) => "neutral",
        Some(Conclusion::Skipped) => "skipped",
        Some(Conclusion::Cancelled) => "cancelled",
        Some(Conclusion::TimedOut) => "timed out",
        Some(Conclusion::ActionRequired) => "action required",
        Some(Conclusion::Success) | None => "a status that is not success",
        Some(Conclusion::Stale | Conclusion::StartupFailure | Conclusion::Unknown) => "no result",
    }
}

/// A remark for each thread. One that was edited afterwards counts as high: people who may write can edit it.
pub(super) fn threads(signs: &Signs, mark: impl Fn(&str) -> Marked) -> Vec<Remark> {
    let remark = |thread: &super::ThreadSign| {
        let (severity, note) = if thread.edited {
            let note =
                " (the comment was edited afterwards: its marks are not believed, and it counts as high)";
            (Severity::High, note.to_owned())
        } else {
            mark(&thread.text).severity(&signs.name)
        };
        let message = format!("{}{note}", message(&thread.text));
        Remark { severity, path: thread.path.clone(), line: thread.line, message }
    };
    signs.threads.iter().map(remark).collect()
}

/// A remark where the reviewer counts more comments than there are threads of this head.
pub(super) fn uncounted(signs: &Signs, counted: Option<u32>) -> Option<Remark> {
    let seen = signs.threads.iter().filter(|thread| thread.is_of_head).count();
    let counted = counted? as usize;
    (counted > seen).then(|| {
        let message =
            format!("{} counts {counted} comments on this head, of which {seen} can be read", signs.name);
        Remark::overall(Severity::High, message)
    })
}
