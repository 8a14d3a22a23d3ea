//! Whether a product judges the pull requests that others open in its repository, and what several products of one
//! repository want of one together.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{policy::CHECK_DEADLINE_MINUTES, words::listed};

/// What becomes of a pull request that a person or another program opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judging {
    /// Nothing: it is none of our business. The default, because a judgement blocks people, and its review costs money.
    #[default]
    Off,
    /// It is judged, and nothing is said of it on the forge: what would have been done is recorded here.
    Shadow,
    /// It is judged, and the verdict is shown as a check and a comment.
    On,
}

/// What is no value of the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be `off`, `shadow` or `on`")]
pub struct UnknownJudging;

impl Judging {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Off, Self::Shadow, Self::On];

    /// The name in settings, tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::On => "on",
        }
    }
}

impl FromStr for Judging {
    type Err = UnknownJudging;

    fn from_str(text: &str) -> Result<Self, UnknownJudging> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(UnknownJudging)
    }
}

impl fmt::Display for Judging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a product wants of the pull requests of others, or what several products want together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Whether they are judged, and whether the forge shows that.
    pub judging: Judging,
    /// Whether we merge them once they are cleared, without a person asking.
    pub merges: bool,
    /// Whether the product's tests run here on their heads.
    pub tests: bool,
    /// After this many minutes without progress a check has failed; `None`: [`CHECK_DEADLINE_MINUTES`].
    pub check_deadline_minutes: Option<u32>,
    /// The app whose evidence counts, by slug or number; `None`: no app's.
    pub evidence_app: Option<String>,
}

impl Wanted {
    fn deadline(&self) -> u32 {
        self.check_deadline_minutes.unwrap_or(CHECK_DEADLINE_MINUTES)
    }
}

/// The strictest of what several products want of one pull request; a product that judges none takes no part.
///
/// It is shown if one has it shown, merged only if all have it merged, tested if one has it tested, and a check has the
/// shortest deadline. Where two name an app whose evidence counts, it must be one app: else none counts.
#[must_use]
pub fn strictest<'a>(all: impl IntoIterator<Item = &'a Wanted>) -> Wanted {
    let all: Vec<&Wanted> = all.into_iter().filter(|it| it.judging != Judging::Off).collect();
    let is_deadline_set = all.iter().any(|it| it.check_deadline_minutes.is_some());
    Wanted {
        judging: all.iter().map(|it| it.judging).max().unwrap_or_default(),
        merges: !all.is_empty() && all.iter().all(|it| it.merges),
        tests: all.iter().any(|it| it.tests),
        check_deadline_minutes: all.iter().map(|it| it.deadline()).min().filter(|_| is_deadline_set),
        evidence_app: evidence_app(&all),
    }
}

/// The one app that all name that name one.
fn evidence_app(all: &[&Wanted]) -> Option<String> {
    let mut apps = all.iter().filter_map(|it| it.evidence_app.as_deref());
    let first = apps.next()?;
    apps.all(|app| app == first).then(|| first.to_owned())
}

/// Where products that judge a pull request together differ: which of them makes it stricter, and in what.
#[must_use]
pub fn because(all: &[(&str, Wanted)]) -> Vec<String> {
    let all: Vec<&(&str, Wanted)> = all.iter().filter(|(_, it)| it.judging != Judging::Off).collect();
    let wanted = strictest(all.iter().map(|(_, it)| it));
    // Those that have it as all have it together, if others have not.
    let by = |is_so: &dyn Fn(&Wanted) -> bool| {
        let names: Vec<&str> = all.iter().filter(|(_, it)| is_so(it)).map(|(name, _)| *name).collect();
        (!names.is_empty() && names.len() < all.len()).then(|| listed(&names))
    };
    let deadline = wanted.deadline();
    let apps: Vec<&str> =
        all.iter().filter(|(_, it)| it.evidence_app.is_some()).map(|(name, _)| *name).collect();
    let is_disputed = wanted.evidence_app.is_none() && !apps.is_empty();
    [
        by(&|it| it.judging == wanted.judging).map(|names| format!("shown on the forge, by {names}")),
        by(&|it| !it.merges).map(|names| format!("not merged by us without a request, by {names}")),
        by(&|it| it.tests).map(|names| format!("tested here, by {names}")),
        by(&|it| it.deadline() == deadline)
            .map(|names| format!("a check has failed after {deadline} minutes, by {names}")),
        is_disputed.then(|| format!("no app's evidence counts: {} name different apps", listed(&apps))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that judges so, with `m`erges and `t`ests, a deadline in minutes (0: unset) and an app.
    fn wanted(judging: Judging, marks: &str, deadline: u32, app: &str) -> Wanted {
        Wanted {
            judging,
            merges: marks.contains('m'),
            tests: marks.contains('t'),
            check_deadline_minutes: Some(deadline).filter(|it| *it > 0),
            evidence_app: Some(app.to_owned()).filter(|it| !it.is_empty()),
        }
    }

    /// Products that differ in everything.
    fn various() -> Vec<Wanted> {
        let mut all = Vec::new();
        for judging in Judging::ALL {
            for (marks, deadline, app) in [("", 0, ""), ("m", 30, "ci"), ("t", 90, "ci"), ("mt", 10, "qa")] {
                all.push(wanted(judging, marks, deadline, app));
            }
        }
        all
    }

    #[test]
    fn together_is_the_strictest_of_each_part() {
        use Judging::{Off, On, Shadow};
        let check = |all: &[Wanted], expected: Wanted| assert_eq!(strictest(all), expected, "{all:?}");
        check(&[], Wanted::default());
        check(&[wanted(Off, "mt", 5, "ci")], Wanted::default());
        check(&[wanted(Off, "t", 5, "qa"), wanted(Shadow, "", 0, "")], wanted(Shadow, "", 0, ""));
        check(&[wanted(Shadow, "", 0, ""), wanted(On, "", 0, "")], wanted(On, "", 0, ""));
        check(&[wanted(On, "m", 0, ""), wanted(On, "", 0, "")], wanted(On, "", 0, ""));
        check(&[wanted(On, "m", 0, ""), wanted(On, "m", 0, "")], wanted(On, "m", 0, ""));
        check(&[wanted(On, "t", 0, ""), wanted(Shadow, "", 0, "")], wanted(On, "t", 0, ""));
        check(&[wanted(On, "", 90, ""), wanted(On, "", 30, "")], wanted(On, "", 30, ""));
        check(&[wanted(On, "", 90, ""), wanted(On, "", 0, "")], wanted(On, "", 60, ""));
        check(&[wanted(On, "", 0, "ci"), wanted(On, "", 0, "")], wanted(On, "", 0, "ci"));
        check(&[wanted(On, "", 0, "ci"), wanted(On, "", 0, "qa")], wanted(On, "", 0, ""));
    }

    #[test]
    fn one_product_alone_that_judges_has_its_own_settings() {
        for alone in various().into_iter().filter(|it| it.judging != Judging::Off) {
            assert_eq!(strictest([&alone]), alone);
        }
    }

    #[test]
    fn neither_order_nor_repetition_matters_and_no_product_loosens_another() {
        let all = various();
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            let both = strictest([a, b]);
            assert_eq!(both, strictest([b, a]), "order");
            assert_eq!(both, strictest([a, b, a, b]), "repetition");
            assert_eq!(strictest([&both]), both, "once more");
            let own = strictest([a]);
            assert!(both.judging >= own.judging && both.tests >= own.tests, "{a:?} and {b:?}");
            assert!(own.judging == Judging::Off || both.merges <= own.merges, "{a:?} and {b:?}");
            assert!(own.judging == Judging::Off || both.deadline() <= own.deadline(), "{a:?} and {b:?}");
        }
    }

    #[test]
    fn people_read_which_product_is_the_strictest_and_in_what() {
        use Judging::{Off, On, Shadow};
        let check = |all: &[(&str, Wanted)], expected: &[&str]| assert_eq!(because(all), expected);
        check(&[("api", wanted(On, "mt", 5, "ci"))], &[]);
        check(&[("api", wanted(On, "t", 5, "")), ("web", wanted(On, "t", 5, ""))], &[]);
        check(&[("api", wanted(Off, "", 0, "")), ("web", wanted(On, "t", 5, ""))], &[]);
        check(
            &[("api", wanted(Shadow, "m", 0, "ci")), ("web", wanted(On, "t", 90, "qa"))],
            &[
                "shown on the forge, by web",
                "not merged by us without a request, by web",
                "tested here, by web",
                "a check has failed after 60 minutes, by api",
                "no app's evidence counts: api and web name different apps",
            ],
        );
    }

    #[test]
    fn a_value_reads_back_and_nothing_else_is_one() {
        for value in Judging::ALL {
            assert_eq!(value.to_string().parse(), Ok(value));
            assert_eq!(serde_json::to_value(value).unwrap(), value.as_str());
        }
        for wrong in ["", "On", "yes", "shadow "] {
            assert_eq!(wrong.parse::<Judging>(), Err(UnknownJudging), "{wrong}");
        }
        assert_eq!(Judging::default(), Judging::Off);
    }
}
