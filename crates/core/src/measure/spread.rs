//! Quantiles of spans of time, from counts of runs by how long they took.

/// How many buckets a doubling of the time has: the ends of one are 4.4 % apart.
const PER_DOUBLING: f64 = 16.0;

/// How many runs took how long. Quantiles are exact where they were read from the runs themselves, and otherwise the middle of
/// a bucket, at most 2.2 % away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many runs.
    pub runs: i64,
    /// Half of them took at most so many milliseconds; `None`: there is no run.
    pub median: Option<i64>,
    /// Nine of ten took at most so many milliseconds.
    pub p90: Option<i64>,
    /// Whether these are spans of runs, and not the middles of buckets.
    pub is_exact: bool,
}

impl Spread {
    /// Of counts of runs by bucket, in any order.
    #[must_use]
    pub fn of(buckets: &[(i16, i64)]) -> Self {
        let mut buckets: Vec<(i16, i64)> = buckets.iter().copied().filter(|(_, runs)| *runs > 0).collect();
        buckets.sort_unstable();
        let runs = buckets.iter().map(|(_, runs)| runs).sum();
        let at = |share: i64| {
            // The rank of the run, from 1, rounded up: as `percentile_disc` counts.
            let rank = (runs * share + 99) / 100;
            let mut before = 0;
            let found = buckets.iter().find(|(_, runs)| {
                before += runs;
                before >= rank
            });
            found.map(|(bucket, _)| middle(*bucket))
        };
        Self { runs, median: at(50), p90: at(90), is_exact: false }
    }
}

/// The bucket of a span in milliseconds; 0 for none at all.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the logarithm of an i64 is below 64"
)]
pub fn bucket(ms: i64) -> i16 {
    if ms < 1 { 0 } else { ((ms as f64).log2() * PER_DOUBLING) as i16 + 1 }
}

/// The middle of a bucket, in milliseconds.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "buckets are of spans that fit")]
pub fn middle(bucket: i16) -> i64 {
    if bucket < 1 { 0 } else { ((f64::from(bucket) - 0.5) / PER_DOUBLING).exp2().round() as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_bucket_is_near_what_is_in_it() {
        for ms in [20, 99, 1_000, 61_234, 3_600_000, 86_400_000, 9_999_999_999] {
            let off = (middle(bucket(ms)) - ms).abs();
            assert!(off * 1000 <= ms * 23 + 1000, "{ms}: {}", middle(bucket(ms)));
        }
        assert_eq!((bucket(0), bucket(-5), middle(0)), (0, 0, 0));
    }

    #[test]
    fn longer_spans_are_in_later_buckets() {
        let all: Vec<i16> = (0..200_000).step_by(7).map(bucket).collect();
        assert!(all.is_sorted());
    }

    #[test]
    fn quantiles_are_those_of_the_runs_rounded_up() {
        let check = |buckets: &[(i16, i64)], runs, median: Option<i16>, p90: Option<i16>| {
            let spread = Spread::of(buckets);
            assert_eq!((spread.runs, spread.median, spread.p90), (runs, median.map(middle), p90.map(middle)));
        };
        check(&[], 0, None, None);
        check(&[(5, 1)], 1, Some(5), Some(5));
        check(&[(9, 1), (5, 1)], 2, Some(5), Some(9));
        check(&[(1, 9), (200, 1)], 10, Some(1), Some(1));
        check(&[(1, 8), (200, 2), (3, 0)], 10, Some(1), Some(200));
    }
}
