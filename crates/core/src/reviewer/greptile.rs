//! Greptile. Its summary comment is edited at each review and names the "Last reviewed commit", and a second review leaves
//! no review object (vfarcic/dot-agent-deck#366): so its check run on the head is the review, which says how many comments
//! were added (ejc3/fcvm#927), and its threads are the findings.

use super::{
    Reading, Remark, Signs,
    generic::{self, Marked},
    text::{number_after, number_before, plain},
};
use crate::finding::Severity;

/// The least score out of 5 that is no remark by itself. Greptile's docs "Your first PR review": 3 means that
/// feedback should be addressed first.
const ENOUGH: u32 = 4;

pub(super) fn read(signs: &Signs) -> Reading {
    generic::review(signs, |signs| {
        let reported = signs.reported();
        let added = number_before(&reported, "comments added").or(number_before(&reported, "comment added"));
        if added.is_none() && signs.reviews.is_empty() {
            return Err("its check does not say how many comments were added".to_owned());
        }
        let mut remarks = generic::threads(signs, severity);
        remarks.extend(generic::uncounted(signs, added));
        let score =
            signs.texts().chain([reported.as_str()]).find_map(|text| number_after(text, "confidence score"));
        if let Some(score) = score.filter(|score| *score < ENOUGH) {
            let message = format!("{} has low confidence in the change: {score} of 5", signs.name);
            remarks.push(Remark::overall(Severity::Medium, message));
        }
        Ok(remarks)
    })
}

/// Its badges P0 to P3 (mmnto-ai/totem#2244), and its earlier types logic, syntax and style (its docs).
fn severity(text: &str) -> Marked {
    let text = plain(text);
    let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    let badge = |level: char| {
        [
            format!("alt=\"p{level}\""),
            format!("badges/p{level}."),
            format!("[p{level}"),
            format!("**p{level}"),
        ]
        .iter()
        .any(|mark| text.contains(mark.as_str()))
    };
    match () {
        () if badge('0') => Marked::Known(Severity::Critical),
        () if badge('1') => Marked::Known(Severity::High),
        () if badge('2') => Marked::Known(Severity::Medium),
        () if badge('3') => Marked::Known(Severity::Low),
        () if has(&["**logic:", "**syntax:"]) => Marked::Known(Severity::High),
        () if has(&["**style:"]) => Marked::Known(Severity::Low),
        () => Marked::Unknown,
    }
}
