//! The output of tests as plain text.

/// How many lines of the output are kept, from its end.
pub const LINES_KEPT: usize = 200;
/// How many bytes of them are kept, from their end.
const BYTES_KEPT: usize = 30_000;
/// How many bytes of one line are kept.
const LINE_BYTES: usize = 2_000;
/// How many lines of what comes before are kept, and how many bytes: those that say what failed, each with some after it.
const FAILED_LINES: usize = 60;
const FAILED_BYTES: usize = 10_000;
const AFTER_FAILED: usize = 12;
/// How a line begins that says what failed, and what else is in one.
const FAILED_BEGINS: [&str; 9] =
    ["not ok ", "FAIL ", "FAIL: ", "ERROR: ", "FAILED ", "--- FAIL", "✖ ", "● ", "E   "];
const FAILED_HAS: [&str; 3] = ["panicked at ", "AssertionError", " ... FAILED"];
/// How an escape character is written where control characters were escaped before.
const ESCAPED: &str = "\\u{1b}";
/// The same for a carriage return.
const RETURN: &str = "\\u{d}";

/// Text without colours, other escape sequences and control characters. What was escaped before is known too.
#[must_use]
pub fn plain(output: &str) -> String {
    let output = output.replace(ESCAPED, "\u{1b}").replace(RETURN, "\r");
    let mut plain = String::with_capacity(output.len());
    let mut rest = output.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.peek() {
                Some('[') => {
                    rest.next();
                    // Parameters, then one final byte.
                    while rest.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
                    rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
                }
                Some(']') => {
                    while rest.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\n')).is_some() {}
                    rest.next_if_eq(&'\u{7}');
                }
                _ => {
                    rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
                }
            },
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' => plain.push('\n'),
            '\n' | '\t' => plain.push(c),
            _ if c.is_control() => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// The end of a plain text, and before it what the rest says of failures: a runner that names each case may name the one
/// that failed long before its summary.
pub(super) fn kept(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let mut kept: Vec<String> = Vec::new();
    let mut bytes = 0;
    for line in lines.iter().rev().take(LINES_KEPT) {
        let line = short(line);
        bytes += line.len() + 1;
        if bytes > BYTES_KEPT {
            break;
        }
        kept.push(line);
    }
    let cut = lines.len() - kept.len();
    if cut > 0 {
        kept.push(format!("[{cut} lines before this were cut]"));
    }
    kept.reverse();
    let failed = failed(&lines[..cut]);
    if !failed.is_empty() {
        return format!(
            "[of the lines that were cut, these say what failed]\n{}\n{}",
            failed.join("\n"),
            kept.join("\n")
        );
    }
    kept.join("\n")
}

/// The first lines that say what failed, each with those after it.
fn failed(lines: &[&str]) -> Vec<String> {
    let says = |line: &str| {
        let line = line.trim_start();
        FAILED_BEGINS.iter().any(|begin| line.starts_with(begin))
            || FAILED_HAS.iter().any(|part| line.contains(part))
    };
    let (mut found, mut until, mut bytes) = (Vec::new(), 0, 0);
    for (at, line) in lines.iter().enumerate() {
        if says(line) {
            until = at + 1 + AFTER_FAILED;
        }
        if at < until {
            let line = short(line);
            bytes += line.len() + 1;
            if found.len() == FAILED_LINES || bytes > FAILED_BYTES {
                break;
            }
            found.push(line);
        }
    }
    found
}

fn short(line: &str) -> String {
    match line.len() > LINE_BYTES {
        true => format!("{}…", &line[..line.floor_char_boundary(LINE_BYTES)]),
        false => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, expected: &str) {
        assert_eq!(plain(output), expected, "{output:?}");
    }

    #[test]
    fn colours_and_control_characters_go_and_words_stay() {
        check("\u{1b}[31m1 failed\u{1b}[0m\n", "1 failed\n");
        check("\\u{1b}[1;31m1 failed\\u{1b}[0m\\u{d}\n", "1 failed\n");
        check("\u{1b}]8;;https://x.example\u{7}name\u{1b}]8;;\u{7}", "name");
        check("10 %\r20 %\ra\tb\u{8}\u{7f}", "10 %\n20 %\na\tb");
        check("größe ✔", "größe ✔");
        check("\u{1b}", "");
    }

    #[test]
    fn the_end_is_kept_and_a_cut_is_said() {
        assert_eq!(kept("a\nb\n\n"), "a\nb");
        let many: String = (0..300).map(|line| format!("line {line}\n")).collect();
        let end = kept(&many);
        assert!(end.starts_with("[100 lines before this were cut]\nline 100\n"), "{end}");
        assert!(end.ends_with("line 299"));
        let wide = format!("{}\nend", "ä".repeat(40_000));
        let end = kept(&wide);
        assert!(end.len() < 2_100 && end.ends_with("…\nend"), "{}", end.len());
    }

    #[test]
    fn what_failed_long_before_the_end_is_kept() {
        let mut lines: Vec<String> = (0..500).map(|line| format!("ok {line}")).collect();
        lines[40] = "not ok 40 adds".to_owned();
        lines[41] = "  expected: 3".to_owned();
        let kept = kept(&lines.join("\n"));
        let begin =
            "[of the lines that were cut, these say what failed]\nnot ok 40 adds\n  expected: 3\nok 42\n";
        assert!(kept.starts_with(begin), "{kept}");
        assert!(kept.contains("\nok 52\n[300 lines before this were cut]\nok 300\n"), "{kept}");
        let all: String = "not ok 1\n".repeat(5_000);
        assert_eq!(super::kept(&all).lines().count(), 1 + FAILED_LINES + 1 + LINES_KEPT);
    }
}
