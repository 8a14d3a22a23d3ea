//! The timeline's scale: how wide each stretch is drawn, with long waits shortened.

use chrono::{DateTime, Utc};

use super::timeline::{Kind, Stretch};

/// The width of a bar's own coordinates.
pub(super) const WIDE: f64 = 1000.0;

/// Where each stretch lies on the bars.
pub(super) struct Scale {
    /// The start of each stretch, its place from 0 to [`WIDE`], and its width.
    marks: Vec<(DateTime<Utc>, f64, f64)>,
    /// Some wait is drawn shorter than it was.
    pub(super) shortened: bool,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "a drawing needs no more than 52 bits")]
    pub(super) fn of(all: &[&Stretch]) -> Self {
        let long = |stretch: &&&Stretch| (stretch.to - stretch.from).num_milliseconds().max(0) as f64;
        let busy: f64 = all.iter().filter(|it| it.kind == Kind::Running).map(|it| long(&it)).sum();
        let most = (busy / 2.0).max(1000.0);
        let mut weights: Vec<f64> = Vec::new();
        let mut shortened = false;
        for stretch in all {
            let is_wait = matches!(stretch.kind, Kind::Waiting | Kind::Backing);
            shortened |= is_wait && long(&stretch) > most;
            weights.push(if is_wait { long(&stretch).min(most) } else { long(&stretch) });
        }
        let least = weights.iter().sum::<f64>().max(1.0) / 200.0;
        let total: f64 = weights.iter().map(|weight| weight.max(least)).sum::<f64>().max(1.0);
        let mut at = 0.0;
        let marks = all.iter().zip(weights).map(|(stretch, weight)| {
            let width = weight.max(least) / total * WIDE;
            at += width;
            (stretch.from, at - width, width)
        });
        Self { marks: marks.collect(), shortened }
    }

    pub(super) fn place(&self, from: DateTime<Utc>, taken: &mut usize) -> (f64, f64) {
        let found = self.marks.iter().enumerate().skip(*taken).find(|(_, mark)| mark.0 == from);
        found.map_or((0.0, 0.0), |(place, mark)| {
            *taken = place + 1;
            (mark.1, mark.2)
        })
    }
}
