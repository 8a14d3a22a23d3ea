//! What the base's own checks say after a merge: which of them the merge broke. A check that fails on the merge commit and
//! had succeeded before is an incident; one that had failed before is not ours.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    policy::{CheckStatus, Conclusion, StatusState},
    words::listed,
};

/// For how long the base is watched after a merge, in minutes, where the product does not say.
pub const WATCH_MINUTES: u16 = 60;
/// The longest watch: a day.
pub const LONGEST_WATCH: u16 = 24 * 60;

/// What becomes of a merge that broke the base.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevertOnRed {
    /// People are notified, and nothing else.
    #[default]
    Off,
    /// People are asked whether it is reverted.
    Ask,
    /// A run that reverts it begins at once, and goes through the gate like any other.
    Open,
}

/// A text that names none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be `off`, `ask` or `open`")]
pub struct UnknownRevert;

/// How a check stands on a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It succeeded.
    Green,
    /// It failed.
    Red,
    /// It has not ended.
    Pending,
    /// It says nothing of the code: it was skipped, cancelled or given up.
    Silent,
}

/// A check of a commit, as the forge reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// Where people read more.
    pub url: Option<String>,
}

/// What a check of a merge commit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// It succeeds.
    Green,
    /// It has not ended.
    Pending,
    /// It fails, and had succeeded before.
    Broke,
    /// It had failed since the merge, and succeeds now on the same commit.
    GreenAgain,
    /// It fails, and had failed before.
    RedBefore,
    /// It fails, and the commit before is still being checked.
    Undecided,
    /// It fails, and had never run before.
    NeverRan,
    /// It says nothing.
    Silent,
}

/// A check of a merge commit, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it means.
    pub meaning: Meaning,
    /// Where people read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Since when it is green again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

/// How the base stands after a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseState {
    /// Checks are awaited.
    Watching,
    /// All checks that reported succeed.
    Green,
    /// A check broke.
    Red,
    /// A check broke, and is green again on the same commit.
    GreenAgain,
    /// What fails had failed before.
    RedBefore,
    /// The watch is over, and a check had not ended, or could not be held against the commit before.
    NotKnown,
    /// The watch is over, and no check has reported.
    NoData,
}

impl RevertOnRed {
    /// The name in tables and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Ask => "ask",
            Self::Open => "open",
        }
    }
}

impl std::str::FromStr for RevertOnRed {
    type Err = UnknownRevert;

    fn from_str(text: &str) -> Result<Self, UnknownRevert> {
        [Self::Off, Self::Ask, Self::Open].into_iter().find(|it| it.as_str() == text).ok_or(UnknownRevert)
    }
}

impl Standing {
    /// How a check run stands.
    #[must_use]
    pub const fn of_run(status: CheckStatus, conclusion: Option<Conclusion>) -> Self {
        match (status, conclusion) {
            (CheckStatus::Completed, Some(Conclusion::Success)) => Self::Green,
            (
                CheckStatus::Completed,
                Some(Conclusion::Failure | Conclusion::TimedOut | Conclusion::StartupFailure),
            ) => Self::Red,
            (CheckStatus::Completed, _) => Self::Silent,
            _ => Self::Pending,
        }
    }

    /// How a commit status stands.
    #[must_use]
    pub const fn of_status(state: StatusState) -> Self {
        match state {
            StatusState::Success => Self::Green,
            StatusState::Pending => Self::Pending,
            StatusState::Failure | StatusState::Error => Self::Red,
        }
    }

    /// How a check stands that several report by one name: one that fails outweighs all, then one that has not ended.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Red, _) | (_, Self::Red) => Self::Red,
            (Self::Pending, _) | (_, Self::Pending) => Self::Pending,
            (Self::Green, _) | (_, Self::Green) => Self::Green,
            (Self::Silent, Self::Silent) => Self::Silent,
        }
    }
}

/// The checks of a commit, one for each name, in the order of their names.
#[must_use]
pub fn by_name(all: impl IntoIterator<Item = Reported>) -> Vec<Reported> {
    let mut named: std::collections::BTreeMap<String, Reported> = std::collections::BTreeMap::new();
    for one in all {
        let Some(known) = named.get_mut(&one.name) else {
            named.insert(one.name.clone(), one);
            continue;
        };
        let both = known.standing.and(one.standing);
        // The page that is linked is that of the report which decides.
        if both != known.standing {
            known.url = one.url;
        }
        known.standing = both;
    }
    named.into_values().collect()
}

/// The names that fail.
pub fn red(checks: &[Reported]) -> impl Iterator<Item = &str> {
    checks.iter().filter(|check| check.standing == Standing::Red).map(|check| check.name.as_str())
}

/// How a check stood before: on the first of these commits on which it says anything. They begin with the merge commit's
/// first parent and end with the head of the pull request.
#[must_use]
pub fn stood(before: &[Vec<Reported>], name: &str) -> Option<Standing> {
    let of = |commit: &Vec<Reported>| commit.iter().find(|it| it.name == name).map(|it| it.standing);
    before.iter().filter_map(of).find(|standing| *standing != Standing::Silent)
}

/// What each check of the merge commit means. `known` is what the last look came to: what broke stays so while it is run
/// again, and is green again once it succeeds.
#[must_use]
pub fn assess(
    checks: &[Reported],
    before: &[Vec<Reported>],
    known: &[Check],
    now: DateTime<Utc>,
) -> Vec<Check> {
    let check = |it: &Reported| {
        let earlier = known.iter().find(|check| check.name == it.name);
        let had_broken =
            earlier.is_some_and(|check| matches!(check.meaning, Meaning::Broke | Meaning::GreenAgain));
        let meaning = match (it.standing, stood(before, &it.name)) {
            (Standing::Green, _) if had_broken => Meaning::GreenAgain,
            (Standing::Green, _) => Meaning::Green,
            (Standing::Pending | Standing::Silent, _) if had_broken => Meaning::Broke,
            (Standing::Pending, _) => Meaning::Pending,
            (Standing::Silent, _) => Meaning::Silent,
            (Standing::Red, _) if had_broken => Meaning::Broke,
            (Standing::Red, Some(Standing::Green)) => Meaning::Broke,
            (Standing::Red, Some(Standing::Red)) => Meaning::RedBefore,
            (Standing::Red, Some(Standing::Pending)) => Meaning::Undecided,
            (Standing::Red, Some(Standing::Silent) | None) => Meaning::NeverRan,
        };
        let was_again = earlier.filter(|check| check.meaning == Meaning::GreenAgain);
        let since =
            (meaning == Meaning::GreenAgain).then(|| was_again.and_then(|check| check.since).unwrap_or(now));
        Check { name: it.name.clone(), meaning, url: it.url.clone(), since }
    };
    let mut all: Vec<Check> = checks.iter().map(check).collect();
    // A report that is gone takes nothing back.
    let is_gone = |check: &&Check| {
        matches!(check.meaning, Meaning::Broke | Meaning::GreenAgain)
            && checks.iter().all(|it| it.name != check.name)
    };
    all.extend(known.iter().filter(is_gone).cloned());
    all
}

/// The names of the checks that mean this.
#[must_use]
pub fn named(checks: &[Check], meaning: Meaning) -> Vec<String> {
    checks.iter().filter(|check| check.meaning == meaning).map(|check| check.name.clone()).collect()
}

/// Whether an incident is to be recorded, or what was recorded of it is to be changed: another set of checks broke, or is
/// green again.
#[must_use]
pub fn has_news(before: &[Check], after: &[Check]) -> bool {
    [Meaning::Broke, Meaning::GreenAgain].iter().any(|it| named(before, *it) != named(after, *it))
}

/// How the base stands, while the watch lasts or once it is over.
#[must_use]
pub fn state(checks: &[Check], is_over: bool) -> BaseState {
    let has = |meaning: Meaning| checks.iter().any(|check| check.meaning == meaning);
    let is_open = has(Meaning::Pending) || has(Meaning::Undecided) || has(Meaning::NeverRan);
    let is_empty = checks.iter().all(|check| check.meaning == Meaning::Silent);
    match is_over {
        _ if has(Meaning::Broke) => BaseState::Red,
        _ if has(Meaning::GreenAgain) && !(is_over && is_open) => BaseState::GreenAgain,
        true if is_open => BaseState::NotKnown,
        true if is_empty => BaseState::NoData,
        false if is_open || is_empty => BaseState::Watching,
        _ if has(Meaning::RedBefore) => BaseState::RedBefore,
        _ => BaseState::Green,
    }
}

/// The state in a sentence, for the branch `base`.
#[must_use]
pub fn sentence(checks: &[Check], is_over: bool, base: &str) -> String {
    let names = |meaning: Meaning| quoted(&named(checks, meaning));
    match state(checks, is_over) {
        BaseState::Watching if checks.is_empty() => format!("no check has reported on {base} yet"),
        BaseState::Watching => format!("checks of {base} have not ended"),
        BaseState::Green => format!("the checks of {base} succeed"),
        BaseState::Red => broke(checks, base),
        BaseState::GreenAgain => {
            let since = checks.iter().filter_map(|check| check.since).max();
            let at = since.map(|at| at.format(" at %H:%M UTC").to_string()).unwrap_or_default();
            format!("{} failed on {base} after the merge, green again{at}", names(Meaning::GreenAgain))
        }
        BaseState::RedBefore => format!("{} fails on {base}, and was red before", names(Meaning::RedBefore)),
        BaseState::NotKnown => {
            let open = checks.iter().filter(|check| {
                matches!(check.meaning, Meaning::Pending | Meaning::Undecided | Meaning::NeverRan)
            });
            let open: Vec<String> = open.map(|check| check.name.clone()).collect();
            format!("not known: {} had not ended on {base}, or nothing is known of it before", quoted(&open))
        }
        BaseState::NoData => format!("no data: no check reported on {base} while it was watched"),
    }
}

/// What broke, in a sentence.
fn broke(checks: &[Check], base: &str) -> String {
    let again = named(checks, Meaning::GreenAgain);
    let again = if again.is_empty() { String::new() } else { format!("; {} is green again", quoted(&again)) };
    format!(
        "{} fails on {base} since this merge, and was green before{again}",
        quoted(&named(checks, Meaning::Broke))
    )
}

fn quoted(names: &[String]) -> String {
    listed(&names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>())
}

impl BaseState {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Green => "green",
            Self::Red => "red",
            Self::GreenAgain => "green_again",
            Self::RedBefore => "red_before",
            Self::NotKnown => "not_known",
            Self::NoData => "no_data",
        }
    }
}

impl Meaning {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Pending => "pending",
            Self::Broke => "broke",
            Self::GreenAgain => "green_again",
            Self::RedBefore => "red_before",
            Self::Undecided => "undecided",
            Self::NeverRan => "never_ran",
            Self::Silent => "silent",
        }
    }

    /// In words, beside the name of the check.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Pending => "has not ended",
            Self::Broke => "fails since this merge",
            Self::GreenAgain => "green again",
            Self::RedBefore => "was red before",
            Self::Undecided => "fails; the commit before is still being checked",
            Self::NeverRan => "fails; it never ran before",
            Self::Silent => "says nothing",
        }
    }
}

#[cfg(test)]
mod tests;
