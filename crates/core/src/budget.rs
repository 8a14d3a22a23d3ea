//! Budgets of model calls: limits, usage, and whether one more call fits.
//!
//! A call is admitted before it is made, by the most that it can use. So usage never exceeds a limit, as long
//! as a call uses no more than its estimate.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The highest limit: programs that read numbers as floats still read it exactly.
pub const LIMIT_MOST: u64 = (1 << 53) - 1;
/// Tokens that each message of a prompt costs in addition to its text, estimated high.
const MESSAGE_TOKENS: u64 = 16;
/// Tokens that each call costs in addition to its messages, estimated high.
const CALL_TOKENS: u64 = 64;

/// Whose usage is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One run.
    Run,
    /// All runs of a product, for all time.
    Product,
    /// All runs of a product on one day, which is the database's date in UTC.
    ProductDay,
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Tokens, read and written together.
    Tokens,
    /// Millionths of a dollar.
    MicroDollars,
}

/// The most that may be used; `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Tokens, read and written together.
    pub tokens: Option<u64>,
    /// Millionths of a dollar.
    pub micro_dollars: Option<u64>,
}

/// An amount of both units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Tokens, read and written together.
    pub tokens: u64,
    /// Millionths of a dollar.
    pub micro_dollars: u64,
}

/// What is used of a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Held for calls whose cost is unknown: they are running, or were cut off and may have been charged.
    pub reserved: Amount,
    /// Used by calls whose cost is known.
    pub settled: Amount,
}

/// The most that one call can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens, read and written together.
    pub tokens: u64,
    /// Millionths of a dollar, if prices are known.
    pub micro_dollars: Option<u64>,
}

/// What tokens cost, in micro-dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// For tokens of the prompt.
    pub input: u64,
    /// For tokens of the answer.
    pub output: u64,
}

/// One budget that a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub scope: Scope,
    /// The most that may be used of it.
    pub limits: Limits,
    /// What is used of it.
    pub used: Used,
}

/// Why a call is not admitted, in a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose budget is short.
    pub scope: Scope,
    /// Of what.
    pub unit: Unit,
    /// The limit.
    pub limit: u64,
    /// What is used of it.
    pub used: Used,
    /// The most that the call can use; `None` if prices are unknown.
    pub wanted: Option<u64>,
}

impl Estimate {
    /// The most that a call can use whose prompt has `bytes` of text in `messages` messages and whose
    /// answer has at most `most_output` tokens.
    ///
    /// A token is assumed to cover at least two bytes. Text and code in any language have more per token. What
    /// a call really used is settled, whatever the estimate was.
    #[must_use]
    pub fn of_call(bytes: usize, messages: usize, most_output: u64, price: Option<Price>) -> Self {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let beside = wide(messages).saturating_mul(MESSAGE_TOKENS).saturating_add(CALL_TOKENS);
        let input = wide(bytes.div_ceil(2)).saturating_add(beside);
        Self {
            tokens: input.saturating_add(most_output),
            micro_dollars: price.map(|price| price.of(input, most_output)),
        }
    }
}

impl Price {
    /// The cost of a call in micro-dollars, rounded up.
    #[must_use]
    pub fn of(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let cost = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let all = cost(input_tokens, self.input).saturating_add(cost(output_tokens, self.output));
        u64::try_from(all.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// Whether a call that can use `estimate` fits into one budget.
///
/// # Errors
/// [`Exceeded`] for the first unit that is short. A limit in dollars admits nothing if prices are unknown,
/// because it could not be enforced.
pub fn admit(scope: Scope, limits: Limits, used: Used, estimate: Estimate) -> Result<(), Exceeded> {
    let units = [
        (Unit::Tokens, limits.tokens, used.reserved.tokens, used.settled.tokens, Some(estimate.tokens)),
        (
            Unit::MicroDollars,
            limits.micro_dollars,
            used.reserved.micro_dollars,
            used.settled.micro_dollars,
            estimate.micro_dollars,
        ),
    ];
    for (unit, limit, reserved, settled, wanted) in units {
        let Some(limit) = limit else { continue };
        let after = wanted.and_then(|wanted| reserved.checked_add(settled)?.checked_add(wanted));
        if after.is_none_or(|after| after > limit) {
            return Err(Exceeded { scope, unit, limit, used, wanted });
        }
    }
    Ok(())
}

impl Account {
    /// Whether a call that can use `estimate` fits into all of these.
    ///
    /// # Errors
    /// As [`admit`], for the first account that is short.
    pub fn admit_all(accounts: &[Self], estimate: Estimate) -> Result<(), Exceeded> {
        accounts.iter().try_for_each(|it| admit(it.scope, it.limits, it.used, estimate))
    }
}

impl Amount {
    /// The sum of both units, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            micro_dollars: self.micro_dollars.saturating_add(other.micro_dollars),
        }
    }
}

impl Used {
    /// Reserved and settled together.
    #[must_use]
    pub const fn all(self) -> Amount {
        self.reserved.plus(self.settled)
    }
}

impl Scope {
    /// The name in tables and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Product => "product",
            Self::ProductDay => "product_day",
        }
    }

    const fn whose(self) -> &'static str {
        match self {
            Self::Run => "the run's budget",
            Self::Product => "the product's budget",
            Self::ProductDay => "the product's budget for this day",
        }
    }
}

impl Unit {
    /// An amount of this unit, as people read it.
    #[must_use]
    pub fn of(self, amount: u64) -> String {
        match self {
            Self::Tokens => format!("{amount} tokens"),
            Self::MicroDollars => format!("${}.{:06}", amount / 1_000_000, amount % 1_000_000),
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whose, limit) = (self.scope.whose(), self.unit.of(self.limit));
        let Some(wanted) = self.wanted else {
            return write!(
                f,
                "{whose} is {limit}, and what a call costs is not known: set ASPORA_PRICES, or lift this limit"
            );
        };
        let (settled, reserved) = match self.unit {
            Unit::Tokens => (self.used.settled.tokens, self.used.reserved.tokens),
            Unit::MicroDollars => (self.used.settled.micro_dollars, self.used.reserved.micro_dollars),
        };
        let (settled, reserved) = (self.unit.of(settled), self.unit.of(reserved));
        let wanted = self.unit.of(wanted);
        write!(
            f,
            "{whose} of {limit} is too small for the next call: {settled} are used, {reserved} are held for \
             unsettled calls, and it may use up to {wanted}; raise it"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn amount(tokens: u64, micro_dollars: u64) -> Amount {
        Amount { tokens, micro_dollars }
    }

    #[track_caller]
    fn check(
        limits: (Option<u64>, Option<u64>),
        used: Used,
        wanted: (u64, Option<u64>),
        short: Option<Unit>,
    ) {
        let limits = Limits { tokens: limits.0, micro_dollars: limits.1 };
        let estimate = Estimate { tokens: wanted.0, micro_dollars: wanted.1 };
        let found = admit(Scope::Run, limits, used, estimate).err().map(|exceeded| exceeded.unit);
        assert_eq!(found, short);
    }

    #[test]
    fn a_call_is_admitted_if_all_that_it_can_use_fits() {
        let nothing = Used::default();
        let some = Used { reserved: amount(30, 3), settled: amount(50, 5) };
        let full = Used { reserved: amount(0, 0), settled: amount(u64::MAX, u64::MAX) };
        check((None, None), nothing, (u64::MAX, None), None);
        check((None, None), full, (u64::MAX, Some(u64::MAX)), None);
        check((Some(100), None), nothing, (100, None), None);
        check((Some(100), None), nothing, (101, None), Some(Unit::Tokens));
        check((Some(0), None), nothing, (1, None), Some(Unit::Tokens));
        check((Some(100), None), some, (20, None), None);
        check((Some(100), None), some, (21, None), Some(Unit::Tokens));
        check((Some(100), None), full, (1, None), Some(Unit::Tokens));
        check((None, Some(10)), some, (1_000, Some(2)), None);
        check((None, Some(10)), some, (1_000, Some(3)), Some(Unit::MicroDollars));
        check((Some(100), Some(10)), some, (21, Some(3)), Some(Unit::Tokens));
        check((None, Some(10)), nothing, (1, None), Some(Unit::MicroDollars));
        check((Some(5), None), nothing, (1, None), None);
    }

    #[test]
    fn the_first_account_that_is_short_is_named() {
        let account = |scope, tokens| {
            let limits = Limits { tokens, micro_dollars: None };
            Account { scope, limits, used: Used { settled: amount(90, 0), ..Used::default() } }
        };
        let estimate = Estimate { tokens: 20, micro_dollars: None };
        let find = |run, product, day| {
            let all = [(Scope::Run, run), (Scope::Product, product), (Scope::ProductDay, day)];
            let all = all.map(|(scope, tokens)| account(scope, tokens));
            Account::admit_all(&all, estimate).err().map(|exceeded| exceeded.scope)
        };
        assert_eq!(find(None, None, None), None);
        assert_eq!(find(Some(110), Some(110), Some(110)), None);
        assert_eq!(find(Some(109), Some(10), None), Some(Scope::Run));
        assert_eq!(find(None, Some(109), Some(10)), Some(Scope::Product));
        assert_eq!(find(Some(110), None, Some(109)), Some(Scope::ProductDay));
    }

    #[test]
    fn an_estimate_bounds_prompt_and_answer() {
        let price = Some(Price { input: 1_000_000, output: 10_000_000 });
        let estimate = Estimate::of_call(1_001, 2, 500, price);
        assert_eq!(estimate, Estimate { tokens: 501 + 96 + 500, micro_dollars: Some(597 + 5_000) });
        assert_eq!(Estimate::of_call(0, 0, 1, None), Estimate { tokens: 65, micro_dollars: None });
        let all = Estimate::of_call(usize::MAX, usize::MAX, u64::MAX, price);
        assert_eq!(all, Estimate { tokens: u64::MAX, micro_dollars: Some(u64::MAX) });
    }

    #[test]
    fn a_refusal_says_what_is_short_and_what_to_do() {
        let used = Used { reserved: amount(0, 250_000), settled: amount(90, 1_000_000) };
        let exceeded = |scope, unit, limit, wanted| Exceeded { scope, unit, limit, used, wanted }.to_string();
        assert_eq!(
            exceeded(Scope::Run, Unit::Tokens, 100, Some(20)),
            "the run's budget of 100 tokens is too small for the next call: 90 tokens are used, 0 tokens are \
             held for unsettled calls, and it may use up to 20 tokens; raise it"
        );
        assert_eq!(
            exceeded(Scope::ProductDay, Unit::MicroDollars, 1_500_000, Some(500_000)),
            "the product's budget for this day of $1.500000 is too small for the next call: $1.000000 are \
             used, $0.250000 are held for unsettled calls, and it may use up to $0.500000; raise it"
        );
        assert_eq!(
            exceeded(Scope::Product, Unit::MicroDollars, 5, None),
            "the product's budget is $0.000005, and what a call costs is not known: set ASPORA_PRICES, or \
             lift this limit"
        );
    }

    proptest! {
        /// In any order, admitted calls that use no more than their estimate never exceed a limit.
        #[test]
        fn no_order_of_calls_goes_over_a_limit(
            limit in 0_u64..1_000,
            calls in proptest::collection::vec((0_u64..300, 0_u64..300, any::<bool>()), 1..40),
        ) {
            let mut used = Used::default();
            for (tokens, really, answers) in calls {
                let limits = Limits { tokens: Some(limit), micro_dollars: None };
                if admit(Scope::Run, limits, used, Estimate { tokens, micro_dollars: None }).is_err() {
                    prop_assert!(used.all().tokens + tokens > limit);
                    continue;
                }
                if answers {
                    used.settled.tokens += really.min(tokens);
                } else {
                    used.reserved.tokens += tokens;
                }
                prop_assert!(used.all().tokens <= limit);
            }
        }
    }
}
