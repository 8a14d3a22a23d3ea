//! Ranges of days, in UTC, and the months and days that their sums are made of.

use chrono::{Datelike as _, Days, Months, NaiveDate};

/// The most days of a range: ten years.
pub const LONGEST_DAYS: i64 = 3_660;
/// The most days of a range that is shown by day; a longer one is shown by month.
const BY_DAY: i64 = 92;

/// Days from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    from: NaiveDate,
    to: NaiveDate,
}

/// A part of a range: a day, or a month or what of it is in the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

/// Why two days are no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongRange {
    /// It ends before it begins.
    #[error("ends on {to}, before it begins on {from}; swap `from` and `to`")]
    Backwards {
        /// The first day.
        from: NaiveDate,
        /// The last day.
        to: NaiveDate,
    },
    /// It is too long.
    #[error("has {days} days, more than {LONGEST_DAYS}; ask for less")]
    TooLong {
        /// Its days.
        days: i64,
    },
}

impl Range {
    /// The days from one to another.
    ///
    /// # Errors
    /// When they are in the wrong order, or more than [`LONGEST_DAYS`].
    pub fn new(from: NaiveDate, to: NaiveDate) -> Result<Self, WrongRange> {
        let days = (to - from).num_days() + 1;
        match days {
            ..=0 => Err(WrongRange::Backwards { from, to }),
            days if days > LONGEST_DAYS => Err(WrongRange::TooLong { days }),
            _ => Ok(Self { from, to }),
        }
    }

    /// So many days that end on this one.
    #[must_use]
    pub fn last(days: u32, to: NaiveDate) -> Self {
        let back = Days::new(u64::from(days.max(1)) - 1);
        Self { from: to.checked_sub_days(back).unwrap_or(to), to }
    }

    /// The first day.
    #[must_use]
    pub const fn from(self) -> NaiveDate {
        self.from
    }

    /// The last day.
    #[must_use]
    pub const fn to(self) -> NaiveDate {
        self.to
    }

    /// How many days.
    #[must_use]
    pub fn days(self) -> i64 {
        (self.to - self.from).num_days() + 1
    }

    /// Whether it is shown by day; otherwise by month.
    #[must_use]
    pub fn is_by_day(self) -> bool {
        self.days() <= BY_DAY
    }

    /// The firsts of the months whose sums are read whole: none where it is shown by day.
    #[must_use]
    pub fn whole_months(self) -> Vec<NaiveDate> {
        if self.is_by_day() { Vec::new() } else { self.months_within() }
    }

    /// The firsts of all months that are whole in it.
    #[must_use]
    pub fn months_within(self) -> Vec<NaiveDate> {
        let whole = |part: &Period| part.from == first_of(part.from) && part.to == last_of(part.from);
        self.months().into_iter().filter(whole).map(|part| part.from).collect()
    }

    /// Its days that are in none of these months, which are named by their firsts.
    #[must_use]
    pub fn days_beside(self, months: &[NaiveDate]) -> Vec<NaiveDate> {
        let days = self.from.iter_days().take_while(|day| *day <= self.to);
        days.filter(|day| !months.contains(&first_of(*day))).collect()
    }

    /// What it is shown by: its days, or its months, of which the first and the last may be cut.
    #[must_use]
    pub fn periods(self) -> Vec<Period> {
        if self.is_by_day() {
            let days = self.from.iter_days().take_while(|day| *day <= self.to);
            return days.map(|day| Period { from: day, to: day }).collect();
        }
        self.months()
    }

    /// The place in [`periods`](Self::periods) of a day, or of a month's first.
    #[must_use]
    pub fn place(self, day: NaiveDate) -> usize {
        let place = if self.is_by_day() {
            (day - self.from).num_days()
        } else {
            let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
            months(day) - months(self.from)
        };
        usize::try_from(place).unwrap_or_default()
    }

    fn months(self) -> Vec<Period> {
        let mut all = Vec::new();
        let mut from = self.from;
        while from <= self.to {
            let to = last_of(from).min(self.to);
            all.push(Period { from, to });
            let Some(next) = to.succ_opt() else { break };
            from = next;
        }
        all
    }
}

fn first_of(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

fn last_of(day: NaiveDate) -> NaiveDate {
    let next = first_of(day).checked_add_months(Months::new(1));
    next.and_then(|next| next.pred_opt()).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn range(from: &str, to: &str) -> Range {
        Range::new(day(from), day(to)).unwrap()
    }

    #[test]
    fn a_range_has_at_least_a_day_and_at_most_ten_years() {
        let wrong = |from, to| Range::new(day(from), day(to)).unwrap_err().to_string();
        assert_eq!(range("2026-03-01", "2026-03-01").days(), 1);
        assert!(wrong("2026-03-02", "2026-03-01").contains("before it begins on 2026-03-02"));
        assert!(wrong("2016-01-01", "2026-03-01").contains("more than 3660"));
        assert_eq!(Range::last(30, day("2026-03-30")), range("2026-03-01", "2026-03-30"));
    }

    #[test]
    fn whole_months_and_single_days_are_the_whole_range_once() {
        for (from, to, whole) in [
            ("2026-01-01", "2026-03-31", 0),
            ("2026-01-15", "2026-06-10", 4),
            ("2025-12-31", "2026-12-31", 12),
            ("2024-02-01", "2024-05-31", 4),
        ] {
            let range = range(from, to);
            let months = range.whole_months();
            assert_eq!(months.len(), whole, "{from} {to}");
            let in_months: i64 = months.iter().map(|first| (last_of(*first) - *first).num_days() + 1).sum();
            let beside = range.days_beside(&months).len();
            assert_eq!(in_months + i64::try_from(beside).unwrap(), range.days());
            assert!(range.months_within().len() >= whole);
        }
    }

    #[test]
    fn every_part_has_its_place() {
        for range in [range("2026-01-30", "2026-02-03"), range("2025-11-20", "2026-03-02")] {
            for (place, period) in range.periods().iter().enumerate() {
                assert_eq!((range.place(period.from), range.place(period.to)), (place, place));
            }
            for month in range.whole_months() {
                assert_eq!(range.periods()[range.place(month)].from, month);
            }
        }
    }
}
