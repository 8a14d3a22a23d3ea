//! What calls to the outside may cost: what its answers say about limits, and how a call is held back.

use std::time::Duration;

/// The longest penalty that is believed, whatever an answer says.
pub const LONGEST: Duration = Duration::from_secs(3_600);
/// The penalty for a limit that names no time.
pub const UNNAMED: Duration = Duration::from_secs(60);

/// A call that was not made, because a limit that all workers share holds it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The limit's key.
    pub key: String,
    /// How long it holds from now.
    pub wait: Duration,
    /// It is a penalty, for which everybody waits, and not just a budget that is spent.
    pub is_penalty: bool,
    /// Why, in a few words for people.
    pub why: String,
}

/// What one answer says about limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Nobody shall call for this long, and why.
    pub penalty: Option<(Duration, String)>,
    /// What is left of the calls.
    pub calls: Option<RateWindow>,
    /// What is left of the tokens of a model.
    pub tokens: Option<RateWindow>,
}

/// What is left of a limit, as the other side counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateWindow {
    /// The whole.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u32,
    /// When it is whole again.
    pub full_in: Duration,
    /// It comes back bit by bit until then, not all at once at the end.
    pub is_gradual: bool,
}

impl Wait {
    /// The wait in a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { key, wait, why, .. } = self;
        format!("held back by the rate limit {key} for {:.1} s: {why}", wait.as_secs_f64())
    }
}

impl RateWindow {
    /// How much of it comes back in a second.
    #[must_use]
    pub fn refill_per_s(&self) -> f64 {
        // One that seems untouched was told in the moment in which it had filled up again.
        let spent = f64::from(self.limit.saturating_sub(self.remaining).max(1));
        if self.is_gradual { spent / self.full_in.as_secs_f64().max(0.001) } else { 0.0 }
    }
}

/// A penalty of so many seconds as somebody named it: a negative one counts as unnamed, and none is
/// longer than [`LONGEST`].
#[must_use]
pub fn penalty(seconds: i64) -> Duration {
    u64::try_from(seconds).map_or(UNNAMED, |seconds| Duration::from_secs(seconds).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_penalty_is_not_believed() {
        let check = |seconds, expected| assert_eq!(penalty(seconds).as_secs(), expected, "{seconds}");
        check(0, 0);
        check(7, 7);
        check(3_601, 3_600);
        check(1_000_000_000, 3_600);
        check(i64::MAX, 3_600);
        check(-1, 60);
        check(i64::MIN, 60);
    }

    #[test]
    fn only_what_comes_back_bit_by_bit_refills() {
        let budget =
            RateWindow { limit: 60, remaining: 50, full_in: Duration::from_secs(10), is_gradual: true };
        let refill = |budget: RateWindow| format!("{:.2}", budget.refill_per_s());
        assert_eq!(refill(budget), "1.00");
        assert_eq!(refill(RateWindow { is_gradual: false, ..budget }), "0.00");
        assert_eq!(refill(RateWindow { remaining: 90, ..budget }), "0.10");
    }
}
