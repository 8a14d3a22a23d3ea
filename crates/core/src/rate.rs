//! Rate limits of calls to other servers: what their responses say, and how a call is held back.

use std::time::Duration;

/// The longest penalty that is honoured, whatever a response says.
pub const LONGEST: Duration = Duration::from_secs(3_600);
/// The penalty when a response gives no time.
pub const UNNAMED: Duration = Duration::from_secs(60);

/// A call that was not made, because a rate limit that all workers share holds it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The limit's key.
    pub key: String,
    /// For how long from now.
    pub wait: Duration,
    /// Whether it is a penalty, which holds back all callers, and not just an empty bucket.
    pub is_penalty: bool,
    /// Why, in a few words for people.
    pub why: String,
}

/// What one response says about limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// For how long no call may be made, and why.
    pub penalty: Option<(Duration, String)>,
    /// What is left of the calls.
    pub calls: Option<RateWindow>,
    /// What is left of the tokens of a model.
    pub tokens: Option<RateWindow>,
}

/// What is left of a limit, as the server counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateWindow {
    /// The limit.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u32,
    /// In how long it is full again.
    pub full_in: Duration,
    /// Whether it refills gradually until then, not all at once at the end.
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
    /// How much of it refills in a second.
    #[must_use]
    pub fn refill_per_s(&self) -> f64 {
        // A window that seems unused was reported at the moment when it had refilled.
        let spent = f64::from(self.limit.saturating_sub(self.remaining).max(1));
        if self.is_gradual { spent / self.full_in.as_secs_f64().max(0.001) } else { 0.0 }
    }
}

/// The penalty for a response that names `seconds`: a negative number counts as unnamed, and no penalty is
/// longer than [`LONGEST`].
#[must_use]
pub fn penalty(seconds: i64) -> Duration {
    u64::try_from(seconds).map_or(UNNAMED, |seconds| Duration::from_secs(seconds).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_penalty_is_capped() {
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
    fn only_a_gradual_window_refills() {
        let budget =
            RateWindow { limit: 60, remaining: 50, full_in: Duration::from_secs(10), is_gradual: true };
        let refill = |budget: RateWindow| format!("{:.2}", budget.refill_per_s());
        assert_eq!(refill(budget), "1.00");
        assert_eq!(refill(RateWindow { is_gradual: false, ..budget }), "0.00");
        assert_eq!(refill(RateWindow { remaining: 90, ..budget }), "0.10");
    }
}
