//! Spans of time as sets: what two of them share is counted once.

use chrono::{DateTime, Utc};

/// From when to when.
pub(super) type Span = (DateTime<Utc>, DateTime<Utc>);

/// How many milliseconds these spans cover together.
pub(super) fn covered(spans: &[Span]) -> i64 {
    let mut sorted: Vec<Span> = spans.iter().copied().filter(|(from, to)| from < to).collect();
    sorted.sort_unstable();
    let mut sum = 0;
    let mut end: Option<DateTime<Utc>> = None;
    for (from, to) in sorted {
        let from = end.map_or(from, |end| from.max(end));
        if to > from {
            sum += to.timestamp_millis() - from.timestamp_millis();
            end = Some(to);
        }
    }
    sum
}
