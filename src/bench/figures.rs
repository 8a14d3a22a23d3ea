//! Numbers, rounded to as many digits as they are worth.

use std::time::Duration;

use serde_json::{Value, json};

/// Measurements of one thing, in order of size.
#[derive(Debug, Clone)]
pub(super) struct Spread(Vec<f64>);

impl Spread {
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value that `share` (0 to 1) of all do not exceed; 0 where there is none.
    pub(super) fn at(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share).ceil();
        let place = (place as usize).saturating_sub(1);
        self.0.get(place).or(self.0.last()).copied().unwrap_or_default()
    }

    /// The one in the middle.
    pub(super) fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// A figure with three digits after the point below 10, one below 1,000 and none above.
pub(super) fn figure(value: f64) -> Value {
    let scale = match value.abs() {
        size if size < 10.0 => 1_000.0,
        size if size < 1_000.0 => 10.0,
        _ => 1.0,
    };
    json!((value * scale).round() / scale)
}

/// How many a second.
pub(super) fn per_second(count: usize, span: Duration) -> f64 {
    let count = count as f64;
    count / span.as_secs_f64().max(1e-9)
}

/// A span in milliseconds.
pub(super) const fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_names_the_value_that_so_many_do_not_exceed() {
        let spread = Spread::of((1..=100).rev().map(f64::from));
        assert!((spread.median() - 50.0).abs() < 0.1);
        assert!((spread.at(0.95) - 95.0).abs() < 0.1);
        assert!((spread.at(1.0) - 100.0).abs() < 0.1);
        assert!(Spread::of([]).median().abs() < 0.1);
        assert!((Spread::of([3.0]).at(0.99) - 3.0).abs() < 0.1);
    }

    #[test]
    fn a_figure_has_three_digits_or_more() {
        let check = |value, expected: &str| assert_eq!(figure(value).to_string(), expected);
        check(0.12345, "0.123");
        check(12.345, "12.3");
        check(12_345.6, "12346.0");
    }
}
