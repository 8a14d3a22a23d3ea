//! The look back at a run, as `aspora run show` prints it.

use std::fmt::Write as _;

use super::plain;
use crate::{
    api::{LookBack, Wasted},
    core::words::{counted, seconds_in_words},
};

/// What the run teaches, a line for each thing; empty while it goes on.
pub(super) fn lines(it: &LookBack) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", plain(value));
    };
    if it.state == "running" {
        return text;
    }
    row("looking back", &it.sentence);
    for (part, wasted) in it.waste.iter().flatten().filter(|(_, it)| it.calls > 0 || it.ms > 0) {
        row("for nothing", &nothing(part, *wasted));
    }
    let mut time: Vec<_> = it.time_ms.iter().flatten().collect();
    time.sort_by_key(|(_, ms)| std::cmp::Reverse(**ms));
    let time: Vec<String> = time.into_iter().map(|(cause, ms)| format!("{cause} {}", lasting(*ms))).collect();
    if !time.is_empty() {
        row("time", &time.join(", "));
    }
    for lesson in it.lessons.iter().flatten() {
        row("lesson", &format!("{}: {}; avoided by {}", lesson.cause, lesson.happened, lesson.avoid));
        if let (Some(id), Some(state)) = (lesson.proposal_id, &lesson.proposal_state) {
            row("proposal", &format!("{id} ({state})"));
        }
    }
    text
}

fn nothing(part: &str, wasted: Wasted) -> String {
    let Wasted { calls, tokens, ms, .. } = wasted;
    let (calls, tokens) = (counted(calls, "model call"), counted(tokens, "token"));
    format!("{}: {calls}, {tokens}, {}", part.replace('_', " "), lasting(ms))
}

fn lasting(ms: i64) -> String {
    seconds_in_words(u64::try_from(ms / 1000).unwrap_or_default())
}
