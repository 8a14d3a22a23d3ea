//! Cron expressions of five fields, in UTC.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};

/// The most characters of an expression.
pub const LIMIT: usize = 100;
/// The most missed ticks that are counted.
const COUNTED: usize = 10_000;

/// A cron expression: minute, hour, day of the month, month, day of the week. It ticks at most once a minute.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
}

impl Cron {
    /// The first tick after a moment; `None` if no tick follows.
    #[must_use]
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.pattern.find_next_occurrence(&after, false).ok()
    }

    /// The tick that is due at `now`, given the first that was not fired: the last one that is not after `now`,
    /// and how many were missed before it (at most 10,000 are counted).
    #[must_use]
    pub fn due(&self, first: DateTime<Utc>, now: DateTime<Utc>) -> (DateTime<Utc>, usize) {
        let (mut tick, mut missed) = (first, 0);
        while missed < COUNTED
            && let Some(next) = self.next(tick).filter(|next| *next <= now)
        {
            (tick, missed) = (next, missed + 1);
        }
        (tick, missed)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Cron {
    type Err = String;

    /// The error says what is wrong, and what to do.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let help = "five fields are needed: minute, hour, day of the month, month, day of the week, as `0 6 * * mon-fri`";
        if text.chars().count() > LIMIT {
            return Err(format!("has over {LIMIT} characters; {help}"));
        }
        if text.split(' ').count() != 5 {
            return Err(format!(
                "has {} fields; {help}",
                text.split(' ').filter(|field| !field.is_empty()).count()
            ));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let pattern = parser.parse(&text).map_err(|error| format!("cannot be read ({error}); {help}"))?;
        let cron = Self { text, pattern };
        if cron.next(DateTime::UNIX_EPOCH).is_none() {
            return Err("never comes: no year has such a day".to_owned());
        }
        Ok(cron)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}:00Z").parse().unwrap()
    }

    #[track_caller]
    fn follows(cron: &str, after: &str, next: &str) {
        assert_eq!(cron.parse::<Cron>().unwrap().next(at(after)), Some(at(next)), "{cron} after {after}");
    }

    #[test]
    fn a_tick_follows_the_one_before() {
        follows("0 6 * * *", "2026-01-31T06:00", "2026-02-01T06:00");
        follows("0 6 * * *", "2026-01-31T05:59", "2026-01-31T06:00");
        follows("*/15 * * * *", "2026-12-31T23:50", "2027-01-01T00:00");
        follows("30 4 31 * *", "2026-01-31T04:30", "2026-03-31T04:30");
        follows("0 0 29 2 *", "2026-03-01T00:00", "2028-02-29T00:00");
        follows("0 6 * * mon-fri", "2026-11-27T06:00", "2026-11-30T06:00");
        // Daylight saving time does not matter in UTC.
        follows("30 2 * * *", "2026-03-28T02:30", "2026-03-29T02:30");
        follows("30 1 * * *", "2026-10-25T01:30", "2026-10-26T01:30");
    }

    #[test]
    fn of_missed_ticks_the_last_is_due() {
        let due = |first, now| "0 * * * *".parse::<Cron>().unwrap().due(at(first), at(now));
        assert_eq!(due("2026-01-01T05:00", "2026-01-01T05:00"), (at("2026-01-01T05:00"), 0));
        assert_eq!(due("2026-01-01T05:00", "2026-01-01T05:59"), (at("2026-01-01T05:00"), 0));
        assert_eq!(due("2026-01-01T05:00", "2026-01-01T09:10"), (at("2026-01-01T09:00"), 4));
    }

    #[test]
    fn an_invalid_expression_is_refused_with_what_to_do() {
        let refused = |text: &str| text.parse::<Cron>().unwrap_err();
        assert!(refused("").contains("has 0 fields; five fields are needed"));
        assert!(refused("0 6 * *").contains("has 4 fields"));
        assert!(refused("0 0 6 * * *").contains("has 6 fields"));
        assert!(refused("61 6 * * *").contains("cannot be read"));
        assert!(refused("0 6 * * someday").contains("cannot be read"));
        assert!(refused("0 6 30 2 *").contains("never comes"));
        assert!(refused(&format!("{} 6 * * *", "1,".repeat(60))).contains("over 100 characters"));
    }

    #[test]
    fn white_space_between_fields_does_not_matter() {
        assert_eq!("  0\t6  * * *".parse::<Cron>().unwrap().to_string(), "0 6 * * *");
    }
}
