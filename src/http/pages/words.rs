//! How pages write events, durations, times, money and links.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::{
    api::{Fact, Summary},
    core::{policy::Tier, run},
    store::requirement::View,
};

/// An event in words, the same as in terminals.
pub(super) fn summary(event: &run::Event) -> Summary {
    Fact::from(event.clone()).summary()
}

/// A duration in at most two units: `340 ms`, `1.6 s`, `12 s`, `3 min 5 s`, `2 h 14 min`, `3 d 4 h`.
pub(super) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match seconds {
        0 => format!("{} ms", span.num_milliseconds().max(0)),
        1..10 => format!("{seconds}.{} s", span.subsec_nanos() / 100_000_000),
        10..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// How long ago, in the largest unit that fits: `just now`, `5 min ago`.
pub(super) fn ago(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    match seconds {
        ..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// How long ago, with the exact time in its title.
pub(super) fn moment(now: DateTime<Utc>, at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) title=(utc(at)) { (ago(now, at)) } }
}

/// The time of day in UTC, with the date in its title.
pub(super) fn clock(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) title=(utc(at)) { (at.format("%H:%M:%S%.3f")) } }
}

/// Date and time in UTC, to the millisecond.
pub(super) fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()
}

/// A sentence, with the text between backticks set as code.
pub(super) fn prose(sentence: &str) -> Markup {
    html! {
        @for (place, part) in sentence.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A tier as a badge.
pub(super) fn tier(tier: Tier) -> Markup {
    tier_word(tier.as_str())
}

/// A tier or a severity as a badge; any other word has no colour.
pub(super) fn tier_word(word: &str) -> Markup {
    let class = match word {
        "info" | "low" => "tier low",
        "medium" => "tier medium",
        "high" => "tier high",
        "critical" => "tier critical",
        _ => "tier",
    };
    html! { span class=(class) { (word) } }
}

/// The state of a run, or how it ended, as a badge.
pub(super) fn state(word: &str) -> Markup {
    let class = match word {
        "active" => "badge running",
        "waiting" | "paused" => "badge waiting",
        "succeeded" => "badge good",
        "failed" | "blocked" => "badge bad",
        _ => "badge",
    };
    html! { span class=(class) { (state_name(word)) } }
}

/// The state of a run, or how it ended, in the words of its sentence.
pub(super) fn state_name(word: &str) -> &str {
    if word == "blocked" { "needs a person" } else { word }
}

/// A place of a graph in words; the end at which a person is needed is called as everywhere else.
pub(super) fn place(name: &str) -> String {
    if name == "needs_human" { state_name("blocked").to_owned() } else { name.replace('_', " ") }
}

/// A view of the list in words.
pub(super) const fn view(view: View) -> &'static str {
    match view {
        View::NeedsMe => "Needs me",
        View::Mine => "Mine",
        View::Stuck => "Stuck",
        View::OverBudget => "Over budget",
        View::Waiting => "Waiting",
    }
}

/// For how long something has been so, with the exact beginning in its title.
pub(super) fn lasting(now: DateTime<Utc>, since: DateTime<Utc>) -> Markup {
    html! { time datetime=(since.to_rfc3339()) title={ "since " (utc(since)) } { (span(now - since)) } }
}

/// A commit's first seven digits, linked to the forge where the repository is known.
pub(super) fn commit(forge: &str, repository: &str, sha: &str) -> Markup {
    let short: String = sha.chars().take(7).collect();
    html! { a.sha href={ (forge) "/" (repository) "/commit/" (sha) } title=(sha) { (short) } }
}

/// A pull request's number, linked to the forge.
pub(super) fn pull(forge: &str, repository: &str, number: impl std::fmt::Display) -> Markup {
    html! { a href={ (forge) "/" (repository) "/pull/" (number) } { "#" (number) } }
}

/// A link to a foreign URL; anything but http and https stays text.
pub(super) fn link(url: &str, label: &str) -> Markup {
    let safe = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    html! {
        @if safe { a href=(url) rel="noreferrer" { (label) } } @else { span title=(url) { (label) } }
    }
}

/// Micro-dollars as dollars: `$0.1234`.
pub(super) fn dollars(micro: i64) -> String {
    format!("${}.{:04}", micro / 1_000_000, micro.rem_euclid(1_000_000) / 100)
}

/// A count with thousands separators: `12,345`.
pub(super) fn thousands(count: i64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digit.is_ascii_digit() && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_at_most_two_units() {
        let check = |ms: i64, expected: &str| assert_eq!(span(TimeDelta::milliseconds(ms)), expected);
        check(340, "340 ms");
        check(1_650, "1.6 s");
        check(12_900, "12 s");
        check(185_000, "3 min 5 s");
        check(3_600_000, "1 h");
        check(8_040_000, "2 h 14 min");
        check(273_600_000, "3 d 4 h");
        check(-5, "0 ms");
    }

    #[test]
    fn only_http_urls_become_links() {
        let check =
            |url: &str, is: bool| assert_eq!(link(url, "x").into_string().contains("href"), is, "{url}");
        check("https://github.com/a", true);
        check("javascript:alert(1)", false);
        check("data:text/html,x", false);
        check("not a link", false);
    }

    #[test]
    fn money_and_counts_are_formatted_for_people() {
        assert_eq!(dollars(1_234_567), "$1.2345");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(123), "123");
    }
}
