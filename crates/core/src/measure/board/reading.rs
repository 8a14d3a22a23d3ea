//! The sums of a range, and figures made of them.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Figure, Point, Unit};
use crate::measure::{Range, Spread, Sum};

/// Sums by the names of figures.
pub(super) type Sums = BTreeMap<String, Sum>;

/// What is read of a range.
pub(super) struct Reading<'a> {
    pub(super) sums: Sums,
    by_period: Vec<Sums>,
    range: Range,
    pub(super) cycle: &'a Spread,
    pub(super) first_pull: &'a Spread,
}

impl<'a> Reading<'a> {
    pub(super) fn of(
        range: Range,
        rows: Vec<(NaiveDate, String, Sum)>,
        cycle: &'a Spread,
        first_pull: &'a Spread,
    ) -> Self {
        let mut by_period = vec![Sums::new(); range.periods().len()];
        let mut sums = Sums::new();
        for (day, name, sum) in rows {
            if let Some(period) = by_period.get_mut(range.place(day)) {
                add(period.entry(name.clone()).or_default(), sum);
            }
            add(sums.entry(name).or_default(), sum);
        }
        Self { sums, by_period, range, cycle, first_pull }
    }

    pub(super) fn get(&self, name: &str) -> Sum {
        self.sums.get(name).copied().unwrap_or_default()
    }

    /// Whether any run has ended; otherwise there is no data.
    pub(super) fn has_data(&self) -> bool {
        self.get("ended").runs + self.get("theirs").runs > 0
    }

    /// What runs add to a figure.
    pub(super) fn number(&self, name: &str, label: &str) -> Figure {
        let sum = self.get(name);
        let value = self.has_data().then(|| count(sum.amount));
        figure(name, label, Unit::Number, value, sum.runs)
    }

    /// A number of runs.
    pub(super) fn runs(&self, name: &str, label: &str) -> Figure {
        let value = self.has_data().then(|| count(self.get(name).runs));
        Figure { of: None, ..figure(name, label, Unit::Runs, value, self.get(name).runs) }
    }

    /// The share of runs that add to `part`.
    pub(super) fn share(&self, name: &str, label: &str, part: &str, of: i64) -> Figure {
        behind(part, figure(name, label, Unit::Share, ratio(self.get(part).runs, of), of))
    }

    /// What a merge has of a span, on average; nothing where none has any.
    pub(super) fn mean(&self, name: &str, label: &str, merged: i64) -> Option<Figure> {
        let sum = self.get(name);
        let mean = ratio(sum.amount, merged).filter(|_| sum.runs > 0)?;
        Some(behind(name, figure(&format!("{name}.mean"), label, Unit::Milliseconds, Some(mean), merged)))
    }

    pub(super) fn points(&self, value: impl Fn(&Sums) -> f64) -> Vec<Point> {
        let periods = self.range.periods().into_iter().zip(&self.by_period);
        periods.map(|(period, sums)| Point { from: period.from, to: period.to, value: value(sums) }).collect()
    }
}

/// A figure whose runs are those that add to it.
pub(super) fn figure(name: &str, label: &str, unit: Unit, value: Option<f64>, of: i64) -> Figure {
    let (name, label) = (name.to_owned(), label.to_owned());
    let behind = Some(name.clone()).filter(|_| of > 0);
    Figure { behind, name, label, unit, value, of: Some(of) }
}

/// The same, with the runs of another figure behind it.
pub(super) fn behind(other: &str, figure: Figure) -> Figure {
    Figure { behind: figure.behind.map(|_| other.to_owned()), ..figure }
}

fn add(sum: &mut Sum, other: Sum) {
    sum.runs += other.runs;
    sum.amount += other.amount;
}

pub(super) fn runs(sums: &Sums, name: &str) -> i64 {
    sums.get(name).map_or(0, |sum| sum.runs)
}

pub(super) fn amount(sums: &Sums, name: &str) -> i64 {
    sums.get(name).map_or(0, |sum| sum.amount)
}

/// `None` where it would be of nothing.
pub(super) fn ratio(part: i64, of: i64) -> Option<f64> {
    (of > 0).then(|| count(part) / count(of))
}

#[expect(clippy::cast_precision_loss, reason = "no sum has 2^52")]
pub(super) const fn count(count: i64) -> f64 {
    count as f64
}

pub(super) fn dollars(micro: f64) -> f64 {
    micro / 1_000_000.0
}
