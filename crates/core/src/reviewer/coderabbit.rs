//! CodeRabbit. Its check or commit status is green for reviews that were skipped or limited too (tarigelamin1997/jobfetcher#73,
//! Comfy-Org/ComfyUI#15382), so that the words beside it decide: "Review completed" (its docs "CodeRabbit status check").
//! What it found is in threads, and in its review's text for lines outside of the diff (kurone-kito/idd-skill#2559).

use super::{
    Reading, Remark, Signs,
    generic::{self, Marked},
    text::{number_after, plain},
};
use crate::finding::Severity;

const OUTSIDE: &str = "outside diff range comments";
const NITPICKS: &str = "nitpick comments";

pub(super) fn read(signs: &Signs) -> Reading {
    generic::review(signs, |signs| {
        let is_completed = plain(&signs.reported()).contains("review completed");
        if signs.reviews.is_empty() && !is_completed {
            return Err("its report does not say that a review was completed".to_owned());
        }
        let mut remarks = generic::threads(signs, severity);
        let text = signs.texts().last();
        remarks.extend(generic::uncounted(
            signs,
            text.and_then(|text| number_after(text, "actionable comments posted:")),
        ));
        for text in signs.texts() {
            remarks.extend(in_the_text(signs, text, OUTSIDE, severity));
            remarks.extend(in_the_text(signs, text, NITPICKS, |_| Marked::Known(Severity::Low)));
        }
        Ok(remarks)
    })
}

/// Its marks (NTCoding/living-architecture#26, lhpaul/ai-dev-framework-template#550).
fn severity(text: &str) -> Marked {
    // The marks are on the first line; what follows may quote anything.
    let first = plain(text.trim_start().lines().next().unwrap_or_default());
    let has = |mark: &str| first.contains(mark);
    match () {
        () if has("🔴 critical") => Marked::Known(Severity::Critical),
        () if has("🟠 major") || has("🔴 major") => Marked::Known(Severity::High),
        () if has("🟡 minor") => Marked::Known(Severity::Medium),
        () if has("🟢 low") || has("🔵 trivial") || has("⚪ info") => Marked::Known(Severity::Low),
        () if has("nitpick") => Marked::Known(Severity::Low),
        () if has("refactor suggestion") => Marked::Known(Severity::Medium),
        () => Marked::Unknown,
    }
}

/// The remarks in a folded part of a review, such as `Nitpick comments (2)`: below the file's name, each begins with its
/// lines in back-ticks. What is counted and cannot be read is one remark of its own.
fn in_the_text(signs: &Signs, text: &str, part: &str, mark: impl Fn(&str) -> Marked) -> Vec<Remark> {
    let Some(at) = plain(text).find(part).filter(|at| text.is_char_boundary(*at)) else { return Vec::new() };
    let part_of_text = &text[at..];
    // Lower case has other lengths for a few letters; where that moves the place, the count is not found.
    let Some(count) = number_after(part_of_text, part) else {
        let message = format!("{} has `{part}` that cannot be read", signs.name);
        return vec![Remark::overall(Severity::High, message)];
    };
    let (mut path, mut remarks) = (String::new(), Vec::new());
    for line in part_of_text.lines().skip(1) {
        let line = line.trim().trim_start_matches(['>', ' ', '-', '*']);
        if let Some(name) = between(line, "<summary>", "</summary>") {
            // The summary of the next part, or of a file: `path (count)`.
            let Some((name, _)) = name.rsplit_once(" (") else { continue };
            if name.contains("comments") {
                break;
            }
            name.trim().clone_into(&mut path);
        }
        let Some(place) = line.strip_prefix('`').and_then(|rest| rest.split_once("`:")) else { continue };
        let first = place.0.split(['-', ',']).next().unwrap_or_default();
        let Ok(number) = first.parse::<u32>() else { continue };
        let (severity, note) = mark(place.1).severity(&signs.name);
        let message = format!("{}{note}", super::text::message(place.1));
        remarks.push(Remark { severity, path: path.clone(), line: Some(number), message });
        if remarks.len() >= count as usize {
            break;
        }
    }
    let unread = (count as usize).saturating_sub(remarks.len());
    if unread > 0 {
        let message = format!("{} has {unread} `{part}` that cannot be read", signs.name);
        remarks.push(Remark::overall(Severity::High, message));
    }
    remarks
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.split_once(open)?.1.split_once(close).map(|(inner, _)| inner)
}
