//! Small pieces of the sentences that people read.

use std::fmt::Display;

/// A count with its noun: "1 attempt", "3 attempts".
#[must_use]
pub fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A span of time to two places: "5 s", "21 min 3 s", "2 h 0 min", "3 d 4 h".
#[must_use]
pub fn seconds_in_words(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// Names in a row: "api", "api and web", "api, docs and web"; nothing for none.
#[must_use]
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [rest @ .., last] => {
            let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}

/// The text without line breaks and control characters, which foreign text can hold and a line of a log must not.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let check = |count: i64, expected: &str| assert_eq!(counted(count, "check"), expected);
        check(0, "0 checks");
        check(1, "1 check");
        check(11, "11 checks");
    }

    #[test]
    fn names_are_listed_with_one_and() {
        let check = |names: &[&str], expected: &str| assert_eq!(listed(names), expected);
        check(&[], "");
        check(&["api"], "api");
        check(&["api", "web"], "api and web");
        check(&["api", "docs", "web"], "api, docs and web");
    }

    #[test]
    fn a_line_has_no_breaks_and_no_control_characters() {
        assert_eq!(one_line(" a\r\n  b\u{1b}[31m\0c "), "a b [31m c");
    }
}
