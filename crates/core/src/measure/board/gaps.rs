//! What became of harness gaps.

use chrono::NaiveDate;

use super::{
    Figure, Point, Section, Unit,
    reading::{count, ratio},
};
use crate::measure::Range;

/// What became of the gaps that were opened on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GapSums {
    /// How many were opened.
    pub tracked: i64,
    /// Of these, those whose case is merged.
    pub converted: i64,
    /// Of these, those whose case was merged before it was due.
    pub in_time: i64,
    /// Those that a person says are none.
    pub dismissed: i64,
    /// Those that are open, and whose case was due.
    pub overdue: i64,
}

impl GapSums {
    fn and(self, other: Self) -> Self {
        Self {
            tracked: self.tracked + other.tracked,
            converted: self.converted + other.converted,
            in_time: self.in_time + other.in_time,
            dismissed: self.dismissed + other.dismissed,
            overdue: self.overdue + other.overdue,
        }
    }
}

/// The section; without a gap all of it is no data. `median` is the time from the incident to the merged case, in milliseconds.
pub(super) fn section(range: Range, days: &[(NaiveDate, GapSums)], median: Option<f64>) -> Section {
    let sum = days.iter().fold(GapSums::default(), |sum, (_, day)| sum.and(*day));
    let has_data = sum.tracked > 0;
    let number = |name: &str, label: &str, value: i64| Figure {
        name: format!("gap.{name}"),
        label: label.to_owned(),
        unit: Unit::Number,
        value: has_data.then(|| count(value)),
        of: None,
        behind: (value > 0).then(|| format!("gap.{name}")),
    };
    let share = Figure {
        name: "gap.in_time_share".to_owned(),
        label: "of cases were merged in time".to_owned(),
        unit: Unit::Share,
        value: ratio(sum.in_time, sum.converted),
        of: Some(sum.converted),
        behind: (sum.converted > 0).then(|| "gap.converted".to_owned()),
    };
    let median = Figure {
        name: "gap.median".to_owned(),
        label: "from the incident to the merged case, median".to_owned(),
        unit: Unit::Milliseconds,
        value: median.filter(|_| sum.converted > 0),
        of: Some(sum.converted),
        behind: share.behind.clone(),
    };
    let mut periods: Vec<Point> = range
        .periods()
        .into_iter()
        .map(|period| Point { from: period.from, to: period.to, value: 0.0 })
        .collect();
    for (day, sums) in days {
        if let Some(point) = periods.get_mut(range.place(*day)) {
            point.value += count(sums.tracked);
        }
    }
    Section {
        name: "gaps",
        question: "Which incidents became cases?",
        figures: vec![
            number("tracked", "harness gaps opened", sum.tracked),
            number("converted", "of these, with a merged case", sum.converted),
            share,
            median,
            number("overdue", "open, and their case was due", sum.overdue),
            number("dismissed", "were none, say people", sum.dismissed),
        ],
        plotted: "harness gaps opened",
        unit: Unit::Number,
        behind: None,
        points: periods,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn without_a_gap_there_is_no_data_and_no_division_by_zero() {
        let range = Range::last(7, day("2026-11-30"));
        let section = section(range, &[], None);
        assert!(section.figures.iter().all(|figure| figure.value.is_none() && figure.behind.is_none()));
        assert!(section.points.iter().all(|point| point.value == 0.0));
    }

    #[test]
    fn what_became_of_the_gaps_of_all_days_is_summed() {
        let range = Range::last(7, day("2026-11-30"));
        let one = GapSums { tracked: 3, converted: 2, in_time: 1, dismissed: 1, overdue: 0 };
        let section = section(range, &[(day("2026-11-24"), one), (day("2026-11-30"), one)], Some(5.0));
        let value = |name: &str| section.figures.iter().find(|it| it.name == name).unwrap().value;
        assert_eq!((value("gap.tracked"), value("gap.converted")), (Some(6.0), Some(4.0)));
        assert_eq!((value("gap.in_time_share"), value("gap.median")), (Some(0.5), Some(5.0)));
        assert_eq!(section.points.iter().map(|point| point.value).sum::<f64>(), 6.0);
    }
}
