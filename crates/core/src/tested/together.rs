//! The tests of several products of one repository, as one value.

use super::{TestResult, Tested};

impl Tested {
    /// What the tests of several products came to together, each with its name: the first that could not run, else the
    /// first that failed, else the first with a demand that is not met counts for all; else all passed.
    #[must_use]
    pub fn together(mut parts: Vec<(String, Self)>) -> Option<Self> {
        if parts.len() < 2 {
            return parts.pop().map(|(_, tested)| tested);
        }
        let worst = [
            parts.iter().position(|(_, it)| it.result == TestResult::NotRun),
            parts.iter().position(|(_, it)| it.result == TestResult::Failed),
            parts.iter().position(|(_, it)| !it.is_clean()),
        ];
        if let Some(worst) = worst.into_iter().flatten().next() {
            let (name, tested) = parts.swap_remove(worst);
            return Some(tested.of_product(&name));
        }
        parts.into_iter().map(|(_, tested)| tested).reduce(Self::and)
    }

    fn of_product(mut self, name: &str) -> Self {
        if self.passed() {
            for demanded in self.demands.iter_mut().filter(|demanded| !demanded.is_met()) {
                demanded.why = format!("of product `{name}`: {}", demanded.why);
            }
        } else if self.why.is_empty() {
            self.why = format!("those of product `{name}`");
        } else {
            self.why = format!("of product `{name}`: {}", self.why);
        }
        self
    }

    /// Both, which passed.
    fn and(self, other: Self) -> Self {
        let join = |one: String, two: String| {
            if one.is_empty() || two.is_empty() { one + &two } else { one + "\n" + &two }
        };
        Self {
            command: self.command.into_iter().chain(other.command).collect(),
            runner: self.runner.filter(|runner| Some(*runner) == other.runner),
            counts: self.counts.and(other.counts),
            millis: self.millis.saturating_add(other.millis),
            log: join(self.log, other.log),
            demands: self.demands.into_iter().chain(other.demands).collect(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tested::{Demanded, Ended, Tested};

    fn part(name: &str, exit: i32) -> (String, Tested) {
        let ended = Ended { exit: Some(exit), timed_out: false, output: "", millis: 5 };
        (name.to_owned(), Tested::read(&[format!("test-{name}")], ended))
    }

    #[test]
    fn one_red_product_is_red_for_all_and_is_named() {
        assert_eq!(Tested::together(Vec::new()), None);
        assert_eq!(Tested::together(vec![part("api", 0)]), Some(part("api", 0).1));
        let both = Tested::together(vec![part("api", 0), part("web", 0)]).unwrap();
        assert!(both.is_clean());
        assert_eq!((both.command, both.millis), (vec!["test-api".to_owned(), "test-web".to_owned()], 10));
        let red = Tested::together(vec![part("api", 0), part("web", 1)]).unwrap();
        assert!(!red.passed() && red.sentence().contains("product `web`"), "{}", red.sentence());
        let gone = Tested::together(vec![part("api", 1), part("web", 127)]).unwrap();
        assert!(!gone.ran() && gone.sentence().contains("product `web`"), "{}", gone.sentence());
        let ended = Ended { exit: Some(1), timed_out: false, output: "", millis: 5 };
        let lint = Demanded::lint(&["lint".to_owned()], ended);
        let (name, tested) = part("web", 0);
        let red = vec![part("api", 0), (name, Tested { demands: vec![lint], ..tested })];
        let red = Tested::together(red).unwrap();
        assert!(!red.is_clean() && red.sentence().contains("lint: of product `web`"), "{}", red.sentence());
    }
}
